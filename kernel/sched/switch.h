#pragma once
// The switch from one thread to another. Private to kernel/sched: sched.c chooses, park.c hands
// over.

#include "base/assert.h"
#include "kernel/sched/sched_internal.h"
#include "kernel/sched/trace.h"

// What a thread passes to the one that comes: its CPU, where the lock of that one's run queue is
// held, and whether it leaves for good; NULL: it is not held, for there is one CPU.
static inline void *switch_pass(struct cpu *cpu) {
    return (u8 *)cpu + (cpu->dead != NULL);
}

// Every way into a thread ends here: the lock that was taken to choose it is released.
__attribute__((always_inline)) static inline void finish_switch(void *passed) {
    if (passed == NULL)
        return;
    struct cpu *cpu = (struct cpu *)((uptr)passed & ~(uptr)1);
    spin_unlock_masked(&cpu->runq.lock);
    if (__builtin_expect(passed != cpu, 0)) {
        struct thread *dead = cpu->dead;
        cpu->dead = NULL;
        thread_reap(dead);
    }
}

static inline enum trace_left left_because(const struct thread *from) {
    return from->state == THREAD_DEAD      ? TRACE_LEFT_DEAD
           : from->state == THREAD_BLOCKED ? TRACE_LEFT_BLOCKED
                                           : TRACE_LEFT_READY;
}

// Leaves `from` for `to`, which is THREAD_RUNNING. Interrupts off, preemption on; the lock of this
// CPU's run queue is held, and no other. `to` releases it.
static inline void switch_to_locked(struct cpu *cpu, struct thread *from, struct thread *to) {
    ASSERT(spin_is_held(&cpu->runq.lock));
    ASSERT(from->preempt_count == 0);
    ASSERT(from != to);
    // Atomic for those who look without the lock (sched_interrupt; sched_cpu_stats).
    __atomic_store_n(&cpu->current, to, __ATOMIC_RELAXED);
    count_one(&cpu->switches);
    if (trace_wanted())
        trace_write(to, TRACE_SWITCH, from->id, left_because(from), 0);
    arch_current_set(to);
    finish_switch(arch_context_switch(&from->context, &to->context, switch_pass(cpu)));
}

// The first step of switch_quick, as early as the thread that comes is known; after it the switch
// is sure. Interrupts off.
static inline void switch_begin(const struct thread *to) {
    arch_context_expect(&to->context);
}

// What both of the following begin with. Returns what is passed.
__attribute__((always_inline)) static inline void *
switch_quick_enter(struct cpu *cpu, struct thread *from, struct thread *to, bool is_locked) {
    ASSERT(is_locked ? spin_is_held(&cpu->runq.lock) : !cpu->has_company);
    ASSERT(from->preempt_count == 0);
    ASSERT(from != to && cpu->dead == NULL);
    __atomic_store_n(&cpu->current, to, __ATOMIC_RELAXED);
    count_one(&cpu->switches);
    arch_current_set(to);
    return is_locked ? cpu : NULL;
}

// The same as switch_to_locked where cpu->attention is 0, or at most has_company, and `from` does
// not die. Without company nobody else looks at what the lock protects while interrupts are off, so
// it need not be taken: `is_locked` says whether it is. After switch_begin.
__attribute__((always_inline)) static inline void switch_quick(struct cpu *cpu, struct thread *from,
                                                               struct thread *to, bool is_locked) {
    void *passed = switch_quick_enter(cpu, from, to, is_locked);
    if (__builtin_expect(from->context.aspace == to->context.aspace, 1))
        finish_switch(arch_context_switch_near(&from->context, &to->context, passed));
    else
        finish_switch(arch_context_switch(&from->context, &to->context, passed));
}

// And where both run in one address space.
__attribute__((always_inline)) static inline void
switch_quick_near(struct cpu *cpu, struct thread *from, struct thread *to, bool is_locked) {
    ASSERT(from->context.aspace == to->context.aspace);
    void *passed = switch_quick_enter(cpu, from, to, is_locked);
    finish_switch(arch_context_switch_near(&from->context, &to->context, passed));
}
