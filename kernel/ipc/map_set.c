// What a process has mapped (map_set.h). What is particular to lent memory is in scheme_map.c.

#include "kernel/ipc/map_set.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/map_set_internal.h"
#include "kernel/ipc/memory_object.h"
#include "kernel/mm/heap.h"

enum status map_set_create(struct map_set **out) {
    struct map_set *set = kmalloc(sizeof *set);
    if (set == NULL)
        return ERR_NO_MEMORY;
    set->ref_count = 1;
    mutex_init(&set->lock);
    list_init(&set->mapped);
    *out = set;
    return OK;
}

void map_set_retain(struct map_set *set) {
    u32 before = __atomic_fetch_add(&set->ref_count, 1, __ATOMIC_RELAXED);
    CHECK(before != 0 && before != UINT32_MAX);
}

void map_set_release(struct map_set *set) {
    if (set == NULL)
        return;
    u32 before = __atomic_fetch_sub(&set->ref_count, 1, __ATOMIC_ACQ_REL); // pairs with itself
    CHECK(before != 0);
    if (before != 1)
        return;
    ASSERT(list_is_empty(&set->mapped));
    kfree(set, sizeof *set);
}

void map_set_close(struct map_set *set) {
    if (set == NULL)
        return;
    mutex_lock(&set->lock);
    set->is_closed = true;
    while (!list_is_empty(&set->mapped))
        mapped_remove_locked(container_of(set->mapped.next, struct mapped, link));
    mutex_unlock(&set->lock);
}

enum status map_set_add_locked(struct map_set *set, struct mapped *mapped,
                               const struct area_range *range, const struct mapping_frames *frames,
                               enum page_rights rights) {
    ASSERT(mutex_is_held(&set->lock));
    if (set->is_closed)
        return ERR_KILLED;
    enum status status = mapping_create(&mapped->mapping, range, frames, rights);
    if (status != OK)
        return status;
    mapped->set = set;
    list_init(&mapped->call_link);
    list_init(&mapped->link);
    list_push_back(&set->mapped, &mapped->link);
    return OK;
}

// The call must not return while it is looked at, so its count goes down last.
static void take_from_call(struct mapped *mapped) {
    struct scheme *scheme = mapped->scheme;
    wait_lock(&scheme->queue);
    list_remove(&mapped->call_link);
    // Pairs with the acquire in scheme_take_back.
    u32 left = mapped->call->mapped_count - 1;
    __atomic_store_n(&mapped->call->mapped_count, left, __ATOMIC_RELEASE);
    wait_unlock(&scheme->queue);
    scheme_release(scheme);
    __atomic_fetch_sub(&mapped->set->lent_count, 1, __ATOMIC_RELAXED);
}

void mapped_remove_locked(struct mapped *mapped) {
    ASSERT(mutex_is_held(&mapped->set->lock));
    mapping_remove(&mapped->mapping);
    list_remove(&mapped->link);
    if (mapped->call != NULL)
        take_from_call(mapped);
    object_release(mapped->object);
    kfree(mapped, sizeof *mapped);
}

enum status map_set_map(struct map_set *set, struct object *memory, u64 first,
                        const struct area_range *range, enum page_rights rights) {
    if (!range_fits(first, range->pages, memory_object_pages(memory)))
        return ERR_INVALID;
    struct mapped *mapped = kmalloc(sizeof *mapped);
    if (mapped == NULL)
        return ERR_NO_MEMORY;
    object_retain(memory);
    mapped->object = memory;
    mapped->first = first;
    const struct mapping_frames frames = memory_object_frames(memory, first);
    mutex_lock(&set->lock);
    enum status status =
        map_set_add_locked(set, mapped, range, &frames, rights | memory_object_rights(memory));
    mutex_unlock(&set->lock);
    if (status == OK)
        return OK;
    object_release(memory);
    kfree(mapped, sizeof *mapped);
    return status;
}

enum status map_set_unmap(struct map_set *set, const struct area *area, u64 offset) {
    mutex_lock(&set->lock);
    struct mapping *mapping = mapping_find(area, offset);
    bool is_there = mapping != NULL && mapping->vma.start == area->vma.start + offset;
    if (is_there)
        mapped_remove_locked(container_of(mapping, struct mapped, mapping));
    mutex_unlock(&set->lock);
    return is_there ? OK : ERR_NOT_FOUND;
}

bool map_set_has_lent(const struct map_set *set) {
    return __atomic_load_n(&set->lent_count, __ATOMIC_RELAXED) != 0;
}

enum status area_range_of(const struct guest_memory *memory, u64 address, u64 len,
                          struct area_range *out) {
    if (!is_aligned(address | len, PAGE_SIZE) || len == 0)
        return ERR_INVALID;
    if (memory->area == NULL || !range_fits(address, len, memory->bytes))
        return ERR_FAULT;
    *out = (struct area_range){memory->area, address, len >> PAGE_SHIFT};
    return OK;
}
