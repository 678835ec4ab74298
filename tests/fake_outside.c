// What the fake machine has to the outside: a console on standard error, no link, nobody who wants
// symbols. Weak is what tests may have of their own.

#include <stdio.h>
#include <stdlib.h>

#include "kernel/arch/arch.h"

[[gnu::weak]] bool arch_console_write(const char *text, usize len) {
    fwrite(text, 1, len, stderr);
    return true;
}

[[gnu::weak]] bool arch_console_is_lent(void) {
    return false;
}

[[gnu::weak]] bool arch_console_read(u8 *) {
    return false;
}

[[gnu::weak]] bool arch_console_ended(void) {
    return false;
}

void arch_console_size(u32 *columns, u32 *rows) {
    *columns = 0;
    *rows = 0;
}

[[noreturn]] void arch_power_off(u32 status) {
    exit((int)status);
}

[[noreturn]] void arch_halt(void) {
    abort();
}

u64 arch_frame_address(void) {
    return (u64)(uptr)__builtin_frame_address(0);
}

void arch_backtrace_print(u64) {
}

bool arch_symbols_wanted(void) {
    return false;
}

void arch_symbols_publish(const struct arch_symbol *, u32) {
}

void arch_symbols_withdraw(u64, u64) {
}

[[gnu::weak]] bool arch_link_present(void) {
    return false;
}

[[gnu::weak]] usize arch_link_write(const void *, usize) {
    return 0;
}

[[gnu::weak]] bool arch_link_is_sent(void) {
    return true;
}

[[gnu::weak]] usize arch_link_read(void *, usize) {
    return 0;
}
