// Memory objects: a list of frames, in blocks as large as can be had, that belong to nobody else.

#include "kernel/ipc/memory_object.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/thread.h"

// The largest block: what one window shows, so that it is cleared in one go.
#define BLOCK_ORDER 4u
STATIC_ASSERT(1u << BLOCK_ORDER == ARCH_WINDOW_PAGES, "a block is cleared through one window");

struct memory_object {
    struct object object;
    u64 pages;
    struct phys_addr *frames;
    struct memory_account *account;
    struct object *payer;
};

static struct memory_object *memory_of(struct object *object) {
    CHECK(memory_object_is(object));
    return container_of(object, struct memory_object, object);
}

static u64 list_bytes(u64 pages) {
    return pages * sizeof(struct phys_addr);
}

// What it costs: its pages, and the list of them.
static u64 charge_of(u64 pages) {
    return pages * PAGE_SIZE + list_bytes(pages);
}

static void frames_free(struct memory_object *memory, u64 pages) {
    for (u64 i = 0; i < pages; i++)
        frame_free(memory->frames[i], 0);
}

static void memory_destroy(struct object *object) {
    struct memory_object *memory = memory_of(object);
    frames_free(memory, memory->pages);
    kfree(memory->frames, list_bytes(memory->pages));
    account_refund(memory->account, charge_of(memory->pages));
    object_release(memory->payer);
    kfree(memory, sizeof *memory);
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
    while (1ull << order > pages || frame_alloc(ZONE_PROGRAM, order, frame) != OK) {
        if (order == 0)
            return ERR_NO_MEMORY;
        order--;
    }
    *count = 1ull << order;
    void *window = arch_frame_window_open(*frame, (u32)*count);
    memset(window, 0, *count * PAGE_SIZE);
    arch_frame_window_close(window);
    return OK;
}

static enum status frames_alloc(struct memory_object *memory) {
    enum status status = OK;
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
    if (status != OK)
        frames_free(memory, done);
    return status;
}

static enum status fill(struct memory_object *memory, u64 pages) {
    memory->pages = pages;
    memory->frames = kmalloc(list_bytes(pages));
    if (memory->frames == NULL)
        return ERR_NO_MEMORY;
    enum status status = frames_alloc(memory);
    if (status != OK)
        kfree(memory->frames, list_bytes(pages));
    return status;
}

enum status memory_object_create(u64 pages, struct memory_account *account, struct object *payer,
                                 struct object **out) {
    if (pages == 0)
        return ERR_INVALID;
    enum status status = pages > UINT32_MAX ? ERR_LIMIT : account_charge(account, charge_of(pages));
    if (status != OK)
        return status;
    struct memory_object *memory = kmalloc(sizeof *memory);
    status = memory == NULL ? ERR_NO_MEMORY : fill(memory, pages);
    if (status != OK) {
        kfree(memory, sizeof *memory);
        account_refund(account, charge_of(pages));
        return status;
    }
    object_init(&memory->object, &memory_ops, OBJECT_PLAIN);
    object_retain(payer);
    memory->payer = payer;
    memory->account = account;
    *out = &memory->object;
    return OK;
}

// -- Looking -------------------------------------------------------------------------------------

u64 memory_object_pages(struct object *memory) {
    return memory_of(memory)->pages;
}

struct mapping_frames memory_object_frames(struct object *memory, u64 first_page) {
    ASSERT(first_page <= memory_of(memory)->pages);
    return (struct mapping_frames){.each = memory_of(memory)->frames + first_page};
}

enum page_rights memory_object_rights(struct object *memory) {
    CHECK(memory_object_is(memory));
    return 0;
}
