#pragma once
// Where the linker script put the parts of the kernel image, and what boot.S left.

#include "base/types.h"

extern u8 kernel_start[], kernel_end[];
extern u8 text_start[], text_end[];
extern u8 rodata_start[], rodata_end[];
extern u8 data_start[];
extern u8 boot_stack_guard[], boot_stack_top[];

// The TSC when the kernel was entered (boot.S).
extern const u64 boot_entry_tsc;

struct fixup {
    u64 start;
    u64 end;
    u64 resume;
};
extern const struct fixup fixups_start[], fixups_end[];
