// Wait queues and mutexes.
//
// Why no wake-up is lost. The condition and the list of waiters are under one lock, the queue's. A
// thread that finds the condition false puts itself on the list and becomes THREAD_BLOCKED before
// it lets go of that lock; a waker changes the condition and looks at the list under the same lock.
// So it either runs before, and the thread finds the condition true, or after, and finds the thread
// on the list. From there on the thread may still be running, on its way into sched_switch: then
// the wake-up makes it THREAD_RUNNING again, and sched_switch lets it go on. Interrupts are off on
// that way, for a thread that lost the CPU there would sleep without its deadline.
//
// Exactly one party ends a wait: who takes the thread off the list, under the queue's lock, decides
// the status. So a wake-up is never spent on a thread that reports a timeout or a kill.
//
// A deadline or a kill starts from the thread, not from the queue, and the queue may be gone as
// soon as the thread is out of its wait (it can be lent by the thread). The lock of the
// sleepers that the thread is with holds it there: `waiting_on` is set and cleared by the thread
// under that lock, so while it is held and waiting_on is set, the queue exists. The kill flag is
// read under it after waiting_on is set, and set before waiting_on is looked at, so a kill is not
// missed either.
//
// The sleepers are those of the CPU that the wait begins on; the thread may go on elsewhere. It
// joins others under the lock of those it leaves and outside of waits. So who holds the lock of the
// sleepers that `sleepers_cpu` names keeps the thread with them.
//
// A thread that waits for several queues sleeps on the queue of its own wait_set. Who wakes a
// watched queue signals the set, under both locks; the signal stays until the thread takes it, so
// it may come at any time after the watch began. Taking the watch off takes the watched queue's
// lock, so no signaller is left behind when the set goes.
//
// Locks: sleepers.lock, then queue.lock, then that of a wait set's queue, then runq.lock.

#include "kernel/sched/wait.h"

#include "base/assert.h"
#include "kernel/sched/sched_internal.h"

void wait_queue_init(struct wait_queue *queue) {
    ASSERT(is_for_all(queue));
    spin_init(&queue->lock, LOCK_WAIT_QUEUE, "wait queue");
    list_init(&queue->waiters);
    list_init(&queue->watches);
}

void wait_unlock(struct wait_queue *queue) {
    spin_unlock(&queue->lock);
    if (!wants_switch() || !arch_irq_enabled())
        return;
    arch_irq_state irq = arch_irq_save();
    sched_preempt();
    arch_irq_restore(irq);
}

// -- Ending a wait ------------------------------------------------------------------------------

static void end_wait_locked(struct thread *thread, enum status status) {
    list_remove(&thread->wait_link);
    thread->wake_status = status;
    sched_wake(thread);
}

static void wake_first_locked(struct wait_queue *queue) {
    end_wait_locked(container_of(queue->waiters.next, struct thread, wait_link), OK);
}

static void signal_watches_locked(struct wait_queue *queue) {
    LIST_FOR_EACH(node, &queue->watches) {
        struct wait_set *set = container_of(node, struct wait_watch, link)->set;
        spin_lock(&set->queue.lock);
        set->is_signalled = true;
        if (!list_is_empty(&set->queue.waiters))
            wake_first_locked(&set->queue);
        spin_unlock(&set->queue.lock);
    }
}

void wake_one_locked(struct wait_queue *queue) {
    ASSERT(spin_is_held(&queue->lock));
    if (!list_is_empty(&queue->waiters))
        wake_first_locked(queue);
    signal_watches_locked(queue);
}

void wake_all_locked(struct wait_queue *queue) {
    ASSERT(spin_is_held(&queue->lock));
    while (!list_is_empty(&queue->waiters))
        wake_first_locked(queue);
    signal_watches_locked(queue);
}

void wake_all(struct wait_queue *queue) {
    wait_lock(queue);
    wake_all_locked(queue);
    wait_unlock(queue);
}

// Ends the wait from outside the queue, unless it has been ended already.
static void cancel_locked(struct thread *thread, enum status status) {
    struct wait_queue *queue = thread->waiting_on;
    if (queue == NULL) {
        park_end(thread, status); // if it is parked
        return;
    }
    spin_lock(&queue->lock);
    if (!list_is_empty(&thread->wait_link))
        end_wait_locked(thread, status);
    spin_unlock(&queue->lock);
}

static struct sleepers *sleepers_of(const struct thread *thread) {
    return &__atomic_load_n(&thread->sleepers_cpu, __ATOMIC_RELAXED)->sleepers;
}

void wait_cancel(struct thread *thread) {
    struct sleepers *sleepers = sleepers_of(thread);
    spin_lock(&sleepers->lock);
    while (sleepers != sleepers_of(thread)) { // it has left them
        spin_unlock(&sleepers->lock);
        sleepers = sleepers_of(thread);
        spin_lock(&sleepers->lock);
    }
    cancel_locked(thread, ERR_KILLED);
    spin_unlock(&sleepers->lock);
}

// -- Sleepers -----------------------------------------------------------------------------------

void sleepers_init(struct sleepers *sleepers) {
    spin_init(&sleepers->lock, LOCK_TIMERS, "sleepers");
    sleepers->timers = (struct timer_queue){0};
    sleepers->next_ns = UINT64_MAX;
}

static void next_changed_locked(struct sleepers *sleepers) {
    __atomic_store_n(&sleepers->next_ns, timer_next_ns(&sleepers->timers), __ATOMIC_RELAXED);
}

void sleepers_expire(struct sleepers *sleepers, u64 now_ns) {
    spin_lock(&sleepers->lock);
    for (struct timer *timer; (timer = timer_pop_due(&sleepers->timers, now_ns)) != NULL;)
        cancel_locked(container_of(timer, struct thread, timer), ERR_TIMED_OUT);
    next_changed_locked(sleepers);
    spin_unlock(&sleepers->lock);
}

// The running thread joins the sleepers of its CPU. Interrupts off.
static struct sleepers *sleepers_join(struct thread *thread) {
    struct cpu *cpu = cpu_this();
    struct sleepers *before = sleepers_of(thread);
    if (before != &cpu->sleepers) {
        spin_lock_masked(&before->lock);
        __atomic_store_n(&thread->sleepers_cpu, cpu, __ATOMIC_RELAXED);
        spin_unlock_masked(&before->lock);
    }
    return &cpu->sleepers;
}

// Lets deadline and kill end the wait that has begun. Interrupts off.
static void sleepers_add(struct thread *thread, struct wait_queue *queue, u64 deadline_ns) {
    struct sleepers *sleepers = sleepers_join(thread);
    spin_lock_masked(&sleepers->lock);
    ASSERT(thread->waiting_on == NULL);
    thread->waiting_on = queue;
    if (thread_is_killed(thread)) {
        cancel_locked(thread, ERR_KILLED);
    } else if (deadline_ns != WAIT_FOREVER) {
        timer_add(&sleepers->timers, &thread->timer, deadline_ns);
        next_changed_locked(sleepers);
        sched_timer_at(deadline_ns);
    }
    spin_unlock_masked(&sleepers->lock);
}

static void sleepers_remove(struct thread *thread) {
    struct sleepers *sleepers = sleepers_of(thread);
    spin_lock_masked(&sleepers->lock);
    thread->waiting_on = NULL;
    if (thread->timer.is_armed) {
        timer_remove(&sleepers->timers, &thread->timer);
        next_changed_locked(sleepers);
    }
    spin_unlock_masked(&sleepers->lock);
}

enum status sleepers_set(struct thread *thread, u64 deadline_ns) {
    if (deadline_ns <= arch_clock_ns())
        return ERR_TIMED_OUT;
    struct sleepers *sleepers = sleepers_join(thread);
    spin_lock_masked(&sleepers->lock);
    timer_add(&sleepers->timers, &thread->timer, deadline_ns);
    next_changed_locked(sleepers);
    sched_timer_at(deadline_ns);
    spin_unlock_masked(&sleepers->lock);
    return OK;
}

void sleepers_unset(struct thread *thread) {
    struct sleepers *sleepers = sleepers_of(thread);
    spin_lock_masked(&sleepers->lock);
    if (thread->timer.is_armed) {
        timer_remove(&sleepers->timers, &thread->timer);
        next_changed_locked(sleepers);
    }
    spin_unlock_masked(&sleepers->lock);
}

// -- Waiting ------------------------------------------------------------------------------------

// Puts the running thread on the list, and lets go of the lock. Interrupts are off afterwards.
static void begin_wait(struct wait_queue *queue, struct thread *thread) {
    ASSERT(spin_is_held(&queue->lock));
    ASSERT(queue->lock.irq != 0); // so no other spinlock is held, and this is no interrupt
    ASSERT(thread != NULL);       // scheduling has begun
    ASSERT(thread->preempt_count == 0);
    ASSERT(thread->state == THREAD_RUNNING); // the idle thread cannot wait
    list_push_back(&queue->waiters, &thread->wait_link);
    thread->state = THREAD_BLOCKED; // who wakes it takes the queue's lock before
    spin_unlock_masked(&queue->lock);
}

enum status wait_locked(struct wait_queue *queue, u64 deadline_ns) {
    struct thread *thread = thread_current();
    if (thread_is_killed(thread))
        return ERR_KILLED;
    if (deadline_ns != WAIT_FOREVER && deadline_ns <= arch_clock_ns())
        return ERR_TIMED_OUT;
    begin_wait(queue, thread);
    sleepers_add(thread, queue, deadline_ns);
    sched_switch();
    sleepers_remove(thread);
    spin_lock_to_unmask(&queue->lock);
    ASSERT(list_is_empty(&thread->wait_link));
    return thread->wake_status;
}

void wait_for_sure_locked(struct wait_queue *queue) {
    begin_wait(queue, thread_current());
    sched_switch();
    spin_lock_to_unmask(&queue->lock);
}

// -- Several queues -----------------------------------------------------------------------------

void wait_set_init(struct wait_set *set) {
    wait_queue_init(&set->queue);
    spin_init(&set->queue.lock, LOCK_WAIT_SET, "wait set");
    set->is_signalled = false;
}

void wait_set_watch(struct wait_set *set, struct wait_watch *watch, struct wait_queue *queue) {
    watch->queue = queue;
    watch->set = set;
    list_init(&watch->link);
    spin_lock(&queue->lock);
    list_push_back(&queue->watches, &watch->link);
    spin_unlock(&queue->lock);
}

void wait_set_unwatch(struct wait_watch *watch) {
    spin_lock(&watch->queue->lock);
    list_remove(&watch->link);
    spin_unlock(&watch->queue->lock);
}

enum status wait_set_wait(struct wait_set *set, u64 deadline_ns) {
    enum status status = OK;
    wait_lock(&set->queue);
    while (!set->is_signalled && status == OK)
        status = wait_locked(&set->queue, deadline_ns);
    if (status == OK)
        set->is_signalled = false;
    wait_unlock(&set->queue);
    return status;
}

// -- Mutexes ------------------------------------------------------------------------------------
// Unlocking hands the mutex over to who waits longest, so nobody can be overtaken for ever.

// Under the lock; atomic for mutex_is_held.
static void owner_set_locked(struct mutex *mutex, struct thread *owner) {
    ASSERT(spin_is_held(&mutex->queue.lock));
    __atomic_store_n(&mutex->owner, owner, __ATOMIC_RELAXED);
}

void mutex_init(struct mutex *mutex) {
    wait_queue_init(&mutex->queue);
    mutex->owner = NULL;
}

void mutex_lock(struct mutex *mutex) {
    struct thread *thread = thread_current();
    ASSERT(thread != NULL);
    wait_lock(&mutex->queue);
    ASSERT(mutex->owner != thread);
    if (mutex->owner == NULL) {
        owner_set_locked(mutex, thread);
        wait_unlock(&mutex->queue);
        return;
    }
    wait_for_sure_locked(&mutex->queue); // nothing but the hand-over ends this wait
    // Who handed it over may still hold the lock, and the mutex may be gone soon.
    ASSERT(mutex->owner == thread);
    wait_unlock(&mutex->queue);
}

void mutex_unlock(struct mutex *mutex) {
    wait_lock(&mutex->queue);
    ASSERT(mutex->owner == thread_current());
    if (list_is_empty(&mutex->queue.waiters)) {
        owner_set_locked(mutex, NULL);
    } else {
        owner_set_locked(mutex, container_of(mutex->queue.waiters.next, struct thread, wait_link));
        wake_one_locked(&mutex->queue);
    }
    wait_unlock(&mutex->queue);
}

bool mutex_is_held(const struct mutex *mutex) {
    // Only the running thread itself can make this true or false.
    const struct thread *owner = __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);
    return owner != NULL && owner == thread_current();
}
