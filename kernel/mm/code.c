// Code memory: see code.h for the life of a range.
//
// A range remembers its frames one by one, because before publication no page table does. They are
// taken in runs that are as long as can be had, and mapped and shown in runs again.
//
// Invariants, checked by code_check: the frames of an unpublished range are mapped nowhere in the
// region, and those of a published one in order. Only code_write opens windows, after having
// checked that the range is unpublished: the caller publishes a range after its last write.
//
// Locks: code.lock (LOCK_ASPACE) for the tree, `published`, and changes of the region's mapping.

#include "kernel/mm/code.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/vma.h"
#include "kernel/sync/spinlock.h"

struct code_range {
    struct vma vma;

    // Fixed:
    struct phys_addr *frames; // one for each page
    u64 pages;

    // Under code.lock:
    bool published;
};

static struct {
    struct spinlock lock;

    // Under lock:
    struct vma_tree ranges;
    struct code_stats stats;
} code;

void code_init(void) {
    struct virt_range region = arch_code_region();
    memset(&code, 0, sizeof code);
    spin_init(&code.lock, LOCK_ASPACE, "code");
    vma_tree_init(&code.ranges, region.start.value, region.start.value + region.bytes);
}

// -- Frames ------------------------------------------------------------------------------------

// How many pages from `first` on lie in adjacent frames, at most `limit`.
static u64 run_length(const struct code_range *range, u64 first, u64 limit) {
    u64 length = 1;
    u64 start = range->frames[first].value;
    while (length < limit && first + length < range->pages &&
           range->frames[first + length].value == start + length * PAGE_SIZE)
        length++;
    return length;
}

static void frames_give_back(const struct code_range *range, u64 pages) {
    for (u64 i = 0; i < pages; i++)
        frame_free(range->frames[i], 0);
}

static void frames_fill(struct phys_addr frame, u64 pages) {
    while (pages != 0) {
        u64 now = min_u64(pages, ARCH_WINDOW_PAGES);
        void *window = arch_frame_window_open(frame, (u32)now);
        memset(window, ARCH_CODE_FILL, now * PAGE_SIZE);
        arch_frame_window_close(window);
        frame.value += now * PAGE_SIZE;
        pages -= now;
    }
}

static enum status frames_take(struct code_range *range) {
    u64 have = 0;
    u32 order = FRAME_ORDER_MAX;
    while (have < range->pages) {
        while (1ull << order > range->pages - have)
            order--;
        struct phys_addr frame;
        enum status status = frame_alloc(ZONE_PROGRAM, order, &frame);
        if (status != OK && order == 0) {
            frames_give_back(range, have);
            return status;
        }
        if (status != OK) {
            order--; // larger blocks are not tried again
            continue;
        }
        frames_fill(frame, 1ull << order);
        for (u64 i = 0; i < 1ull << order; i++)
            range->frames[have++] = (struct phys_addr){frame.value + i * PAGE_SIZE};
    }
    return OK;
}

// -- Ranges ------------------------------------------------------------------------------------

static struct code_range *range_at_locked(struct virt_addr address) {
    ASSERT(spin_is_held(&code.lock));
    struct vma *vma = vma_find(&code.ranges, address.value);
    return vma == NULL ? NULL : container_of(vma, struct code_range, vma);
}

// The range that starts at `address`; asking for another is a bug that would free or publish
// somebody else's code.
static struct code_range *range_starting_locked(struct virt_addr address) {
    struct code_range *range = range_at_locked(address);
    CHECK(range != NULL && range->vma.start == address.value);
    return range;
}

enum status code_reserve(u64 bytes, struct virt_addr *out) {
    ASSERT(bytes != 0);
    if (bytes > code.ranges.end - code.ranges.start)
        return ERR_NO_MEMORY;

    struct code_range *range = kmalloc(sizeof *range);
    if (range == NULL)
        return ERR_NO_MEMORY;
    range->pages = align_up(bytes, PAGE_SIZE) >> PAGE_SHIFT;
    range->frames = kmalloc(range->pages * sizeof *range->frames);
    if (range->frames == NULL)
        goto fail_list;
    if (frames_take(range) != OK)
        goto fail_frames;

    spin_lock(&code.lock);
    enum status status =
        vma_insert_anywhere(&code.ranges, &range->vma, range->pages * PAGE_SIZE, PAGE_SIZE);
    if (status == OK) {
        code.stats.ranges++;
        code.stats.bytes += range->pages * PAGE_SIZE;
    }
    spin_unlock(&code.lock);
    if (status != OK)
        goto fail_place;
    *out = (struct virt_addr){range->vma.start};
    return OK;

fail_place:
    frames_give_back(range, range->pages);
fail_frames:
    kfree(range->frames, range->pages * sizeof *range->frames);
fail_list:
    kfree(range, sizeof *range);
    return ERR_NO_MEMORY;
}

void code_write(struct virt_addr address, const void *from, u64 len) {
    if (len == 0)
        return;
    spin_lock(&code.lock);
    const struct code_range *range = range_at_locked(address);
    CHECK(range != NULL && !range->published);
    u64 at = address.value - range->vma.start;
    CHECK(range_fits(at, len, range->pages * PAGE_SIZE));
    spin_unlock(&code.lock);

    const u8 *source = from;
    while (len != 0) {
        u64 page = at >> PAGE_SHIFT;
        u64 offset = at % PAGE_SIZE;
        u64 pages = run_length(range, page, ARCH_WINDOW_PAGES);
        u64 now = min_u64(len, pages * PAGE_SIZE - offset);
        u8 *window = arch_frame_window_open(range->frames[page], (u32)pages);
        memcpy(window + offset, source, now);
        arch_frame_window_close(window);
        source += now;
        at += now;
        len -= now;
    }
}

static void frame_ignore(void *, struct phys_addr) {
    // The range's list still names the frame.
}

static void unmap_locked(const struct code_range *range, u64 pages) {
    arch_unmap(arch_aspace_kernel(), (struct virt_addr){range->vma.start}, pages, frame_ignore,
               NULL);
}

enum status code_publish(struct virt_addr address) {
    enum status status = OK;
    spin_lock(&code.lock);
    struct code_range *range = range_starting_locked(address);
    CHECK(!range->published);
    for (u64 page = 0; page < range->pages && status == OK;) {
        u64 length = run_length(range, page, range->pages);
        struct virt_addr at = {address.value + page * PAGE_SIZE};
        status =
            arch_map(arch_aspace_kernel(), at, range->frames[page], length, PAGE_READ | PAGE_EXEC);
        if (status == OK)
            page += length;
        else
            unmap_locked(range, page);
    }
    range->published = status == OK;
    spin_unlock(&code.lock);
    return status;
}

void code_release(struct virt_addr address) {
    spin_lock(&code.lock);
    struct code_range *range = range_starting_locked(address);
    // The frames are reused only after every CPU has forgotten the mapping.
    if (range->published)
        unmap_locked(range, range->pages);
    vma_remove(&code.ranges, &range->vma);
    code.stats.ranges--;
    code.stats.bytes -= range->pages * PAGE_SIZE;
    spin_unlock(&code.lock);

    frames_give_back(range, range->pages);
    kfree(range->frames, range->pages * sizeof *range->frames);
    kfree(range, sizeof *range);
}

void code_stats(struct code_stats *out) {
    spin_lock(&code.lock);
    *out = code.stats;
    spin_unlock(&code.lock);
}

void code_check(void) {
    struct code_stats found = {0};
    spin_lock(&code.lock);
    vma_check(&code.ranges);
    struct vma *vma = vma_first_from(&code.ranges, code.ranges.start);
    for (; vma != NULL; vma = vma_first_from(&code.ranges, vma->end)) {
        const struct code_range *range = container_of(vma, struct code_range, vma);
        found.ranges++;
        found.bytes += range->pages * PAGE_SIZE;
        ASSERT(vma->end - vma->start == range->pages * PAGE_SIZE);
        for (u64 page = 0; page < range->pages; page++) {
            struct virt_addr at = {vma->start + page * PAGE_SIZE};
            struct phys_addr frame;
            bool mapped = arch_translate(arch_aspace_kernel(), at, &frame);
            ASSERT(mapped == range->published);
            ASSERT(!mapped || frame.value == range->frames[page].value);
            if (mapped)
                frame_check_owner(frame, 0); // nobody's data
        }
    }
    ASSERT(found.ranges == code.stats.ranges);
    ASSERT(found.bytes == code.stats.bytes);
    spin_unlock(&code.lock);
}
