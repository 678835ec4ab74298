#pragma once
// The scheduler's structures. Private to kernel/sched.

#include "kernel/sched/thread.h"
#include "kernel/sched/wait.h"

// The threads that are ready on one CPU; see runq.c.
struct runq {
    struct spinlock lock;

    // Under lock:
    struct list woken; // have something left of their slice
    struct list ready; // wait for their turn
};

void runq_init(struct runq *runq);
bool runq_is_empty_locked(const struct runq *runq);

// The next thread to run, now THREAD_RUNNING, or NULL.
struct thread *runq_pop_locked(struct runq *runq);

// A running thread goes back: `preempted` ones keep their place and what is left of their slice,
// those that used it up go to the end with a new one.
void runq_put_back_locked(struct runq *runq, struct thread *thread);

// A blocked or new thread becomes ready. Returns whether it comes before the running thread.
bool runq_put_woken_locked(struct runq *runq, struct thread *thread);

void runq_check_locked(const struct runq *runq);

// Threads of one CPU that wait, as far as a deadline or a kill can end their wait; see wait.c.
struct sleepers {
    struct spinlock lock;

    // Under lock, together with waiting_on and timer of each thread of this CPU:
    struct timer_queue timers;
};

void sleepers_init(struct sleepers *sleepers);

// Ends the waits whose deadline has come. Interrupts off.
void sleepers_expire(struct sleepers *sleepers, u64 now_ns);

// When the next deadline comes, or UINT64_MAX.
u64 sleepers_next_ns(struct sleepers *sleepers);

struct cpu {
    struct runq runq;
    struct sleepers sleepers;

    // Under runq.lock; changed by the CPU itself only, which reads it without:
    struct thread *current;

    // Atomic: a thread is ready that comes before the current one.
    bool reschedule;

    // Owned by the CPU:
    u32 preempt_count;
    struct thread *previous; // whom the last switch left
    u64 timer_ns;            // what the timer is armed for
    struct thread idle;
};

// This CPU, for as long as the thread stays on it: threads do not move.
struct cpu *cpu_this(void);
struct cpu *cpu_of(const struct thread *thread);

// A thread that is on no CPU becomes ready; one that has been made to wait and is still on its way
// out keeps running. Any context; takes the run queue's lock.
void sched_wake(struct thread *thread);

// The running thread is THREAD_BLOCKED from now on, and leaves the CPU at the next sched_switch.
// A sched_wake in between undoes it. Preemption off.
void sched_set_blocked(struct thread *thread);

// Runs somebody else, or goes on when nobody is ready; returns when the thread runs again.
// Interrupts off, preemption on, no spinlock held.
void sched_switch(void);

// Turns preemption on again and switches at once.
void sched_enable_and_switch(void);

// The first thing that a new thread does, in place of the end of sched_switch.
void sched_enter(void);

// Frees the thread when the reaper gets to it. It is not running any more. Interrupts off.
void thread_reap(struct thread *thread);
void thread_reaper_start(void);

// Ends the wait of a thread for a kill, if it is in one that a kill can end.
void wait_cancel(struct thread *thread);
