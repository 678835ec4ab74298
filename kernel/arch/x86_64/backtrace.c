// Backtraces: the chain of frame pointers, with names from the symbol table that tools/ksyms.py
// makes out of the first link of the kernel.

#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/image.h"
#include "kernel/arch/x86_64/paging.h"

#define DEPTH_MAX 64u

// Sorted by offset. The first link has no table: then the weak references are NULL.
struct symbol {
    u32 offset; // from text_start
    u32 name;   // offset into symbol_names
};
extern const struct symbol symbol_table[] __attribute__((weak));
extern const u32 symbol_count __attribute__((weak));
extern const char symbol_names[] __attribute__((weak));

static const struct symbol *symbol_find(u64 address) {
    bool in_text = address >= (uptr)text_start && address < (uptr)text_end;
    if (&symbol_count == NULL || symbol_count == 0 || !in_text)
        return NULL;
    u64 offset = address - (uptr)text_start;
    u32 low = 0;
    u32 high = symbol_count;
    while (high - low > 1) {
        u32 middle = low + (high - low) / 2;
        if (symbol_table[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return symbol_table[low].offset <= offset ? &symbol_table[low] : NULL;
}

static void print_address(u64 address) {
    // A return address may lie behind the last instruction of its function: look one byte earlier.
    const struct symbol *symbol = symbol_find(address - 1);
    if (symbol == NULL)
        console_print("  0x%016lx\n", address);
    else
        console_print("  0x%016lx %s+0x%lx\n", address, symbol_names + symbol->name,
                      address - (uptr)text_start - symbol->offset);
}

void arch_backtrace_print(u64 fp) {
    for (u32 depth = 0; depth < DEPTH_MAX; depth++) {
        // The chain may be what is broken: nothing is read that is not mapped.
        if (fp == 0 || fp % 8 != 0 || !paging_is_mapped(fp) || !paging_is_mapped(fp + 8))
            return;
        const u64 *frame = (const u64 *)fp;
        if (frame[1] == 0)
            return;
        print_address(frame[1]);
        fp = frame[0];
    }
    console_print("  ...\n");
}

u64 arch_frame_address(void) {
    const u64 *own = __builtin_frame_address(0);
    return *own;
}
