#pragma once
// A machine for unit tests of the kernel: kernel/arch/arch.h on ordinary memory, with every rule of
// that contract asserted. One CPU, nothing runs by itself.
//
//   RAM      one block of host memory; physical addresses are offsets in it. A byte can be touched
//            only while its frame is in the kernel's zone or shown by a window (under ASan).
//   Mapping  page tables in frames from upcall_frame_alloc, so that running out of them happens.
//            Program addresses are no host addresses: the arch_copy functions walk the tables, and
//            call upcall_fault for a page that is missing. The heap's region is host memory that
//            shows the RAM behind it.
//
// The upcalls that are defined here are weak: the kernel's own win when they are linked.

#include "kernel/arch/arch.h"
#include "tests/fake_assert.h"

#define FAKE_TICK_NS 1000u // what reading the ticks takes

struct fake_machine {
    struct phys_range free[BOOT_RANGES_MAX]; // up to the first one of 0 bytes
    u64 kernel_zone_limit;                   // 0: all RAM
};

// Forgets everything and makes a new machine. Interrupts are off, as at the entry of kernel_main.
// Returns what the port would hand to kernel_main; valid until the next call.
const struct boot_info *fake_machine_start(const struct fake_machine *machine);

// A machine with `bytes` of RAM from 1 MiB up, its frames and heap initialised, interrupts on.
void fake_machine_start_simple(u64 bytes);

void fake_clock_set(u64 now_ns);

// Which CPU runs, 0 at first, and how often others have woken one: nothing else of them is there.
void fake_cpu_set(u32 cpu);
u32 fake_cpu_woken(u32 cpu);

// The same, and each CPU has its own current thread, address space and interrupts: as they were
// when it ran last; off at first.
void fake_cpu_continue(u32 cpu);

// Calls `hook` (NULL: nothing) whenever interrupts have just been turned on, where one that waited
// would come, and when they are about to be turned off.
void fake_irq_hook_set(void (*hook)(void));

// The n-th arch_map from now on fails, once (0: none does).
void fake_map_fail_nth(u64 n);

// Pages mapped in all regions, and with these rights at `va`; 0: not mapped.
u64 fake_mapped_pages(void);
u32 fake_rights(struct virt_addr va);

// Calls `act` once, when windows were open and none is any more: what another CPU does meanwhile.
void fake_at_window_close(void (*act)(void *context), void *context);

// Lets the running code be in `as`.
void fake_aspace_enter(struct arch_aspace *as);

// Page table frames in use.
u64 fake_table_frames(void);

// The bytes behind one mapped page, whatever its rights: for looking and for planting contents.
// Valid until the next change of the mapping or window.
u8 *fake_page(struct virt_addr va);

// Whether the frame is in the kernel's mapping.
bool fake_kernel_mapped(struct phys_addr frame);

// Deterministic pseudo-random numbers for test sequences.
u64 fake_random(u64 *state);
