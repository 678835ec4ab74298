// Initial contents of linear memories.
//
// Invariant: pages ascend, and each has a frame of its own, which belongs to the image: where it is
// mapped it is borrowed, and never writable.

#include "kernel/mm/image.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"

static usize struct_bytes(u64 capacity) {
    return sizeof(struct image) + capacity * sizeof(struct image_page);
}

static struct phys_addr frame_at(const struct image *image, u32 index) {
    return (struct phys_addr){(u64)image->pages[index].frame << PAGE_SHIFT};
}

enum status image_create(u64 pages, struct image **out) {
    if (pages > UINT32_MAX)
        return ERR_NO_MEMORY;
    struct image *image = kmalloc(struct_bytes(pages));
    if (image == NULL)
        return ERR_NO_MEMORY;
    image->ref_count = 1;
    image->capacity = (u32)pages;
    *out = image;
    return OK;
}

static enum status add_page(struct image *image, u64 page) {
    CHECK(image->count < image->capacity);
    struct phys_addr frame;
    if (frame_alloc(ZONE_PROGRAM, 0, &frame) != OK)
        return ERR_NO_MEMORY;
    void *window = arch_frame_window_open(frame, 1);
    memset(window, 0, PAGE_SIZE);
    arch_frame_window_close(window);
    image->pages[image->count++] = (struct image_page){(u32)page, (u32)(frame.value >> PAGE_SHIFT)};
    return OK;
}

// Writes into the last page, or one behind it.
static enum status write_in_page(struct image *image, u64 page, u64 offset, struct bytes bytes) {
    if (image->count == 0 || image->pages[image->count - 1].page != page) {
        ASSERT(image->count == 0 || image->pages[image->count - 1].page < page);
        enum status status = add_page(image, page);
        if (status != OK)
            return status;
    }
    u8 *window = arch_frame_window_open(frame_at(image, image->count - 1), 1);
    memcpy(window + offset, bytes.data, bytes.len);
    arch_frame_window_close(window);
    return OK;
}

static bool is_all_zero(struct bytes bytes) {
    for (usize i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != 0)
            return false;
    }
    return true;
}

enum status image_write(struct image *image, u64 offset, struct bytes bytes) {
    while (bytes.len != 0) {
        u64 in_page = offset % PAGE_SIZE;
        struct bytes part = {bytes.data, min_u64(bytes.len, PAGE_SIZE - in_page)};
        enum status status =
            is_all_zero(part) ? OK : write_in_page(image, offset >> PAGE_SHIFT, in_page, part);
        if (status != OK)
            return status;
        offset += part.len;
        bytes.data += part.len;
        bytes.len -= part.len;
    }
    return OK;
}

void image_retain(struct image *image) {
    u32 before = __atomic_fetch_add(&image->ref_count, 1, __ATOMIC_RELAXED);
    CHECK(before != 0 && before != UINT32_MAX);
}

void image_release(struct image *image) {
    if (image == NULL)
        return;
    u32 before = __atomic_fetch_sub(&image->ref_count, 1, __ATOMIC_ACQ_REL);
    CHECK(before != 0);
    if (before != 1)
        return;
    for (u32 i = 0; i < image->count; i++)
        frame_free(frame_at(image, i), 0);
    kfree(image, struct_bytes(image->capacity));
}

// The first page at or above `page`.
static u32 rank(const struct image *image, u64 page) {
    u32 low = 0;
    u32 high = image->count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (image->pages[middle].page < page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool image_find(const struct image *image, u64 page, struct phys_addr *out) {
    u32 at = rank(image, page);
    if (at == image->count || image->pages[at].page != page)
        return false;
    *out = frame_at(image, at);
    return true;
}

bool image_has_any(const struct image *image, u64 page, u64 pages) {
    u32 at = rank(image, page);
    return at != image->count && image->pages[at].page < page + pages;
}

u64 image_bytes(const struct image *image) {
    return image->count * PAGE_SIZE + struct_bytes(image->capacity);
}
