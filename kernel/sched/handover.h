#pragma once
// The quick way to hand over, inline: for park.c, and for who does so under a lock of its own that
// has told it that nothing stands against it (kernel/kwast/quick.c).
//
// Between two CPUs (hand_across) the one that comes goes on where it is. It may do so, and be back,
// before the other one has left: that is no different from park_and_run. Whoever wants `from` then
// finds its `park` AWAKE, leaves word (CALLED) in the same exchange in which it would have claimed
// it, and does what it wanted in the general way, under the lock that both have; fall_asleep sees
// that word, and `from` looks for itself. What `to` was given was stored before it was made ready,
// and that is a release which it acquires (sched.c), with the queue or without.

#include "kernel/sched/lend.h"
#include "kernel/sched/park.h"
#include "kernel/sched/switch.h"

// From here on the running thread can be claimed; false: somebody wants it, so it is not to sleep.
static inline bool fall_asleep(struct thread *thread) {
    thread->state = THREAD_BLOCKED; // before it is claimed, hence woken
    u32 awake = PARK_AWAKE;
    if (__builtin_expect(__atomic_compare_exchange_n(&thread->park, &awake, PARK_ASLEEP, false,
                                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST),
                         1))
        return true;
    ASSERT(awake == PARK_CALLED);
    thread->state = THREAD_RUNNING;
    return false;
}

// The same without company: nobody else claims meanwhile.
static inline bool fall_asleep_alone(struct thread *thread) {
    if (__builtin_expect(__atomic_load_n(&thread->park, __ATOMIC_RELAXED) != PARK_AWAKE, 0))
        return false;
    thread->state = THREAD_BLOCKED;
    __atomic_store_n(&thread->park, PARK_ASLEEP, __ATOMIC_RELAXED);
    return true;
}

// The CPU of the running thread, which cannot move: interrupts or preemption are off.
static inline struct cpu *cpu_of_running(const struct thread *running) {
    return __atomic_load_n(&running->cpu, __ATOMIC_RELAXED);
}

// Whether nothing stands against going from one to the other in a quick way, as long as `to` can be
// claimed: they run in one address space, with the same priority, and neither lends or borrows.
static inline bool are_equals(const struct thread *from, const struct thread *to) {
    u32 standing = __atomic_load_n(&from->standing, __ATOMIC_RELAXED);
    return standing < PRIORITY_COUNT &&
           standing == __atomic_load_n(&to->standing, __ATOMIC_RELAXED) &&
           from->context.aspace == to->context.aspace;
}

// Where `to` goes on: here (hand_over_quick); on its own CPU, for it may not run here
// (hand_across); or it has to be fetched first, which is not quick. It is published, so it stays on
// its CPU. Without company there is only this one.
enum hand_over { HAND_HERE, HAND_ACROSS, HAND_NOT };
static inline enum hand_over hand_over_to(const struct thread *from, const struct thread *to,
                                          bool has_company) {
    if (!has_company)
        return HAND_HERE;
    const struct cpu *cpu = cpu_of_running(from);
    if (__builtin_expect(__atomic_load_n(&to->cpu, __ATOMIC_RELAXED) == cpu, 1))
        return HAND_HERE;
    return (to->affinity >> cpu->id & 1) == 0 ? HAND_ACROSS : HAND_NOT;
}

// As park_claim. Without company nobody else claims as long as interrupts are off, so it is enough
// that the thread could be, and there is nothing to undo.
static inline bool hand_over_claim(struct thread *to, bool has_company) {
    return has_company ? park_claim(to)
                       : __atomic_load_n(&to->park, __ATOMIC_RELAXED) == PARK_ASLEEP;
}

// Somebody wanted the running thread: it does not sleep.
[[gnu::noinline]] static void hand_over_not(struct thread *from, struct thread *to) {
    from->wake_status = ERR_WOULD_BLOCK;
    __atomic_store_n(&to->park, PARK_CALLED, __ATOMIC_RELAXED); // claimed, either way
    sched_wake(to);
    sched_preempt();
}

// As park_and_run without a deadline, where they are equals, on one CPU, and `to` is claimed.
// Interrupts are off, and stay so. What a park would have returned is in from->wake_status.
// `has_company` is what the CPU's word says, for the compiler to know.
__attribute__((always_inline)) static inline void
hand_over_quick(struct cpu *cpu, struct thread *from, struct thread *to, bool has_company) {
    ASSERT(!arch_irq_enabled() && from->preempt_count == 0 && from->waiting_on == NULL);
    ASSERT(to->state == THREAD_BLOCKED);
    to->wake_status = OK;
    if (has_company)
        spin_lock_masked(&cpu->runq.lock);
    if (__builtin_expect(has_company ? fall_asleep(from) : fall_asleep_alone(from), 1)) {
        switch_begin(to);
        to->state = THREAD_RUNNING;
        threads_swap_slices(from, to);
        switch_quick_near(cpu, from, to, has_company);
    } else {
        if (has_company)
            spin_unlock_masked(&cpu->runq.lock);
        hand_over_not(from, to);
    }
    __atomic_store_n(&from->park, PARK_AWAKE, __ATOMIC_RELAXED);
}

// The same between two CPUs.
static inline void hand_across(struct thread *from, struct thread *to) {
    ASSERT(!arch_irq_enabled() && from->preempt_count == 0 && from->waiting_on == NULL);
    to->wake_status = OK;
    from->wake_status = ERR_WOULD_BLOCK;
    sched_wake(to);
    if (__builtin_expect(fall_asleep(from), 1))
        sched_switch();
    __atomic_store_n(&from->park, PARK_AWAKE, __ATOMIC_RELAXED);
}

__attribute__((always_inline)) static inline void
hand_over_claimed(struct cpu *cpu, struct thread *from, struct thread *to, enum hand_over how,
                  bool has_company) {
    if (how == HAND_HERE)
        hand_over_quick(cpu, from, to, has_company);
    else
        hand_across(from, to);
}
