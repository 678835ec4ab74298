// Data of programs: pieces of up to half a page share pages, larger ones have their own.
//
// A shared page is divided into granules, of which a word says which are taken; what does not fit
// into the pages at hand takes a new one. The word and all other bookkeeping are in the kernel's
// heap, so that a piece can be given back from any address space, and no program's mistake would
// reach them. Each page is an area: by that it is found again.
//
// Invariants, checked by data_check:
//   1. a page with some granules free is on as->data_pages, once; one that is full is on no list;
//   2. of pages without any piece there is at most one: as->data_spare;
//   3. a piece lies in one page, or is an area.
//
// Locks: as->lock for areas; as->data_lock (LOCK_ASPACE_DATA) for pages, by itself. A page stays
// while a piece of it is there.

#include "kernel/mm/data.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/reclaim.h"

#define GRANULE_BYTES 64u
#define GRANULES      (PAGE_SIZE / GRANULE_BYTES)
#define SHARED_MAX    (PAGE_SIZE / 2)
STATIC_ASSERT(GRANULES == 64, "a bit of a word for each");

// How many pages are looked at for room: those that were given something back last come first.
#define LOOKS_MAX 8u

struct data_page {
    struct list link; // in as->data_pages
    struct area *area;
    u64 taken; // a bit for each granule
};

static u32 granules_of(u64 bytes) {
    return (u32)((bytes + GRANULE_BYTES - 1) / GRANULE_BYTES);
}

static u64 mask_of(u32 count, u32 first) {
    return (count == GRANULES ? ~0ull : (1ull << count) - 1) << first;
}

// The lowest place of `count` granules in a row that are free; GRANULES: there is none.
static u32 find_free(u64 taken, u32 count) {
    u64 free = ~taken; // becomes: where a row of `have` begins
    for (u32 have = 1; have < count;) {
        u32 step = (u32)min_u64(have, count - have);
        free &= free >> step;
        have += step;
    }
    return free == 0 ? GRANULES : (u32)__builtin_ctzll(free);
}

// -- Areas --------------------------------------------------------------------------------------

static enum status area_take(struct aspace *as, u64 bytes, struct area **out) {
    struct area *area;
    enum status status = area_create(as, AREA_DATA, bytes, NULL, &area);
    if (status != OK)
        return status;
    status = area_grow(as, area, bytes);
    if (status == OK)
        *out = area;
    else
        area_destroy(as, area);
    return status;
}

static struct area *area_of(struct aspace *as, const void *data) {
    spin_lock(&as->lock);
    struct vma *vma = vma_find(&as->slots, (uptr)data);
    spin_unlock(&as->lock);
    CHECK(vma != NULL);
    struct area *area = container_of(vma, struct area, vma);
    CHECK(area->kind == AREA_DATA);
    return area;
}

static enum status page_create(struct aspace *as, struct data_page **out) {
    struct data_page *page = kmalloc(sizeof *page);
    if (page == NULL)
        return ERR_NO_MEMORY;
    enum status status = area_take(as, PAGE_SIZE, &page->area);
    if (status != OK) {
        kfree(page, sizeof *page);
        return status;
    }
    list_init(&page->link);
    page->area->page = page;
    *out = page;
    return OK;
}

static void page_destroy(struct aspace *as, struct data_page *page) {
    if (page == NULL)
        return;
    ASSERT(page->taken == 0 && list_is_empty(&page->link));
    area_destroy(as, page->area);
    kfree(page, sizeof *page);
}

// -- Pages --------------------------------------------------------------------------------------

// Takes granules of a page that has them, and is on the list.
static void *take_at_locked(struct data_page *page, u32 count, u32 first) {
    page->taken |= mask_of(count, first);
    if (page->taken == ~0ull)
        list_remove(&page->link);
    return (void *)(page->area->vma.start + first * GRANULE_BYTES);
}

static void *take_locked(struct aspace *as, u32 count) {
    u32 looks = 0;
    LIST_FOR_EACH(node, &as->data_pages) {
        struct data_page *page = container_of(node, struct data_page, link);
        u32 first = find_free(page->taken, count);
        if (first != GRANULES)
            return take_at_locked(page, count, first);
        if (++looks == LOOKS_MAX)
            break;
    }
    struct data_page *page = as->data_spare;
    if (page == NULL)
        return NULL;
    as->data_spare = NULL;
    list_push_front(&as->data_pages, &page->link);
    return take_at_locked(page, count, 0);
}

static enum status take_shared(struct aspace *as, u32 count, void **out) {
    spin_lock(&as->data_lock);
    void *data = take_locked(as, count);
    spin_unlock(&as->data_lock);
    if (data == NULL) {
        struct data_page *page;
        enum status status = page_create(as, &page);
        if (status != OK)
            return status;
        spin_lock(&as->data_lock);
        list_push_front(&as->data_pages, &page->link);
        data = take_at_locked(page, count, 0);
        spin_unlock(&as->data_lock);
    }
    *out = data;
    return OK;
}

// Returns a page that is not wanted any more, or NULL.
static struct data_page *give_locked(struct aspace *as, struct data_page *page, u64 granules) {
    CHECK((page->taken & granules) == granules);
    bool was_full = page->taken == ~0ull;
    page->taken &= ~granules;
    if (!was_full)
        list_remove(&page->link);
    if (page->taken != 0) {
        list_push_front(&as->data_pages, &page->link);
        return NULL;
    }
    struct data_page *spare = as->data_spare;
    as->data_spare = page;
    return spare;
}

// -- The interface ------------------------------------------------------------------------------

enum status data_alloc(struct aspace *as, u64 bytes, void **out) {
    ASSERT(bytes != 0 && aspace_is_current(as));
    if (bytes > SHARED_MAX) {
        struct area *area;
        u64 whole = align_up(bytes, PAGE_SIZE);
        enum status status = whole < bytes ? ERR_NO_MEMORY : area_take(as, whole, &area);
        if (status == OK)
            *out = (void *)area->vma.start; // its frames are cleared
        return status;
    }
    enum status status = take_shared(as, granules_of(bytes), out);
    if (status == OK) {
        enum status filled = arch_fill((struct virt_addr){(uptr)*out}, 0, bytes);
        CHECK(filled == OK); // it is mapped
    }
    return status;
}

void data_free(struct aspace *as, void *data, u64 bytes) {
    if (data == NULL)
        return;
    struct area *area = area_of(as, data);
    if (bytes > SHARED_MAX) {
        CHECK(area->vma.start == (uptr)data && area->accessible == align_up(bytes, PAGE_SIZE));
        area_destroy(as, area);
        return;
    }
    CHECK(area->page != NULL);
    u64 offset = (uptr)data - area->vma.start;
    u64 granules = mask_of(granules_of(bytes), (u32)(offset / GRANULE_BYTES));
    spin_lock(&as->data_lock);
    struct data_page *left = give_locked(as, area->page, granules);
    spin_unlock(&as->data_lock);
    page_destroy(as, left);
}

void data_init(struct aspace *as) {
    spin_init(&as->data_lock, LOCK_ASPACE_DATA, "data pages");
    list_init(&as->data_pages);
    as->data_spare = NULL;
}

void data_trim(struct aspace *as) {
    spin_lock(&as->data_lock);
    struct data_page *spare = as->data_spare;
    as->data_spare = NULL;
    spin_unlock(&as->data_lock);
    page_destroy(as, spare);
}

static void data_trim_kernel(void) {
    data_trim(aspace_kernel());
}

// A further address space's goes with it, and that soon.
void data_register(void) {
    reclaim_register(data_trim_kernel);
}

void data_check(struct aspace *as) {
    spin_lock(&as->data_lock);
    LIST_FOR_EACH(node, &as->data_pages) {
        const struct data_page *page = container_of(node, struct data_page, link);
        ASSERT(page->taken != 0 && page->taken != ~0ull);
        ASSERT(page->area->as == as && page->area->page == page);
        ASSERT(node->next->prev == node);
    }
    ASSERT(as->data_spare == NULL || as->data_spare->taken == 0);
    spin_unlock(&as->data_lock);
}
