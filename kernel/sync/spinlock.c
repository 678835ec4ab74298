// Spinlocks: what is not inline. Waiting calls arch_cpu_relax, where a port with more than one CPU
// answers invalidation requests: a holder may wait for those, so whoever waits for the holder must
// not ignore them.
//
// Locks are released in the reverse order of taking; debug builds check that, and that ranks ascend
// strictly, with one stack of held locks per CPU.

#include "kernel/sync/spinlock.h"

#include "base/assert.h"

[[clang::preserve_most]] void spin_wait(struct spinlock *lock, u16 ticket) {
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket)
        arch_cpu_relax();
}

#ifndef NDEBUG

#define HELD_MAX 8

// Owned by the CPU, which has interrupts off whenever its stack is not empty or changes.
static struct held_locks {
    u32 count;
    const struct spinlock *locks[HELD_MAX];
} held_locks[ARCH_CPUS_MAX];

void spin_check_before_lock(const struct spinlock *lock) {
    const struct held_locks *held = &held_locks[arch_cpu_id()];
    ASSERT(held->count < HELD_MAX);
    for (u32 i = 0; i < held->count; i++)
        ASSERT(held->locks[i] != lock);
    if (held->count != 0)
        ASSERT(held->locks[held->count - 1]->rank < lock->rank);
}

void spin_check_locked(struct spinlock *lock) {
    // Relaxed: only this CPU ever finds its own number here.
    __atomic_store_n(&lock->holder, arch_cpu_id() + 1, __ATOMIC_RELAXED);
    struct held_locks *held = &held_locks[arch_cpu_id()];
    held->locks[held->count++] = lock;
}

void spin_check_before_unlock(struct spinlock *lock) {
    ASSERT(spin_is_held(lock));
    struct held_locks *held = &held_locks[arch_cpu_id()];
    ASSERT(held->count != 0);
    ASSERT(held->locks[held->count - 1] == lock);
    held->count--;
    __atomic_store_n(&lock->holder, 0, __ATOMIC_RELAXED);
}

bool spin_is_held(const struct spinlock *lock) {
    return !arch_irq_enabled() &&
           __atomic_load_n(&lock->holder, __ATOMIC_RELAXED) == arch_cpu_id() + 1;
}

#endif
