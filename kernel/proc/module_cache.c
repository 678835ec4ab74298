// Modules by content. The key is the SHA-256 of the bytes: there is one engine with one set of
// options, on CPUs of one kind, so nothing else tells two compilations apart. Bytes that never
// change have been hashed once; then their address will do.
//
// The mutex is held for searches only: two threads may compile the same module at the same time,
// and the one that comes second throws its own away.

#include "kernel/proc/module_cache.h"

#include "base/list.h"
#include "base/sha256.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/program.h"
#include "kernel/sched/wait.h"

struct cached {
    struct list link; // in cache.entries
    struct sha256 hash;
    struct bytes lasting;  // bytes with that hash that never change, or empty
    struct module *module; // a reference of the cache's own
    u64 bytes;             // that it holds
};

static struct {
    struct mutex lock;

    // Under lock:
    struct list entries; // most recently used first
    u64 bytes;
} cache;

void module_cache_init(void) {
    mutex_init(&cache.lock);
    list_init(&cache.entries);
}

static struct cached *find_locked(const struct sha256 *hash) {
    LIST_FOR_EACH(node, &cache.entries) {
        struct cached *cached = container_of(node, struct cached, link);
        if (memcmp(&cached->hash, hash, sizeof *hash) != 0)
            continue;
        list_remove(&cached->link);
        list_push_front(&cache.entries, &cached->link);
        return cached;
    }
    return NULL;
}

static struct cached *find_lasting_locked(struct bytes wasm) {
    LIST_FOR_EACH(node, &cache.entries) {
        struct cached *cached = container_of(node, struct cached, link);
        if (cached->lasting.data != wasm.data || cached->lasting.len != wasm.len)
            continue;
        list_remove(&cached->link);
        list_push_front(&cache.entries, &cached->link);
        return cached;
    }
    return NULL;
}

static void drop_locked(struct cached *cached) {
    list_remove(&cached->link);
    cache.bytes -= cached->bytes;
    program_set_cached(cached->module, false);
    module_release(cached->module);
    kfree(cached, sizeof *cached);
}

static struct module *get(const struct sha256 *hash) {
    mutex_lock(&cache.lock);
    struct cached *cached = find_locked(hash);
    struct module *module = cached == NULL ? NULL : cached->module;
    if (module != NULL)
        module_retain(module);
    mutex_unlock(&cache.lock);
    return module;
}

// Keeps the module, unless there is no memory for that, or it is there already.
static void put(const struct sha256 *hash, struct module *module) {
    struct module_stats stats;
    struct cached *cached = kmalloc(sizeof *cached);
    if (cached == NULL || program_of(module) == NULL) {
        kfree(cached, sizeof *cached);
        return;
    }
    module_stats(module, &stats);
    *cached = (struct cached){.hash = *hash, .module = module, .bytes = stats.held_bytes};
    list_init(&cached->link);
    mutex_lock(&cache.lock);
    if (find_locked(hash) != NULL) {
        kfree(cached, sizeof *cached);
    } else {
        module_retain(module);
        program_set_cached(module, true);
        list_push_front(&cache.entries, &cached->link);
        cache.bytes += cached->bytes;
    }
    while (cache.bytes > MODULE_CACHE_BYTES)
        drop_locked(container_of(cache.entries.prev, struct cached, link));
    mutex_unlock(&cache.lock);
}

static enum status get_hashed(struct engine *engine, const struct sha256 *hash, struct bytes wasm,
                              struct module_error *error, struct module **out) {
    *out = get(hash);
    if (*out != NULL)
        return OK;
    enum status status = module_create(engine, wasm, error, out);
    if (status == OK)
        put(hash, *out);
    return status;
}

enum status module_cache_get(struct engine *engine, struct bytes wasm, struct module_error *error,
                             struct module **out) {
    struct sha256 hash;
    sha256(wasm, &hash);
    return get_hashed(engine, &hash, wasm, error, out);
}

static struct module *get_lasting(struct bytes wasm) {
    mutex_lock(&cache.lock);
    struct cached *cached = find_lasting_locked(wasm);
    struct module *module = cached == NULL ? NULL : cached->module;
    if (module != NULL)
        module_retain(module);
    mutex_unlock(&cache.lock);
    return module;
}

// Has the module of these bytes found by their address from now on, if it is in the cache.
static void set_lasting(const struct sha256 *hash, struct bytes wasm) {
    mutex_lock(&cache.lock);
    struct cached *cached = find_locked(hash);
    if (cached != NULL)
        cached->lasting = wasm;
    mutex_unlock(&cache.lock);
}

enum status module_cache_get_lasting(struct engine *engine, struct bytes wasm,
                                     struct module_error *error, struct module **out) {
    *out = get_lasting(wasm);
    if (*out != NULL)
        return OK;
    struct sha256 hash;
    sha256(wasm, &hash);
    enum status status = get_hashed(engine, &hash, wasm, error, out);
    if (status == OK)
        set_lasting(&hash, wasm);
    return status;
}

void module_cache_clear(void) {
    mutex_lock(&cache.lock);
    while (!list_is_empty(&cache.entries))
        drop_locked(container_of(cache.entries.next, struct cached, link));
    mutex_unlock(&cache.lock);
}
