// Split virtqueues, the driver's side (virtio_ring.h).
//
// A chain is known by its first descriptor. Which descriptors are free, and which chain has how
// many and how much room, is in the book, and nowhere that the device can write.
//
// The machine keeps stores in order, and so does the engine in a program that maps memory;
// barrier() keeps the compiler from moving others across.
//
// Invariants:
//   1. the free descriptors are a list of free_count from free_first on, linked by the book;
//   2. book[i].count is not 0 exactly where i is the first descriptor of a chain that the device
//      has.

#include "user/sdk/virtio_ring.h"

#include "base/math.h"

#define DESCRIPTOR_NEXT    1u
#define DESCRIPTOR_WRITTEN 2u
#define USED_ALIGNMENT     4u

static inline void barrier(void) {
    __asm__ volatile("" : : : "memory");
}

static u64 available_offset(u16 size) {
    return size * sizeof(struct virtio_descriptor);
}

// Behind both rings is a word for what is not agreed on.
static u64 used_offset(u16 size) {
    u64 end = available_offset(size) + sizeof(struct virtio_available) + (size + 1) * sizeof(u16);
    return align_up(end, USED_ALIGNMENT);
}

u64 virtio_ring_bytes(u16 size) {
    return used_offset(size) + sizeof(struct virtio_used) +
           size * sizeof(struct virtio_used_entry) + sizeof(u16);
}

void virtio_ring_init(struct virtio_ring *ring, u16 size, void *memory, u64 address,
                      struct virtio_book *book) {
    u8 *bytes = memory;
    *ring = (struct virtio_ring){
        .descriptors = (volatile struct virtio_descriptor *)(void *)bytes,
        .available = (volatile struct virtio_available *)(void *)(bytes + available_offset(size)),
        .used = (volatile struct virtio_used *)(void *)(bytes + used_offset(size)),
        .descriptors_address = address,
        .available_address = address + available_offset(size),
        .used_address = address + used_offset(size),
        .size = size,
        .free_count = size,
        .book = book,
    };
    for (u16 i = 0; i < size; i++)
        book[i] = (struct virtio_book){.next = (u16)(i + 1)};
}

// -- Giving ---------------------------------------------------------------------------------------

static bool is_well_formed(const struct virtio_buffer *buffers, u32 count, u32 *writable) {
    u64 sum = 0;
    for (u32 i = 0; i < count; i++) {
        if (i != 0 && buffers[i - 1].is_written && !buffers[i].is_written)
            return false;
        sum += buffers[i].is_written ? buffers[i].len : 0;
    }
    *writable = (u32)min_u64(sum, UINT32_MAX);
    return count != 0;
}

// Writes the chain into the free descriptors; what is behind it is free_first then.
static void fill_chain(struct virtio_ring *ring, const struct virtio_buffer *buffers, u32 count) {
    for (u32 i = 0; i < count; i++) {
        u16 at = ring->free_first;
        u16 next = ring->book[at].next;
        bool is_last = i + 1 == count;
        ring->descriptors[at].address = buffers[i].address;
        ring->descriptors[at].len = buffers[i].len;
        ring->descriptors[at].flags = (u16)((is_last ? 0 : DESCRIPTOR_NEXT) |
                                            (buffers[i].is_written ? DESCRIPTOR_WRITTEN : 0));
        ring->descriptors[at].next = is_last ? 0 : next;
        ring->free_first = next;
    }
    ring->free_count = (u16)(ring->free_count - count);
}

enum status virtio_ring_put(struct virtio_ring *ring, const struct virtio_buffer *buffers,
                            u32 count, u16 *token) {
    u32 writable;
    if (!is_well_formed(buffers, count, &writable) || count > ring->size)
        return ERR_INVALID;
    if (ring->is_broken)
        return ERR_MALFORMED;
    if (count > ring->free_count)
        return ERR_WOULD_BLOCK;
    u16 first = ring->free_first;
    fill_chain(ring, buffers, count);
    ring->book[first].count = (u16)count;
    ring->book[first].writable = writable;
    ring->available->ring[ring->available_index % ring->size] = first;
    ring->available_index++;
    barrier();
    ring->available->index = ring->available_index;
    barrier();
    *token = first;
    return OK;
}

// -- Taking ---------------------------------------------------------------------------------------

static void free_chain(struct virtio_ring *ring, u16 first) {
    u16 count = ring->book[first].count;
    u16 last = first;
    for (u16 i = 1; i < count; i++)
        last = ring->book[last].next;
    ring->book[last].next = ring->free_first;
    ring->book[first].count = 0;
    ring->free_first = first;
    ring->free_count = (u16)(ring->free_count + count);
}

static enum status broken(struct virtio_ring *ring) {
    ring->is_broken = true;
    return ERR_MALFORMED;
}

enum status virtio_ring_take(struct virtio_ring *ring, u16 *token, u32 *written) {
    if (ring->is_broken)
        return ERR_MALFORMED;
    u16 done = (u16)(ring->used->index - ring->used_index);
    barrier();
    if (done == 0)
        return ERR_NOT_FOUND;
    if (done > ring->size - ring->free_count)
        return broken(ring); // more than it has
    u16 at = ring->used_index % ring->size;
    u32 id = ring->used->ring[at].id; // each read once: the device can change it meanwhile
    u32 len = ring->used->ring[at].len;
    if (id >= ring->size || ring->book[id].count == 0 || len > ring->book[id].writable)
        return broken(ring);
    free_chain(ring, (u16)id);
    ring->used_index++;
    barrier();
    *token = (u16)id;
    *written = len;
    return OK;
}
