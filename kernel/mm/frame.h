#pragma once
// Page frames: a buddy allocator over the machine's free RAM, in two zones between which whole
// blocks move when one runs short (a block can go to ZONE_KERNEL only from below the port's
// kernel_zone_limit). Blocks are 2^order frames, aligned to their size. Any context but NMI.

#include "kernel/arch/arch.h"

#define FRAME_ORDER_MAX 10 // 4 MiB

// Takes over the free ranges of `boot`, which do not overlap. Its own bookkeeping comes from the
// first range that fits.
MUST_USE enum status frame_init(const struct boot_info *boot);

// What a frame is for, which matters when there are few.
enum frame_need : u8 {
    FRAME_USUAL,    // anything that can be refused
    FRAME_PROMISED, // of the programs' zone: it was promised (frame_promise). Of the kernel's: a
                    // page table that a service needs to go on
};

// Contents are undefined. ERR_NO_MEMORY when no block of the order is left: programs take from the
// kernel's zone too, but for the last blocks, and the kernel takes from the programs'. Of either
// zone something is left to services, see below.
MUST_USE enum status frame_alloc_for(enum frame_need need, enum zone zone, u32 order,
                                     struct phys_addr *out);

MUST_USE static inline enum status frame_alloc(enum zone zone, u32 order, struct phys_addr *out) {
    return frame_alloc_for(FRAME_USUAL, zone, order, out);
}

// Frees a block. Any aligned part of an allocated block can be freed on its own. Freeing a frame
// that is not allocated stops the machine.
void frame_free(struct phys_addr frame, u32 order);

// The same for `pages` contiguous frames, which need not be a power of two; aligned to a page.
MUST_USE enum status frame_alloc_run_for(enum frame_need need, enum zone zone, u64 pages,
                                         struct phys_addr *out);

MUST_USE static inline enum status frame_alloc_run(enum zone zone, u64 pages,
                                                   struct phys_addr *out) {
    return frame_alloc_run_for(FRAME_USUAL, zone, pages, out);
}

void frame_free_run(struct phys_addr frame, u64 pages);

// A run of ZONE_KERNEL, zeroed.
MUST_USE enum status frame_alloc_kernel_zeroed(enum frame_need need, u64 pages,
                                               struct phys_addr *out);

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

// -- When memory is short ----------------------------------------------------------------------
// Frames that are promised, and beyond them a small reserve, are given to services only: so others
// who take all there is bring none of them down. Promises are for the programs' zone.

// `is_service` says whether the running thread is a service's, or the kernel's own; it takes no
// locks. Until it is known everybody is.
void frame_reserve_set_services(bool (*is_service)(void));

// Whether the running thread may use the reserve.
bool frame_reserve_is_ours(void);

// So many frames will be there for frame_alloc_for(FRAME_PROMISED), whatever others take. For one
// that starts, from the reserve too. ERR_NO_MEMORY: there are not so many beyond what is promised
// already.
enum frame_promise : u8 { PROMISE_TO_GROW, PROMISE_TO_START };
MUST_USE enum status frame_promise(u64 frames, enum frame_promise promise);

// So many of them have been taken, or are not needed.
void frame_promise_end(u64 frames);
u64 frame_promised(void);

// Whether programs can still be granted memory that they take later, or is so little left that they
// would run out while they use what they have.
bool frame_can_grant(void);

// Tests: the n-th allocation or promise from now on fails, once (0: never).
void frame_fail_nth(u64 n);
