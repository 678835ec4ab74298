// Large heap memory: contiguous addresses over whatever frames are free.
//
// A piece is an area of the heap's region, with frames of the kernel's zone behind it in runs that
// are as long as can be had, mapped readable and writable. The frames are in the kernel's own
// mapping as well; nobody uses them there meanwhile. So what a piece needs is free memory, not
// memory in one place, and its size is bounded by RAM alone. A page that is never mapped follows
// each piece: running over the end stops the machine instead of reaching somebody else's memory.
//
// Frames are cleared, mapped and given back in steps, so that the lock (and with it interrupts off)
// is held for a bounded time whatever the size.
//
// Invariants, checked by heap_large_check: all of a piece is mapped but for its last page.
//
// Locks: large.lock (LOCK_ASPACE) for the tree and changes of the region's mapping.

#include "base/assert.h"
#include "base/math.h"
#include "base/string.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap_internal.h"
#include "kernel/mm/vma.h"
#include "kernel/sync/spinlock.h"

// How much is unmapped under one hold of the lock.
#define UNMAP_PAGES 64u

struct piece {
    struct vma vma; // with the guard page
};

static struct {
    struct spinlock lock;

    // Under lock:
    struct vma_tree pieces;

    // Fixed after heap_large_init:
    struct slab_cache *cache; // of struct piece
} large;

void heap_large_init(void) {
    struct virt_range region = arch_heap_region();
    memset(&large, 0, sizeof large);
    spin_init(&large.lock, LOCK_ASPACE, "large heap");
    vma_tree_init(&large.pieces, region.start.value, region.start.value + region.bytes);
    large.cache = slab_cache_create("large heap", sizeof(struct piece));
    CHECK(large.cache != NULL); // the first frames of a boot
}

static u64 pages_of(const struct piece *piece) {
    return ((piece->vma.end - piece->vma.start) >> PAGE_SHIFT) - 1;
}

static void unmapped_frame_free(UNUSED void *context, struct phys_addr frame) {
    frame_free(frame, 0);
}

// Unmaps the first `pages` pages and frees what is behind them, then the piece.
static void piece_destroy(struct piece *piece, u64 pages) {
    for (u64 page = 0; page < pages; page += UNMAP_PAGES) {
        struct virt_addr at = {piece->vma.start + page * PAGE_SIZE};
        spin_lock(&large.lock);
        arch_unmap(arch_aspace_kernel(), at, min_u64(pages - page, UNMAP_PAGES),
                   unmapped_frame_free, NULL);
        spin_unlock(&large.lock);
    }
    spin_lock(&large.lock);
    vma_remove(&large.pieces, &piece->vma);
    spin_unlock(&large.lock);
    slab_free(large.cache, piece);
}

// Takes a cleared run of at most `pages` frames. `*order` is the largest worth trying; it shrinks
// as memory turns out to be in smaller blocks.
static enum status run_take(u64 pages, u32 *order, struct phys_addr *out) {
    while (1ull << *order > pages)
        --*order;
    while (frame_alloc(ZONE_KERNEL, *order, out) != OK) {
        if (*order == 0)
            return ERR_NO_MEMORY;
        --*order;
    }
    memset(arch_frame_pointer(*out), 0, PAGE_SIZE << *order);
    return OK;
}

// Fills the piece with frames; `*mapped` says how far it came.
static enum status piece_fill(const struct piece *piece, u64 *mapped) {
    u32 order = FRAME_ORDER_MAX;
    *mapped = 0;
    while (*mapped < pages_of(piece)) {
        struct phys_addr frame;
        enum status status = run_take(pages_of(piece) - *mapped, &order, &frame);
        if (status != OK)
            return status;
        struct virt_addr at = {piece->vma.start + *mapped * PAGE_SIZE};
        spin_lock(&large.lock);
        status = arch_map(arch_aspace_kernel(), at, frame, 1ull << order, PAGE_READ | PAGE_WRITE);
        spin_unlock(&large.lock);
        if (status != OK) {
            frame_free(frame, order);
            return status;
        }
        *mapped += 1ull << order;
    }
    return OK;
}

void *heap_large_alloc(u64 pages) {
    ASSERT(arch_irq_enabled()); // thread context, no spinlock
    struct frame_stats free;
    frame_stats(&free);
    // What cannot be there is refused before anything is cleared; this also bounds the sum below.
    if (pages > free.free[ZONE_KERNEL] + free.free[ZONE_PROGRAM])
        return NULL;

    struct piece *piece = slab_alloc(large.cache);
    if (piece == NULL)
        return NULL;
    spin_lock(&large.lock);
    enum status status =
        vma_insert_anywhere(&large.pieces, &piece->vma, (pages + 1) * PAGE_SIZE, PAGE_SIZE);
    spin_unlock(&large.lock);
    if (status != OK) {
        slab_free(large.cache, piece);
        return NULL;
    }
    u64 mapped;
    if (piece_fill(piece, &mapped) != OK) {
        piece_destroy(piece, mapped);
        return NULL;
    }
    return (void *)piece->vma.start;
}

void heap_large_free(void *memory, u64 pages) {
    ASSERT(arch_irq_enabled());
    spin_lock(&large.lock);
    struct vma *vma = vma_find(&large.pieces, (uptr)memory);
    spin_unlock(&large.lock);
    CHECK(vma != NULL && vma->start == (uptr)memory);
    struct piece *piece = container_of(vma, struct piece, vma);
    CHECK(pages_of(piece) == pages);
    piece_destroy(piece, pages);
}

void heap_large_trim(void) {
    slab_trim(large.cache);
}

void heap_large_check(void) {
    spin_lock(&large.lock);
    vma_check(&large.pieces);
    struct vma *vma = vma_first_from(&large.pieces, large.pieces.start);
    for (; vma != NULL; vma = vma_first_from(&large.pieces, vma->end)) {
        struct phys_addr frame;
        for (u64 at = vma->start; at < vma->end; at += PAGE_SIZE) {
            bool mapped = arch_translate(arch_aspace_kernel(), (struct virt_addr){at}, &frame);
            ASSERT(mapped == (at < vma->end - PAGE_SIZE));
        }
    }
    spin_unlock(&large.lock);
}
