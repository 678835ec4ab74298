// Mappings over the pages of a memory area (mapping.h).
//
// A mapping comes and goes in pieces, each under one hold of the lock, and everything below
// `mapped_end` is mapped: so whoever faults finds a page either shown by the mapping or the area's
// own, and never has to wait. The area's own frames that have to make room are set aside: kept by
// page, until a fault asks for one again. A server that maps over the same pages again and again
// therefore moves nothing.
//
// Invariants, checked by mapping_check_locked:
//   1. mappings of an area do not overlap, and are within what it has accessible;
//   2. each page of a mapping below mapped_end is mapped, borrowed, with the mapping's rights;
//   3. a page whose frame is set aside has nothing or a borrowed frame mapped, never a second one
//      of its own.
//
// Locks: aspace.lock.

#include "kernel/mm/mapping.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mapping_internal.h"

// How much is mapped under one hold of the lock, and unmapped. A piece to map never crosses a
// multiple of its size, nor does what is set aside together.
#define PIECE_PAGES  64u
#define PIECE_BYTES  (PIECE_PAGES * PAGE_SIZE)
#define UNMAP_BYTES  (2 * MIB)
#define FRAME_IS_SET 1u // in the low bits of what is set aside

// Frames of one aligned piece of an area that are set aside.
struct aside {
    struct vma vma; // in area->aside
    u32 count;
    u64 frames[PIECE_PAGES]; // address with FRAME_IS_SET, or 0
};

static struct mapping *mapping_of(struct vma *vma) {
    return vma == NULL ? NULL : container_of(vma, struct mapping, vma);
}

static struct aside *aside_of(struct vma *vma) {
    return vma == NULL ? NULL : container_of(vma, struct aside, vma);
}

static u64 *aside_slot(struct aside *aside, u64 page) {
    return &aside->frames[(page - aside->vma.start) >> PAGE_SHIFT];
}

static struct aside *aside_find_locked(const struct area *area, u64 page) {
    return aside_of(vma_find(&area->aside, page));
}

// The area's own frame that is mapped at `page`.
static bool find_own_locked(const struct aspace *as, u64 page, struct phys_addr *frame) {
    enum page_rights rights;
    return arch_page_find(as->arch, (struct virt_addr){page}, frame, &rights) &&
           (rights & PAGE_BORROWED) == 0;
}

// What is set aside together may extend beyond the area, where it has no pages.
void mapping_init_area(struct area *area) {
    vma_tree_init(&area->mappings, area->vma.start, area->vma.end);
    vma_tree_init(&area->aside, align_down(area->vma.start, PIECE_BYTES),
                  align_up(area->vma.end, PIECE_BYTES));
}

// -- Setting aside -------------------------------------------------------------------------------

static bool has_own_locked(const struct aspace *as, u64 start, u64 end) {
    struct phys_addr frame;
    for (u64 page = start; page < end; page += PAGE_SIZE) {
        if (find_own_locked(as, page, &frame))
            return true;
    }
    return false;
}

static void aside_insert_locked(struct area *area, struct aside *aside, u64 start) {
    aside->vma.start = align_down(start, PIECE_BYTES);
    aside->vma.end = aside->vma.start + PIECE_BYTES;
    enum status status = vma_insert(&area->aside, &aside->vma);
    ASSERT(status == OK);
    (void)status;
}

// Empties [start, end), a part of one piece: frames of the area's own go to `aside`, which is NULL
// when there are none.
static void clear_piece_locked(struct aspace *as, struct aside *aside, u64 start, u64 end) {
    struct phys_addr frame;
    for (u64 page = start; aside != NULL && page < end; page += PAGE_SIZE) {
        if (!find_own_locked(as, page, &frame))
            continue;
        u64 *slot = aside_slot(aside, page);
        CHECK(*slot == 0);
        *slot = frame.value | FRAME_IS_SET;
        aside->count++;
    }
    arch_unmap(as->arch, (struct virt_addr){start}, (end - start) >> PAGE_SHIFT, NULL, NULL);
}

static void aside_free_if_empty_locked(struct area *area, struct aside *aside) {
    if (aside->count != 0)
        return;
    vma_remove(&area->aside, &aside->vma);
    kfree(aside, sizeof *aside);
}

// The lock is for aspace_check, which still finds the area.
static struct aside *aside_take(struct aspace *as, struct area *area) {
    spin_lock(&as->lock);
    ASSERT(area->mappings.root == NULL);
    struct aside *aside = area->aside.root == NULL ? NULL : aside_of(area->aside.root);
    if (aside != NULL)
        vma_remove(&area->aside, &aside->vma);
    spin_unlock(&as->lock);
    return aside;
}

u64 mapping_free_aside(struct aspace *as, struct area *area) {
    u64 freed = 0;
    struct aside *aside;
    while ((aside = aside_take(as, area)) != NULL) {
        for (u32 i = 0; i < PIECE_PAGES; i++) {
            if (aside->frames[i] == 0)
                continue;
            frame_free((struct phys_addr){align_down(aside->frames[i], PAGE_SIZE)}, 0);
            freed++;
        }
        kfree(aside, sizeof *aside);
    }
    return freed;
}

// -- Mapping -------------------------------------------------------------------------------------

static struct phys_addr frame_at(const struct mapping_frames *frames, u64 index) {
    if (frames->each != NULL)
        return frames->each[index];
    return (struct phys_addr){frames->first.value + index * PAGE_SIZE};
}

// How many of `pages` frames from `index` on are contiguous.
static u64 run_at(const struct mapping_frames *frames, u64 index, u64 pages) {
    if (frames->each == NULL)
        return pages;
    u64 run = 1;
    while (run < pages &&
           frames->each[index + run].value == frames->each[index].value + run * PAGE_SIZE)
        run++;
    return run;
}

// Maps the frames at the empty range [start, end), or nothing.
static enum status show_piece_locked(struct mapping *mapping, const struct mapping_frames *frames,
                                     u64 start, u64 end) {
    struct arch_aspace *arch = mapping->area->as->arch;
    for (u64 at = start; at < end;) {
        u64 index = (at - mapping->vma.start) >> PAGE_SHIFT;
        u64 run = run_at(frames, index, (end - at) >> PAGE_SHIFT);
        enum status status = arch_map(arch, (struct virt_addr){at}, frame_at(frames, index), run,
                                      mapping->rights | PAGE_BORROWED);
        if (status != OK) {
            arch_unmap(arch, (struct virt_addr){start}, (at - start) >> PAGE_SHIFT, NULL, NULL);
            return status;
        }
        at += run << PAGE_SHIFT;
    }
    return OK;
}

// The next piece of a mapping. ERR_BUSY: `spare` is NULL, and needed.
static enum status map_piece_locked(struct mapping *mapping, const struct mapping_frames *frames,
                                    u64 end, struct aside **spare) {
    struct area *area = mapping->area;
    u64 start = mapping->mapped_end;
    struct aside *aside = aside_find_locked(area, start);
    if (aside == NULL && has_own_locked(mapping->area->as, start, end)) {
        if (*spare == NULL)
            return ERR_BUSY;
        aside = *spare;
        *spare = NULL;
        aside_insert_locked(area, aside, start);
    }
    clear_piece_locked(mapping->area->as, aside, start, end);
    enum status status = show_piece_locked(mapping, frames, start, end);
    if (status == OK)
        mapping->mapped_end = end;
    return status;
}

static enum status map_piece(struct mapping *mapping, const struct mapping_frames *frames,
                             u64 end) {
    struct aside *spare = NULL;
    enum status status;
    for (;;) {
        spin_lock(&mapping->area->as->lock);
        status = map_piece_locked(mapping, frames, end, &spare);
        spin_unlock(&mapping->area->as->lock);
        if (status != ERR_BUSY)
            break;
        spare = kmalloc(sizeof *spare);
        if (spare == NULL)
            return ERR_NO_MEMORY;
    }
    kfree(spare, sizeof *spare); // NULL, unless another thread was quicker
    return status;
}

static enum status insert_locked(struct mapping *mapping, const struct area_range *range) {
    struct area *area = range->area;
    if (area->kind != AREA_MEMORY ||
        !range_fits(range->offset, range->pages << PAGE_SHIFT, area->accessible))
        return ERR_FAULT;
    enum status status = vma_insert(&area->mappings, &mapping->vma);
    if (status == OK && (mapping->rights & PAGE_DEVICE) != 0)
        __atomic_fetch_add(&area->device_count, 1, __ATOMIC_RELAXED);
    return status;
}

enum status mapping_create(struct mapping *mapping, const struct area_range *range,
                           const struct mapping_frames *frames, enum page_rights rights) {
    u64 bytes;
    ASSERT(is_aligned(range->offset, PAGE_SIZE) && range->pages != 0);
    if (!mul_u64(range->pages, PAGE_SIZE, &bytes))
        return ERR_FAULT;
    u64 start = range->area->vma.start + range->offset;
    *mapping = (struct mapping){
        .vma = {.start = start, .end = start + bytes},
        .area = range->area,
        .rights = rights,
        .mapped_end = start,
    };
    spin_lock(&range->area->as->lock);
    enum status status = insert_locked(mapping, range);
    spin_unlock(&range->area->as->lock);
    if (status != OK)
        return status;
    while (status == OK && mapping->mapped_end < mapping->vma.end) {
        u64 next = align_down(mapping->mapped_end, PIECE_BYTES) + PIECE_BYTES;
        status = map_piece(mapping, frames, min_u64(next, mapping->vma.end));
    }
    if (status != OK)
        mapping_remove(mapping);
    return status;
}

void mapping_remove(struct mapping *mapping) {
    struct area *area = mapping->area;
    struct aspace *as = area->as;
    bool is_gone = false;
    while (!is_gone) {
        spin_lock(&as->lock);
        u64 end = mapping->mapped_end;
        u64 start = max_u64(mapping->vma.start, align_down(end - 1, UNMAP_BYTES));
        if (start < end)
            arch_unmap(as->arch, (struct virt_addr){start}, (end - start) >> PAGE_SHIFT, NULL,
                       NULL);
        mapping->mapped_end = start;
        is_gone = start == mapping->vma.start;
        if (is_gone) {
            vma_remove(&area->mappings, &mapping->vma);
            if ((mapping->rights & PAGE_DEVICE) != 0)
                __atomic_fetch_sub(&area->device_count, 1, __ATOMIC_RELAXED);
        }
        spin_unlock(&as->lock);
    }
}

struct mapping *mapping_find(const struct area *area, u64 offset) {
    spin_lock(&area->as->lock);
    struct vma *vma = vma_first_from(&area->mappings, area->vma.start + offset);
    spin_unlock(&area->as->lock);
    return mapping_of(vma);
}

// -- Faults --------------------------------------------------------------------------------------

// Maps the frame that was set aside again.
static enum mapping_fault take_back_locked(struct aspace *as, struct area *area, u64 page) {
    struct aside *aside = aside_find_locked(area, page);
    u64 *slot = aside == NULL ? NULL : aside_slot(aside, page);
    if (slot == NULL || *slot == 0)
        return MAPPING_FAULT_OWN;
    struct phys_addr frame = {align_down(*slot, PAGE_SIZE)};
    if (arch_map(as->arch, (struct virt_addr){page}, frame, 1, PAGE_READ | PAGE_WRITE) != OK)
        return MAPPING_FAULT_NO_ROOM;
    *slot = 0;
    aside->count--;
    aside_free_if_empty_locked(area, aside);
    return MAPPING_FAULT_DONE;
}

enum mapping_fault mapping_fault_locked(struct aspace *as, struct area *area, u64 page,
                                        enum fault_access access) {
    const struct mapping *mapping = mapping_of(vma_find(&area->mappings, page));
    if (mapping == NULL || page >= mapping->mapped_end)
        return take_back_locked(as, area, page);
    bool is_allowed = access != FAULT_WRITE || (mapping->rights & PAGE_WRITE) != 0;
    return is_allowed ? MAPPING_FAULT_DONE : MAPPING_FAULT_DENIED;
}

bool mapping_has_aside_locked(const struct area *area, u64 start, u64 bytes) {
    for (u64 page = start; page < start + bytes; page += PAGE_SIZE) {
        struct aside *aside = aside_find_locked(area, page);
        if (aside != NULL && *aside_slot(aside, page) != 0)
            return true;
    }
    return false;
}

// -- Lending -------------------------------------------------------------------------------------

// The frame of the area's own page. ERR_WOULD_BLOCK: it has none yet.
static enum status own_frame_locked(struct aspace *as, const struct area *area, u64 page,
                                    struct phys_addr *frame) {
    if (area->kind != AREA_MEMORY || page - area->vma.start >= area->accessible)
        return ERR_FAULT;
    if (vma_find(&area->mappings, page) != NULL)
        return ERR_BUSY;
    if (find_own_locked(as, page, frame))
        return OK;
    struct aside *aside = aside_find_locked(area, page);
    if (aside == NULL || *aside_slot(aside, page) == 0)
        return ERR_WOULD_BLOCK;
    *frame = (struct phys_addr){align_down(*aside_slot(aside, page), PAGE_SIZE)};
    return OK;
}

enum status area_own_frames(const struct area_range *range, struct phys_addr *frames) {
    struct aspace *as = range->area->as;
    u64 start = range->area->vma.start + range->offset;
    u64 done = 0;
    while (done < range->pages) {
        u64 piece = min_u64(range->pages, done + PIECE_PAGES);
        enum status status = OK;
        spin_lock(&as->lock);
        while (status == OK && done < piece) {
            status = own_frame_locked(as, range->area, start + (done << PAGE_SHIFT), &frames[done]);
            done += status == OK;
        }
        spin_unlock(&as->lock);
        if (status == ERR_WOULD_BLOCK)
            status =
                aspace_fault(as, (struct virt_addr){start + (done << PAGE_SHIFT)}, FAULT_WRITE);
        if (status != OK)
            return status;
    }
    return OK;
}

// -- Devices -------------------------------------------------------------------------------------

bool area_shows_device_slow(struct area *area, u64 offset, u64 len) {
    u64 start = area->vma.start + offset;
    bool found = false;
    spin_lock(&area->as->lock);
    const struct vma *vma = vma_first_from(&area->mappings, start);
    for (; vma != NULL && vma->start < start + len && !found;
         vma = vma_first_from(&area->mappings, vma->end))
        found = (container_of(vma, struct mapping, vma)->rights & PAGE_DEVICE) != 0;
    spin_unlock(&area->as->lock);
    return found;
}

// -- Checking ------------------------------------------------------------------------------------

static void mapping_check_pages(const struct aspace *as, const struct mapping *mapping) {
    for (u64 page = mapping->vma.start; page < mapping->mapped_end; page += PAGE_SIZE) {
        struct phys_addr frame;
        enum page_rights rights;
        ASSERT(arch_page_find(as->arch, (struct virt_addr){page}, &frame, &rights));
        ASSERT(rights == (mapping->rights | PAGE_BORROWED));
    }
}

static void aside_check(const struct aspace *as, const struct area *area, struct aside *aside) {
    u32 count = 0;
    for (u64 page = aside->vma.start; page < aside->vma.end; page += PAGE_SIZE) {
        struct phys_addr frame;
        if (*aside_slot(aside, page) == 0)
            continue;
        count++;
        ASSERT(!find_own_locked(as, page, &frame));
        ASSERT(page - area->vma.start < area->vma.end - area->vma.start);
    }
    ASSERT(count == aside->count && count != 0);
}

void mapping_check_locked(const struct aspace *as, const struct area *area) {
    vma_check(&area->mappings);
    vma_check(&area->aside);
    u64 end = area->vma.start + area->accessible;
    struct vma *vma = vma_first_from(&area->mappings, area->vma.start);
    for (; vma != NULL; vma = vma_first_from(&area->mappings, vma->end)) {
        ASSERT(vma->end <= end);
        mapping_check_pages(as, mapping_of(vma));
    }
    vma = vma_first_from(&area->aside, area->vma.start);
    for (; vma != NULL; vma = vma_first_from(&area->aside, vma->end))
        aside_check(as, area, aside_of(vma));
}
