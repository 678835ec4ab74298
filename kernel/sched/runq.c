// Run queue: the threads that are ready on one CPU.
//
// Threads take turns in `ready`, a slice each. A thread that blocks before its slice is over keeps
// the rest; when it wakes it goes to `woken`, which is served first and whose members preempt. So
// whoever sleeps, prints and sleeps runs at once though others compute without end. And nobody
// starves: time spent after a wake-up comes out of the same slice, and a new slice is given only at
// the end of `ready`, so all of `woken` together can run for at most one slice per thread before
// those in `ready` have their turn. Two threads that wake each other all the time share one turn
// of two slices, no more.
//
// Invariants, checked by runq_check_locked:
//   1. a queued thread is THREAD_READY, and on one list;
//   2. every queued thread has some of its slice left.
//
// Only the CPU itself takes threads out; others may put woken ones in.

#include "kernel/sched/sched_internal.h"

#include "base/assert.h"

void runq_init(struct runq *runq) {
    spin_init(&runq->lock, LOCK_RUN_QUEUE, "run queue");
    list_init(&runq->woken);
    list_init(&runq->ready);
}

bool runq_is_empty_locked(const struct runq *runq) {
    ASSERT(spin_is_held(&runq->lock));
    return list_is_empty(&runq->woken) && list_is_empty(&runq->ready);
}

struct thread *runq_pop_locked(struct runq *runq) {
    ASSERT(spin_is_held(&runq->lock));
    struct list *node = list_pop_front(&runq->woken);
    if (node == NULL)
        node = list_pop_front(&runq->ready);
    if (node == NULL)
        return NULL;
    struct thread *thread = container_of(node, struct thread, ready_link);
    ASSERT(thread->state == THREAD_READY);
    thread->state = THREAD_RUNNING;
    return thread;
}

static void put_last(struct runq *runq, struct thread *thread) {
    thread->slice_left_ns = THREAD_SLICE_NS;
    list_push_back(&runq->ready, &thread->ready_link);
}

void runq_put_back_locked(struct runq *runq, struct thread *thread) {
    ASSERT(spin_is_held(&runq->lock));
    ASSERT(thread->state == THREAD_RUNNING);
    thread->state = THREAD_READY;
    if (thread->slice_left_ns == 0)
        put_last(runq, thread);
    else
        list_push_front(&runq->ready, &thread->ready_link);
}

bool runq_put_woken_locked(struct runq *runq, struct thread *thread) {
    ASSERT(spin_is_held(&runq->lock));
    ASSERT(thread->state == THREAD_BLOCKED);
    thread->state = THREAD_READY;
    if (thread->slice_left_ns == 0) {
        put_last(runq, thread);
        return false;
    }
    list_push_back(&runq->woken, &thread->ready_link);
    return true;
}

static void check_list(const struct list *list) {
    LIST_FOR_EACH(node, list) {
        const struct thread *thread = container_of(node, struct thread, ready_link);
        ASSERT(node->next->prev == node);
        ASSERT(thread->state == THREAD_READY);
        ASSERT(thread->slice_left_ns != 0);
        ASSERT(thread->slice_left_ns <= THREAD_SLICE_NS);
    }
}

void runq_check_locked(const struct runq *runq) {
    ASSERT(spin_is_held(&runq->lock));
    check_list(&runq->woken);
    check_list(&runq->ready);
}
