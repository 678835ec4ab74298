// Runs of frames that need not be a power of two: made of blocks, and taken apart into blocks.

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/frame.h"

void frame_free_run(struct phys_addr frame, u64 pages) {
    while (pages != 0) {
        u32 order = log2_floor(pages);
        u32 alignment =
            (u32)__builtin_ctzll(frame.value | (PAGE_SIZE << FRAME_ORDER_MAX)) - PAGE_SHIFT;
        if (order > alignment)
            order = alignment;
        frame_free(frame, order);
        frame.value += PAGE_SIZE << order;
        pages -= 1ull << order;
    }
}

enum status frame_alloc_run_for(enum frame_need need, enum zone zone, u64 pages,
                                struct phys_addr *out) {
    ASSERT(pages != 0);
    if (pages > 1ull << FRAME_ORDER_MAX)
        return ERR_NO_MEMORY;

    u32 order = log2_ceil(pages);
    struct phys_addr frame;
    enum status status = frame_alloc_for(need, zone, order, &frame);
    if (status != OK)
        return status;

    struct phys_addr rest = {frame.value + pages * PAGE_SIZE};
    frame_free_run(rest, (1ull << order) - pages);
    *out = frame;
    return OK;
}

enum status frame_alloc_kernel_zeroed(enum frame_need need, u64 pages, struct phys_addr *out) {
    enum status status = frame_alloc_run_for(need, ZONE_KERNEL, pages, out);
    if (status == OK)
        memset(arch_frame_pointer(*out), 0, pages * PAGE_SIZE);
    return status;
}
