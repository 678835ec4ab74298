// Memory objects: frames that belong to nobody else, as a list of blocks as large as can be had, or
// contiguous for devices; or a device's range, which is no memory at all.
//
// Memory for devices is on one list, under one lock, from its beginning until its frames are free
// again: where a memory object goes while a device may still write to it, its structure stays on
// the list for its frames, and is all that does.

#include "kernel/ipc/memory_object.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/math.h"
#include "kernel/ipc/device.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/thread.h"

// The largest block: what one window shows, so that it is cleared in one go.
#define BLOCK_ORDER 4u
STATIC_ASSERT(1u << BLOCK_ORDER == ARCH_WINDOW_PAGES, "a block is cleared through one window");

enum memory_kind : u8 { MEMORY_LIST, MEMORY_DMA, MEMORY_RANGE };

struct memory_object {
    struct object object;
    enum memory_kind kind;
    u64 pages;
    struct phys_addr *frames; // of MEMORY_LIST; NULL otherwise
    struct phys_addr first;   // of the others
    struct memory_account *account;
    struct object *payer;

    enum page_rights rights;   // of MEMORY_RANGE
    struct device_claim claim; // of MEMORY_RANGE

    // Of MEMORY_DMA, under dma.lock:
    struct list link;
    bool is_done; // no device writes there
    bool is_gone; // nobody has it any more: its frames are put aside
};

static struct {
    struct spinlock lock;
    struct list all; // under lock
} dma = {
    .lock = {.rank = LOCK_OBJECT, .name = "memory for devices"},
    .all = {&dma.all, &dma.all},
};

static struct memory_object *memory_of(struct object *object) {
    CHECK(memory_object_is(object));
    return container_of(object, struct memory_object, object);
}

static u64 list_bytes(u64 pages) {
    return pages * sizeof(struct phys_addr);
}

// What it costs: its pages, and the list of them.
static u64 charge_of(enum memory_kind kind, u64 pages) {
    return pages * PAGE_SIZE + (kind == MEMORY_LIST ? list_bytes(pages) : 0);
}

static void frames_free(struct memory_object *memory, u64 pages) {
    for (u64 i = 0; i < pages; i++)
        frame_free(memory->frames[i], 0);
}

static void list_destroy(struct memory_object *memory) {
    frames_free(memory, memory->pages);
    kfree(memory->frames, list_bytes(memory->pages));
    kfree(memory, sizeof *memory);
}

static void range_destroy(struct memory_object *memory) {
    device_release(&memory->claim);
    kfree(memory, sizeof *memory);
}

static void dma_free_locked(struct memory_object *memory) {
    ASSERT(memory->is_done);
    list_remove(&memory->link);
    frame_free_run(memory->first, memory->pages);
    kfree(memory, sizeof *memory);
}

static void dma_destroy(struct memory_object *memory) {
    spin_lock(&dma.lock);
    memory->is_gone = true;
    if (memory->is_done)
        dma_free_locked(memory);
    spin_unlock(&dma.lock);
}

static void memory_destroy(struct object *object) {
    struct memory_object *memory = memory_of(object);
    if (memory->account != NULL) {
        account_refund(memory->account, charge_of(memory->kind, memory->pages));
        object_release(memory->payer);
    }
    switch (memory->kind) {
    case MEMORY_LIST:
        list_destroy(memory);
        break;
    case MEMORY_DMA:
        dma_destroy(memory);
        break;
    case MEMORY_RANGE:
        range_destroy(memory);
        break;
    }
}

static enum status memory_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){
        .type = object->type,
        .link_count = 1,
        .size = memory_of(object)->pages * PAGE_SIZE,
    };
    return OK;
}

static const struct object_ops memory_ops = {
    .destroy = memory_destroy,
    .stat = memory_stat,
};

bool memory_object_is(const struct object *object) {
    return object->ops == &memory_ops;
}

// -- Making it -----------------------------------------------------------------------------------

// Takes a cleared block of at most `pages`; *count: of how many.
static enum status block_alloc(u64 pages, struct phys_addr *frame, u64 *count) {
    u32 order = BLOCK_ORDER;
    while (1ull << order > pages ||
           frame_alloc_for(FRAME_PROMISED, ZONE_PROGRAM, order, frame) != OK) {
        if (order == 0)
            return ERR_NO_MEMORY;
        order--;
    }
    *count = 1ull << order;
    frame_promise_end(*count);
    void *window = arch_frame_window_open(*frame, (u32)*count);
    memset(window, 0, *count * PAGE_SIZE);
    arch_frame_window_close(window);
    return OK;
}

// All are promised first: what is left for others is not touched in vain, and nobody's reserve is.
static enum status frames_alloc(struct memory_object *memory) {
    enum status status =
        frame_can_grant() ? frame_promise(memory->pages, PROMISE_TO_GROW) : ERR_NO_MEMORY;
    if (status != OK)
        return status;
    u64 done = 0;
    while (status == OK && done < memory->pages) {
        struct phys_addr block;
        u64 count;
        status = thread_is_killed(thread_current())
                     ? ERR_KILLED
                     : block_alloc(memory->pages - done, &block, &count);
        for (u64 i = 0; status == OK && i < count; i++)
            memory->frames[done++].value = block.value + i * PAGE_SIZE;
    }
    if (status != OK) {
        frame_promise_end(memory->pages - done);
        frames_free(memory, done);
    }
    return status;
}

static enum status fill_list(struct memory_object *memory) {
    memory->frames = kmalloc(list_bytes(memory->pages));
    if (memory->frames == NULL)
        return ERR_NO_MEMORY;
    enum status status = frames_alloc(memory);
    if (status != OK)
        kfree(memory->frames, list_bytes(memory->pages));
    return status;
}

static enum status fill_dma(struct memory_object *memory) {
    enum status status = frame_alloc_run(ZONE_PROGRAM, memory->pages, &memory->first);
    if (status != OK)
        return status;
    for (u64 page = 0; page < memory->pages; page += ARCH_WINDOW_PAGES) {
        u64 count = min_u64(memory->pages - page, ARCH_WINDOW_PAGES);
        struct phys_addr frame = {memory->first.value + page * PAGE_SIZE};
        void *window = arch_frame_window_open(frame, (u32)count);
        memset(window, 0, count * PAGE_SIZE);
        arch_frame_window_close(window);
    }
    list_init(&memory->link);
    spin_lock(&dma.lock);
    list_push_back(&dma.all, &memory->link);
    spin_unlock(&dma.lock);
    return OK;
}

// Memory that somebody pays for.
static enum status create(enum memory_kind kind, u64 pages, struct memory_account *account,
                          struct object *payer, struct object **out) {
    if (pages == 0)
        return ERR_INVALID;
    enum status status =
        pages > UINT32_MAX ? ERR_LIMIT : account_charge(account, charge_of(kind, pages));
    if (status != OK)
        return status;
    struct memory_object *memory = kmalloc(sizeof *memory);
    if (memory == NULL) {
        status = ERR_NO_MEMORY;
    } else {
        *memory = (struct memory_object){
            .kind = kind, .pages = pages, .account = account, .payer = payer};
        object_init(&memory->object, &memory_ops, OBJECT_PLAIN);
        status = kind == MEMORY_DMA ? fill_dma(memory) : fill_list(memory);
    }
    if (status != OK) {
        kfree(memory, sizeof *memory);
        account_refund(account, charge_of(kind, pages));
        return status;
    }
    object_retain(payer);
    *out = &memory->object;
    return OK;
}

enum status memory_object_create(u64 pages, struct memory_account *account, struct object *payer,
                                 struct object **out) {
    return create(MEMORY_LIST, pages, account, payer, out);
}

enum status memory_object_create_dma(u64 pages, struct memory_account *account,
                                     struct object *payer, struct object **out) {
    return create(MEMORY_DMA, pages, account, payer, out);
}

enum status memory_object_create_range(struct phys_addr start, u64 pages, enum page_rights rights,
                                       struct object **out) {
    ASSERT((rights & PAGE_DEVICE) != 0);
    struct memory_object *memory = kmalloc(sizeof *memory);
    if (memory == NULL)
        return ERR_NO_MEMORY;
    *memory = (struct memory_object){
        .kind = MEMORY_RANGE, .pages = pages, .first = start, .rights = rights};
    enum status status =
        device_claim(&memory->claim, DEVICE_RANGE, start.value, pages << PAGE_SHIFT);
    if (status != OK) {
        kfree(memory, sizeof *memory);
        return status;
    }
    object_init(&memory->object, &memory_ops, OBJECT_PLAIN);
    *out = &memory->object;
    return OK;
}

// -- Memory for devices --------------------------------------------------------------------------

bool memory_object_is_dma(const struct object *object) {
    return memory_object_is(object) &&
           container_of(object, struct memory_object, object)->kind == MEMORY_DMA;
}

void memory_object_dma_done(struct object *object) {
    struct memory_object *memory = memory_of(object);
    ASSERT(memory->kind == MEMORY_DMA);
    spin_lock(&dma.lock);
    memory->is_done = true;
    spin_unlock(&dma.lock);
}

void memory_object_dma_reclaim(void) {
    spin_lock(&dma.lock);
    for (struct list *node = dma.all.next; node != &dma.all;) {
        struct memory_object *memory = container_of(node, struct memory_object, link);
        node = node->next;
        memory->is_done = true;
        if (memory->is_gone)
            dma_free_locked(memory);
    }
    spin_unlock(&dma.lock);
}

void memory_object_dma_stats(struct dma_stats *out) {
    *out = (struct dma_stats){};
    spin_lock(&dma.lock);
    LIST_FOR_EACH(node, &dma.all) {
        const struct memory_object *memory = container_of(node, struct memory_object, link);
        out->pages += memory->pages;
        out->aside += memory->is_gone ? memory->pages : 0;
    }
    spin_unlock(&dma.lock);
}

// -- Looking -------------------------------------------------------------------------------------

u64 memory_object_pages(struct object *memory) {
    return memory_of(memory)->pages;
}

struct mapping_frames memory_object_frames(struct object *object, u64 first_page) {
    const struct memory_object *memory = memory_of(object);
    ASSERT(first_page <= memory->pages);
    if (memory->kind == MEMORY_LIST)
        return (struct mapping_frames){.each = memory->frames + first_page};
    return (struct mapping_frames){.first = {memory->first.value + first_page * PAGE_SIZE}};
}

struct phys_addr memory_object_frame(struct object *object, u64 page) {
    const struct mapping_frames frames = memory_object_frames(object, page);
    ASSERT(page < memory_object_pages(object));
    return frames.each != NULL ? *frames.each : frames.first;
}

enum page_rights memory_object_rights(struct object *memory) {
    return memory_of(memory)->rights;
}
