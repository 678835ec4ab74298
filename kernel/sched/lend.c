// Lending priority; see lend.h.
//
// Invariants, under the one lock:
//   1. a->borrower == b exactly when b->lender == a;
//   2. a thread's priority is its own, or its lender's if that is higher.
//
// What is lent changes while it is lent only further up the chain; then everybody further down is
// told. A chain has no ring: each waits for the next one.
//
// A thread has one lender, the highest of those that came: another one's loan ends then, and does
// not come again. There are three priorities, and the next call that the thread receives is lent
// for anew.
//
// Locks: this one ranks between wait queues and run queues. It is taken only where priorities
// differ.

#include "kernel/sched/lend.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/sched/sched_internal.h"

static struct spinlock lending = {.rank = LOCK_LENDING, .name = "lending"};

static enum thread_priority entitled(const struct thread *thread) {
    const struct thread *lender = thread->lender;
    if (lender == NULL || lender->priority < thread->base_priority)
        return thread->base_priority;
    return lender->priority;
}

static void link_set(struct thread *from, struct thread *to, bool is_lent) {
    __atomic_store_n(&from->borrower, is_lent ? to : NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&from->is_lender, is_lent, __ATOMIC_RELAXED);
    __atomic_store_n(&to->lender, is_lent ? from : NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&to->is_borrower, is_lent, __ATOMIC_RELAXED);
}

static void tell_chain(struct thread *first) {
    for (struct thread *thread = first; thread != NULL; thread = thread->borrower)
        sched_set_priority(thread, entitled(thread));
}

static void end_locked(struct thread *from, struct thread *to) {
    link_set(from, to, false);
    tell_chain(to);
}

void priority_lend(struct thread *from, struct thread *to) {
    spin_lock(&lending);
    ASSERT(from->borrower == NULL);
    struct thread *before = to->lender;
    if (before == NULL || before->priority < from->priority) {
        if (before != NULL)
            link_set(before, to, false);
        link_set(from, to, true);
        tell_chain(to);
    }
    spin_unlock(&lending);
}

void priority_take_back(struct thread *from) {
    spin_lock(&lending);
    if (from->borrower != NULL)
        end_locked(from, from->borrower);
    spin_unlock(&lending);
}

void priority_give_back(struct thread *to) {
    spin_lock(&lending);
    if (to->lender != NULL)
        end_locked(to->lender, to);
    spin_unlock(&lending);
}
