// Threads: making them, ending them, and freeing what they leave behind.
//
// A thread cannot free the stack it runs on. It dies in its last sched_switch; whoever runs next
// keeps its stack for another thread (stack_pool.c), or hands it to the reaper, a thread of its own
// that frees stacks with interrupts on and preemption enabled, since unmapping takes its time.

#include "kernel/sched/thread.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/lend.h"
#include "kernel/sched/sched_internal.h"

#define REAPER_STACK_BYTES (16 * KIB)

static struct {
    struct wait_queue queue;

    // Under queue.lock:
    struct list dead;
} reaper;

static u32 last_id; // atomic: of all threads that were made

// -- Making -------------------------------------------------------------------------------------

static void thread_main(void *argument) {
    struct thread *thread = argument;
    sched_enter();
    arch_irq_restore(ARCH_IRQ_ON);
    thread->entry(thread->argument);
    thread_exit();
}

// Relaxed: the count is looked at for the length of turns only.
static void join_share(struct thread *thread, struct cpu_share *share) {
    thread->share = share;
    if (share != &cpu_share_of_kernel)
        __atomic_fetch_add(&share->threads, 1, __ATOMIC_RELAXED);
}

static void leave_share(struct thread *thread) {
    if (thread->share != &cpu_share_of_kernel)
        __atomic_fetch_sub(&thread->share->threads, 1, __ATOMIC_RELAXED);
    thread->share = &cpu_share_of_kernel;
}

static enum status make_stack(struct aspace *as, const struct thread_config *config,
                              struct area **out) {
    struct area *stack = NULL;
    if (as == aspace_kernel())
        stack = stack_pool_take(config->stack_bytes, config->stack_committed);
    enum status status;
    if (stack != NULL)
        status = area_adopt(as, stack, config->account);
    else
        status = area_create(as, AREA_STACK, config->stack_bytes, config->account, &stack);
    if (status == OK)
        status = area_grow(as, stack, config->stack_committed);
    if (status == OK)
        *out = stack;
    else
        area_destroy(as, stack); // NULL, when there is none
    return status;
}

enum status thread_create(const struct thread_config *config, struct thread **out) {
    struct thread *thread = kmalloc_part(sizeof *thread, offsetof(struct thread, lent));
    if (thread == NULL)
        return ERR_NO_MEMORY;
    struct aspace *as = config->aspace == NULL ? aspace_kernel() : config->aspace;
    enum status status = make_stack(as, config, &thread->stack);
    if (status != OK) {
        kfree(thread, sizeof *thread);
        return status;
    }
    aspace_retain(as);
    thread->aspace = as;

    thread->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    thread->name = config->name;
    thread->entry = config->entry;
    thread->argument = config->argument;
    thread->owner = config->owner;
    join_share(thread, config->share == NULL ? &cpu_share_of_kernel : config->share);
    thread->base_priority = config->priority;
    thread->priority = config->priority;
    thread->affinity = config->affinity == 0 ? ANY_CPU : config->affinity;
    thread->state = THREAD_BLOCKED; // until it is started; with no slice left, so it starts last
    thread->cpu = cpu_at(0);
    thread->sleepers_cpu = cpu_at(0);
    list_init(&thread->wait_link);
    list_init(&thread->dead_link);
    arch_context_init(&thread->context, as->arch, thread->stack->vma.end, thread_main, thread);
    *out = thread;
    return OK;
}

void thread_start(struct thread *thread) {
    arch_irq_state irq = arch_irq_save();
    // Atomic: it may be killed before it starts.
    __atomic_store_n(&thread->cpu, sched_place(thread), __ATOMIC_RELAXED);
    sched_wake(thread);
    if (irq != 0)
        sched_preempt();
    arch_irq_restore(irq);
}

static void thread_free(struct thread *thread) {
    arch_context_fini(&thread->context);
    kfree(thread, sizeof *thread);
}

void thread_discard(struct thread *thread) {
    leave_share(thread);
    area_destroy(thread->aspace, thread->stack);
    aspace_release(thread->aspace);
    thread_free(thread);
}

// -- Visiting -----------------------------------------------------------------------------------
// The visitor stays the thread that it is, and may be preempted or wait: its context says where it
// goes on, and that is on the host's stack meanwhile. Where it came from is kept in what the host
// could lend.

struct visit {
    void (*function)(void *);
    void *argument;
    struct arch_context home;
    struct aspace *home_aspace;
    struct arch_context left; // of the visit, which is over
};
STATIC_ASSERT(sizeof(struct visit) <= THREAD_LENT_BYTES, "a visit is what the host lends");

static void visit_main(void *argument) {
    struct visit *visit = argument;
    arch_irq_restore(ARCH_IRQ_ON);
    visit->function(visit->argument);
    arch_irq_save();
    struct thread *visitor = thread_current();
    visit->left = visitor->context;
    visitor->context = visit->home;
    visitor->aspace = visit->home_aspace;
    arch_context_switch(&visit->left, &visitor->context, NULL);
    UNREACHABLE();
}

void thread_visit(struct thread *host, void (*function)(void *), void *argument) {
    ASSERT(host->state == THREAD_BLOCKED && is_for_all(argument));
    struct thread *visitor = thread_current();
    struct visit *visit = (struct visit *)host->lent;
    visit->function = function;
    visit->argument = argument;
    struct arch_context there;
    u64 top = align_down(host->context.sp, 16); // below what the host will start with
    arch_context_init(&there, host->aspace->arch, top, visit_main, visit);
    arch_irq_state irq = arch_irq_save();
    visit->home = visitor->context;
    visit->home_aspace = visitor->aspace;
    visitor->context = there;
    visitor->aspace = host->aspace;
    arch_context_switch(&visit->home, &visitor->context, NULL);
    arch_irq_restore(irq);
    arch_context_fini(&visit->left);
}

void thread_leave_share(void) {
    arch_irq_state irq = arch_irq_save();
    struct thread *thread = thread_current();
    leave_share(thread);
    i64 turn = (i64)thread->share->turn_ticks;
    if (thread->slice_ticks > turn)
        thread->slice_ticks = turn;
    arch_irq_restore(irq);
}

// -- Lending ------------------------------------------------------------------------------------

struct aspace *thread_aspace(void) {
    const struct thread *thread = thread_current();
    return thread == NULL || thread->aspace == NULL ? aspace_kernel() : thread->aspace;
}

// -- Ending -------------------------------------------------------------------------------------

void thread_exit(void) {
    if (priority_is_borrowed(thread_current()))
        priority_give_back(thread_current());
    arch_irq_save();
    struct cpu *cpu = cpu_this();
    struct thread *thread = cpu->current;
    ASSERT(thread->waiting_on == NULL && thread->borrower == NULL);
    ASSERT(thread->state == THREAD_RUNNING);
    thread->state = THREAD_DEAD; // nobody wakes a thread that runs
    cpu->dead = thread;
    sched_switch();
    UNREACHABLE();
}

void thread_reap(struct thread *thread) {
    ASSERT(thread->state == THREAD_DEAD);
    if (stack_pool_put(thread->stack)) {
        leave_share(thread);
        thread_free(thread);
        return;
    }
    wait_lock(&reaper.queue);
    list_push_back(&reaper.dead, &thread->dead_link);
    wake_one_locked(&reaper.queue);
    wait_unlock(&reaper.queue);
}

static struct thread *next_dead(void) {
    wait_lock(&reaper.queue);
    enum status status = OK;
    while (list_is_empty(&reaper.dead) && status == OK)
        status = wait_locked(&reaper.queue, WAIT_FOREVER);
    ASSERT(status == OK); // nobody kills the reaper
    struct list *node = list_pop_front(&reaper.dead);
    wait_unlock(&reaper.queue);
    return container_of(node, struct thread, dead_link);
}

static void reaper_main(void *) {
    for (;;) {
        struct thread *thread = next_dead();
        thread_discard(thread);
    }
}

void thread_reaper_start(void) {
    wait_queue_init(&reaper.queue);
    list_init(&reaper.dead);
    const struct thread_config config = {
        .name = "reaper",
        .entry = reaper_main,
        .stack_bytes = REAPER_STACK_BYTES + PAGE_SIZE,
        .stack_committed = REAPER_STACK_BYTES,
        .priority = PRIORITY_HIGH, // what it gives back others may be waiting for
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    CHECK(status == OK); // the machine has just booted
    thread_start(thread);
}

// -- Killing, stopping, sleeping ------------------------------------------------------------------

void thread_kill(struct thread *thread) {
    // Before the look at the wait. Pairs with the load in wait.c: whichever comes second under the
    // sleepers lock sees the other.
    __atomic_store_n(&thread->asked, THREAD_KILLED, __ATOMIC_RELEASE);
    wait_cancel(thread);
    sched_interrupt(thread);
}

void thread_stop(struct thread *thread) {
    u32 nothing = 0;
    if (__atomic_compare_exchange_n(&thread->asked, &nothing, THREAD_STOPPED, false,
                                    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        sched_interrupt(thread);
}

void thread_continue(struct thread *thread) {
    u32 stopped = THREAD_STOPPED;
    (void)__atomic_compare_exchange_n(&thread->asked, &stopped, 0, false, __ATOMIC_RELEASE,
                                      __ATOMIC_RELAXED);
}

enum status thread_sleep_until(u64 deadline_ns) {
    struct wait_queue *nobody = thread_lend(sizeof *nobody); // wakes it
    wait_queue_init(nobody);
    wait_lock(nobody);
    enum status status = OK;
    while (status == OK)
        status = wait_locked(nobody, deadline_ns);
    wait_unlock(nobody);
    thread_lend_end();
    return status == ERR_TIMED_OUT ? OK : status;
}
