// Run queue: the threads that are ready on one CPU, by priority.
//
// Threads of one priority take turns in `ready`, a slice each. A thread that blocks before its
// slice is over keeps the rest; when it wakes it goes to `woken`, which is served first and whose
// members preempt. So whoever sleeps, prints and sleeps runs at once though others compute without
// end. And nobody starves: time spent after a wake-up comes out of the same slice, and a new slice
// is given only at the end of `ready`, so all of `woken` together can run for at most one slice per
// thread before those in `ready` have their turn. Two threads that wake each other all the time
// share one turn of two slices, no more.
//
// Invariants, checked by runq_check_locked:
//   1. a queued thread is THREAD_READY, on one list, that of its priority, and may run on this CPU,
//      which its `cpu` names;
//   2. every queued thread has some of its slice left;
//   3. `count` is how many there are.
//
// The CPU itself takes threads out to run them, others take them over; anybody may put woken ones
// in.

#include "kernel/sched/sched_internal.h"

#include "base/assert.h"

void runq_init(struct runq *runq) {
    spin_init(&runq->lock, LOCK_RUN_QUEUE, "run queue");
    for (u32 i = 0; i < PRIORITY_COUNT; i++) {
        list_init(&runq->levels[i].woken);
        list_init(&runq->levels[i].ready);
    }
    runq->count = 0;
}

static void count_add(struct runq *runq, u32 change) {
    // Ordered by the locks, and by the fence in offer (sched.c).
    __atomic_store_n(&runq->count, runq->count + change, __ATOMIC_RELAXED);
}

bool runq_has_rival_locked(const struct runq *runq, enum thread_priority priority) {
    ASSERT(spin_is_held(&runq->lock));
    for (u32 i = priority; i < PRIORITY_COUNT; i++) {
        if (!list_is_empty(&runq->levels[i].woken) || !list_is_empty(&runq->levels[i].ready))
            return true;
    }
    return false;
}

static struct thread *thread_at(struct list *node) {
    struct thread *thread = container_of(node, struct thread, ready_link);
    ASSERT(thread->state == THREAD_READY);
    return thread;
}

struct thread *runq_pop_locked(struct runq *runq) {
    ASSERT(spin_is_held(&runq->lock));
    for (u32 i = PRIORITY_COUNT; i-- != 0;) {
        struct list *node = list_pop_front(&runq->levels[i].woken);
        if (node == NULL)
            node = list_pop_front(&runq->levels[i].ready);
        if (node == NULL)
            continue;
        count_add(runq, -1u);
        struct thread *thread = thread_at(node);
        thread->state = THREAD_RUNNING;
        return thread;
    }
    return NULL;
}

static struct thread *take_from(struct runq *runq, struct list *list, u32 cpu) {
    LIST_FOR_EACH(node, list) {
        struct thread *thread = thread_at(node);
        if ((thread->affinity >> cpu & 1) == 0)
            continue;
        list_remove(node);
        count_add(runq, -1u);
        return thread;
    }
    return NULL;
}

struct thread *runq_take_locked(struct runq *runq, u32 cpu) {
    ASSERT(spin_is_held(&runq->lock));
    struct thread *thread = NULL;
    for (u32 i = PRIORITY_COUNT; i-- != 0 && thread == NULL;) {
        thread = take_from(runq, &runq->levels[i].woken, cpu);
        if (thread == NULL)
            thread = take_from(runq, &runq->levels[i].ready, cpu);
    }
    return thread;
}

static void put_last(struct runq *runq, struct thread *thread) {
    thread->slice_left_ns = cpu_share_turn_ns(thread->share, &thread->share_turn);
    list_push_back(&runq->levels[thread->priority].ready, &thread->ready_link);
}

void runq_put_back_locked(struct runq *runq, struct thread *thread) {
    ASSERT(spin_is_held(&runq->lock));
    ASSERT(thread->state == THREAD_RUNNING);
    thread->state = THREAD_READY;
    count_add(runq, 1);
    if (thread->slice_left_ns == 0)
        put_last(runq, thread);
    else
        list_push_front(&runq->levels[thread->priority].ready, &thread->ready_link);
}

void runq_put_woken_locked(struct runq *runq, struct thread *thread) {
    ASSERT(spin_is_held(&runq->lock));
    ASSERT(thread->state == THREAD_BLOCKED);
    thread->state = THREAD_READY;
    count_add(runq, 1);
    if (thread->slice_left_ns == 0)
        put_last(runq, thread);
    else
        list_push_back(&runq->levels[thread->priority].woken, &thread->ready_link);
}

void runq_put_taken_locked(struct runq *runq, struct thread *thread) {
    ASSERT(spin_is_held(&runq->lock));
    ASSERT(thread->state == THREAD_READY);
    count_add(runq, 1);
    list_push_back(&runq->levels[thread->priority].ready, &thread->ready_link);
}

static u32 check_list(const struct list *list, u32 priority, u32 cpu) {
    u32 count = 0;
    LIST_FOR_EACH(node, list) {
        const struct thread *thread = container_of(node, struct thread, ready_link);
        ASSERT(node->next->prev == node);
        ASSERT(thread->state == THREAD_READY);
        ASSERT(thread->priority == priority);
        ASSERT(thread->cpu == cpu);
        ASSERT((thread->affinity >> cpu & 1) != 0);
        ASSERT(thread->slice_left_ns != 0);
        ASSERT(thread->slice_left_ns <= thread->share->turn_ns);
        count++;
    }
    return count;
}

void runq_check_locked(const struct runq *runq, u32 cpu) {
    ASSERT(spin_is_held(&runq->lock));
    u32 count = 0;
    for (u32 i = 0; i < PRIORITY_COUNT; i++) {
        count += check_list(&runq->levels[i].woken, i, cpu);
        count += check_list(&runq->levels[i].ready, i, cpu);
    }
    ASSERT(count == runq->count);
}
