#pragma once
// A queue of deadlines: a pairing heap whose nodes live in the objects that wait for them. Adding
// and looking at the earliest are O(1), removing is O(log n) amortised. No locks, no allocation.

#include "base/types.h"

struct timer {
    u64 at_ns;
    bool is_armed;

    // Of the heap:
    struct timer *child; // the first of its children, all of them not earlier
    struct timer *next;  // sibling
    struct timer *prev;  // sibling, or the parent of a first child
};

struct timer_queue {
    struct timer *first; // the earliest, or NULL
};

// The timer is not armed.
void timer_add(struct timer_queue *queue, struct timer *timer, u64 at_ns);

// The timer is armed, in this queue.
void timer_remove(struct timer_queue *queue, struct timer *timer);

// When the earliest is due, or UINT64_MAX.
u64 timer_next_ns(const struct timer_queue *queue);

// Takes out and returns the earliest if it is due at `now_ns`, or NULL.
struct timer *timer_pop_due(struct timer_queue *queue, u64 now_ns);

void timer_check(const struct timer_queue *queue);
