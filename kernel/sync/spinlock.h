#pragma once
// Spinlocks: first come, first served, held for a few instructions, with interrupts off. Ranks are
// in docs/LOCKING.md; a CPU takes locks in strictly ascending rank and releases them in the reverse
// order, which debug builds check. A zeroed lock is free; spin_init gives it its rank.
//
// A lock is two counters: a taker draws the next ticket and waits until it is served. Interrupts go
// back to what they were when the lock was taken.

#include "base/assert.h"
#include "base/types.h"
#include "kernel/arch/arch.h"

// Lock ranks, outermost first.
enum lock_rank : u8 {
    LOCK_PROCESS_TABLE = 10,
    LOCK_PROCESS = 20,
    LOCK_HANDLES = 30,
    LOCK_OBJECT = 40,
    LOCK_PARTY = 45,
    LOCK_STORE_POOL = 47,
    LOCK_STACK_POOL = 48,
    LOCK_ASPACES = 49,
    LOCK_ASPACE = 50,
    LOCK_ASPACE_DATA = 52,
    LOCK_MEMORY_WAIT = 55,
    LOCK_TIMERS = 60,
    LOCK_INTERRUPTS = 65,
    LOCK_WAIT_QUEUE = 70,
    LOCK_LENDING = 73,
    LOCK_WAIT_SET = 75,
    LOCK_RUN_QUEUE = 80,
    LOCK_ENGINE_REGISTRY = 90,
    LOCK_SLAB_MAGAZINE = 98,
    LOCK_SLAB = 100,
    LOCK_FRAME_MAGAZINE = 105,
    LOCK_FRAMES = 110,
    LOCK_LOG = 120,
    LOCK_MESSAGES = 125,
};

struct spinlock {
    u16 next_ticket; // atomic
    u16 serving;     // atomic; equal to next_ticket when nobody holds or wants the lock
    enum lock_rank rank;
    arch_irq_state irq; // of the holder
    const char *name;
#ifndef NDEBUG
    u32 holder; // atomic: CPU + 1, or 0
#endif
};

static inline void spin_init(struct spinlock *lock, enum lock_rank rank, const char *name) {
    *lock = (struct spinlock){.rank = rank, .name = name};
}

// The rest of taking a lock that is not free: waits for `ticket`. It keeps the registers, so that
// it costs nothing where it is not called.
[[clang::preserve_most]] void spin_wait(struct spinlock *lock, u16 ticket);

bool spin_is_held(const struct spinlock *lock); // by this CPU; only for assertions

#ifndef NDEBUG
void spin_check_before_lock(const struct spinlock *lock);
void spin_check_locked(struct spinlock *lock);
void spin_check_before_unlock(struct spinlock *lock);
#else
static inline void spin_check_before_lock(const struct spinlock *) {
}
static inline void spin_check_locked(struct spinlock *) {
}
static inline void spin_check_before_unlock(struct spinlock *) {
}
#endif

// Whether anybody holds the lock or waits for it, at this moment.
static inline bool spin_is_taken(const struct spinlock *lock) {
    return __atomic_load_n(&lock->next_ticket, __ATOMIC_RELAXED) !=
           __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);
}

// Interrupts are off before, and after the lock's release.
static inline void spin_lock_masked(struct spinlock *lock) {
    ASSERT(!arch_irq_enabled());
    spin_check_before_lock(lock);
    u16 ticket = __atomic_fetch_add(&lock->next_ticket, 1, __ATOMIC_RELAXED);
    // Pairs with the release in spin_unlock_masked.
    if (__builtin_expect(__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket, 0))
        spin_wait(lock, ticket);
    spin_check_locked(lock);
}

// Also where a lock was taken by spin_lock and interrupts are to stay off.
static inline void spin_unlock_masked(struct spinlock *lock) {
    spin_check_before_unlock(lock);
    // Only the holder writes `serving`. Pairs with the acquire in spin_lock_masked.
    u16 served = __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);
    __atomic_store_n(&lock->serving, (u16)(served + 1), __ATOMIC_RELEASE);
}

// Interrupts go off.
static inline void spin_lock(struct spinlock *lock) {
    arch_irq_state irq = arch_irq_save();
    spin_lock_masked(lock);
    lock->irq = irq;
}

// And back to what they were.
static inline void spin_unlock(struct spinlock *lock) {
    arch_irq_state irq = lock->irq;
    spin_unlock_masked(lock);
    arch_irq_restore(irq);
}

// Interrupts are off, and go on with the lock's release.
static inline void spin_lock_to_unmask(struct spinlock *lock) {
    spin_lock_masked(lock);
    lock->irq = ARCH_IRQ_ON;
}
