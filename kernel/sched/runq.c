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
//   1. a queued thread is THREAD_READY, in one queue, that of its priority, and may run on this
//      CPU, which its `cpu` names;
//   2. every queued thread has some of its slice left;
//   3. `count` is how many there are, and `levels` says which queues have any.
//
// The CPU itself takes threads out to run them, others take them over; anybody may put woken ones
// in.
//
// The queues are linked one way, for nobody leaves from the middle but who is taken over, and are
// numbered so that the one to serve first is the highest bit of `levels`.

#include "kernel/sched/sched_internal.h"

#include "base/assert.h"
#include "base/math.h"

// A CPU that looks for others' threads holds the lock meanwhile, and may wait for its own turn.
#define LOOKS_MAX 16u

static u32 woken_index(enum thread_priority priority) {
    return 2u * priority + 1;
}

void runq_init(struct runq *runq) {
    *runq = (struct runq){0};
    spin_init(&runq->lock, LOCK_RUN_QUEUE, "run queue");
    runq->progress = PROGRESS_CREDIT + PROGRESS_TURN; // nobody is so far behind that it is 0
    for (u32 i = 0; i < COUNT_OF(runq->queues); i++)
        runq->queues[i].end = &runq->queues[i].first;
}

static void count_add(struct runq *runq, u32 change) {
    // Ordered by the locks, and by the fence in offer (sched.c).
    __atomic_store_n(&runq->count, runq->count + change, __ATOMIC_RELAXED);
}

// -- One queue ------------------------------------------------------------------------------------

static void push_back(struct runq *runq, u32 index, struct thread *thread) {
    struct ready_queue *queue = &runq->queues[index];
    thread->ready_next = NULL;
    *queue->end = thread;
    queue->end = &thread->ready_next;
    runq->levels |= 1u << index;
    count_add(runq, 1);
}

static void push_front(struct runq *runq, u32 index, struct thread *thread) {
    struct ready_queue *queue = &runq->queues[index];
    thread->ready_next = queue->first;
    if (queue->first == NULL)
        queue->end = &thread->ready_next;
    queue->first = thread;
    runq->levels |= 1u << index;
    count_add(runq, 1);
}

// Takes out the thread that `*link` points to.
static struct thread *unlink(struct runq *runq, u32 index, struct thread **link) {
    struct ready_queue *queue = &runq->queues[index];
    struct thread *thread = *link;
    ASSERT(thread->state == THREAD_READY);
    *link = thread->ready_next;
    if (thread->ready_next == NULL)
        queue->end = link;
    if (queue->first == NULL)
        runq->levels &= ~(1u << index);
    count_add(runq, -1u);
    return thread;
}

// -- Taking out -----------------------------------------------------------------------------------

static u32 highest(const struct runq *runq) {
    ASSERT(runq->levels != 0);
    return 31 - (u32)__builtin_clz(runq->levels);
}

struct thread *runq_pop_locked(struct runq *runq) {
    ASSERT(spin_is_held(&runq->lock));
    if (runq->levels == 0)
        return NULL;
    u32 index = highest(runq);
    struct thread *thread = unlink(runq, index, &runq->queues[index].first);
    thread->state = THREAD_RUNNING;
    return thread;
}

void runq_next_turn_locked(struct runq *runq, struct thread *thread) {
    if (thread->turn_ticks == 0) {
        thread->progress = runq->progress;
    } else {
        // What is left may be of another one's turn, and a longer one (park.c).
        i64 used = (i64)thread->turn_ticks - thread->slice_ticks;
        if (used > 0)
            thread->progress += (u64)used * PROGRESS_TURN / thread->turn_ticks;
        thread->progress = max_u64(thread->progress, runq->progress - PROGRESS_CREDIT);
    }
    thread_give_turn(thread);
    thread->turn_ticks = (u64)thread->slice_ticks;
}

struct thread *runq_rotate_locked(struct runq *runq, struct thread *thread) {
    ASSERT(spin_is_held(&runq->lock));
    ASSERT(thread->state == THREAD_RUNNING);
    runq_next_turn_locked(runq, thread);
    u32 index = ready_index(thread->priority);
    if (runq->levels >> index == 0)
        return thread;
    thread->state = THREAD_READY;
    push_back(runq, index, thread);
    return runq_pop_locked(runq);
}

static struct thread *take_from(struct runq *runq, u32 index, u32 cpu) {
    for (struct thread **link = &runq->queues[index].first; *link != NULL;
         link = &(*link)->ready_next) {
        if (((*link)->affinity >> cpu & 1) != 0)
            return unlink(runq, index, link);
    }
    return NULL;
}

struct thread *runq_take_locked(struct runq *runq, u32 cpu) {
    ASSERT(spin_is_held(&runq->lock));
    struct thread *thread = NULL;
    for (u32 i = COUNT_OF(runq->queues); i-- != 0 && thread == NULL;)
        thread = take_from(runq, i, cpu);
    return thread;
}

u64 runq_next_progress_locked(const struct runq *runq, enum thread_priority priority, u64 running) {
    ASSERT(spin_is_held(&runq->lock));
    const struct thread *first = runq->queues[ready_index(priority)].first;
    return first == NULL ? running : first->progress;
}

// The link to who waits first, and which queue that is; NULL: nobody, among the first ones.
static struct thread **find(struct runq *runq, u32 cpu, enum thread_priority priority, u32 *in) {
    ASSERT(spin_is_held(&runq->lock));
    u32 looks_left = LOOKS_MAX;
    for (u32 index = COUNT_OF(runq->queues); index-- != ready_index(priority);) {
        struct thread **link = &runq->queues[index].first;
        for (; *link != NULL && looks_left != 0; link = &(*link)->ready_next, looks_left--) {
            if (((*link)->affinity >> cpu & 1) == 0)
                continue;
            *in = index;
            return link;
        }
    }
    return NULL;
}

static u64 progress_as_seen(const struct thread *thread, enum thread_priority priority) {
    return thread->priority > priority ? 0 : thread->progress;
}

bool runq_find_locked(struct runq *runq, u32 cpu, enum thread_priority priority, u64 *progress) {
    u32 index;
    struct thread **link = find(runq, cpu, priority, &index);
    if (link == NULL)
        return false;
    *progress = progress_as_seen(*link, priority);
    return true;
}

struct thread *runq_take_behind_locked(struct runq *runq, u32 cpu, enum thread_priority priority,
                                       u64 at_most) {
    u32 index;
    struct thread **link = find(runq, cpu, priority, &index);
    if (link == NULL || progress_as_seen(*link, priority) > at_most)
        return NULL;
    return unlink(runq, index, link);
}

// -- Putting in -----------------------------------------------------------------------------------

static void put_last(struct runq *runq, struct thread *thread) {
    runq_next_turn_locked(runq, thread);
    push_back(runq, ready_index(thread->priority), thread);
}

void runq_put_back_locked(struct runq *runq, struct thread *thread) {
    ASSERT(spin_is_held(&runq->lock));
    ASSERT(thread->state == THREAD_RUNNING);
    thread->state = THREAD_READY;
    if (thread_has_slice(thread))
        push_front(runq, ready_index(thread->priority), thread);
    else
        put_last(runq, thread);
}

void runq_put_woken_locked(struct runq *runq, struct thread *thread) {
    ASSERT(spin_is_held(&runq->lock));
    ASSERT(thread->state == THREAD_BLOCKED);
    thread->state = THREAD_READY;
    if (thread_has_slice(thread))
        push_back(runq, woken_index(thread->priority), thread);
    else
        put_last(runq, thread);
}

void runq_put_taken_locked(struct runq *runq, struct thread *thread) {
    ASSERT(spin_is_held(&runq->lock));
    ASSERT(thread->state == THREAD_READY);
    push_front(runq, ready_index(thread->priority), thread);
}

static bool requeue(struct runq *runq, u32 from, u32 to, struct thread *thread) {
    for (struct thread **link = &runq->queues[from].first; *link != NULL;
         link = &(*link)->ready_next) {
        if (*link != thread)
            continue;
        push_back(runq, to, unlink(runq, from, link));
        return true;
    }
    return false;
}

void runq_set_priority_locked(struct runq *runq, struct thread *thread,
                              enum thread_priority priority) {
    ASSERT(spin_is_held(&runq->lock));
    enum thread_priority before = thread->priority;
    // Atomic for those who compare it without the lock (lend.h).
    __atomic_store_n(&thread->priority, priority, __ATOMIC_RELAXED);
    if (thread->state == THREAD_READY && before != priority &&
        !requeue(runq, woken_index(before), woken_index(priority), thread))
        requeue(runq, ready_index(before), ready_index(priority), thread); // or it is on its way
}

// -- Checking -------------------------------------------------------------------------------------

static u32 check_queue(const struct runq *runq, u32 index, const struct cpu *cpu) {
    const struct ready_queue *queue = &runq->queues[index];
    u32 count = 0;
    struct thread *const *link = &queue->first;
    for (; *link != NULL; link = &(*link)->ready_next) {
        const struct thread *thread = *link;
        ASSERT(thread->state == THREAD_READY);
        ASSERT(thread->priority == index / 2);
        ASSERT(thread->cpu == cpu);
        ASSERT((thread->affinity >> cpu->id & 1) != 0);
        ASSERT(thread_has_slice(thread));
        // Of another one's turn if it was lent (park.c).
        ASSERT((u64)thread->slice_ticks <= arch_ns_to_ticks(CPU_TURN_NS_MOST));
        count++;
    }
    ASSERT(queue->end == link);
    ASSERT((runq->levels >> index & 1) == (count != 0));
    return count;
}

void runq_check_locked(const struct runq *runq, const struct cpu *cpu) {
    ASSERT(spin_is_held(&runq->lock));
    u32 count = 0;
    for (u32 i = 0; i < COUNT_OF(runq->queues); i++)
        count += check_queue(runq, i, cpu);
    ASSERT(count == runq->count);
}
