#pragma once
// The start of the machine: what the boot code's files offer each other.

#include "base/status.h"
#include "base/string.h"
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/ranges.h"

// -- Messages (console.c) -------------------------------------------------------------------------

void console_print(const char *format, ...) PRINTF_LIKE(1, 2);

// Ends the start of the machine: a message that says what is wrong, and a halt.
[[noreturn]] void boot_fail(const char *format, ...) PRINTF_LIKE(1, 2);

// -- Physical memory before paging_init (boot_phys.c) ---------------------------------------------

// The bytes [phys, phys + len) of the first 4 GiB, or NULL when they do not lie there. Boot loader
// and firmware say where their data is; nobody knows whether it is true. Not after paging_init.
const void *boot_phys(u64 phys, u64 len);

// -- Power (power.c) ------------------------------------------------------------------------------

void power_init(void); // maps what switching off takes; after paging_init

// -- What the boot loader said (multiboot2.c, pvh.c, boot_info.c) ---------------------------------

struct boot_module {
    u64 phys;
    u64 bytes;
};

struct boot_data {
    struct boot_info info;
    struct range_set ram;      // usable RAM less what is in use
    struct range_set reserved; // what the memory map lists as anything but usable
    bool has_memory_map;
    struct framebuffer_info framebuffer;
    u64 rsdp_phys; // 0: not told
    u32 module_count;
    struct boot_module modules[BOOT_MODULES_MAX];
};

// Fill in what they find; ERR_MALFORMED when it is not what it should be.
MUST_USE enum status multiboot2_parse(u64 info_phys, struct boot_data *data);
MUST_USE enum status pvh_parse(u64 info_phys, struct boot_data *data);

// One entry of a firmware memory map, E820 types.
void boot_memory_add(struct boot_data *data, u64 start, u64 bytes, u32 type);
void boot_module_add(struct boot_data *data, u64 start, u64 end);

// Copies a command line or a name, bounded; `len` bytes at most, up to a NUL.
void boot_text_copy(char *to, usize size, const char *from, usize len);

// Takes `seed=HEX` out of the command line into info.seed, and applies `mem=BYTES`.
void boot_command_line_apply(struct boot_data *data);

// Turns a framebuffer that cannot be as it is described into none.
void boot_framebuffer_check(struct framebuffer_info *info);
