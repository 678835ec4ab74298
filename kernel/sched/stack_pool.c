// Stacks of threads that have ended, for the next ones: committed, with their page tables. Each CPU
// keeps a few.
//
// A stack is used again as it was left. That shows no program anything: compiled code reads no slot
// that its own frame has not written (locals are zeroed, operands are stored before they are
// loaded), and it has to be so in any case, because each of the kernel's own functions that runs on
// the stack leaves its frame below the program's.
//
// Invariant: a stack in a pool has `committed` bytes accessible and is charged to nobody.
//
// Locks: pool.lock (LOCK_STACK_POOL), by itself.

#include "kernel/mm/reclaim.h"
#include "kernel/sched/sched_internal.h"

#define POOL_STACKS 8u

struct stack_pool {
    struct spinlock lock;

    // Atomic, changed under lock:
    u32 count;

    // Under lock, the one that came last at the end:
    struct area *stacks[POOL_STACKS];
};

static struct stack_pool pools[ARCH_CPUS_MAX];

static u64 bytes_of_stack(const struct area *stack) {
    return stack->vma.end - stack->vma.start;
}

// The last one that fits, or NULL; bytes 0: any.
static struct area *take_from(struct stack_pool *pool, u64 bytes, u64 committed) {
    struct area *found = NULL;
    spin_lock(&pool->lock);
    for (u32 at = pool->count; at-- > 0 && found == NULL;) {
        struct area *stack = pool->stacks[at];
        if (bytes != 0 && (bytes_of_stack(stack) != bytes || stack->accessible != committed))
            continue;
        found = stack;
        pool->stacks[at] = pool->stacks[pool->count - 1];
        __atomic_store_n(&pool->count, pool->count - 1, __ATOMIC_RELAXED);
    }
    spin_unlock(&pool->lock);
    return found;
}

struct area *stack_pool_take(u64 bytes, u64 committed) {
    arch_irq_state irq = arch_irq_save(); // stays on this CPU
    struct area *stack = take_from(&pools[arch_cpu_id()], bytes, committed);
    arch_irq_restore(irq);
    return stack;
}

bool stack_pool_put(struct area *stack) {
    if (stack->account != NULL || stack->as != aspace_kernel() ||
        stack->accessible > STACK_POOLED_MAX)
        return false;
    arch_irq_state irq = arch_irq_save();
    struct stack_pool *pool = &pools[arch_cpu_id()];
    spin_lock(&pool->lock);
    bool has_room = pool->count < POOL_STACKS;
    if (has_room) {
        pool->stacks[pool->count] = stack;
        __atomic_store_n(&pool->count, pool->count + 1, __ATOMIC_RELAXED);
    }
    spin_unlock(&pool->lock);
    arch_irq_restore(irq);
    return has_room;
}

static void stack_pool_trim(void) {
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++) {
        struct stack_pool *pool = &pools[cpu];
        while (__atomic_load_n(&pool->count, __ATOMIC_RELAXED) != 0) {
            struct area *stack = take_from(pool, 0, 0);
            area_destroy(aspace_kernel(), stack); // NULL, when another was faster
        }
    }
}

void stack_pool_init(void) {
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++) {
        spin_init(&pools[cpu].lock, LOCK_STACK_POOL, "stack pool");
        pools[cpu].count = 0; // a test boots more than once
    }
    reclaim_register(stack_pool_trim);
}
