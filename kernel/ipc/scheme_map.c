// Lent memory that a server maps instead of copying it.
//
// What can be lent in this way is the client's own pages, and those of a memory object that it has
// mapped: then the server maps that object. Own frames stay as long as the client's memory does,
// and that outlives the call; an object's stay as long as a mapping refers to it. What the client
// itself only borrowed cannot be lent on by mapping, so taking it back never goes through several
// processes.
//
// A mapping is in its set and in the call that lent it, which counts it. The client's call returns
// only when that count is zero, and takes off itself what the server has not
// (scheme_call_take_back), whatever ended the call. Nothing is added to a call that is finishing,
// so that comes to an end.

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/map_set_internal.h"
#include "kernel/ipc/memory_object.h"
#include "kernel/mm/heap.h"

// -- What is lent --------------------------------------------------------------------------------

// A range that is to be mapped, and the frames behind it.
struct lent {
    struct area_range range; // of the client's memory
    enum page_rights rights;
    struct object *object;    // retained; NULL: the client's own pages
    u64 first;                // page of it
    struct phys_addr *frames; // of own pages
};

static void lent_fini(struct lent *lent) {
    object_release(lent->object);
    if (lent->frames != NULL)
        kfree(lent->frames, lent->range.pages * sizeof *lent->frames);
}

// Finds the memory object that the client has mapped over all of the range, with enough rights.
static enum status find_object(struct lent *lent) {
    struct area *area = lent->range.area;
    u64 start = area->vma.start + lent->range.offset;
    enum status status = ERR_NO_ACCESS;
    spin_lock(&area->as->lock); // keeps the mapping, and so its object
    struct vma *vma = vma_find(&area->mappings, start);
    if (vma != NULL) {
        struct mapped *mapped =
            container_of(container_of(vma, struct mapping, vma), struct mapped, mapping);
        bool is_whole = start + lent->range.pages * PAGE_SIZE <= vma->end;
        bool is_allowed = (lent->rights & ~mapped->mapping.rights) == 0;
        bool is_device = (mapped->mapping.rights & PAGE_DEVICE) != 0;
        if (mapped->object != NULL && mapped->scheme == NULL && is_whole && is_allowed &&
            !is_device) {
            object_retain(mapped->object);
            lent->object = mapped->object;
            lent->first = mapped->first + ((start - vma->start) >> PAGE_SHIFT);
            status = OK;
        }
    }
    spin_unlock(&area->as->lock);
    return status;
}

// What is behind the client's range. ERR_NO_ACCESS: that cannot be lent by mapping.
static enum status lent_find(struct lent *lent) {
    lent->frames = kmalloc(lent->range.pages * sizeof *lent->frames);
    if (lent->frames == NULL)
        return ERR_NO_MEMORY;
    enum status status = area_own_frames(&lent->range, lent->frames);
    return status == ERR_BUSY ? find_object(lent) : status;
}

static enum status lent_range(const struct scheme_call *call, const struct scheme_map *what,
                              struct lent *out) {
    u64 len = what->range.pages << PAGE_SHIFT;
    if (what->index >= call->grant_count ||
        !range_fits(what->offset, len, call->grants[what->index].len))
        return ERR_INVALID;
    const struct grant *grant = &call->grants[what->index];
    if ((what->access & ~grant->access) != 0)
        return ERR_NO_ACCESS;
    if (grant->kernel != NULL)
        return ERR_UNSUPPORTED;
    out->rights = PAGE_READ | ((what->access & GRANT_WRITE) != 0 ? PAGE_WRITE : 0);
    return area_range_of(&grant->memory, grant->start.value + what->offset, len, &out->range);
}

// -- Mapping -------------------------------------------------------------------------------------

// Enters a mapping into its call. ERR_CANCELLED: that is over.
static enum status enter_call(struct mapped *mapped, struct scheme_call *call) {
    wait_lock(&mapped->scheme->queue);
    bool is_over = call->is_finishing;
    if (!is_over) {
        if (call->mapped_count++ == 0)
            list_init(&call->mapped);
        mapped->scheme->recent = NULL; // it is not answered in the quick way
        list_push_back(&call->mapped, &mapped->call_link);
    }
    wait_unlock(&mapped->scheme->queue);
    if (is_over)
        return ERR_CANCELLED;
    scheme_retain(mapped->scheme);
    mapped->call = call;
    __atomic_fetch_add(&mapped->set->lent_count, 1, __ATOMIC_RELAXED);
    return OK;
}

// Takes `mapped` over, on failure too. The call is pinned.
static enum status map_lent(struct map_set *set, struct mapped *mapped, const struct lent *lent,
                            const struct area_range *range, struct scheme_call *call) {
    const struct mapping_frames frames = lent->object != NULL
                                             ? memory_object_frames(lent->object, lent->first)
                                             : (struct mapping_frames){.each = lent->frames};
    mapped->object = lent->object; // before others find the mapping (find_object)
    mutex_lock(&set->lock);
    enum status status = map_set_add_locked(set, mapped, range, &frames, lent->rights);
    if (status != OK) {
        kfree(mapped, sizeof *mapped);
    } else {
        if (lent->object != NULL)
            object_retain(lent->object);
        status = enter_call(mapped, call);
        if (status != OK)
            mapped_remove_locked(mapped);
    }
    mutex_unlock(&set->lock);
    return status;
}

static enum status map_call(struct map_set *set, struct scheme *scheme, struct scheme_call *call,
                            const struct scheme_map *what) {
    struct lent lent = {0};
    enum status status = lent_range(call, what, &lent);
    if (status == OK)
        status = lent_find(&lent);
    struct mapped *mapped = status == OK ? kmalloc(sizeof *mapped) : NULL;
    if (status == OK && mapped == NULL)
        status = ERR_NO_MEMORY;
    if (status == OK) {
        mapped->scheme = scheme;
        mapped->number = what->number;
        status = map_lent(set, mapped, &lent, &what->range, call);
    }
    lent_fini(&lent);
    return status;
}

enum status scheme_map(struct object *server, struct scheme_party *party,
                       const struct scheme_map *what) {
    struct scheme *scheme = scheme_of_server(server);
    ASSERT(party->maps != NULL && what->access != 0);
    if (what->range.pages > SCHEME_MAP_PAGES_MAX)
        return ERR_INVALID;
    struct scheme_call *call;
    enum status status = call_pin(scheme, party, what->number, &call);
    if (status != OK)
        return status;
    status = map_call(party->maps, scheme, call, what);
    call_unpin(scheme, call);
    return status;
}

// -- Taking it back ------------------------------------------------------------------------------

void scheme_unmap_call(struct map_set *set, const struct scheme *scheme, u64 number) {
    mutex_lock(&set->lock);
    LIST_FOR_EACH(node, &set->mapped) {
        struct mapped *mapped = container_of(node, struct mapped, link);
        if (mapped->scheme == scheme && mapped->number == number)
            mapped_remove_locked(mapped);
    }
    mutex_unlock(&set->lock);
}

// A mapping of the call, in `set` if that is not NULL.
static struct mapped *find_mapped_locked(const struct scheme_call *call,
                                         const struct map_set *set) {
    if (call->mapped_count == 0)
        return NULL; // the list may not be one
    LIST_FOR_EACH(node, &call->mapped) {
        struct mapped *mapped = container_of(node, struct mapped, call_link);
        if (set == NULL || mapped->set == set)
            return mapped;
    }
    return NULL;
}

// The set of a server that still maps something of the call's, with a reference; or NULL.
static struct map_set *find_set(struct scheme *scheme, const struct scheme_call *call) {
    wait_lock(&scheme->queue);
    const struct mapped *mapped = find_mapped_locked(call, NULL);
    struct map_set *set = mapped == NULL ? NULL : mapped->set;
    if (set != NULL)
        map_set_retain(set);
    wait_unlock(&scheme->queue);
    return set;
}

void scheme_take_back_slow(struct scheme *scheme, struct scheme_call *call) {
    for (struct map_set *set; (set = find_set(scheme, call)) != NULL;) {
        mutex_lock(&set->lock);
        // What is in the list now stays, for removing it takes the mutex.
        wait_lock(&scheme->queue);
        struct mapped *mapped = find_mapped_locked(call, set);
        wait_unlock(&scheme->queue);
        if (mapped != NULL)
            mapped_remove_locked(mapped);
        mutex_unlock(&set->lock);
        map_set_release(set);
    }
}
