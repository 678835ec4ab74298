// The scheduler: who runs on each CPU, for how long, and when the CPU's timer is to ring.
//
// A thread leaves its CPU in sched_switch only, with interrupts off: because it blocks or exits
// (wait.c, thread.c), because its slice is over or somebody woke who comes first (sched_preempt, on
// the way back from an interrupt, or where a thread turns preemption on again), or because it
// yields.
//
// A thread that becomes ready joins the queue of the CPU that it ran on last. Threads move in two
// ways. A CPU that has nothing to run takes a ready thread over from another (take_over); and one
// whose thread has used up a slice takes one from a CPU where more wait (balance), so that three
// threads that compute on two CPUs get two thirds of one each. Work waits nowhere while a CPU
// idles: who goes idle says so in `idle` first, and looks at all queues afterwards; who puts a
// thread into a queue looks at `idle` afterwards, and wakes one CPU of it.
//
// A thread may be ready, and taken over, before the CPU that it leaves has saved its context.
// `on_cpu` says when that is done; who takes a thread over waits for it. That CPU itself waits for
// nobody then: it has chosen whom to run.
//
// The timer is one-shot and asked for what comes first: a sleeper's deadline, or the end of the
// running thread's slice. The idle thread has no slice, so an idle CPU is silent until the next
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
//   2. a ready thread is on the queue of the CPU that its `cpu` names, or on its way to it in
//      take_over or balance;
//   3. preempt_count is 0 at every switch, and no spinlock is held across one;
//   4. `reschedule` is set by whoever makes a thread ready that should run before the current one,
//      and is cleared only by the CPU's sched_switch, under the lock.
//
// Locks: runq.lock, inside everything else of the scheduler; never two of them.

#include "kernel/sched/sched_internal.h"

#include "base/assert.h"
#include "base/fmt.h"
#include "base/math.h"

// What a stay on the CPU costs at least, so that threads which run for less than the clock can tell
// use up their slices too.
#define STAY_NS_MIN 1000u

struct cpu sched_cpus[ARCH_CPUS_MAX];
struct cpu_messages cpu_messages[ARCH_CPUS_MAX];

static struct {
    // Atomic, a bit for each CPU:
    u32 online; // has been initialised
    u32 idle;   // has nothing to do, and nobody has told it yet that there is something
} sched;

static u32 id_of(const struct cpu *cpu) {
    return (u32)(cpu - sched_cpus);
}

// Whose queue the thread is in, or will be when it wakes. Stable while it is blocked or running.
static struct cpu *cpu_of(const struct thread *thread) {
    return cpu_at(__atomic_load_n(&thread->cpu, __ATOMIC_RELAXED));
}

static bool is_idle(const struct cpu *cpu, const struct thread *thread) {
    return thread == &cpu->idle;
}

void sched_init(void) {
    u32 id = arch_cpu_id();
    struct cpu *cpu = cpu_at(id);
    if (id == 0) {
        memset(&sched, 0, sizeof sched);
        memset(sched_cpus, 0, sizeof sched_cpus);
    }
    *cpu = (struct cpu){.timer_ns = UINT64_MAX};
    runq_init(&cpu->runq);
    sleepers_init(&cpu->sleepers);
    cpu->idle = (struct thread){
        .context.aspace = arch_aspace_kernel(),
        .name = "idle",
        .affinity = 1u << id,
        .cpu = id,
        .on_cpu = true,
        .state = THREAD_RUNNING,
        .preempt_count = 1, // until sched_run
        .switched_in_ns = arch_clock_ns(),
        .share = &cpu_share_of_kernel,
    };
    list_init(&cpu->idle.ready_link);
    list_init(&cpu->idle.wait_link);
    list_init(&cpu->idle.dead_link);
    cpu->current = &cpu->idle;
    arch_current_set(&cpu->idle);
    // Pairs with the loads in take_over, balance and sched_check.
    __atomic_fetch_or(&sched.online, 1u << id, __ATOMIC_RELEASE);
}

// -- Time ---------------------------------------------------------------------------------------

static void add_relaxed(u64 *counter, u64 amount) {
    // Only the CPU itself writes; others look.
    __atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

// Charges the current thread for its time up to now.
static void account(struct cpu *cpu, u64 now_ns) {
    struct thread *thread = cpu->current;
    u64 used_ns = now_ns > thread->switched_in_ns ? now_ns - thread->switched_in_ns : 0;
    add_relaxed(&thread->cpu_time_ns, used_ns);
    thread->switched_in_ns = now_ns;
    thread->slice_left_ns -= min_u64(thread->slice_left_ns, max_u64(used_ns, STAY_NS_MIN));
    add_relaxed(is_idle(cpu, thread) ? &cpu->idle_ns : &cpu->busy_ns, used_ns);
}

u64 thread_cpu_time_ns(void) {
    arch_irq_state irq = arch_irq_save();
    const struct thread *thread = thread_current();
    u64 used_ns = thread->cpu_time_ns + (arch_clock_ns() - thread->switched_in_ns);
    arch_irq_restore(irq);
    return used_ns;
}

u64 thread_charged_ns(const struct thread *thread) {
    return __atomic_load_n(&thread->cpu_time_ns, __ATOMIC_RELAXED);
}

static struct message_counts counts_now(const struct message_counts *counts) {
    return (struct message_counts){
        .calls = __atomic_load_n(&counts->calls, __ATOMIC_RELAXED),
        .served = __atomic_load_n(&counts->served, __ATOMIC_RELAXED),
    };
}

struct message_counts thread_messages(const struct thread *thread) {
    return counts_now(&thread->messages);
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
    // Relaxed: read by that CPU after the interrupt or the lock that made it true.
    __atomic_store_n(&cpu->reschedule, true, __ATOMIC_RELAXED);
}

// -- Other CPUs ---------------------------------------------------------------------------------

// Has the CPU find out, interrupts off, that it is to switch.
static void tell(struct cpu *cpu) {
    request_switch(cpu);
    if (cpu != cpu_this())
        arch_cpu_wake(id_of(cpu));
}

// Has one of the idle CPUs among `candidates` look for work. Interrupts off; what there is to find
// has been put into a queue.
static bool offer(u32 candidates) {
    // The others are told when they come: each looks at all queues before it idles.
    if ((__atomic_load_n(&sched.online, __ATOMIC_RELAXED) & candidates) == 0)
        return false;
    // Orders the queue before the look at `idle`; pairs with the exchange in sched_run.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    u32 left = __atomic_load_n(&sched.idle, __ATOMIC_SEQ_CST) & candidates;
    for (; left != 0; left &= left - 1) {
        u32 id = (u32)__builtin_ctz(left);
        if ((__atomic_fetch_and(&sched.idle, ~(1u << id), __ATOMIC_SEQ_CST) >> id & 1) == 0)
            continue; // somebody else was quicker
        tell(cpu_at(id));
        return true;
    }
    return false;
}

// Takes a ready thread out of another CPU's queue, or NULL. It belongs to this CPU from now on.
// Interrupts off, no lock held.
static struct thread *take_from(struct cpu *other, struct cpu *cpu) {
    if (__atomic_load_n(&other->runq.count, __ATOMIC_SEQ_CST) == 0)
        return NULL;
    struct thread *thread = NULL;
    spin_lock(&other->runq.lock);
    // One that idles has been told, and runs its own.
    if (!is_idle(other, other->current))
        thread = runq_take_locked(&other->runq, id_of(cpu));
    if (thread != NULL)
        __atomic_store_n(&thread->cpu, id_of(cpu), __ATOMIC_RELAXED);
    spin_unlock(&other->runq.lock);
    if (thread == NULL)
        return NULL;
    // Pairs with the release in finish_switch: from then on its context is saved.
    while (__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE))
        arch_cpu_relax();
    add_relaxed(&cpu->taken, 1);
    return thread;
}

// Takes a ready thread over from whoever has one, the next CPU first.
static struct thread *take_over(struct cpu *cpu) {
    u32 online = __atomic_load_n(&sched.online, __ATOMIC_ACQUIRE);
    for (u32 i = 1; i < ARCH_CPUS_MAX; i++) {
        u32 id = (id_of(cpu) + i) % ARCH_CPUS_MAX;
        struct thread *thread = (online >> id & 1) != 0 ? take_from(cpu_at(id), cpu) : NULL;
        if (thread != NULL)
            return thread;
    }
    return NULL;
}

// Takes a thread from the CPU where most wait, if these are more than here. Interrupts off.
static void balance(struct cpu *cpu) {
    u32 most = __atomic_load_n(&cpu->runq.count, __ATOMIC_RELAXED);
    struct cpu *busiest = NULL;
    u32 online = __atomic_load_n(&sched.online, __ATOMIC_ACQUIRE);
    for (u32 left = online & ~(1u << id_of(cpu)); left != 0; left &= left - 1) {
        struct cpu *other = cpu_at((u32)__builtin_ctz(left));
        u32 count = __atomic_load_n(&other->runq.count, __ATOMIC_RELAXED);
        if (count > most) {
            most = count;
            busiest = other;
        }
    }
    struct thread *thread = busiest == NULL ? NULL : take_from(busiest, cpu);
    if (thread == NULL)
        return;
    spin_lock(&cpu->runq.lock);
    runq_put_taken_locked(&cpu->runq, thread);
    spin_unlock(&cpu->runq.lock);
}

// The running thread has used up its slice: another turn, or somebody else's.
static void end_slice(struct cpu *cpu) {
    balance(cpu);
    spin_lock(&cpu->runq.lock);
#ifndef NDEBUG
    runq_check_locked(&cpu->runq, id_of(cpu));
#endif
    if (runq_has_rival_locked(&cpu->runq, cpu->current->priority))
        request_switch(cpu);
    else
        cpu->current->slice_left_ns =
            cpu_share_turn_ns(cpu->current->share, &cpu->current->share_turn);
    spin_unlock(&cpu->runq.lock);
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
    if (!is_idle(cpu, cpu->current) && cpu->current->slice_left_ns == 0)
        end_slice(cpu);
    timer_update(cpu, now_ns);
}

// -- Switching ----------------------------------------------------------------------------------

static void become_current_locked(struct cpu *cpu, struct thread *thread, u64 now_ns) {
    ASSERT(spin_is_held(&cpu->runq.lock));
    // Atomic for those who look without the lock (sched_cpu_stats).
    __atomic_store_n(&cpu->current, thread, __ATOMIC_RELAXED);
    __atomic_store_n(&thread->on_cpu, true, __ATOMIC_RELAXED);
    thread->switched_in_ns = now_ns;
}

// Decides who runs next out of this CPU's queue, and makes it the current thread.
static struct thread *choose(struct cpu *cpu, u64 now_ns) {
    spin_lock(&cpu->runq.lock);
    struct thread *from = cpu->current;
    account(cpu, now_ns);
    __atomic_store_n(&cpu->reschedule, false, __ATOMIC_RELAXED);
    cpu->left_is_dead = from->state == THREAD_DEAD;
    // Woken threads go first. Without one, the front of the queue is this thread again unless its
    // slice is over.
    bool goes_on = from->state == THREAD_RUNNING && !is_idle(cpu, from);
    if (goes_on)
        runq_put_back_locked(&cpu->runq, from);
    struct thread *to = runq_pop_locked(&cpu->runq);
    if (to == NULL)
        to = &cpu->idle;
    become_current_locked(cpu, to, now_ns);
    u32 affinity = from->affinity;
    spin_unlock(&cpu->runq.lock);
    if (goes_on && to != from)
        offer(affinity & ~(1u << id_of(cpu)));
    return to;
}

// The same out of the other CPUs' queues; the idle thread where there is nobody.
static struct thread *choose_elsewhere(struct cpu *cpu, u64 now_ns) {
    struct thread *to = take_over(cpu);
    if (to == NULL)
        return &cpu->idle;
    spin_lock(&cpu->runq.lock);
    to->state = THREAD_RUNNING;
    become_current_locked(cpu, to, now_ns);
    spin_unlock(&cpu->runq.lock);
    return to;
}

// The other half of a switch, on the stack of the thread that was chosen.
static void finish_switch(void) {
    struct cpu *cpu = cpu_this();
    struct thread *left = cpu->previous;
    bool is_dead = cpu->left_is_dead;
    cpu->previous = NULL;
    // From here on another CPU may run it, unless it is dead. Pairs with the load in take_from.
    __atomic_store_n(&left->on_cpu, false, __ATOMIC_RELEASE);
    if (is_dead)
        thread_reap(left);
}

void sched_switch(void) {
    ASSERT(!arch_irq_enabled());
    struct cpu *cpu = cpu_this();
    u64 now_ns = arch_clock_ns();
    struct thread *from = cpu->current;
    ASSERT(from->preempt_count == 0);
    struct thread *to = choose(cpu, now_ns);
    if (is_idle(cpu, to))
        to = choose_elsewhere(cpu, now_ns);
    timer_update(cpu, now_ns);
    if (to == from)
        return;
    if (is_idle(cpu, from))
        __atomic_fetch_and(&sched.idle, ~(1u << id_of(cpu)), __ATOMIC_SEQ_CST);
    add_relaxed(&cpu->switches, 1);
    cpu->previous = from;
    arch_current_set(to);
    arch_context_switch(&from->context, &to->context);
    finish_switch();
}

void sched_enter(void) {
    ASSERT(!arch_irq_enabled());
    finish_switch();
}

bool sched_wants_switch(void) {
    return wants_switch();
}

void sched_preempt(void) {
    ASSERT(!arch_irq_enabled());
    if (sched_wants_switch())
        sched_switch();
}

void preempt_disable(void) {
    thread_current()->preempt_count++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // what follows stays behind it
}

void preempt_enable(void) {
    struct thread *thread = thread_current();
    ASSERT(thread->preempt_count != 0);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // what precedes stays before it
    thread->preempt_count--;
    // With interrupts off the caller may be in a handler or hold a spinlock: the switch happens
    // when the interrupt returns, or at the next occasion.
    if (!wants_switch() || !arch_irq_enabled())
        return;
    arch_irq_state irq = arch_irq_save();
    sched_preempt();
    arch_irq_restore(irq);
}

void sched_enable_and_switch(void) {
    arch_irq_state irq = arch_irq_save();
    struct thread *thread = thread_current();
    ASSERT(thread->preempt_count == 1);
    thread->preempt_count = 0;
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
    ASSERT(thread->preempt_count != 0);
    ASSERT(thread == cpu->current);
    ASSERT(!is_idle(cpu, thread)); // the idle thread cannot wait
    spin_lock(&cpu->runq.lock);
    ASSERT(thread->state == THREAD_RUNNING);
    thread->state = THREAD_BLOCKED;
    spin_unlock(&cpu->runq.lock);
}

// Whether a woken thread takes the CPU from the current one.
static bool preempts_locked(const struct cpu *cpu, const struct thread *thread, bool has_slice) {
    if (is_idle(cpu, cpu->current) || thread->priority > cpu->current->priority)
        return true;
    return has_slice && thread->priority == cpu->current->priority;
}

void sched_wake(struct thread *thread) {
    struct cpu *cpu = cpu_of(thread);
    spin_lock(&cpu->runq.lock);
    ASSERT(thread->state == THREAD_BLOCKED);
    if (thread == cpu->current) {
        thread->state = THREAD_RUNNING;
        spin_unlock(&cpu->runq.lock);
        return;
    }
    bool has_slice = thread->slice_left_ns != 0;
    bool was_idle = is_idle(cpu, cpu->current);
    bool preempts = preempts_locked(cpu, thread, has_slice);
    u32 others = thread->affinity & ~(1u << id_of(cpu));
    runq_put_woken_locked(&cpu->runq, thread);
    // What the CPU does is decided under the lock: it cannot have gone idle unseen.
    if (was_idle || (!offer(others) && preempts))
        tell(cpu);
    spin_unlock(&cpu->runq.lock);
}

void sched_interrupt(struct thread *thread) {
    // What the thread is to see was written before; pairs with the locks that a CPU takes before it
    // runs a thread. If it moves on, it looks on its way.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    arch_irq_state irq = arch_irq_save();
    u32 id = __atomic_load_n(&thread->cpu, __ATOMIC_SEQ_CST);
    if (id != arch_cpu_id() && __atomic_load_n(&thread->on_cpu, __ATOMIC_SEQ_CST))
        arch_cpu_wake(id);
    arch_irq_restore(irq);
}

void sched_run(void) {
    arch_irq_save();
    struct cpu *cpu = cpu_this();
    ASSERT(is_idle(cpu, cpu->current));
    if (id_of(cpu) == 0)
        thread_reaper_start();
    ASSERT(cpu->idle.preempt_count == 1);
    cpu->idle.preempt_count = 0;
    for (;;) {
        // First the word that it idles, then the look at all queues; pairs with the fence in offer.
        __atomic_fetch_or(&sched.idle, 1u << id_of(cpu), __ATOMIC_SEQ_CST);
        sched_switch();
        // Threads may have run meanwhile, or somebody has work: then the word has been taken back,
        // and who sleeps without it is not woken.
        u32 idle = __atomic_load_n(&sched.idle, __ATOMIC_SEQ_CST);
        if ((idle >> id_of(cpu) & 1) != 0 && !sched_wants_switch())
            arch_cpu_idle();
    }
}

// -- Looking ------------------------------------------------------------------------------------

bool sched_cpu_stats(u32 id, struct cpu_stats *out) {
    if (id >= ARCH_CPUS_MAX || (__atomic_load_n(&sched.online, __ATOMIC_ACQUIRE) >> id & 1) == 0)
        return false;
    struct cpu *cpu = cpu_at(id);
    *out = (struct cpu_stats){
        .busy_ns = __atomic_load_n(&cpu->busy_ns, __ATOMIC_RELAXED),
        .idle_ns = __atomic_load_n(&cpu->idle_ns, __ATOMIC_RELAXED),
        .switches = __atomic_load_n(&cpu->switches, __ATOMIC_RELAXED),
        .taken = __atomic_load_n(&cpu->taken, __ATOMIC_RELAXED),
        .ready = __atomic_load_n(&cpu->runq.count, __ATOMIC_RELAXED),
        .messages = counts_now(&cpu_messages[id].counts),
    };
    // The thread cannot end while it is current, and its name outlives it.
    spin_lock(&cpu->runq.lock);
    fmt_string(out->running, sizeof out->running, "%s", cpu->current->name);
    spin_unlock(&cpu->runq.lock);
    return true;
}

void sched_check(void) {
    u32 online = __atomic_load_n(&sched.online, __ATOMIC_ACQUIRE);
    for (u32 left = online; left != 0; left &= left - 1) {
        struct cpu *cpu = cpu_at((u32)__builtin_ctz(left));
        spin_lock(&cpu->runq.lock);
        runq_check_locked(&cpu->runq, id_of(cpu));
        ASSERT(is_idle(cpu, cpu->current) || cpu->current->cpu == id_of(cpu));
        ASSERT(list_is_empty(&cpu->current->ready_link));
        spin_unlock(&cpu->runq.lock);
    }
}
