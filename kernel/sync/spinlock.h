#pragma once
// Spinlocks: held for a few instructions, with interrupts off. Ranks are in docs/LOCKING.md; a CPU
// takes locks in strictly ascending rank and releases them in the reverse order, which debug builds
// check. A zeroed lock is free; spin_init gives it its rank.

#include "base/types.h"
#include "kernel/arch/arch.h"

// Lock ranks, outermost first.
enum lock_rank : u8 {
    LOCK_PROCESS_TABLE = 10,
    LOCK_PROCESS = 20,
    LOCK_HANDLES = 30,
    LOCK_OBJECT = 40,
    LOCK_PARTY = 45,
    LOCK_ASPACE = 50,
    LOCK_MEMORY_WAIT = 55,
    LOCK_TIMERS = 60,
    LOCK_WAIT_QUEUE = 70,
    LOCK_CALL = 73,
    LOCK_WAIT_SET = 75,
    LOCK_RUN_QUEUE = 80,
    LOCK_ENGINE_REGISTRY = 90,
    LOCK_SLAB_MAGAZINE = 98,
    LOCK_SLAB = 100,
    LOCK_FRAME_MAGAZINE = 105,
    LOCK_FRAMES = 110,
    LOCK_LOG = 120,
};

struct spinlock {
    u16 next_ticket; // atomic
    u16 serving;     // atomic; equal to next_ticket when nobody holds or wants the lock
    u32 holder;      // atomic: CPU + 1, or 0
    enum lock_rank rank;
    arch_irq_state irq; // of the holder
    const char *name;
};

void spin_init(struct spinlock *lock, enum lock_rank rank, const char *name);
void spin_lock(struct spinlock *lock);          // interrupts go off
void spin_unlock(struct spinlock *lock);        // and back to what they were
bool spin_is_held(const struct spinlock *lock); // by this CPU
