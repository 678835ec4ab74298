#pragma once
// Lending priority: who waits for another thread's work lends it its own priority meanwhile, so
// that nobody in between keeps both from running. A lender lends to one thread, and that borrows
// from one; along a chain (a client calls a server that calls another) each lends what it has at
// the time.
//
// Nothing is lent among equals, so most waits cost a comparison.

#include "kernel/sched/thread.h"

// `to` works for `from`, which waits and lends to nobody else, or is to work for it next. Only the
// highest of several lenders counts. Any context; a wait queue's lock may be held.
void priority_lend(struct thread *from, struct thread *to);

// The end of that: what `from` lent, or what `to` borrowed. Nothing happens when there is nothing.
void priority_take_back(struct thread *from);
void priority_give_back(struct thread *to);

static inline bool priority_is_above(const struct thread *a, const struct thread *b) {
    return __atomic_load_n(&a->priority, __ATOMIC_RELAXED) >
           __atomic_load_n(&b->priority, __ATOMIC_RELAXED);
}

// A look without the lock: what a thread lends or borrows for a call does not change unnoticed
// while the lock that the call is under is held.
static inline bool priority_is_lent(const struct thread *from) {
    return __atomic_load_n(&from->borrower, __ATOMIC_RELAXED) != NULL;
}

static inline bool priority_is_borrowed(const struct thread *to) {
    return __atomic_load_n(&to->lender, __ATOMIC_RELAXED) != NULL;
}
