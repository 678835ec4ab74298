// Address spaces: areas, what they may hold, and committing frames to them.
//
// A frame is taken and zeroed without the lock, then the lock is taken (again) and the frame is
// mapped only if its page still wants one. So the lock is held for bookkeeping and page tables, not
// for clearing memory, and faults on several CPUs do not wait for each other's zeroing. Destroying
// an area goes in pieces for the same reason.
//
// A page that an image has is mapped for reading only, as often as it is read, and copied when it
// is written. The image's frames are no area's: they are mapped as borrowed.
//
// Invariants, checked by aspace_check:
//   1. no area is accessible beyond its size, and a stack keeps a guard page at its lower end;
//   2. nothing is mapped in an area outside of its accessible part;
//   3. all of the accessible part of a stack is mapped, because a page that is missing when the CPU
//      pushes in ring 0 cannot be repaired, and so is that of data, which C reads as it stands;
//   4. what is mapped of an image is what the image has for that page;
//   5. a frame that is an address space's own is mapped in no other, unless it is borrowed there;
//   6. an account is charged what its areas have accessible, never beyond its limit;
//   7. a memory is promised no more than it has accessible and not committed.
//
// Locks: aspace.lock (LOCK_ASPACE); the heap's and the frames' rank below it.

#include "kernel/mm/aspace.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/data.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mapping_internal.h"

// The largest run that is committed at once: what a window shows, and what a fault may take to
// clear. A power of two, and areas are aligned to it.
#define RUN_ORDER_MAX 4u
#define RUN_BYTES_MAX (PAGE_SIZE << RUN_ORDER_MAX)
STATIC_ASSERT(1u << RUN_ORDER_MAX == ARCH_WINDOW_PAGES, "a run is cleared through one window");

// How much is unmapped under one hold of the lock.
#define UNMAP_BYTES (2 * MIB)

// As many contiguous frames are freed at once, not one by one.
#define RUN_AT_ONCE 8u

static struct aspace shared_aspace;

static struct {
    struct spinlock lock;

    // Under lock:
    struct list further; // all but the kernel's

    // Atomic:
    u32 further_count;
} spaces = {
    .lock = {.rank = LOCK_ASPACES, .name = "address spaces"},
    .further = {&spaces.further, &spaces.further},
};

// -- Accounts ----------------------------------------------------------------------------------

// The counters order nothing else, so relaxed is enough.

enum status account_charge(struct memory_account *account, u64 bytes) {
    if (account == NULL)
        return OK;
    u64 charged = __atomic_load_n(&account->charged, __ATOMIC_RELAXED);
    u64 wanted;
    do {
        if (!add_u64(charged, bytes, &wanted) || wanted > account->limit)
            return ERR_LIMIT;
    } while (!__atomic_compare_exchange_n(&account->charged, &charged, wanted, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return OK;
}

void account_refund(struct memory_account *account, u64 bytes) {
    if (account == NULL)
        return;
    u64 before = __atomic_fetch_sub(&account->charged, bytes, __ATOMIC_RELAXED);
    ASSERT(before >= bytes);
}

static void account_commit(struct memory_account *account, u64 bytes) {
    if (account != NULL)
        __atomic_fetch_add(&account->committed, bytes, __ATOMIC_RELAXED);
}

static void account_uncommit(struct memory_account *account, u64 bytes) {
    if (account == NULL)
        return;
    u64 before = __atomic_fetch_sub(&account->committed, bytes, __ATOMIC_RELAXED);
    ASSERT(before >= bytes);
}

// -- Areas -------------------------------------------------------------------------------------

void aspace_init(struct aspace *as, struct arch_aspace *arch) {
    struct virt_range region = arch_aspace_slots(arch);
    *as = (struct aspace){.arch = arch};
    spin_init(&as->lock, LOCK_ASPACE, "aspace");
    vma_tree_init(&as->slots, region.start.value, region.start.value + region.bytes);
    list_init(&as->link);
    data_init(as);
}

struct aspace *aspace_kernel(void) {
    return &shared_aspace;
}

enum status aspace_create(struct aspace **out) {
    struct aspace *as = kmalloc(sizeof *as);
    if (as == NULL)
        return ERR_NO_MEMORY;
    struct arch_aspace own;
    enum status status = arch_aspace_create(&own);
    if (status != OK) {
        kfree(as, sizeof *as);
        return status;
    }
    aspace_init(as, &own);
    as->own = own;
    as->arch = &as->own;
    as->ref_count = 1;
    spin_lock(&spaces.lock);
    list_push_back(&spaces.further, &as->link);
    spin_unlock(&spaces.lock);
    __atomic_fetch_add(&spaces.further_count, 1, __ATOMIC_RELAXED);
    *out = as;
    return OK;
}

void aspace_retain(struct aspace *as) {
    if (as == &shared_aspace)
        return;
    u32 before = __atomic_fetch_add(&as->ref_count, 1, __ATOMIC_RELAXED);
    CHECK(before != 0 && before != UINT32_MAX);
}

void aspace_release(struct aspace *as) {
    if (as == NULL || as == &shared_aspace)
        return;
    u32 before = __atomic_fetch_sub(&as->ref_count, 1, __ATOMIC_ACQ_REL); // pairs with itself
    CHECK(before != 0);
    if (before != 1)
        return;
    spin_lock(&spaces.lock);
    list_remove(&as->link);
    spin_unlock(&spaces.lock);
    data_trim(as);
    CHECK(as->slots.root == NULL);
    arch_aspace_destroy(as->arch);
    kfree(as, sizeof *as);
    __atomic_fetch_sub(&spaces.further_count, 1, __ATOMIC_RELAXED);
}

u32 aspace_count(void) {
    return __atomic_load_n(&spaces.further_count, __ATOMIC_RELAXED);
}

void aspace_for_each(void (*visit)(struct aspace *as, void *context), void *context) {
    visit(&shared_aspace, context);
    spin_lock(&spaces.lock);
    LIST_FOR_EACH(node, &spaces.further)
    visit(container_of(node, struct aspace, link), context);
    spin_unlock(&spaces.lock);
}

static struct area *area_of(struct vma *vma) {
    return vma == NULL ? NULL : container_of(vma, struct area, vma);
}

static u64 area_bytes(const struct area *area) {
    return area->vma.end - area->vma.start;
}

// Whether all that is accessible is committed.
static bool is_solid(const struct area *area) {
    return area->kind != AREA_MEMORY;
}

// The lowest accessible address when `accessible` bytes are.
static u64 accessible_start(const struct area *area, u64 accessible) {
    return area->kind == AREA_STACK ? area->vma.end - accessible : area->vma.start;
}

enum status area_create(struct aspace *as, enum area_kind kind, u64 bytes,
                        struct memory_account *account, struct area **out) {
    ASSERT(bytes != 0 && is_aligned(bytes, PAGE_SIZE));

    struct area *area = kmalloc(sizeof *area);
    if (area == NULL)
        return ERR_NO_MEMORY;
    area->as = as;
    area->account = account;
    area->kind = kind;

    // Small ones fit between others.
    u64 alignment = bytes < RUN_BYTES_MAX ? PAGE_SIZE : RUN_BYTES_MAX;
    spin_lock(&as->lock);
    enum status status = vma_insert_anywhere(&as->slots, &area->vma, bytes, alignment);
    if (status == OK)
        mapping_init_area(area); // before anybody finds it
    spin_unlock(&as->lock);
    if (status == OK)
        *out = area;
    else
        kfree(area, sizeof *area);
    return status;
}

// -- Committing --------------------------------------------------------------------------------

static void frames_clear(struct phys_addr frame, u32 pages) {
    void *window = arch_frame_window_open(frame, pages);
    memset(window, 0, pages * PAGE_SIZE);
    arch_frame_window_close(window);
}

// Takes cleared frames for the run of 2^*order pages, or for fewer when memory is short.
static enum status run_alloc(enum frame_need need, u32 *order, struct phys_addr *out) {
    while (frame_alloc_for(need, ZONE_PROGRAM, *order, out) != OK) {
        if (*order == 0)
            return ERR_NO_MEMORY;
        --*order;
    }
    frames_clear(*out, 1u << *order);
    return OK;
}

// Takes a frame with what another holds.
static enum status page_copy(enum frame_need need, struct phys_addr source, struct phys_addr *out) {
    if (frame_alloc_for(need, ZONE_PROGRAM, 0, out) != OK)
        return ERR_NO_MEMORY;
    const void *from = arch_frame_window_open(source, 1);
    void *to = arch_frame_window_open(*out, 1);
    memcpy(to, from, PAGE_SIZE);
    arch_frame_window_close(to);
    arch_frame_window_close((void *)(uptr)from);
    return OK;
}

// The number that the frames of an address space's own are known by.
static u32 owner_number(const struct aspace *as) {
    return (u32)as->arch->number + 1;
}

// Maps frames as the address space's own.
static enum status own_map_locked(struct aspace *as, u64 start, struct phys_addr frame, u32 order) {
    frame_set_owner(frame, 1ull << order, owner_number(as));
    return arch_map(as->arch, (struct virt_addr){start}, frame, 1ull << order,
                    PAGE_READ | PAGE_WRITE);
}

static bool is_unmapped_locked(const struct aspace *as, u64 start, u64 bytes) {
    struct phys_addr frame;
    for (u64 at = start; at < start + bytes; at += PAGE_SIZE) {
        if (arch_translate(as->arch, (struct virt_addr){at}, &frame))
            return false;
    }
    return true;
}

// Frames that were unmapped, gathered into runs as contiguous as they are.
struct unmap_visit {
    u64 frames; // all in all
    struct phys_addr run;
    u64 run_pages; // that are not free yet
};

// A few frames are for this CPU's magazine; many go to the allocator as blocks.
static void unmapped_run_free(struct unmap_visit *visit) {
    if (visit->run_pages >= RUN_AT_ONCE)
        frame_free_run(visit->run, visit->run_pages);
    else
        for (u64 i = 0; i < visit->run_pages; i++)
            frame_free((struct phys_addr){visit->run.value + i * PAGE_SIZE}, 0);
    visit->frames += visit->run_pages;
    visit->run_pages = 0;
}

static void unmapped_frame_free(void *context, struct phys_addr frame) {
    struct unmap_visit *visit = context;
    if (visit->run_pages != 0 && frame.value != visit->run.value + visit->run_pages * PAGE_SIZE)
        unmapped_run_free(visit);
    if (visit->run_pages == 0)
        visit->run = frame;
    visit->run_pages++;
}

// Unmaps and frees what is there in [start, end), which nobody uses any more, in pieces between
// which others have their turn; returns how many bytes that was.
static u64 range_uncommit(struct aspace *as, u64 start, u64 end) {
    struct unmap_visit visit = {0};
    if (end - start > UNMAP_BYTES) {
        spin_lock(&as->lock);
        arch_unmap_prepare(as->arch, (struct virt_addr){start}, (end - start) >> PAGE_SHIFT);
        spin_unlock(&as->lock);
    }
    while (start < end) {
        spin_lock(&as->lock);
        u64 skipped = arch_unmapped_pages(as->arch, (struct virt_addr){start});
        u64 next = skipped != 0 ? min_u64(end, start + skipped * PAGE_SIZE)
                                : min_u64(end, align_down(start, UNMAP_BYTES) + UNMAP_BYTES);
        if (skipped == 0)
            arch_unmap(as->arch, (struct virt_addr){start}, (next - start) >> PAGE_SHIFT,
                       unmapped_frame_free, &visit);
        spin_unlock(&as->lock);
        start = next;
    }
    unmapped_run_free(&visit);
    return visit.frames * PAGE_SIZE;
}

// Commits all of [start, end), of which nothing is mapped.
static enum status range_commit(struct aspace *as, u64 start, u64 end) {
    u64 at = start;
    while (at < end) {
        u32 order = RUN_ORDER_MAX;
        while (!is_aligned(at, PAGE_SIZE << order) || end - at < PAGE_SIZE << order)
            order--;
        struct phys_addr frame;
        enum status status = run_alloc(FRAME_USUAL, &order, &frame);
        if (status == OK) {
            spin_lock(&as->lock);
            status = own_map_locked(as, at, frame, order);
            spin_unlock(&as->lock);
            if (status != OK)
                frame_free(frame, order);
        }
        if (status != OK) {
            range_uncommit(as, start, at);
            return status;
        }
        at += PAGE_SIZE << order;
    }
    return OK;
}

// -- Promises ----------------------------------------------------------------------------------

static bool is_kept(const struct memory_account *account) {
    return account != NULL && __atomic_load_n(&account->is_kept, __ATOMIC_RELAXED);
}

// Has `bytes` more of a memory promised to `account`, where that is kept; *out is how many are.
static enum status promise(const struct memory_account *account, u64 bytes,
                           enum frame_promise promise, u64 *out) {
    *out = is_kept(account) ? bytes : 0;
    if (*out != 0)
        return frame_promise(bytes >> PAGE_SHIFT, promise);
    return account == NULL || frame_can_grant() ? OK : ERR_NO_MEMORY;
}

static void promise_end_locked(struct area *area, u64 bytes) {
    u64 ended = min_u64(bytes, area->promised);
    area->promised -= ended;
    frame_promise_end(ended >> PAGE_SHIFT);
}

// -- Growing and destroying --------------------------------------------------------------------

enum status area_grow(struct aspace *as, struct area *area, u64 bytes) {
    ASSERT(is_aligned(bytes, PAGE_SIZE));
    u64 old = area->accessible; // changes under this call only
    if (bytes <= old)
        return OK;
    u64 guard = area->kind == AREA_STACK ? PAGE_SIZE : 0;
    if (bytes > area_bytes(area) - guard)
        return ERR_LIMIT;

    u64 promised = 0;
    enum status status = account_charge(area->account, bytes - old);
    if (status != OK)
        return status;
    if (is_solid(area)) {
        // Of a stack the lower part is what is new, else the upper.
        u64 start = accessible_start(area, bytes) + (area->kind == AREA_STACK ? 0 : old);
        status = range_commit(as, start, start + bytes - old);
        if (status != OK) {
            account_refund(area->account, bytes - old);
            return status;
        }
        account_commit(area->account, bytes - old);
    } else {
        status = promise(area->account, bytes - old, old == 0 ? PROMISE_TO_START : PROMISE_TO_GROW,
                         &promised);
        if (status != OK) {
            account_refund(area->account, bytes - old);
            return status;
        }
    }

    // Commit point.
    spin_lock(&as->lock);
    area->accessible = bytes;
    area->promised += promised;
    spin_unlock(&as->lock);
    return OK;
}

void area_destroy(struct aspace *as, struct area *area) {
    if (area == NULL)
        return;

    // From here on no fault commits anything in the area.
    spin_lock(&as->lock);
    u64 accessible = area->accessible;
    struct image *image = area->kind == AREA_MEMORY ? area->image : NULL;
    area->accessible = 0;
    area->image = NULL;
    promise_end_locked(area, area->promised);
    spin_unlock(&as->lock);

    u64 start = accessible_start(area, accessible);
    u64 committed = range_uncommit(as, start, start + accessible);
    committed += mapping_free_aside(as, area) * PAGE_SIZE;
    account_uncommit(area->account, committed);
    account_refund(area->account, accessible);
    image_release(image);

    spin_lock(&as->lock);
    vma_remove(&as->slots, &area->vma);
    spin_unlock(&as->lock);
    kfree(area, sizeof *area);
}

// -- Using a memory again ----------------------------------------------------------------------

void area_set_image(struct aspace *as, struct area *area, struct image *image) {
    ASSERT(area->kind == AREA_MEMORY && area->image == NULL);
    image_retain(image);
    spin_lock(&as->lock);
    ASSERT(area->touched == 0);
    area->image = image;
    spin_unlock(&as->lock);
}

// Makes a page that was committed what it was at first. It is mapped, so nothing can fail.
static void page_restore(const struct area *area, u64 page) {
    struct virt_addr address = {area->vma.start + (page << PAGE_SHIFT)};
    struct phys_addr source;
    enum status status;
    if (area->image != NULL && image_find(area->image, page, &source)) {
        const void *window = arch_frame_window_open(source, 1);
        status = arch_copy_to(address, window, PAGE_SIZE);
        arch_frame_window_close((void *)(uptr)window);
    } else {
        status = arch_fill(address, 0, PAGE_SIZE);
    }
    CHECK(status == OK);
}

// Makes it smaller; all of its committed pages are noted.
static void area_shrink(struct aspace *as, struct area *area, u64 accessible) {
    u64 before = area->accessible;
    spin_lock(&as->lock);
    area->accessible = accessible; // no fault commits anything beyond
    promise_end_locked(area, area->promised);
    spin_unlock(&as->lock);
    account_refund(area->account, before - accessible);
    u64 kept = 0;
    u64 committed = area->touched >> PAGE_SHIFT;
    for (u64 i = 0; i < committed; i++) {
        if (area->committed[i] < accessible >> PAGE_SHIFT)
            area->committed[kept++] = area->committed[i];
    }
    area->touched = kept << PAGE_SHIFT;
    if (kept != committed)
        account_uncommit(area->account, range_uncommit(as, area->vma.start + accessible,
                                                       area->vma.start + before));
}

bool area_retire(struct aspace *as, struct area *area, u64 accessible) {
    ASSERT(area->kind == AREA_MEMORY && accessible <= area->accessible);
    // Nobody else changes it any more, so no lock is needed to look.
    if (area->touched > AREA_PAGES_KEPT * PAGE_SIZE || !area_is_plain(area))
        return false;
    if (accessible != area->accessible)
        area_shrink(as, area, accessible);
    for (u64 i = 0; i < area->touched >> PAGE_SHIFT; i++)
        page_restore(area, area->committed[i]);
    account_uncommit(area->account, area->touched);
    account_refund(area->account, accessible);
    spin_lock(&as->lock);
    promise_end_locked(area, area->promised);
    area->account = NULL;
    spin_unlock(&as->lock);
    return true;
}

enum status area_adopt(struct aspace *as, struct area *area, struct memory_account *account) {
    ASSERT(area->account == NULL);
    u64 committed = area->kind == AREA_STACK ? area->accessible : area->touched;
    u64 promised;
    enum status status = account_charge(account, area->accessible);
    if (status != OK)
        return status;
    status = promise(account, area->accessible - committed, PROMISE_TO_START, &promised);
    if (status != OK) {
        account_refund(account, area->accessible);
        return status;
    }
    account_commit(account, committed);
    spin_lock(&as->lock);
    area->account = account;
    area->promised = promised;
    spin_unlock(&as->lock);
    return OK;
}

// -- Faults ------------------------------------------------------------------------------------

// What a fault has to do.
struct fault_plan {
    enum fault_access access;
    u64 start; // of the run
    u32 order;
    enum frame_need need;
    bool is_done;            // nothing is to be committed
    struct image *image;     // that the area starts with, or NULL
    bool is_shared;          // it has that page:
    struct phys_addr source; // here
};

static u64 page_in(const struct area *area, u64 address) {
    return (address - area->vma.start) >> PAGE_SHIFT;
}

static bool has_aside_locked(const struct area *area, u64 start, u64 bytes) {
    return !area_is_plain(area) && mapping_has_aside_locked(area, start, bytes);
}

// Whether zeroed frames can be committed to a run: nothing is mapped there, no frames wait for it,
// and it starts as zeros.
static bool is_free_locked(const struct aspace *as, const struct area *area, u64 start, u64 bytes) {
    return is_unmapped_locked(as, start, bytes) && !has_aside_locked(area, start, bytes) &&
           (area->image == NULL ||
            !image_has_any(area->image, page_in(area, start), bytes >> PAGE_SHIFT));
}

// The run to commit for a fault at `page`: the largest aligned one that is accessible, not larger
// than what has been committed before, and of which nothing is mapped yet.
static u32 fault_order_locked(const struct aspace *as, const struct area *area, u64 page) {
    u64 end = area->vma.start + area->accessible;
    for (u32 order = RUN_ORDER_MAX; order > 0; order--) {
        u64 start = align_down(page, PAGE_SIZE << order);
        if (PAGE_SIZE << order <= area->touched &&
            (area->promised == 0 || PAGE_SIZE << order <= area->promised) &&
            start >= area->vma.start && end - start >= PAGE_SIZE << order &&
            is_free_locked(as, area, start, PAGE_SIZE << order))
            return order;
    }
    return 0;
}

// The part of a fault that concerns what lies over the area.
static enum status fault_plan_mapped_locked(struct aspace *as, struct area *area, u64 page,
                                            struct fault_plan *plan) {
    switch (mapping_fault_locked(as, area, page, plan->access)) {
    case MAPPING_FAULT_DENIED:
        return ERR_NO_ACCESS;
    case MAPPING_FAULT_NO_ROOM:
        return ERR_NO_MEMORY;
    case MAPPING_FAULT_DONE:
        plan->is_done = true;
        return OK;
    case MAPPING_FAULT_OWN:
        return OK;
    }
    UNREACHABLE();
}

// Whether nothing is left to do for the plan's page, which nothing lies over.
static bool is_done_locked(const struct aspace *as, const struct fault_plan *plan, u64 page) {
    struct phys_addr mapped;
    if (!arch_translate(as->arch, (struct virt_addr){page}, &mapped))
        return false;
    return !plan->is_shared || plan->access == FAULT_READ || mapped.value != plan->source.value;
}

static enum status fault_plan_locked(struct aspace *as, u64 page, struct fault_plan *plan) {
    struct area *area = area_of(vma_find(&as->slots, page));
    // The others are committed before they are used: a fault in a stack is in its guard.
    if (area == NULL || area->kind != AREA_MEMORY || page - area->vma.start >= area->accessible)
        return ERR_FAULT;
    if (!area_is_plain(area)) {
        enum status status = fault_plan_mapped_locked(as, area, page, plan);
        if (status != OK || plan->is_done)
            return status;
    }
    plan->image = area->image;
    plan->is_shared =
        area->image != NULL && image_find(area->image, page_in(area, page), &plan->source);
    plan->is_done = is_done_locked(as, plan, page); // another CPU was faster
    plan->order = plan->is_shared || plan->is_done ? 0 : fault_order_locked(as, area, page);
    plan->need = area->promised != 0 ? FRAME_PROMISED : FRAME_USUAL;
    return OK;
}

static void note_committed_locked(struct area *area, u64 start, u64 bytes) {
    for (u64 at = start; at < start + bytes; at += PAGE_SIZE) {
        if (area->touched < AREA_PAGES_KEPT * PAGE_SIZE)
            area->committed[area->touched >> PAGE_SHIFT] = (u32)page_in(area, at);
        area->touched += PAGE_SIZE;
    }
    account_commit(area->account, bytes);
    promise_end_locked(area, bytes);
}

// Whether the copy of a page of the image is still wanted there: nothing is mapped but the image's.
static bool wants_copy_locked(const struct aspace *as, const struct area *area,
                              const struct fault_plan *plan) {
    return vma_find(&area->mappings, plan->start) == NULL &&
           !has_aside_locked(area, plan->start, PAGE_SIZE) &&
           !is_done_locked(as, plan, plan->start);
}

// Maps the run unless the area has changed meanwhile.
static enum status fault_map_locked(struct aspace *as, const struct fault_plan *plan,
                                    struct phys_addr frame) {
    struct area *area = area_of(vma_find(&as->slots, plan->start));
    u64 bytes = PAGE_SIZE << plan->order;
    if (area == NULL || area->kind != AREA_MEMORY || area->image != plan->image ||
        !range_fits(plan->start - area->vma.start, bytes, area->accessible))
        return ERR_BUSY;
    if (plan->is_shared ? !wants_copy_locked(as, area, plan)
                        : !is_free_locked(as, area, plan->start, bytes))
        return ERR_BUSY;
    struct virt_addr start = {plan->start};
    if (plan->is_shared)
        arch_unmap(as->arch, start, 1, NULL, NULL); // what is there for reading
    enum status status = own_map_locked(as, plan->start, frame, plan->order);
    if (status == OK)
        note_committed_locked(area, plan->start, bytes);
    return status;
}

// Gives the run frames of its own, cleared, or with what the image has for the page.
static enum status fault_commit(struct aspace *as, u64 page, struct fault_plan *plan) {
    struct phys_addr frame;
    enum status status = plan->is_shared ? page_copy(plan->need, plan->source, &frame)
                                         : run_alloc(plan->need, &plan->order, &frame);
    if (status != OK)
        return status;
    plan->start = align_down(page, PAGE_SIZE << plan->order);
    spin_lock(&as->lock);
    status = fault_map_locked(as, plan, frame);
    spin_unlock(&as->lock);
    if (status != OK)
        frame_free(frame, plan->order);
    // The area changed while the frames were cleared: the next fault sees how.
    return status == ERR_BUSY ? OK : status;
}

enum status aspace_fault(struct aspace *as, struct virt_addr address, enum fault_access access) {
    if (access == FAULT_EXEC)
        return ERR_FAULT;

    u64 page = align_down(address.value, PAGE_SIZE);
    struct fault_plan plan = {.access = access};
    spin_lock(&as->lock);
    enum status status = fault_plan_locked(as, page, &plan);
    bool is_left = status == OK && !plan.is_done;
    bool is_read = plan.is_shared && access == FAULT_READ;
    if (is_left && is_read)
        status =
            arch_map(as->arch, (struct virt_addr){page}, plan.source, 1, PAGE_READ | PAGE_BORROWED);
    else if (is_left && plan.is_shared)
        image_retain(plan.image); // the area may go meanwhile
    spin_unlock(&as->lock);
    if (status != OK || !is_left || is_read)
        return status;

    status = fault_commit(as, page, &plan);
    if (plan.is_shared)
        image_release(plan.image);
    return status;
}

enum status aspace_fault_own(struct aspace *as, struct virt_addr address, enum fault_access access,
                             const struct memory_account *account) {
    spin_lock(&as->lock);
    const struct area *area = area_of(vma_find(&as->slots, address.value));
    bool is_own = area != NULL && area->account == account;
    spin_unlock(&as->lock);
    // Nobody else takes away or gives an area while its code runs, so this stays true.
    return is_own ? aspace_fault(as, address, access) : ERR_DENIED;
}

enum status aspace_reach_locked(struct aspace *as, struct virt_addr page, enum fault_access access,
                                struct phys_addr *frame) {
    ASSERT(spin_is_held(&as->lock));
    enum page_rights rights;
    enum page_rights wanted = access == FAULT_READ ? PAGE_READ : PAGE_WRITE;
    if (!arch_page_find(as->arch, page, frame, &rights) || (rights & wanted) == 0)
        return ERR_NOT_FOUND;
    return (rights & PAGE_DEVICE) != 0 ? ERR_FAULT : OK;
}

// -- Checking ----------------------------------------------------------------------------------

static void image_check(const struct aspace *as, const struct area *area) {
    for (u32 i = 0; i < area->image->count; i++) {
        struct phys_addr source;
        u64 page = area->image->pages[i].page;
        ASSERT(i == 0 || area->image->pages[i - 1].page < page);
        ASSERT(image_find(area->image, page, &source));
        for (u32 j = 0; j < area->touched >> PAGE_SHIFT && j < AREA_PAGES_KEPT; j++) {
            struct phys_addr own;
            if (area->committed[j] != page)
                continue;
            struct virt_addr address = {area->vma.start + (page << PAGE_SHIFT)};
            ASSERT(arch_translate(as->arch, address, &own) && own.value != source.value);
        }
    }
}

static void area_check(const struct aspace *as, const struct area *area) {
    ASSERT(is_aligned(area->accessible, PAGE_SIZE));
    ASSERT(area->accessible <= area_bytes(area));
    ASSERT(area->promised == 0 || area->touched + area->promised <= area->accessible);
    if (!area_is_plain(area))
        mapping_check_locked(as, area);
    else if (area->kind == AREA_MEMORY && area->image != NULL)
        image_check(as, area);
    if (!is_solid(area))
        return;

    struct phys_addr frame;
    u64 start = accessible_start(area, area->accessible);
    for (u64 at = start; at < start + area->accessible; at += PAGE_SIZE)
        ASSERT(arch_translate(as->arch, (struct virt_addr){at}, &frame));
    if (area->kind != AREA_STACK)
        return;
    ASSERT(area->accessible < area_bytes(area));
    if (area->accessible != 0)
        ASSERT(is_unmapped_locked(as, start - PAGE_SIZE, PAGE_SIZE));
}

// What an address space has mapped, counted.
struct owned {
    const struct aspace *as;
    u64 pages;
};

static void owned_run_check(const struct mapped_run *run, void *context) {
    struct owned *owned = context;
    if ((run->rights & PAGE_BORROWED) != 0)
        return; // a mapping, or of an image
    for (u64 i = 0; i < run->pages; i++)
        frame_check_owner((struct phys_addr){run->frame.value + i * PAGE_SIZE},
                          owner_number(owned->as));
    owned->pages += run->pages;
}

u64 aspace_check(const struct aspace *const_as) {
    struct aspace *as = (struct aspace *)const_as; // its lock changes
    struct owned owned = {.as = as};
    spin_lock(&as->lock);
    vma_check(&as->slots);
    struct vma *vma = vma_first_from(&as->slots, as->slots.start);
    for (; vma != NULL; vma = vma_first_from(&as->slots, vma->end)) {
        const struct area *area = area_of(vma);
        area_check(as, area);
        u64 start = accessible_start(area, area->accessible);
        if (!arch_aspaces_are_apart())
            arch_mapped_for_each(as->arch, (struct virt_range){{start}, area->accessible},
                                 owned_run_check, &owned);
    }
    if (arch_aspaces_are_apart()) // all of it, wherever areas are
        arch_mapped_for_each(as->arch, arch_aspace_slots(as->arch), owned_run_check, &owned);
    spin_unlock(&as->lock);
    data_check(as);
    return owned.pages;
}
