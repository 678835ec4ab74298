// Stores of processes that have ended, ready to be those of the next ones that run the same module:
// with instance, memory and the pages that such a process touches. Each CPU keeps a few, the last
// ones used.
//
// A store is made what a new one is before it comes here (store_retire), so that between two
// processes nothing of either is in it, and nobody is charged for it.
//
// Invariant: a store is here only while its module is in the cache; else it would keep the module.
//
// Locks: pool.lock (LOCK_STORE_POOL), one at a time; stores are made and destroyed outside of it.

#include "base/assert.h"
#include "kernel/mm/reclaim.h"
#include "kernel/proc/program.h"
#include "kernel/sync/spinlock.h"

#define POOL_STORES 8u

struct ready {
    struct module *module; // which the store keeps
    struct store *store;
};

struct store_pool {
    struct spinlock lock;

    // Atomic, changed under lock:
    u32 count;

    // Under lock, the one that came last at the end:
    struct ready ready[POOL_STORES];
};

static struct store_pool pools[ARCH_CPUS_MAX];

static struct store *remove_locked(struct store_pool *pool, u32 at) {
    struct store *store = pool->ready[at].store;
    u32 left = pool->count - at - 1;
    memmove(&pool->ready[at], &pool->ready[at + 1], left * sizeof pool->ready[0]);
    __atomic_store_n(&pool->count, pool->count - 1, __ATOMIC_RELAXED);
    return store;
}

// The last one of the module, or of any.
static struct store *take_from(struct store_pool *pool, const struct module *module) {
    struct store *store = NULL;
    if (__atomic_load_n(&pool->count, __ATOMIC_RELAXED) == 0) // what comes now is for others
        return NULL;
    spin_lock(&pool->lock);
    for (u32 at = pool->count; at-- > 0 && store == NULL;) {
        if (module == NULL || pool->ready[at].module == module)
            store = remove_locked(pool, at);
    }
    spin_unlock(&pool->lock);
    return store;
}

// Any CPU's will do: this is where to begin.
static u32 this_cpu(void) {
    arch_irq_state irq = arch_irq_save();
    u32 cpu = arch_cpu_id();
    arch_irq_restore(irq);
    return cpu;
}

struct store *store_pool_take(const struct module *module) {
    u32 first = this_cpu();
    struct store *store = take_from(&pools[first], module);
    for (u32 i = 1; i < ARCH_CPUS_MAX && store == NULL; i++)
        store = take_from(&pools[(first + i) % ARCH_CPUS_MAX], module);
    return store;
}

// Returns what has no room: the one that has been there longest, or this one.
static struct store *put_into(struct store_pool *pool, struct module *module, struct store *store) {
    const struct program *program = module_host_data(module);
    struct store *left = store;
    spin_lock(&pool->lock);
    // When the module leaves the cache just now, store_pool_drop comes after this.
    if (__atomic_load_n(&program->is_cached, __ATOMIC_SEQ_CST)) {
        left = pool->count == POOL_STORES ? remove_locked(pool, 0) : NULL;
        pool->ready[pool->count] = (struct ready){module, store};
        __atomic_store_n(&pool->count, pool->count + 1, __ATOMIC_RELAXED);
    }
    spin_unlock(&pool->lock);
    return left;
}

void store_pool_put(struct module *module, struct store *store) {
    const struct program *program = module_host_data(module);
    bool is_cached = program != NULL && __atomic_load_n(&program->is_cached, __ATOMIC_RELAXED);
    if (is_cached && store != NULL && store_retire(store))
        store = put_into(&pools[this_cpu()], module, store);
    store_destroy(store);
}

void store_pool_drop(const struct module *module) {
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++) {
        for (struct store *store; (store = take_from(&pools[cpu], module)) != NULL;)
            store_destroy(store);
    }
}

static void store_pool_trim(void) {
    store_pool_drop(NULL);
}

void store_pool_init(void) {
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++)
        spin_init(&pools[cpu].lock, LOCK_STORE_POOL, "store pool");
    reclaim_register(store_pool_trim);
}
