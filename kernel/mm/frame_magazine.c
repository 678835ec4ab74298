// Single frames that each CPU keeps at hand, so that taking and freeing one takes no lock that
// others want: magazines, after Bonwick. A magazine that is empty or full exchanges half of what it
// holds with the allocator.
//
// Each has a lock all the same: when memory is short, whoever is out of it empties all of them.
// What is in a magazine counts as free.
//
// Locks: magazine.lock (LOCK_FRAME_MAGAZINE), then the allocator's.

#include "base/assert.h"
#include "kernel/mm/frame_internal.h"
#include "kernel/sync/spinlock.h"

#define MAGAZINE_FRAMES 64u
#define BATCH_FRAMES    (MAGAZINE_FRAMES / 2)

struct magazine {
    struct spinlock lock;

    // Atomic, changed under lock:
    u32 count;

    // Atomic, written by the CPU itself with interrupts off. The first one has the blocks, too:
    u64 taken;
    u64 freed;

    // Under lock:
    u32 numbers[MAGAZINE_FRAMES];
};

static struct magazine magazines[ARCH_CPUS_MAX][ZONE_COUNT];

static inline void count_add(u64 *counter, u64 frames) {
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + frames,
                     __ATOMIC_RELAXED);
}

void frame_count_taken(u64 frames) {
    arch_irq_state irq = arch_irq_save(); // stays on this CPU
    count_add(&magazines[arch_cpu_id()][0].taken, frames);
    arch_irq_restore(irq);
}

void frame_count_freed(u64 frames) {
    arch_irq_state irq = arch_irq_save();
    count_add(&magazines[arch_cpu_id()][0].freed, frames);
    arch_irq_restore(irq);
}

void frame_cpu_stats(u32 cpu, struct frame_cpu_stats *out) {
    ASSERT(cpu < ARCH_CPUS_MAX);
    *out = (struct frame_cpu_stats){0};
    for (u32 zone = 0; zone < ZONE_COUNT; zone++) {
        const struct magazine *magazine = &magazines[cpu][zone];
        out->taken += __atomic_load_n(&magazine->taken, __ATOMIC_RELAXED);
        out->freed += __atomic_load_n(&magazine->freed, __ATOMIC_RELAXED);
        out->kept += __atomic_load_n(&magazine->count, __ATOMIC_RELAXED);
    }
}

void frame_magazines_init(void) {
    memset(magazines, 0, sizeof magazines); // a test boots more than once
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++) {
        for (u32 zone = 0; zone < ZONE_COUNT; zone++) {
            spin_init(&magazines[cpu][zone].lock, LOCK_FRAME_MAGAZINE, "frame magazine");
        }
    }
}

static void count_set_locked(struct magazine *magazine, u32 count) {
    __atomic_store_n(&magazine->count, count, __ATOMIC_RELAXED); // for frame_magazines_count
}

bool frame_magazine_take(enum zone zone, enum frame_need need, u32 *number) {
    arch_irq_state irq = arch_irq_save(); // stays on this CPU
    struct magazine *magazine = &magazines[arch_cpu_id()][zone];
    spin_lock(&magazine->lock);
    u32 count = magazine->count;
    if (count == 0)
        count = frame_take_many(zone, need, BATCH_FRAMES, magazine->numbers);
    bool found = count != 0;
    if (found) {
        *number = magazine->numbers[--count];
        count_add(&magazine->taken, 1);
    }
    count_set_locked(magazine, count);
    spin_unlock(&magazine->lock);
    arch_irq_restore(irq);
    return found;
}

void frame_magazine_put(enum zone zone, u32 number) {
    arch_irq_state irq = arch_irq_save();
    struct magazine *magazine = &magazines[arch_cpu_id()][zone];
    spin_lock(&magazine->lock);
    u32 count = magazine->count;
    if (frame_is_scarce(zone)) {
        // All go, so that the allocator decides who is next.
        magazine->numbers[count++] = number;
        frame_give_many(magazine->numbers, count);
        count_add(&magazine->freed, 1);
        count_set_locked(magazine, 0);
        spin_unlock(&magazine->lock);
        arch_irq_restore(irq);
        return;
    }
    if (count == MAGAZINE_FRAMES) {
        // The coldest go.
        frame_give_many(magazine->numbers, BATCH_FRAMES);
        count -= BATCH_FRAMES;
        memmove(magazine->numbers, magazine->numbers + BATCH_FRAMES,
                count * sizeof *magazine->numbers);
    }
    magazine->numbers[count++] = number;
    count_add(&magazine->freed, 1);
    count_set_locked(magazine, count);
    spin_unlock(&magazine->lock);
    arch_irq_restore(irq);
}

void frame_magazines_drain(void) {
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++) {
        for (u32 zone = 0; zone < ZONE_COUNT; zone++) {
            struct magazine *magazine = &magazines[cpu][zone];
            if (__atomic_load_n(&magazine->count, __ATOMIC_RELAXED) == 0)
                continue;
            spin_lock(&magazine->lock);
            frame_give_many(magazine->numbers, magazine->count);
            count_set_locked(magazine, 0);
            spin_unlock(&magazine->lock);
        }
    }
}

void frame_magazines_count(u64 free[ZONE_COUNT]) {
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++) {
        for (u32 zone = 0; zone < ZONE_COUNT; zone++)
            free[zone] += __atomic_load_n(&magazines[cpu][zone].count, __ATOMIC_RELAXED);
    }
}
