// No profiler and no debugger on bare metal asks for compiled functions.

#include "kernel/arch/arch.h"

bool arch_symbols_wanted(void) {
    return false;
}

void arch_symbols_publish(const struct arch_symbol *symbols, u32 count) {
    (void)symbols;
    (void)count;
}

void arch_symbols_withdraw(u64 start, u64 bytes) {
    (void)start;
    (void)bytes;
}
