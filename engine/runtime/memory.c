// Linear memories: the engine keeps size and limits, the host the pages.
//
// Invariant: bytes is a multiple of WASM_PAGE_BYTES and at most max_pages and MEMORY_MAX_PAGES
// pages; the slot beyond it is inaccessible, which is what replaces bounds checks in generated
// code. A memory of 64 bits has a slot of the same size, so that is what it can grow to.
//
// A shared memory grows while other threads use it: growths are one after the other, and what lies
// below `bytes` is accessible whenever somebody reads it.

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/runtime/store.h"

enum status store_memory(struct store *store, struct memory_type type, struct memory **out) {
    struct limits limits = type.limits;
    if (limits.min > MEMORY_MAX_PAGES || (limits.has_max && limits.max < limits.min))
        return ERR_LIMIT;
    struct store_memory *made = host_alloc(sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;

    struct memory *memory = &made->memory;
    memory->owner = store->owner;
    memory->has_max = limits.has_max;
    memory->max_pages = limits.has_max ? limits.max : MEMORY_MAX_PAGES;
    memory->is_shared = type.is_shared;
    memory->is64 = type.is64;
    enum status status = host_memory_reserve(store->owner, &memory->base);
    if (status != OK)
        goto fail_reserve;
    CHECK(is_aligned(memory->base, PAGE_SIZE));
    status = host_memory_grow(store->owner, memory->base, 0, limits.min * WASM_PAGE_BYTES);
    if (status != OK)
        goto fail_grow;
    memory->bytes = limits.min * WASM_PAGE_BYTES;

    made->next = store->memories;
    store->memories = made;
    *out = memory;
    return OK;

fail_grow:
    host_memory_release(store->owner, memory->base, 0);
fail_reserve:
    host_free(made, sizeof *made);
    return status;
}

static bool grow_alone(struct memory *memory, u64 pages, u64 *old_pages) {
    *old_pages = memory->bytes / WASM_PAGE_BYTES;
    u64 max_pages = min_u64(memory->max_pages, MEMORY_MAX_PAGES);
    ASSERT(*old_pages <= max_pages);
    if (pages > max_pages - *old_pages)
        return false;
    if (pages == 0)
        return true;
    u64 bytes = memory->bytes + pages * WASM_PAGE_BYTES;
    if (host_memory_grow(memory->owner, memory->base, memory->bytes, bytes) != OK)
        return false;
    __atomic_store_n(&memory->bytes, bytes, __ATOMIC_RELEASE); // pairs with memory_bytes
    return true;
}

bool memory_grow(struct memory *memory, u64 pages, u64 *old_pages) {
    if (!memory->is_shared)
        return grow_alone(memory, pages, old_pages);
    host_memory_lock(memory->base);
    bool has_grown = grow_alone(memory, pages, old_pages);
    host_memory_unlock(memory->base);
    return has_grown;
}

void memory_fini(struct memory *memory) {
    host_memory_release(memory->owner, memory->base, memory->bytes);
}
