// Parking and handing over. What it means is told in park.h.
//
// A thread sleeps when its context has been saved: whoever runs next on its CPU says so for it
// (park_publish, at the end of every switch). Its `park` tells who may run it:
//
//   AWAKE    it runs, is ready, or waits for something else
//   ASLEEP   it is parked. Who replaces this word by CALLED has claimed it
//   CALLED   somebody wanted it: claimed it, or came when it was awake. Then it does not fall
//            asleep the next time; who finds that is the one who tried to publish it, and runs it
//
// The word is the thread's again, AWAKE, when park returns. What somebody wanted between the claim
// and that is forgotten: the thread is about to look at everything anyway.
//
// A kill is noted in the thread first, and then claims it. So either the claim succeeds, or the
// thread finds the word changed when it is about to sleep, or it saw the kill before. A deadline is
// a timer of the CPU's sleepers, which claims the thread likewise.
//
// Why the switch from one to the other needs so little. The one that goes is in no queue, and can
// be found by nobody before its context is saved. The one that comes is claimed, so nobody else
// touches it, and its context is saved. The CPU goes on with the same slice from the same moment,
// so clock and timer have nothing to do with it: the time since the last look at the clock is
// charged to whoever has the slice at the next one. The run queue's lock is for those who look at
// who runs. And nobody who is ready is wronged: none of them was to run before the one that goes,
// hence none before the one that comes, whose priority is no lower.
//
// Locks: sleepers.lock (deadlines only); runq.lock.

#include "kernel/sched/park.h"

#include "base/assert.h"
#include "kernel/sched/sched_internal.h"

bool park_claim(struct thread *thread) {
    // Pairs with itself, and with the exchange in park_publish: who claims a thread finds its
    // context saved, and what it published before it slept.
    return __atomic_exchange_n(&thread->park, PARK_CALLED, __ATOMIC_SEQ_CST) == PARK_ASLEEP;
}

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

void park_publish(struct thread *left) {
    u32 awake = PARK_AWAKE;
    if (__atomic_compare_exchange_n(&left->park, &awake, PARK_ASLEEP, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        return; // it may be gone
    ASSERT(awake == PARK_CALLED);
    sched_wake(left);
}

// The end of a park: interrupts off, on the thread's own stack again.
static enum status awake(struct thread *thread) {
    __atomic_store_n(&thread->park, PARK_AWAKE, __ATOMIC_RELAXED);
    return thread->wake_status;
}

// Leaves the CPU until somebody has claimed and run the thread. Interrupts off.
static enum status sleep(struct cpu *cpu, struct thread *thread) {
    thread->state = THREAD_BLOCKED;
    cpu->left_parks = true;
    sched_switch();
    return awake(thread);
}

// The slice goes along with the CPU, and with it the time that nobody has been charged for.
static void swap_slices(struct thread *from, struct thread *to) {
    u64 left_ns = from->slice_left_ns;
    from->slice_left_ns = to->slice_left_ns;
    to->slice_left_ns = left_ns;
    to->switched_in_ns = from->switched_in_ns;
}

// Whether `to` may take the place of `from`. Under the run queue's lock.
static bool can_take_over(const struct cpu *cpu, const struct thread *from,
                          const struct thread *to) {
    bool is_wanted = __atomic_load_n(&cpu->reschedule, __ATOMIC_RELAXED);
    return !is_wanted && (to->affinity >> arch_cpu_id() & 1) != 0 && to->priority >= from->priority;
}

// As sleep, but runs `to` at once.
static enum status hand_over(struct cpu *cpu, struct thread *from, struct thread *to) {
    ASSERT(to->state == THREAD_BLOCKED && !to->on_cpu);
    spin_lock_only(&cpu->runq.lock);
    if (!can_take_over(cpu, from, to)) {
        spin_unlock_only(&cpu->runq.lock);
        sched_wake(to);
        return sleep(cpu, from);
    }
    // It is blocked and claimed, so its queue is not asked for.
    __atomic_store_n(&to->cpu, arch_cpu_id(), __ATOMIC_RELAXED);
    swap_slices(from, to);
    from->state = THREAD_BLOCKED;
    to->state = THREAD_RUNNING;
    cpu->left_parks = true;
    sched_switch_to(cpu, from, to); // lets go of the lock
    return awake(from);
}

// What both ways to park begin with. Interrupts off.
static enum status begin(struct thread *thread, u64 deadline_ns) {
    ASSERT(thread->preempt_count == 0);
    ASSERT(thread->waiting_on == NULL);
    thread->wake_status = ERR_WOULD_BLOCK; // unless a claimer says something else
    if (__builtin_expect(thread_is_killed(thread), 0))
        return ERR_KILLED;
    return __builtin_expect(deadline_ns != WAIT_FOREVER, 0) ? sleepers_set(thread, deadline_ns)
                                                            : OK;
}

// Afterwards the timer does not touch the thread any more.
static void end(struct thread *thread, u64 deadline_ns) {
    if (__builtin_expect(deadline_ns != WAIT_FOREVER, 0))
        sleepers_unset(thread);
}

enum status park(u64 deadline_ns) {
    arch_irq_state irq = arch_irq_save();
    struct thread *thread = thread_current();
    enum status status = begin(thread, deadline_ns);
    if (status == OK) {
        status = sleep(cpu_this(), thread);
        end(thread, deadline_ns);
    }
    arch_irq_restore(irq);
    return status;
}

void park_for_sure(void) {
    arch_irq_state irq = arch_irq_save();
    (void)sleep(cpu_this(), thread_current());
    arch_irq_restore(irq);
}

enum status park_and_run(struct thread *claimed, u64 deadline_ns) {
    arch_irq_state irq = arch_irq_save();
    struct thread *thread = thread_current();
    claimed->wake_status = OK;
    enum status status = begin(thread, deadline_ns);
    if (__builtin_expect(status != OK, 0)) {
        sched_wake(claimed);
        sched_preempt();
    } else {
        status = hand_over(cpu_this(), thread, claimed);
        end(thread, deadline_ns);
    }
    arch_irq_restore(irq);
    return status;
}
