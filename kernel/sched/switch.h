#pragma once
// The switch from one thread to another. Private to kernel/sched: sched.c chooses, park.c hands
// over.

#include "base/assert.h"
#include "kernel/sched/sched_internal.h"
#include "kernel/sched/trace.h"

// Every way into a thread ends here: the lock that was taken to choose it is released.
static inline void finish_switch(struct cpu *cpu) {
    struct thread *dead = cpu->dead;
    spin_unlock_masked(&cpu->runq.lock);
    if (__builtin_expect(dead != NULL, 0)) {
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
    __atomic_store_n(&cpu->switches, cpu->switches + 1, __ATOMIC_RELAXED);
    if (trace_wanted())
        trace_write(to, TRACE_SWITCH, from->id, left_because(from), 0);
    arch_current_set(to);
    finish_switch(arch_context_switch(&from->context, &to->context, cpu));
}
