// The time of day: the port's offset to its clock, and what was added by those who set it.
//
// Who waits for a time of day watches the queue before it looks what time it is; who sets the time
// does so before it wakes the queue. So nobody sleeps by a time that is not any more.
//
// Sums are modulo 2^64: the offset of a clock that was set to soon after 1970 is negative.

#include "kernel/sched/wall.h"

#include "base/status.h"
#include "kernel/arch/arch.h"

static struct {
    u64 added; // atomic: to the port's offset
    struct wait_queue queue;
} wall = {
    .queue =
        {
            .lock = {.rank = LOCK_WAIT_QUEUE, .name = "time of day"},
            .waiters = {&wall.queue.waiters, &wall.queue.waiters},
            .watches = {&wall.queue.watches, &wall.queue.watches},
        },
};

u64 wall_now_ns(void) {
    return arch_wall_offset_ns() + __atomic_load_n(&wall.added, __ATOMIC_RELAXED) + arch_clock_ns();
}

enum status wall_set(u64 now_ns) {
    if (now_ns > WALL_LAST_NS)
        return ERR_INVALID;
    u64 added = now_ns - arch_wall_offset_ns() - arch_clock_ns();
    __atomic_store_n(&wall.added, added, __ATOMIC_RELAXED); // the queue's lock publishes it
    wake_all(&wall.queue);
    return OK;
}

struct wait_queue *wall_queue(void) {
    return &wall.queue;
}
