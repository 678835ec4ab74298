#pragma once
// Page frames: a buddy allocator over the machine's free RAM, in two zones between which whole
// blocks move when one runs short (a block can go to ZONE_KERNEL only from below the port's
// kernel_zone_limit). Blocks are 2^order frames, aligned to their size. Any context but NMI.

#include "kernel/arch/arch.h"

#define FRAME_ORDER_MAX 10 // 4 MiB

// Takes over the free ranges of `boot`, which do not overlap. Its own bookkeeping comes from the
// first range that fits.
MUST_USE enum status frame_init(const struct boot_info *boot);

// Contents are undefined. ERR_NO_MEMORY when no block of the order is left: programs take from the
// kernel's zone too, except for a small reserve, and the kernel takes from the programs'.
MUST_USE enum status frame_alloc(enum zone zone, u32 order, struct phys_addr *out);

// Frees a block. Any aligned part of an allocated block can be freed on its own. Freeing a frame
// that is not allocated stops the machine.
void frame_free(struct phys_addr frame, u32 order);

// The same for `pages` contiguous frames, which need not be a power of two; aligned to a page.
MUST_USE enum status frame_alloc_run(enum zone zone, u64 pages, struct phys_addr *out);
void frame_free_run(struct phys_addr frame, u64 pages);

// A run of ZONE_KERNEL, zeroed.
MUST_USE enum status frame_alloc_kernel_zeroed(u64 pages, struct phys_addr *out);

struct frame_stats {
    u64 total[ZONE_COUNT]; // frames
    u64 free[ZONE_COUNT];
};
void frame_stats(struct frame_stats *out);

// What a CPU has done, in frames, since the start. What one took another may free; the sum over all
// CPUs of taken - freed is what is not free.
struct frame_cpu_stats {
    u64 taken;
    u64 freed;
    u64 kept; // free, and at hand for this CPU
};
void frame_cpu_stats(u32 cpu, struct frame_cpu_stats *out);

// Asserts every invariant, with the CPUs' magazines emptied; O(frames), under the lock. Others may
// allocate and free meanwhile.
void frame_check(void);

// Debug builds know in which address space a frame is mapped as its own: `owner` is a number that
// is not 0, and a frame that has just been allocated has none. The frames are the caller's.
void frame_set_owner(struct phys_addr frame, u64 pages, u32 owner);

// Asserts that a frame in use has that owner, and is not mapped for everybody.
void frame_check_owner(struct phys_addr frame, u32 owner);

// Tests: the n-th allocation from now on fails, once (0: never).
void frame_fail_nth(u64 n);
