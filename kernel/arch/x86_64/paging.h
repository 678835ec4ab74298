#pragma once
// The kernel's page tables.

#include "kernel/arch/x86_64/early.h"

// Builds the final tables and switches to them: the image with the rights of each part, RAM of the
// kernel's zone, boot modules, and this CPU's windows. Tables come out of `data->ram`. Afterwards
// boot_phys is over and mmio_map works; `data->info` has its modules and free ranges.
void paging_init(struct boot_data *data, u64 load_distance);

// From now on tables come from upcall_frame_alloc.
void paging_early_end(void);

// Whether `address` can be read: for walks along chains that may be broken.
bool paging_is_mapped(u64 address);

// The page table entry for `address`, with tables; NULL when there is no memory for them.
u64 *paging_entry_create(u64 address);

// The entry that maps the frame at `phys` writable and not executable.
u64 paging_entry_of(u64 phys);

// Makes `as` the one that this CPU is in, but for loading what is returned into CR3 at once.
// Interrupts off.
u64 aspace_enter(struct arch_aspace *as);

// Under which PCID this CPU keeps what it remembers of an address space; PCIDS: under none.
u32 aspace_pcid(const struct arch_aspace *as);

// Windows of a CPU (windows.c). False when there is no memory for their tables.
struct cpu;
MUST_USE bool windows_init(struct cpu *cpu);
