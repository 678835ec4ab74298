// The scheduler of each CPU: who runs, for how long, and when the timer is to ring.
//
// A thread leaves the CPU in sched_switch only, with interrupts off: because it blocks or exits
// (wait.c, thread.c), because its slice is over or somebody woke who comes first (sched_preempt, on
// the way back from an interrupt, or where a thread turns preemption on again), or because it
// yields. Threads stay on the CPU that started them.
//
// The timer is one-shot and asked for what comes first: a sleeper's deadline, or the end of the
// running thread's slice. The idle thread has no slice, so an idle machine is silent until the next
// deadline. A request that comes too early because plans changed is left alone while a thread runs:
// the interrupt asks again. That saves programming the timer at most switches.
//
// A wake-up cannot get lost between "nothing to do" and sleep: with interrupts off, sched_run looks
// at `reschedule`, and arch_cpu_idle turns them on and waits in one step. How a thread that is
// about to block is woken is told in wait.c.
//
// Invariants:
//   1. current->state is THREAD_RUNNING, or THREAD_BLOCKED or THREAD_DEAD on its way into
//      sched_switch; the idle thread is always THREAD_RUNNING and on no queue;
//   2. preempt_count is 0 at every switch, and no spinlock is held across one;
//   3. `reschedule` is set by whoever makes a thread ready that should run before the current one,
//      and is cleared only by sched_switch, under the lock.
//
// Locks: runq.lock, inside everything else of the scheduler.

#include "kernel/sched/sched_internal.h"

#include "base/assert.h"
#include "base/math.h"

// What a stay on the CPU costs at least, so that threads which run for less than the clock can tell
// use up their slices too.
#define STAY_NS_MIN 1000u

static struct {
    struct cpu cpus[ARCH_CPUS_MAX];
} sched;

struct cpu *cpu_this(void) {
    return &sched.cpus[arch_cpu_id()];
}

struct cpu *cpu_of(const struct thread *thread) {
    return &sched.cpus[thread->cpu];
}

struct thread *thread_current(void) {
    return cpu_this()->current;
}

static bool is_idle(const struct cpu *cpu, const struct thread *thread) {
    return thread == &cpu->idle;
}

void sched_init(void) {
    struct cpu *cpu = cpu_this();
    *cpu = (struct cpu){.timer_ns = UINT64_MAX, .preempt_count = 1}; // until sched_run
    runq_init(&cpu->runq);
    sleepers_init(&cpu->sleepers);
    cpu->idle = (struct thread){
        .name = "idle",
        .cpu = arch_cpu_id(),
        .state = THREAD_RUNNING,
        .switched_in_ns = arch_clock_ns(),
    };
    list_init(&cpu->idle.ready_link);
    list_init(&cpu->idle.wait_link);
    list_init(&cpu->idle.dead_link);
    cpu->current = &cpu->idle;
}

// -- Time ---------------------------------------------------------------------------------------

// Charges the current thread for its time up to now.
static void account(struct cpu *cpu, u64 now_ns) {
    struct thread *thread = cpu->current;
    u64 used_ns = now_ns - thread->switched_in_ns;
    thread->cpu_time_ns += used_ns;
    thread->switched_in_ns = now_ns;
    thread->slice_left_ns -= min_u64(thread->slice_left_ns, max_u64(used_ns, STAY_NS_MIN));
}

u64 thread_cpu_time_ns(void) {
    arch_irq_state irq = arch_irq_save();
    const struct thread *thread = thread_current();
    u64 used_ns = thread->cpu_time_ns + (arch_clock_ns() - thread->switched_in_ns);
    arch_irq_restore(irq);
    return used_ns;
}

// Has the timer ring for what comes first; earlier only where that saves arming it.
static void timer_update(struct cpu *cpu, u64 now_ns) {
    u64 at_ns = sleepers_next_ns(&cpu->sleepers);
    bool idle = is_idle(cpu, cpu->current);
    if (!idle) {
        // A slice that is over while preemption is off: ask again later, not at once.
        u64 left_ns = cpu->current->slice_left_ns;
        at_ns = min_u64(at_ns, now_ns + (left_ns == 0 ? THREAD_SLICE_NS : left_ns));
    }
    if (at_ns == cpu->timer_ns || (!idle && at_ns > cpu->timer_ns))
        return;
    cpu->timer_ns = at_ns;
    arch_timer_arm(at_ns);
}

static void request_switch(struct cpu *cpu) {
    // Relaxed: read by this CPU after the interrupt or the lock that made it true.
    __atomic_store_n(&cpu->reschedule, true, __ATOMIC_RELAXED);
}

void sched_timer(void) {
    ASSERT(!arch_irq_enabled());
    struct cpu *cpu = cpu_this();
    if (cpu->current == NULL)
        return; // it rang before scheduling began
    cpu->timer_ns = UINT64_MAX;
    u64 now_ns = arch_clock_ns();
    account(cpu, now_ns);
    sleepers_expire(&cpu->sleepers, now_ns);

    if (!is_idle(cpu, cpu->current) && cpu->current->slice_left_ns == 0) {
        spin_lock(&cpu->runq.lock);
        if (runq_is_empty_locked(&cpu->runq))
            cpu->current->slice_left_ns = THREAD_SLICE_NS; // alone: one turn after the other
        else
            request_switch(cpu);
        spin_unlock(&cpu->runq.lock);
    }
    timer_update(cpu, now_ns);
}

// -- Switching ----------------------------------------------------------------------------------

// Decides who runs next, and makes it the current thread.
static struct thread *choose(struct cpu *cpu, u64 now_ns) {
    spin_lock(&cpu->runq.lock);
    struct thread *from = cpu->current;
    account(cpu, now_ns);
    __atomic_store_n(&cpu->reschedule, false, __ATOMIC_RELAXED);
    if (from->state == THREAD_RUNNING && !is_idle(cpu, from)) {
        // A woken thread goes first. Without one, the front of the queue is this thread again
        // unless its slice is over.
        struct thread *to = list_is_empty(&cpu->runq.woken) ? NULL : runq_pop_locked(&cpu->runq);
        runq_put_back_locked(&cpu->runq, from);
        cpu->current = to != NULL ? to : runq_pop_locked(&cpu->runq);
    } else {
        struct thread *to = runq_pop_locked(&cpu->runq);
        cpu->current = to != NULL ? to : &cpu->idle;
    }
    cpu->current->switched_in_ns = now_ns;
    spin_unlock(&cpu->runq.lock);
    return cpu->current;
}

// The other half of a switch, on the stack of the thread that was chosen.
static void finish_switch(void) {
    struct cpu *cpu = cpu_this();
    struct thread *left = cpu->previous;
    cpu->previous = NULL;
    if (left->state == THREAD_DEAD)
        thread_reap(left);
}

void sched_switch(void) {
    ASSERT(!arch_irq_enabled());
    struct cpu *cpu = cpu_this();
    ASSERT(cpu->preempt_count == 0);
    u64 now_ns = arch_clock_ns();
    struct thread *from = cpu->current;
    struct thread *to = choose(cpu, now_ns);
    timer_update(cpu, now_ns);
    if (to == from)
        return;
    cpu->previous = from;
    arch_context_switch(&from->context, &to->context);
    finish_switch();
}

void sched_enter(void) {
    ASSERT(!arch_irq_enabled());
    finish_switch();
}

bool sched_wants_switch(void) {
    const struct cpu *cpu = cpu_this();
    return cpu->preempt_count == 0 && __atomic_load_n(&cpu->reschedule, __ATOMIC_RELAXED);
}

void sched_preempt(void) {
    ASSERT(!arch_irq_enabled());
    if (sched_wants_switch())
        sched_switch();
}

void preempt_disable(void) {
    cpu_this()->preempt_count++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // what follows stays behind it
}

void preempt_enable(void) {
    struct cpu *cpu = cpu_this();
    ASSERT(cpu->preempt_count != 0);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // what precedes stays before it
    cpu->preempt_count--;
    // With interrupts off the caller may be in a handler or hold a spinlock: the switch happens
    // when the interrupt returns, or at the next occasion.
    if (!arch_irq_enabled() || !sched_wants_switch())
        return;
    arch_irq_state irq = arch_irq_save();
    sched_preempt();
    arch_irq_restore(irq);
}

void sched_enable_and_switch(void) {
    arch_irq_state irq = arch_irq_save();
    struct cpu *cpu = cpu_this();
    ASSERT(cpu->preempt_count == 1);
    cpu->preempt_count = 0;
    sched_switch();
    arch_irq_restore(irq);
}

void thread_yield(void) {
    arch_irq_state irq = arch_irq_save();
    thread_current()->slice_left_ns = 0;
    sched_switch();
    arch_irq_restore(irq);
}

// -- Blocking and waking ------------------------------------------------------------------------

void sched_set_blocked(struct thread *thread) {
    struct cpu *cpu = cpu_of(thread);
    ASSERT(cpu->preempt_count != 0);
    ASSERT(thread == cpu->current);
    ASSERT(!is_idle(cpu, thread)); // the idle thread cannot wait
    spin_lock(&cpu->runq.lock);
    ASSERT(thread->state == THREAD_RUNNING);
    thread->state = THREAD_BLOCKED;
    spin_unlock(&cpu->runq.lock);
}

void sched_wake(struct thread *thread) {
    struct cpu *cpu = cpu_of(thread);
    spin_lock(&cpu->runq.lock);
    ASSERT(thread->state == THREAD_BLOCKED);
    if (thread == cpu->current)
        thread->state = THREAD_RUNNING;
    else if (runq_put_woken_locked(&cpu->runq, thread) || is_idle(cpu, cpu->current))
        request_switch(cpu);
    spin_unlock(&cpu->runq.lock);
}

void sched_run(void) {
    arch_irq_save();
    thread_reaper_start();
    struct cpu *cpu = cpu_this();
    ASSERT(is_idle(cpu, cpu->current));
    ASSERT(cpu->preempt_count == 1);
    cpu->preempt_count = 0;
    for (;;) {
        sched_switch();
        if (!sched_wants_switch())
            arch_cpu_idle();
    }
}
