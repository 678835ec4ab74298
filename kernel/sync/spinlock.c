// Spinlocks: first come, first served, held with interrupts off.
//
// A lock is two counters: a taker draws the next ticket and waits until it is served. Waiting calls
// arch_cpu_relax, where a port with more than one CPU answers invalidation requests: a holder may
// wait for those, so whoever waits for the holder must not ignore them.
//
// Interrupts go back to what they were when the lock was taken, so locks are released in the
// reverse order of taking; debug builds check that, and that ranks ascend strictly, with one stack
// of held locks per CPU.

#include "kernel/sync/spinlock.h"

#include "base/assert.h"

#define HELD_MAX 8

#ifndef NDEBUG
// Owned by the CPU, which has interrupts off whenever its stack is not empty or changes.
static struct held_locks {
    u32 count;
    const struct spinlock *locks[HELD_MAX];
} held_locks[ARCH_CPUS_MAX];
#endif

static void rank_check_before_lock(UNUSED const struct spinlock *lock) {
#ifndef NDEBUG
    const struct held_locks *held = &held_locks[arch_cpu_id()];
    ASSERT(held->count < HELD_MAX);
    for (u32 i = 0; i < held->count; i++)
        ASSERT(held->locks[i] != lock);
    if (held->count != 0)
        ASSERT(held->locks[held->count - 1]->rank < lock->rank);
#endif
}

static void rank_push(UNUSED const struct spinlock *lock) {
#ifndef NDEBUG
    struct held_locks *held = &held_locks[arch_cpu_id()];
    held->locks[held->count++] = lock;
#endif
}

static void rank_pop(UNUSED const struct spinlock *lock) {
#ifndef NDEBUG
    struct held_locks *held = &held_locks[arch_cpu_id()];
    ASSERT(held->count != 0);
    ASSERT(held->locks[held->count - 1] == lock);
    held->count--;
#endif
}

void spin_init(struct spinlock *lock, enum lock_rank rank, const char *name) {
    *lock = (struct spinlock){.rank = rank, .name = name};
}

void spin_lock(struct spinlock *lock) {
    arch_irq_state irq = arch_irq_save();
    rank_check_before_lock(lock);
    u16 ticket = __atomic_fetch_add(&lock->next_ticket, 1, __ATOMIC_RELAXED);
    // Pairs with the release in spin_unlock.
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket)
        arch_cpu_relax();

    // Relaxed: only this CPU ever finds its own number here.
    __atomic_store_n(&lock->holder, arch_cpu_id() + 1, __ATOMIC_RELAXED);
    lock->irq = irq;
    rank_push(lock);
}

void spin_unlock(struct spinlock *lock) {
    ASSERT(spin_is_held(lock));

    rank_pop(lock);
    arch_irq_state irq = lock->irq;
    __atomic_store_n(&lock->holder, 0, __ATOMIC_RELAXED);
    // Only the holder writes `serving`. Pairs with the acquire in spin_lock.
    u16 served = __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);
    __atomic_store_n(&lock->serving, (u16)(served + 1), __ATOMIC_RELEASE);
    arch_irq_restore(irq);
}

bool spin_is_held(const struct spinlock *lock) {
    return !arch_irq_enabled() &&
           __atomic_load_n(&lock->holder, __ATOMIC_RELAXED) == arch_cpu_id() + 1;
}
