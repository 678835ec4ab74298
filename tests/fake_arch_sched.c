// Contexts, the timer and interrupts of the fake machine.
//
// A context is a host thread, and a switch hands over a token: one runs, all others wait for
// theirs. So sanitizers see ordinary stacks, and nothing is concurrent. Host threads of a
// simulation that is over wait for a token that never comes; the end of the process takes them
// along.
//
// Nor do several CPUs run at once: one gives the token away only where it lets time pass, to the
// CPU for which it passes first. So no CPU ever finds another in the middle of something.

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/aspace.h"
#include "kernel/sched/thread.h"
#include "tests/fake_arch.h"
#include "tests/fake_sched.h"

struct host_context {
    sem_t token;
    void (*entry)(void *);
    void *argument;
};

struct cpu_state {
    u64 timer_ns;                // UINT64_MAX: not armed
    u64 until_ns;                // when it goes on, unless it is woken
    u32 woken_seen;              // of fake_cpu_woken
    struct host_context *paused; // what it goes on with
};

static struct {
    struct cpu_state cpus[ARCH_CPUS_MAX];
    u32 cpu_count;
    struct host_context *running;
    void *passed;
    u64 armed;
    u64 rang;
    u64 interrupt_ns; // UINT64_MAX: none; CPU 0's
    void (*interrupt)(void);
    u64 chance; // counts down; 0: off
    void (*chance_interrupt)(void);
    sem_t over; // the simulation
} fake;

// -- Contexts -----------------------------------------------------------------------------------

static void wait_for(sem_t *token) {
    while (sem_wait(token) != 0)
        ;
}

static void *host_thread_main(void *argument) {
    struct host_context *context = argument;
    wait_for(&context->token);
    context->entry(context->argument);
    CHECK(false); // an entry does not return
    return NULL;
}

static struct host_context *host_context_create(void (*entry)(void *), void *argument) {
    struct host_context *context = calloc(1, sizeof *context);
    CHECK(context != NULL);
    sem_init(&context->token, 0, 0);
    context->entry = entry;
    context->argument = argument;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * KIB);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    CHECK(pthread_create(&thread, &attributes, host_thread_main, context) == 0);
    pthread_attr_destroy(&attributes);
    return context;
}

void arch_context_init(struct arch_context *context, struct arch_aspace *as, u64 stack_top,
                       void (*entry)(void *), void *argument) {
    CHECK(is_aligned(stack_top, 16));
    *context = (struct arch_context){
        .sp = (u64)(uptr)host_context_create(entry, argument),
        .aspace = as,
    };
}

void *arch_context_switch(struct arch_context *from, struct arch_context *to, void *passed) {
    CHECK(!arch_irq_enabled());
    struct host_context *self = fake.running;
    struct host_context *other = (struct host_context *)(uptr)to->sp;
    CHECK(other != NULL && other != self);
    from->sp = (u64)(uptr)self;
    to->sp = 0; // a context is continued once
    fake_aspace_enter(to->aspace);
    fake.running = other;
    fake.passed = passed;
    sem_post(&other->token);
    wait_for(&self->token);
    CHECK(!arch_irq_enabled());
    return fake.passed;
}

void arch_segment_base_set(struct arch_context *running, u64 base) {
    running->segment_base = base;
}

// -- Time ---------------------------------------------------------------------------------------

static struct cpu_state *cpu_state(void) {
    return &fake.cpus[arch_cpu_id()];
}

static bool is_woken(u32 cpu) {
    return fake.cpus[cpu].woken_seen != fake_cpu_woken(cpu);
}

[[noreturn]] static void end_simulation(void) {
    struct host_context *self = fake.running; // not the next simulation's
    sem_post(&fake.over);
    for (;;)
        wait_for(&self->token); // which nobody gives
}

static u64 goes_on_ns(u32 cpu) {
    return is_woken(cpu) ? 0 : fake.cpus[cpu].until_ns;
}

// Lets time pass on this CPU, up to then or until it is woken.
static void pass_until(u64 until_ns) {
    u32 self_cpu = arch_cpu_id();
    fake.cpus[self_cpu].until_ns = until_ns;
    u32 first = 0;
    for (u32 cpu = 1; cpu < fake.cpu_count; cpu++)
        first = goes_on_ns(cpu) < goes_on_ns(first) ? cpu : first;
    if (goes_on_ns(first) == UINT64_MAX)
        end_simulation();
    fake_clock_set(max_u64(goes_on_ns(first), arch_clock_ns()));
    if (first != self_cpu) {
        struct host_context *self = fake.running;
        fake.cpus[self_cpu].paused = self;
        fake.running = fake.cpus[first].paused;
        fake_cpu_continue(first);
        sem_post(&fake.running->token);
        wait_for(&self->token);
    }
    fake.cpus[self_cpu].woken_seen = fake_cpu_woken(self_cpu);
}

// -- Interrupts ---------------------------------------------------------------------------------

void arch_timer_arm(u64 deadline_ns) {
    CHECK(!arch_irq_enabled());
    cpu_state()->timer_ns = deadline_ns;
    fake.armed++;
}

u64 fake_timer_armed(void) {
    return fake.armed;
}

u64 fake_timer_rang(void) {
    return fake.rang;
}

// Calls the handlers of what is due. Interrupts off.
static void handle_due(void) {
    u64 now_ns = arch_clock_ns();
    if (fake.interrupt_ns <= now_ns && arch_cpu_id() == 0) {
        fake.interrupt_ns = UINT64_MAX;
        fake.interrupt();
    }
    if (cpu_state()->timer_ns <= now_ns) {
        cpu_state()->timer_ns = UINT64_MAX;
        fake.rang++;
        sched_timer();
    }
}

static u64 next_interrupt_ns(void) {
    u64 timer_ns = cpu_state()->timer_ns;
    return arch_cpu_id() == 0 ? min_u64(timer_ns, fake.interrupt_ns) : timer_ns;
}

// An interrupt of the running thread, with what follows on the way back.
static void interrupt_thread(void) {
    arch_irq_state irq = arch_irq_save();
    handle_due();
    if (sched_wants_switch())
        sched_preempt();
    arch_irq_restore(irq);
}

void fake_interrupt_at(u64 at_ns, void (*handler)(void)) {
    fake.interrupt_ns = at_ns;
    fake.interrupt = handler;
}

static bool take_chance(void) {
    if (fake.chance == 0 || --fake.chance != 0)
        return false;
    fake.interrupt_ns = 0;
    fake.interrupt = fake.chance_interrupt;
    return true;
}

static void irq_hook(void) {
    if (take_chance())
        interrupt_thread();
}

void fake_interrupt_at_nth_chance(u64 n, void (*handler)(void)) {
    fake.chance = n;
    fake.chance_interrupt = handler;
}

void fake_work(u64 ns) {
    CHECK(arch_irq_enabled());
    while (ns != 0) {
        u64 now_ns = arch_clock_ns();
        u64 due_ns = max_u64(next_interrupt_ns(), now_ns);
        pass_until(min_u64(now_ns + ns, due_ns));
        u64 passed_ns = arch_clock_ns() - now_ns;
        ns -= passed_ns;
        // If it ends early it has been woken.
        if (ns != 0 || due_ns <= now_ns + passed_ns)
            interrupt_thread();
    }
}

// -- The simulation -----------------------------------------------------------------------------

void arch_cpu_idle(void) {
    CHECK(!arch_irq_enabled());
    (void)take_chance();
    pass_until(next_interrupt_ns());
    handle_due();
    if (sched_wants_switch())
        sched_preempt();
}

void fake_sched_stop(void) {
    end_simulation();
}

struct boot {
    void (*body)(void *);
    void *argument;
};

static void cpu_main(void *) {
    sched_init();
    sched_run();
}

static void start_others(void) {
    if (fake.cpu_count > 1)
        sched_expect_company();
    for (u32 cpu = 1; cpu < fake.cpu_count; cpu++) {
        fake.cpus[cpu] = (struct cpu_state){
            .timer_ns = UINT64_MAX,
            .paused = host_context_create(cpu_main, NULL),
        };
    }
}

static void boot_main(void *argument) {
    struct boot *boot = argument;
    fake_machine_start_simple(64 * MIB);
    fake_irq_hook_set(irq_hook);
    aspace_init(aspace_kernel(), arch_aspace_kernel());
    sched_init();
    start_others();
    const struct thread_config config = {
        .name = "body",
        .entry = boot->body,
        .argument = boot->argument,
        .stack_bytes = 5 * PAGE_SIZE,
        .stack_committed = 4 * PAGE_SIZE,
        .priority = PRIORITY_NORMAL,
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    CHECK(status == OK);
    thread_start(thread);
    sched_run();
}

void fake_sched_run_on(u32 cpus, void (*body)(void *argument), void *argument) {
    fake.cpus[0] = (struct cpu_state){.timer_ns = UINT64_MAX};
    fake.cpu_count = cpus;
    fake.interrupt_ns = UINT64_MAX;
    fake.armed = 0;
    fake.rang = 0;
    fake.chance = 0;
    sem_init(&fake.over, 0, 0);
    struct boot boot = {body, argument};
    fake.running = host_context_create(boot_main, &boot);
    sem_post(&fake.running->token);
    wait_for(&fake.over);
}

void fake_sched_run(void (*body)(void *argument), void *argument) {
    fake_sched_run_on(1, body, argument);
}
