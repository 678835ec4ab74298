// Parking and handing over. What it means is told in park.h.
//
// A thread's `park` tells who may run it:
//
//   AWAKE    it runs, is ready, or waits for something else
//   ASLEEP   it is parked. Who replaces this word by CALLED has claimed it
//   CALLED   somebody wanted it: claimed it, or came when it was awake. Then it does not fall
//            asleep the next time
//
// The word is the thread's again, AWAKE, when park returns. What somebody wanted between the claim
// and that is forgotten: the thread is about to look at everything anyway.
//
// A kill is noted in the thread first, and then claims it. So either the claim succeeds, or the
// thread finds the word changed when it is about to sleep, or it saw the kill before. A deadline is
// a timer of the CPU's sleepers, which claims the thread likewise.
//
// A thread says ASLEEP on its way into the switch, and may be claimed there. Who runs it takes the
// lock of its CPU's run queue, which that CPU keeps until the thread has left (sched.c): so either
// it is still on its way, and goes on, or its context is saved.
//
// Why the switch from one to the other needs so little. The one that comes is claimed, so nobody
// else touches it. The CPU goes on with the same slice, so clock and timer have nothing to do with
// it: the time since the last look at the clock is charged to whoever has the slice at the next
// one. And nobody who is ready is wronged: none of them was to run before the one that goes, hence
// none before the one that comes, whose priority is no lower.
//
// Locks: sleepers.lock (deadlines only); runq.lock, never two of them.

#include "kernel/sched/park.h"

#include "base/assert.h"
#include "kernel/sched/handover.h"
#include "kernel/sched/lend.h"

void park_run(struct thread *claimed) {
    claimed->wake_status = OK;
    sched_wake(claimed);
}

void park_end(struct thread *thread, enum status status) {
    if (!park_claim(thread))
        return;
    thread->wake_status = status;
    sched_wake(thread);
}

// The end of a park.
static inline enum status awake(struct thread *thread) {
    __atomic_store_n(&thread->park, PARK_AWAKE, __ATOMIC_RELAXED);
    return thread->wake_status;
}

// Leaves the CPU until somebody has claimed and run the thread. Interrupts off.
static enum status sleep(struct thread *thread) {
    if (fall_asleep(thread))
        sched_switch();
    return awake(thread);
}

// A claimed thread that was on another CPU last comes to this one; false: it has not left that yet.
static bool fetch(struct cpu *cpu, struct thread *thread) {
    struct cpu *other = __atomic_load_n(&thread->cpu, __ATOMIC_RELAXED);
    spin_lock_masked(&other->runq.lock);
    bool has_left = other->current != thread;
    if (has_left)
        __atomic_store_n(&thread->cpu, cpu, __ATOMIC_RELAXED);
    spin_unlock_masked(&other->runq.lock);
    return has_left;
}

// Whether `to` may take the place of `from`.
static inline bool can_take_over(struct cpu *cpu, const struct thread *from, struct thread *to) {
    bool is_wanted = __atomic_load_n(&cpu->reschedule, __ATOMIC_RELAXED);
    if (is_wanted || priority_is_above(from, to))
        return false;
    if (__builtin_expect(__atomic_load_n(&to->cpu, __ATOMIC_RELAXED) == cpu, 1))
        return true;
    return (to->affinity >> cpu->id & 1) != 0 && fetch(cpu, to);
}

// As sleep, but runs `to` at once. Interrupts off.
static inline enum status hand_over(struct thread *from, struct thread *to) {
    struct cpu *cpu = cpu_this();
    if (__builtin_expect(!can_take_over(cpu, from, to), 0)) {
        sched_wake(to);
        return sleep(from);
    }
    spin_lock_masked(&cpu->runq.lock);
    if (__builtin_expect(!fall_asleep(from), 0)) {
        spin_unlock_masked(&cpu->runq.lock);
        sched_wake(to);
        sched_preempt();
        return awake(from);
    }
    ASSERT(to->state == THREAD_BLOCKED);
    to->state = THREAD_RUNNING;
    threads_swap_slices(from, to);
    switch_to_locked(cpu, from, to); // lets go of the lock
    return awake(from);
}

// What both ways to park begin with. Interrupts off.
static inline enum status begin(struct thread *thread, u64 deadline_ns) {
    ASSERT(thread->preempt_count == 0);
    ASSERT(thread->waiting_on == NULL);
    thread->wake_status = ERR_WOULD_BLOCK; // unless a claimer says something else
    if (__builtin_expect(thread_is_killed(thread), 0))
        return ERR_KILLED;
    if (__builtin_expect(deadline_ns != WAIT_FOREVER, 0))
        return sleepers_set(thread, deadline_ns);
    return OK;
}

// Afterwards the timer does not touch the thread any more.
static inline void end(struct thread *thread, u64 deadline_ns) {
    if (__builtin_expect(deadline_ns != WAIT_FOREVER, 0))
        sleepers_unset(thread);
}

enum status park(u64 deadline_ns) {
    ASSERT(!arch_irq_enabled());
    struct thread *thread = thread_current();
    enum status status = begin(thread, deadline_ns);
    if (status == OK) {
        status = sleep(thread);
        end(thread, deadline_ns);
    }
    arch_irq_enable();
    return status;
}

void park_for_sure(void) {
    ASSERT(!arch_irq_enabled());
    (void)sleep(thread_current());
    arch_irq_enable();
}

enum status park_and_run(struct thread *claimed, u64 deadline_ns) {
    ASSERT(!arch_irq_enabled());
    struct thread *thread = thread_current();
    claimed->wake_status = OK;
    enum status status = begin(thread, deadline_ns);
    if (__builtin_expect(status != OK, 0)) {
        sched_wake(claimed);
        sched_preempt();
    } else {
        status = hand_over(thread, claimed);
        end(thread, deadline_ns);
    }
    arch_irq_enable();
    return status;
}
