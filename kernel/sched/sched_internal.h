#pragma once
// The scheduler's structures. Private to kernel/sched.

#include "base/assert.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait.h"

// The threads that are ready on one CPU; see runq.c.
struct runq {
    struct spinlock lock;

    // Under lock:
    u32 levels; // a bit for each queue that has threads
    struct ready_queue {
        struct thread *first;
        struct thread **end; // where the next one goes
    } queues[2 * PRIORITY_COUNT];
    u64 progress; // how far threads that compute are where this CPU looked last (balance.c)

    // Atomic, changed under lock: a hint for other CPUs.
    u32 count;
};

void runq_init(struct runq *runq);

// What thread.progress and runq.progress count in; see balance.c.
#define PROGRESS_TURN   256ull
#define PROGRESS_CREDIT (2 * PROGRESS_TURN)

// The next thread to run, now THREAD_RUNNING, or NULL.
struct thread *runq_pop_locked(struct runq *runq);

// Takes out a thread for another CPU, or NULL. It stays THREAD_READY, and is on no queue.
struct thread *runq_take_locked(struct runq *runq, u32 cpu);

// Changes the priority of a thread, ready or not.
void runq_set_priority_locked(struct runq *runq, struct thread *thread,
                              enum thread_priority priority);

// A running thread goes back: `preempted` ones keep their place and what is left of their slice,
// those that used it up go to the end with a new one.
void runq_put_back_locked(struct runq *runq, struct thread *thread);

// A blocked or new thread becomes ready.
void runq_put_woken_locked(struct runq *runq, struct thread *thread);

// A thread that was taken out elsewhere comes first among its equals.
void runq_put_taken_locked(struct runq *runq, struct thread *thread);

// The thread has used up its turn, gives the rest of it back, or had none yet: counts it, and gives
// it the next one.
void runq_next_turn_locked(struct runq *runq, struct thread *thread);

// How far the next one of that priority is, when the running one, which is so far then, has had its
// turn.
u64 runq_next_progress_locked(const struct runq *runq, enum thread_priority priority, u64 running);

// Who waits first of those that may run on `cpu`, with that priority or a higher one: how far it
// is, 0 if its priority is higher; false: there is none, among the first ones at least. The second
// takes it out if it is no further than that, or returns NULL.
bool runq_find_locked(struct runq *runq, u32 cpu, enum thread_priority priority, u64 *progress);
struct thread *runq_take_behind_locked(struct runq *runq, u32 cpu, enum thread_priority priority,
                                       u64 at_most);

void runq_check_locked(const struct runq *runq, const struct cpu *cpu);

// Threads that wait and began to on one CPU, as far as a deadline or a kill can end their wait; see
// wait.c.
struct sleepers {
    struct spinlock lock;

    // Under lock, together with waiting_on and timer of each of these threads:
    struct timer_queue timers;

    // Atomic, changed under lock: when the first of them rings, or UINT64_MAX. Only the CPU itself
    // makes it earlier, so without the lock it finds at worst what another is about to take back.
    u64 next_ns;
};

void sleepers_init(struct sleepers *sleepers);

// Ends the waits whose deadline has come. Interrupts off.
void sleepers_expire(struct sleepers *sleepers, u64 now_ns);

// When the next deadline comes, or UINT64_MAX. On the sleepers' own CPU.
static inline u64 sleepers_next_ns(const struct sleepers *sleepers) {
    return __atomic_load_n(&sleepers->next_ns, __ATOMIC_RELAXED);
}

struct cpu {
    struct runq runq;
    struct sleepers sleepers;

    // Under runq.lock; changed by the CPU itself only, which reads it without:
    struct thread *current;

    // Atomic: what keeps the CPU from the quick way out of a thread; looked at as a whole, too, and
    // CPU 0's by others.
    alignas(64) union {
        u32 attention;
        struct {
            bool reschedule;  // a thread is ready that comes before the current one
            bool is_traced;   // somebody wants to know of every switch
            bool is_slow;     // it takes a call to set the segment or read the ticks
            bool has_company; // there are several CPUs
        };
    };

    // Atomic. Who begins to run here, while the CPU idles: NULL: it does not; HANDED_OPEN: nobody
    // yet. The CPU itself sets and clears it; others put a thread in the place of HANDED_OPEN.
    alignas(64) struct thread *handed;

    // Atomic. Somebody has counted on the CPU, when it idled, to look at all queues, and it has not
    // done so yet, nor had others do it.
    bool is_offered;

    // Atomic, written by the CPU itself, for people and tests:
    u64 charged_ticks; // the current thread has been charged up to then
    u64 switches;
    u64 taken;
    u64 quick_calls; // made and received in one; the others are in cpu_messages

    // Fixed after sched_init:
    u64 started_ticks;
    u32 id;

    // Owned by the CPU:
    struct thread *dead; // the thread that the switch under way leaves for good
    u64 timer_ticks;     // what the timer is armed for, or UINT64_MAX
    u32 taken_in_a_row;  // by balance, while others waited here
    struct thread idle;
};

#define HANDED_OPEN ((struct thread *)1)

extern struct cpu sched_cpus[ARCH_CPUS_MAX];

static inline struct cpu *cpu_at(u32 id) {
    ASSERT(id < ARCH_CPUS_MAX);
    return &sched_cpus[id];
}

static inline bool is_idle(const struct cpu *cpu, const struct thread *thread) {
    return thread == &cpu->idle;
}

// Whether a thread waits for the idle CPU to run it; a guess, to others.
static inline bool is_handed(const struct cpu *cpu) {
    return __atomic_load_n(&cpu->handed, __ATOMIC_RELAXED) > HANDED_OPEN;
}

// This CPU. Valid while the thread cannot move: interrupts or preemption off.
static inline struct cpu *cpu_this(void) {
    return __atomic_load_n(&thread_current()->cpu, __ATOMIC_RELAXED);
}

static inline bool thread_has_slice(const struct thread *thread) {
    return thread->slice_ticks > 0;
}

static inline void threads_swap_slices(struct thread *a, struct thread *b) {
    i64 ticks = a->slice_ticks;
    a->slice_ticks = b->slice_ticks;
    b->slice_ticks = ticks;
}

// A new slice, all of it: the end of runq_next_turn_locked, and all of it where there is one CPU.
static inline void thread_give_turn(struct thread *thread) {
    thread->slice_ticks = (i64)cpu_share_turn(thread->share, &thread->share_turns);
}

// Where the threads of a priority take turns; the next one is of those that woke.
static inline u32 ready_index(enum thread_priority priority) {
    return 2u * priority;
}

// Whether somebody waits who would run instead of a thread of that priority whose slice is over.
// The lock is held, or there is one CPU and interrupts are off.
static inline bool runq_has_rival(const struct runq *runq, enum thread_priority priority) {
    return runq->levels >> ready_index(priority) != 0;
}

// The running thread goes to the end of those of its priority, with a new slice, and the next one
// to run comes out: perhaps the same.
struct thread *runq_rotate_locked(struct runq *runq, struct thread *thread);

// Whether the thread and others of the usual priority, none of which woke just now, are all that is
// ready. The lock is held, or there is one CPU and interrupts are off.
static inline bool runq_is_ring(const struct runq *runq, const struct thread *thread) {
    return runq->levels == 1u << ready_index(PRIORITY_NORMAL) &&
           thread->priority == PRIORITY_NORMAL;
}

// Who comes next there.
static inline struct thread *runq_first_of_ring(const struct runq *runq) {
    return runq->queues[ready_index(PRIORITY_NORMAL)].first;
}

// As runq_rotate_locked there, where `next` is that one.
static inline void runq_rotate_ring(struct runq *runq, struct thread *thread, struct thread *next) {
    struct ready_queue *queue = &runq->queues[ready_index(PRIORITY_NORMAL)];
    ASSERT(next == queue->first);
    ASSERT(thread->state == THREAD_RUNNING && next->state == THREAD_READY);
    thread_give_turn(thread);
    // One in and one out: neither the count nor the levels change, nor does the queue run empty.
    thread->state = THREAD_READY;
    thread->ready_next = NULL;
    *queue->end = thread;
    queue->end = &thread->ready_next;
    queue->first = next->ready_next;
    next->state = THREAD_RUNNING;
}

// What sched_wants_switch says; `thread` is the running one.
static inline bool wants_switch_of(const struct thread *thread) {
    // With interrupts on this is a guess: the thread may be moved to another CPU meanwhile. But
    // then it has been switched, and who wants to switch looks again with interrupts off.
    return thread != NULL && thread->preempt_count == 0 &&
           __atomic_load_n(&__atomic_load_n(&thread->cpu, __ATOMIC_RELAXED)->reschedule,
                           __ATOMIC_RELAXED);
}

static inline bool wants_switch(void) {
    return wants_switch_of(thread_current());
}

// Has the CPUs that schedule switch in the way that is traced, or not any more.
void sched_set_traced(bool is_traced);

// Has the timer of this CPU ring at `at_ns` at the latest. Interrupts off.
void sched_timer_at(u64 at_ns);

// The CPU says that it has nothing to do. Interrupts off.
void sched_idle_begin(struct cpu *cpu);

// Has one of the other CPUs that idle, of those in `affinity`, look for work; false: none does.
// Interrupts off; what there is to find has been put into a queue.
bool offer_elsewhere(const struct cpu *cpu, u32 affinity);

// Takes a ready thread over from whoever has one, the next CPU first; NULL: nobody has. It is in no
// queue then, and belongs to this CPU. Interrupts off, no lock held.
struct thread *take_over(struct cpu *cpu);

// The running thread has used up its turn: puts who waits elsewhere and has had less into this
// CPU's queue. Interrupts off, no lock held.
void balance(struct cpu *cpu, const struct thread *running);

// A bit for each CPU that has nothing to do, and that nobody has told yet that there is something.
u32 sched_idle(void);

// Where a thread that has run nowhere yet begins: here, if it may; else where somebody idles.
// Interrupts off.
struct cpu *sched_place(const struct thread *thread);

// A thread that is on no CPU becomes ready; one that has been made to wait and is still on its way
// out keeps running. Interrupts off; takes the run queue's lock.
void sched_wake(struct thread *thread);

// Changes the thread's priority, wherever it is, and has its CPU choose again where it must.
// Interrupts off; takes the run queue's lock.
void sched_set_priority(struct thread *thread, enum thread_priority priority);

// Interrupts the CPU on which the thread runs, if it runs on another one.
void sched_interrupt(struct thread *thread);

// Runs somebody else, or goes on when nobody is ready; returns when the thread runs again, perhaps
// on another CPU. Interrupts off, preemption on, no spinlock held.
void sched_switch(void);

// Ends a park from outside, for a kill or a deadline. Interrupts off.
void park_end(struct thread *thread, enum status status);

// Has a timer end the park of the running thread; ERR_TIMED_OUT: it is that late already. After
// unset that timer does not touch the thread. Interrupts off.
MUST_USE enum status sleepers_set(struct thread *thread, u64 deadline_ns);
void sleepers_unset(struct thread *thread);

// The first thing that a new thread does, in place of the end of sched_switch.
void sched_enter(void);

// Frees the thread when the reaper gets to it. It is not running any more. Interrupts off.
void thread_reap(struct thread *thread);
void thread_reaper_start(void);

// Stacks that are ready (stack_pool.c). Larger ones than this are given back.
#define STACK_POOLED_MAX (64 * KIB)

// A stack of `bytes` of which `committed` are, charged to nobody, or NULL.
struct area *stack_pool_take(u64 bytes, u64 committed);

// Takes over a stack that nobody runs on any more. False: the pool is full, or it is none for it.
// Any context.
MUST_USE bool stack_pool_put(struct area *stack);

void stack_pool_init(void);

// Ends the wait of a thread for a kill, if it is in one that a kill can end.
void wait_cancel(struct thread *thread);
