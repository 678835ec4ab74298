// The scheduler: who runs on each CPU, for how long, and when the CPU's timer is to ring.
//
// A thread leaves its CPU with interrupts off, in sched_switch: because it blocks or exits (wait.c,
// thread.c), because its slice is over or somebody woke who comes first (sched_preempt, on the way
// back from an interrupt, or where a thread turns preemption on again), or because it yields. Or it
// hands the CPU over to another that it knows (park.c).
//
// A thread that becomes ready joins the queue of the CPU that it ran on last. Threads move in two
// ways (balance.c). A CPU that has nothing to run takes a ready thread over from another
// (take_over); and one whose thread has used up a slice takes one that has had less (balance), so
// that three threads that compute on two CPUs get two thirds of one each. Work waits nowhere while
// a CPU idles: who goes idle says so in `idle` first, and looks at all queues afterwards; who puts
// a thread into a queue looks at `idle` afterwards, and wakes one CPU of it.
//
// A thread whose CPU idles is handed over instead of queued: `handed` of that CPU is one word.
//   - The idle thread makes it HANDED_OPEN before it says that it idles and looks for work, and
//     NULL before it runs anybody. So while it is HANDED_OPEN, the idle thread runs there.
//   - Who makes a thread ready owns it: it took the thread off its wait queue, claimed it (park.h),
//     or made it. It puts it in the place of HANDED_OPEN, and then it is the CPU's alone: one of
//     several wakers succeeds, the others go to the queue, behind it.
//   - The registers of such a thread are saved: it is new, or that CPU is the one that it ran on
//     last, which has left it for the idle thread since.
//   - Its state remains THREAD_BLOCKED until the idle thread has the queue's lock, so whoever looks
//     under that lock finds what it expects.
//   - The bit in `idle` is taken first. If the exchange fails then, the CPU is on its way out of
//     idling and sets its bit anew before it sleeps: so none sleeps without its bit unless an
//     interrupt is on its way. If the bit had been taken before, by an offer, that CPU will not
//     look for what was offered, and others are told.
//
// Who counts on an idle CPU, to look at all queues or at its own, leaves word (`is_offered`). A CPU
// that runs somebody may have found somebody else, so where there is such word it has all that idle
// look (pass_on). tests/model/idle.pml has all of this.
//
// A CPU keeps its run queue's lock from the choice of the next thread until that runs, which lets
// go of it: so nobody takes over a thread whose context is not saved yet. Only the idle thread
// looks at other CPUs' queues, where it holds no lock.
//
// Time is charged in ticks (arch_ticks), which are cheap to read and are converted for whoever
// asks. Every stay on a CPU is charged to the thread that was there, the idle thread too, so what
// all threads used is what has passed. Threads that hand the CPU over to each other (park.c) are
// one stay, charged to the last of them.
//
// The timer is one-shot and rings at the latest for what comes first: a sleeper's deadline, or the
// end of the running thread's slice. One that rings too early, because plans changed, is left
// alone: its interrupt asks again. So the timer is programmed where a deadline is added and where a
// slice ends, and at no other switch; a CPU that goes idle has one such interrupt at most, and is
// silent from then on until the next deadline.
//
// A wake-up cannot get lost between "nothing to do" and sleep: with interrupts off, sched_run looks
// at `reschedule`, and arch_cpu_idle turns them on and waits in one step. How a thread that is
// about to block is woken is told in wait.c.
//
// Invariants:
//   1. current->state is THREAD_RUNNING, or THREAD_BLOCKED or THREAD_DEAD on its way into
//      sched_switch; the idle thread is always THREAD_IDLE and on no queue;
//   2. a ready thread is on the queue of the CPU that its `cpu` names, or on its way to it in
//      take_over or balance;
//   3. preempt_count is 0 at every switch, and no spinlock but runq.lock is held across one;
//   4. `reschedule` is set by whoever makes a thread ready that should run before the current one,
//      and is cleared only where the CPU chooses again, under the lock;
//   5. while a thread runs whose slice is not over, the timer rings at its end at the latest.
//
// Locks: runq.lock, inside everything else of the scheduler; never two of them.

#include "kernel/sched/sched_internal.h"

#include "base/assert.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/sched/switch.h"

struct cpu sched_cpus[ARCH_CPUS_MAX];
struct cpu_messages cpu_messages[ARCH_CPUS_MAX];

static struct {
    // Atomic, a bit for each CPU:
    u32 online; // has been initialised
    u32 idle;   // has nothing to do, and nobody has told it yet that there is something
} sched;

// Whose queue the thread is in, or will be when it wakes. Stable while it is blocked or running.
static struct cpu *cpu_of(const struct thread *thread) {
    return __atomic_load_n(&thread->cpu, __ATOMIC_RELAXED);
}

void sched_expect_company(void) {
    ASSERT(arch_cpu_id() == 0);
    __atomic_store_n(&cpu_at(0)->has_company, true, __ATOMIC_RELAXED);
}

void sched_set_traced(bool is_traced) {
    u32 online = __atomic_load_n(&sched.online, __ATOMIC_RELAXED);
    for (; online != 0; online &= online - 1)
        __atomic_store_n(&cpu_at((u32)__builtin_ctz(online))->is_traced, is_traced,
                         __ATOMIC_RELAXED);
}

void sched_init(void) {
    u32 id = arch_cpu_id();
    struct cpu *cpu = cpu_at(id);
    if (id == 0) {
        memset(&sched, 0, sizeof sched);
        memset(sched_cpus, 0, sizeof sched_cpus);
        stack_pool_init();
        cpu_share_init(&cpu_share_of_kernel, CPU_SHARE_USUAL);
    }
    u64 now_ticks = arch_ticks();
    *cpu = (struct cpu){
        .id = id,
        .started_ticks = now_ticks,
        .charged_ticks = now_ticks,
        .timer_ticks = UINT64_MAX,
        .is_traced = trace_wanted(),
        .is_slow = !arch_is_quick(),
        .has_company = id != 0,
    };
    ASSERT(id == 0 || cpu_at(0)->has_company);
    runq_init(&cpu->runq);
    sleepers_init(&cpu->sleepers);
    cpu->idle = (struct thread){
        .context.aspace = arch_aspace_kernel(),
        .name = "idle",
        .affinity = 1u << id,
        .cpu = cpu,
        .state = THREAD_IDLE,
        .preempt_count = 1, // until sched_run
        .share = &cpu_share_of_kernel,
    };
    list_init(&cpu->idle.wait_link);
    list_init(&cpu->idle.dead_link);
    cpu->current = &cpu->idle;
    arch_current_set(&cpu->idle);
    // Pairs with the loads in sched_online and sched_check.
    __atomic_fetch_or(&sched.online, 1u << id, __ATOMIC_RELEASE);
}

// -- Time ---------------------------------------------------------------------------------------

static void add_relaxed(u64 *counter, u64 amount) {
    // Only the CPU itself writes; others look.
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + amount,
                     __ATOMIC_RELAXED);
}

// What the running thread has used up to `now` since it was charged last, not yet of its slice.
static inline u64 charge_up_to(struct cpu *cpu, struct thread *thread, u64 now) {
    u64 used = now - cpu->charged_ticks;
    __atomic_store_n(&cpu->charged_ticks, now, __ATOMIC_RELAXED);
    add_relaxed(&thread->used_ticks, used);
    return used;
}

// Charges the running thread for its time up to now, which it returns. Interrupts off.
static inline u64 charge(struct cpu *cpu, struct thread *thread) {
    u64 now = arch_ticks();
    thread->slice_ticks -= (i64)charge_up_to(cpu, thread, now);
    return now;
}

u64 thread_cpu_time_ns(void) {
    arch_irq_state irq = arch_irq_save();
    struct thread *thread = thread_current();
    charge(cpu_this(), thread); // so that nobody else is charged for what this thread has seen
    u64 used = thread->used_ticks;
    arch_irq_restore(irq);
    return arch_ticks_to_ns(used);
}

u64 thread_charged_ns(const struct thread *thread) {
    return arch_ticks_to_ns(__atomic_load_n(&thread->used_ticks, __ATOMIC_RELAXED));
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

[[gnu::noinline]] static void timer_set(struct cpu *cpu, u64 now, u64 at) {
    cpu->timer_ticks = at;
    arch_timer_arm_ticks(now, at);
}

// Has the timer ring at the tick `at` at the latest, which is not before `now`.
static inline void timer_within(struct cpu *cpu, u64 now, u64 at) {
    if (__builtin_expect(at < cpu->timer_ticks, 0))
        timer_set(cpu, now, at);
}

void sched_timer_at(u64 at_ns) {
    ASSERT(!arch_irq_enabled());
    if (at_ns == UINT64_MAX)
        return;
    u64 now_ns = arch_clock_ns();
    u64 now = arch_ticks();
    timer_within(cpu_this(), now, now + arch_ns_to_ticks(at_ns > now_ns ? at_ns - now_ns : 0));
}

// Sees to it that the timer rings when the slice of the thread, which runs from `now` on, is over.
static inline void watch_slice(struct cpu *cpu, const struct thread *thread, u64 now) {
    ASSERT(thread_has_slice(thread));
    timer_within(cpu, now, now + (u64)thread->slice_ticks);
}

static void request_switch(struct cpu *cpu) {
    // Relaxed: read by that CPU after the interrupt or the lock that made it true.
    __atomic_store_n(&cpu->reschedule, true, __ATOMIC_RELAXED);
}

static inline void clear_request(struct cpu *cpu) {
    // Written where it changes only, see thread_yield.
    if (__atomic_load_n(&cpu->reschedule, __ATOMIC_RELAXED))
        __atomic_store_n(&cpu->reschedule, false, __ATOMIC_RELAXED);
}

// -- Other CPUs ---------------------------------------------------------------------------------

// Has the CPU find out, interrupts off, that it is to switch.
static void tell(struct cpu *cpu) {
    request_switch(cpu);
    if (cpu != cpu_this())
        arch_cpu_wake(cpu->id);
}

// The same, if it has not looked at all queues by then.
static void count_on(struct cpu *cpu) {
    // Before the request; pairs with the exchange in take_offer.
    __atomic_store_n(&cpu->is_offered, true, __ATOMIC_RELEASE);
    tell(cpu);
}

void sched_idle_begin(struct cpu *cpu) {
    // What is there otherwise is HANDED_OPEN, or a thread. Release pairs with the exchange in hand.
    if (__atomic_load_n(&cpu->handed, __ATOMIC_RELAXED) == NULL)
        __atomic_store_n(&cpu->handed, HANDED_OPEN, __ATOMIC_RELEASE);
    __atomic_fetch_or(&sched.idle, 1u << cpu->id, __ATOMIC_SEQ_CST);
}

// Takes back the word that the CPU idles; false: somebody else has.
static inline bool idle_end(const struct cpu *cpu) {
    u32 bit = 1u << cpu->id;
    return (__atomic_fetch_and(&sched.idle, ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

// Has one of the idle CPUs among `candidates` look for work. Interrupts off; what there is to find
// has been put into a queue.
static bool offer(u32 candidates) {
    // The others are told when they come: each looks at all queues before it idles.
    if ((__atomic_load_n(&sched.online, __ATOMIC_RELAXED) & candidates) == 0)
        return false;
    // Orders the queue before the look at `idle`; pairs with sched_idle_begin.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    u32 left = __atomic_load_n(&sched.idle, __ATOMIC_SEQ_CST) & candidates;
    for (; left != 0; left &= left - 1) {
        u32 id = (u32)__builtin_ctz(left);
        if (!idle_end(cpu_at(id)))
            continue; // somebody else was quicker
        count_on(cpu_at(id));
        return true;
    }
    return false;
}

bool offer_elsewhere(const struct cpu *cpu, u32 affinity) {
    return offer(affinity & ~(1u << cpu->id));
}

// Whether a thread waits in any queue; a look without locks.
static bool is_any_ready(void) {
    // Acquire pairs with the store in sched_init. The counts are as in take_from.
    u32 left = __atomic_load_n(&sched.online, __ATOMIC_ACQUIRE);
    for (; left != 0; left &= left - 1) {
        if (__atomic_load_n(&cpu_at((u32)__builtin_ctz(left))->runq.count, __ATOMIC_SEQ_CST) != 0)
            return true;
    }
    return false;
}

// What this CPU may have been counted on for is the others' business: each looks that idles, for
// who waits may not run on every one. Interrupts off.
[[gnu::noinline]] static void pass_on(const struct cpu *cpu) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // as in offer
    u32 left = sched_idle() & ~(1u << cpu->id);
    if (left == 0 || !is_any_ready())
        return;
    for (; left != 0; left &= left - 1)
        (void)offer(left & -left);
}

// Whether somebody has offered this CPU something, which it is to look for, or to pass on. Before
// it looks.
static inline bool take_offer(struct cpu *cpu) {
    return __builtin_expect(__atomic_load_n(&cpu->is_offered, __ATOMIC_RELAXED), 0) &&
           __atomic_exchange_n(&cpu->is_offered, false, __ATOMIC_SEQ_CST);
}

// Hands a thread that is on no CPU to its own one, if that idles. Interrupts off.
static inline bool hand(struct cpu *cpu, struct thread *thread) {
    if (__atomic_load_n(&cpu->handed, __ATOMIC_RELAXED) != HANDED_OPEN)
        return false;
    bool is_counted_on = !idle_end(cpu); // by an offer, which is to go to somebody else then
    struct thread *open = HANDED_OPEN;
    // Pairs with the exchange in take_handed, and with the store in sched_idle_begin.
    bool is_handed = __atomic_compare_exchange_n(&cpu->handed, &open, thread, false,
                                                 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    if (is_handed && cpu != cpu_this())
        arch_cpu_wake(cpu->id);
    if (__builtin_expect(is_counted_on, 0))
        offer_elsewhere(cpu, ANY_CPU);
    return is_handed;
}

// Nobody hands the idle CPU anything from now on. Who has been handed to it, or NULL.
static inline struct thread *take_handed(struct cpu *cpu) {
    struct thread *thread = __atomic_load_n(&cpu->handed, __ATOMIC_ACQUIRE); // as below
    if (thread > HANDED_OPEN) {
        __atomic_store_n(&cpu->handed, NULL, __ATOMIC_RELAXED); // nobody touches it there
        return thread;
    }
    thread = __atomic_exchange_n(&cpu->handed, NULL, __ATOMIC_ACQUIRE); // pairs with hand
    return thread > HANDED_OPEN ? thread : NULL;
}

// Whether the running thread has used up its slice, or almost: the clock and the ticks differ a
// little, and what is left is not worth an interrupt.
static bool slice_is_over(const struct thread *thread) {
    return thread->slice_ticks < (i64)(thread->share->turn_ticks / 128);
}

// The running thread has used up its slice: another turn, or somebody else's.
static void end_slice(struct cpu *cpu, struct thread *thread) {
    bool has_company = __atomic_load_n(&cpu->has_company, __ATOMIC_RELAXED);
    if (has_company) {
        balance(cpu, thread);
        spin_lock_masked(&cpu->runq.lock);
#ifndef NDEBUG
        runq_check_locked(&cpu->runq, cpu);
#endif
    }
    if (thread->slice_ticks > 0)
        thread->slice_ticks = 0; // what it took too long is counted
    if (runq_has_rival(&cpu->runq, thread->priority))
        request_switch(cpu);
    else
        runq_next_turn_locked(&cpu->runq, thread);
    if (has_company)
        spin_unlock_masked(&cpu->runq.lock);
}

void sched_timer(void) {
    ASSERT(!arch_irq_enabled());
    struct thread *thread = thread_current();
    if (thread == NULL)
        return; // it rang before scheduling began
    struct cpu *cpu = cpu_of(thread);
    cpu->timer_ticks = UINT64_MAX;
    u64 now = charge(cpu, thread);
    u64 next_ns = sleepers_next_ns(&cpu->sleepers);
    if (next_ns != UINT64_MAX) {
        u64 now_ns = arch_clock_ns();
        if (next_ns <= now_ns)
            sleepers_expire(&cpu->sleepers, now_ns);
    }
    if (!is_idle(cpu, thread)) {
        if (slice_is_over(thread))
            end_slice(cpu, thread);
        // Otherwise somebody else has the next turn. If it cannot be given away now, ask again.
        u64 wait = thread_has_slice(thread) ? (u64)thread->slice_ticks : thread->share->turn_ticks;
        cpu->timer_ticks = now + wait;
        arch_timer_arm_ticks(now, now + wait);
    }
    next_ns = sleepers_next_ns(&cpu->sleepers);
    if (next_ns != UINT64_MAX)
        sched_timer_at(next_ns);
}

// -- Switching ----------------------------------------------------------------------------------

// Chooses out of the other CPUs' queues, for the idle thread. The lock is held, and let go of
// meanwhile.
static struct thread *choose_elsewhere_locked(struct cpu *cpu) {
    spin_unlock_masked(&cpu->runq.lock);
    struct thread *taken = take_over(cpu);
    spin_lock_masked(&cpu->runq.lock);
    if (taken != NULL)
        runq_put_taken_locked(&cpu->runq, taken);
    struct thread *thread = runq_pop_locked(&cpu->runq);
    return thread == NULL ? &cpu->idle : thread;
}

// For the idle thread, or one that cannot go on; interrupts off, the lock held.
static struct thread *choose_without_locked(struct cpu *cpu, struct thread *from) {
    struct thread *to = runq_pop_locked(&cpu->runq);
    if (!is_idle(cpu, from))
        return to == NULL ? &cpu->idle : to;
    if (to == NULL)
        to = choose_elsewhere_locked(cpu);
    if (to == from)
        return to;
    idle_end(cpu);
    struct thread *handed = take_handed(cpu);
    if (handed != NULL) { // somebody came in between
        runq_put_woken_locked(&cpu->runq, handed);
        request_switch(cpu);
        offer_elsewhere(cpu, handed->affinity);
    }
    return to;
}

// The running thread is ready as well as another that comes before it: somebody may take it.
static inline void offer_left(const struct cpu *cpu, const struct thread *from) {
    if (__builtin_expect(__atomic_load_n(&cpu->has_company, __ATOMIC_RELAXED), 0))
        offer_elsewhere(cpu, from->affinity);
}

void sched_switch(void) {
    ASSERT(!arch_irq_enabled());
    struct thread *from = thread_current();
    struct cpu *cpu = cpu_of(from);
    u64 now = charge(cpu, from);
    spin_lock_masked(&cpu->runq.lock);
    clear_request(cpu);
    bool is_offered = take_offer(cpu);
    struct thread *to;
    if (from->state == THREAD_RUNNING) {
        // Woken threads go first. Without one, the front of the queue is this thread again unless
        // its slice is over.
        runq_put_back_locked(&cpu->runq, from);
        to = runq_pop_locked(&cpu->runq);
        if (to != from)
            offer_left(cpu, from);
    } else {
        to = choose_without_locked(cpu, from);
    }
    if (!is_idle(cpu, to)) {
        watch_slice(cpu, to, now);
        if (is_offered)
            pass_on(cpu);
    }
    if (to == from)
        spin_unlock_masked(&cpu->runq.lock);
    else
        switch_to_locked(cpu, from, to);
}

// The idle thread runs the one that it was handed. That stays there up to the lock: who looks under
// the lock takes an idle CPU that is not handed anybody for one that runs what is in its queue.
static void run_handed(struct cpu *cpu) {
    struct thread *from = &cpu->idle;
    u64 now = charge(cpu, from);
    spin_lock_masked(&cpu->runq.lock);
    struct thread *to = take_handed(cpu);
    clear_request(cpu);
    bool is_offered = take_offer(cpu);
    u32 index = ready_index(to->priority) + thread_has_slice(to); // of the queue that it would join
    if (__builtin_expect(cpu->runq.levels >> index > 1, 0)) {
        runq_put_woken_locked(&cpu->runq, to);
        to = runq_pop_locked(&cpu->runq);
    } else { // those in the queue came later
        ASSERT(to->state == THREAD_BLOCKED);
        to->state = THREAD_RUNNING;
        if (!thread_has_slice(to))
            runq_next_turn_locked(&cpu->runq, to);
    }
    if (is_offered)
        pass_on(cpu);
    watch_slice(cpu, to, now);
    switch_to_locked(cpu, from, to);
}

void sched_enter(void) {
    ASSERT(!arch_irq_enabled());
    struct cpu *cpu = cpu_this();
    // What was passed is not known here. With company the lock is always held; without, whoever
    // has taken it is who left.
    finish_switch(spin_is_taken(&cpu->runq.lock) ? switch_pass(cpu) : NULL);
}

bool sched_wants_switch(void) {
    return wants_switch();
}

// The next turn is that of another thread of a ring, on one CPU. Interrupts off.
static inline bool is_next_in_ring(const struct cpu *cpu, const struct thread *from) {
    union {
        u32 word;
        struct {
            bool reschedule;
        };
    } const only = {.reschedule = true};
    return (__atomic_load_n(&cpu->attention, __ATOMIC_RELAXED) & ~only.word) == 0 &&
           from->state == THREAD_RUNNING && !thread_has_slice(from) &&
           runq_is_ring(&cpu->runq, from);
}

// Runs the next one of the ring; `from` gets a new slice, and is charged for the time up to now.
// The order is for the CPU's sake: while it sets the segment it does nothing else, and would wait
// for the ticks before; after them it has better few stores to finish.
__attribute__((always_inline)) static inline void go_round_ring(struct cpu *cpu,
                                                                struct thread *from) {
    struct thread *to = runq_first_of_ring(&cpu->runq);
    switch_begin(to);
    runq_rotate_ring(&cpu->runq, from, to);
    u64 now = arch_ticks_quick();
    charge_up_to(cpu, from, now);
    watch_slice(cpu, to, now);
    switch_quick(cpu, from, to, false);
}

void sched_preempt(void) {
    ASSERT(!arch_irq_enabled());
    struct thread *from = thread_current();
    if (!wants_switch_of(from))
        return;
    struct cpu *cpu = cpu_of(from);
    if (!is_next_in_ring(cpu, from)) {
        sched_switch();
        return;
    }
    clear_request(cpu);
    go_round_ring(cpu, from);
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

[[gnu::noinline]] static void yield_slow(void) {
    struct thread *from = thread_current();
    struct cpu *cpu = cpu_of(from);
    u64 now = charge(cpu, from);
    spin_lock_masked(&cpu->runq.lock);
    clear_request(cpu);
    bool is_offered = take_offer(cpu);
    struct thread *to = runq_rotate_locked(&cpu->runq, from);
    watch_slice(cpu, to, now);
    if (is_offered)
        pass_on(cpu);
    if (to == from) {
        spin_unlock_masked(&cpu->runq.lock);
    } else {
        offer_left(cpu, from);
        switch_to_locked(cpu, from, to);
    }
}

u32 thread_yield(void) {
    ASSERT(arch_irq_enabled());
    arch_irq_disable();
    // On one CPU threads that yield to each other are all that is ready, mostly. Where that CPU's
    // things are is known, so nothing has to be found first. With company all CPUs look at this
    // word, which hardly changes then, and is alone in its line.
    struct cpu *cpu = cpu_at(0);
    if (__builtin_expect(__atomic_load_n(&cpu->attention, __ATOMIC_RELAXED) == 0 &&
                             runq_is_ring(&cpu->runq, cpu->current),
                         1))
        go_round_ring(cpu, cpu->current);
    else
        yield_slow();
    arch_irq_enable();
    return thread_asked();
}

// -- Waking --------------------------------------------------------------------------------------

// Whether a woken thread takes the CPU from the current one.
static bool preempts_locked(const struct cpu *cpu, const struct thread *thread, bool has_slice) {
    if (is_idle(cpu, cpu->current) || thread->priority > cpu->current->priority)
        return true;
    return has_slice && thread->priority == cpu->current->priority;
}

struct cpu *sched_place(const struct thread *thread) {
    struct cpu *self = cpu_this();
    if ((thread->affinity >> self->id & 1) != 0)
        return self;
    u32 candidates = thread->affinity & sched_online();
    ASSERT(candidates != 0);
    u32 idle = candidates & __atomic_load_n(&sched.idle, __ATOMIC_RELAXED); // a guess
    return cpu_at((u32)__builtin_ctz(idle != 0 ? idle : candidates));
}

void sched_wake(struct thread *thread) {
    struct cpu *cpu = cpu_of(thread);
    trace(TRACE_WAKE, thread->id, cpu->id, 0);
    if (hand(cpu, thread))
        return;
    spin_lock_masked(&cpu->runq.lock);
    ASSERT(thread->state == THREAD_BLOCKED);
    if (thread == cpu->current) {
        thread->state = THREAD_RUNNING;
        spin_unlock_masked(&cpu->runq.lock);
        return;
    }
    bool preempts = preempts_locked(cpu, thread, thread_has_slice(thread));
    runq_put_woken_locked(&cpu->runq, thread);
    // What the CPU does is decided under the lock: it cannot have gone idle unseen.
    if (is_idle(cpu, cpu->current) && !is_handed(cpu)) {
        idle_end(cpu); // so that nobody else counts on it
        count_on(cpu);
    } else if (!offer_elsewhere(cpu, thread->affinity) && preempts) {
        tell(cpu);
    }
    spin_unlock_masked(&cpu->runq.lock);
}

// Locks the run queue of the CPU whose thread it is, which stays so while that is held. Interrupts
// off.
static struct cpu *lock_cpu_of(const struct thread *thread) {
    struct cpu *cpu = cpu_of(thread);
    spin_lock_masked(&cpu->runq.lock);
    while (cpu != cpu_of(thread)) { // it has been taken over
        spin_unlock_masked(&cpu->runq.lock);
        cpu = cpu_of(thread);
        spin_lock_masked(&cpu->runq.lock);
    }
    return cpu;
}

void sched_set_priority(struct thread *thread, enum thread_priority priority) {
    struct cpu *cpu = lock_cpu_of(thread);
    runq_set_priority_locked(&cpu->runq, thread, priority);
    const struct thread *current = cpu->current;
    bool is_first = is_idle(cpu, current) || cpu->runq.levels >> (2u * current->priority + 2) == 0;
    if (!is_first)
        tell(cpu);
    spin_unlock_masked(&cpu->runq.lock);
}

void sched_interrupt(struct thread *thread) {
    // What the thread is to see was written before. A switch to it is under this lock: either it is
    // over, and the thread is current, or it comes, and the thread sees that when it goes on. A
    // barrier here would not do, for there is none between `current` and what the thread sees.
    arch_irq_state irq = arch_irq_save();
    struct cpu *cpu = lock_cpu_of(thread);
    if (cpu != cpu_this() && cpu->current == thread)
        arch_cpu_wake(cpu->id);
    spin_unlock_masked(&cpu->runq.lock);
    arch_irq_restore(irq);
}

// Whether the idle CPU may have something to do; a look without locks, after the word that it
// idles: who adds work afterwards tells it.
static bool may_have_work(const struct cpu *cpu) {
    return __atomic_load_n(&cpu->reschedule, __ATOMIC_RELAXED) || is_any_ready();
}

// Sleeps until an interrupt, which only comes back here: what it wants is done by sched_run, for no
// register of a program is to be saved.
static void sleep_idle(struct cpu *cpu) {
    ASSERT(!arch_irq_enabled());
    cpu->idle.preempt_count = 1;
    arch_cpu_idle();
    cpu->idle.preempt_count = 0;
}

void sched_run(void) {
    arch_irq_save();
    struct cpu *cpu = cpu_this();
    ASSERT(is_idle(cpu, cpu->current));
    if (cpu->id == 0)
        thread_reaper_start();
    ASSERT(cpu->idle.preempt_count == 1);
    cpu->idle.preempt_count = 0;
    for (;;) {
        // First the word that it idles, then the look at all queues; pairs with the fence in offer.
        sched_idle_begin(cpu);
        if (may_have_work(cpu))
            sched_switch();
        // If threads have run meanwhile, that word has been taken back. If it is taken back, or a
        // thread is handed over, from here on, an interrupt comes.
        if (__atomic_load_n(&cpu->handed, __ATOMIC_RELAXED) == HANDED_OPEN)
            sleep_idle(cpu);
        if (is_handed(cpu))
            run_handed(cpu);
    }
}

// -- Looking ------------------------------------------------------------------------------------

u32 sched_idle(void) {
    return __atomic_load_n(&sched.idle, __ATOMIC_SEQ_CST);
}

u32 sched_online(void) {
    // Pairs with the store in sched_init.
    return __atomic_load_n(&sched.online, __ATOMIC_ACQUIRE);
}

void thread_rename(const char *name) {
    arch_irq_state irq = arch_irq_save();
    struct cpu *cpu = cpu_this();
    spin_lock_masked(&cpu->runq.lock); // others read the name of who runs here
    cpu->current->name = name;
    spin_unlock_masked(&cpu->runq.lock);
    arch_irq_restore(irq);
}

bool sched_cpu_stats(u32 id, struct cpu_stats *out) {
    if (id >= ARCH_CPUS_MAX || (__atomic_load_n(&sched.online, __ATOMIC_ACQUIRE) >> id & 1) == 0)
        return false;
    struct cpu *cpu = cpu_at(id);
    // Up to the last switch. The idle thread's first: it must not have more than has passed.
    u64 idle_ns = thread_charged_ns(&cpu->idle);
    u64 charged_ticks = __atomic_load_n(&cpu->charged_ticks, __ATOMIC_RELAXED);
    u64 passed_ns = arch_ticks_to_ns(charged_ticks - cpu->started_ticks);
    *out = (struct cpu_stats){
        .busy_ns = passed_ns > idle_ns ? passed_ns - idle_ns : 0,
        .idle_ns = idle_ns,
        .switches = __atomic_load_n(&cpu->switches, __ATOMIC_RELAXED),
        .taken = __atomic_load_n(&cpu->taken, __ATOMIC_RELAXED),
        .ready = __atomic_load_n(&cpu->runq.count, __ATOMIC_RELAXED),
        .messages = counts_now(&cpu_messages[id].counts),
    };
    u64 quick_calls = __atomic_load_n(&cpu->quick_calls, __ATOMIC_RELAXED);
    out->messages.calls += quick_calls;
    out->messages.served += quick_calls;
    // The thread cannot end while it is current, nor take another name under this lock.
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
        runq_check_locked(&cpu->runq, cpu);
        ASSERT(cpu->current->cpu == cpu);
        ASSERT(cpu->idle.state == THREAD_IDLE);
        spin_unlock(&cpu->runq.lock);
    }
}
