#pragma once
// Split virtqueues (virtio 1.2, section 2.7), the driver's side: three rings in memory that a
// device reads and writes, and what must be known about them that a device cannot be trusted with.
// Knows nothing of how the device is reached.

#include "base/status.h"
#include "base/types.h"

#define VIRTIO_RING_MAX 1024u // descriptors

struct virtio_buffer {
    u64 address; // for the device
    u32 len;
    bool is_written; // by the device
};

// As the device knows them. Little-endian.
struct virtio_descriptor {
    u64 address;
    u32 len;
    u16 flags;
    u16 next;
};
struct virtio_available {
    u16 flags;
    u16 index;
    u16 ring[];
};
struct virtio_used_entry {
    u32 id;
    u32 len;
};
struct virtio_used {
    u16 flags;
    u16 index;
    struct virtio_used_entry ring[];
};

// A descriptor's own book, which the device cannot reach.
struct virtio_book {
    u32 writable; // of a chain's first one: bytes that the device may write
    u16 next;
    u16 count; // of a chain's first one: descriptors in it; 0: not the first of one under way
};

struct virtio_ring {
    volatile struct virtio_descriptor *descriptors;
    volatile struct virtio_available *available;
    volatile struct virtio_used *used;
    u64 descriptors_address;
    u64 available_address;
    u64 used_address;
    u16 size;
    u16 free_first;
    u16 free_count;
    u16 available_index; // as we have told it
    u16 used_index;      // of the next that we take
    bool is_broken;
    struct virtio_book *book;
};

// Bytes that a ring of `size` descriptors, a power of two up to VIRTIO_RING_MAX, takes.
u64 virtio_ring_bytes(u16 size);

// Makes an empty one in zeroed memory, of so many bytes, aligned to 16, that the device knows as
// `address`. `book` has `size` entries.
void virtio_ring_init(struct virtio_ring *ring, u16 size, void *memory, u64 address,
                      struct virtio_book *book);

// As virtio_queue_put and virtio_queue_take (virtio.h). ERR_INVALID: no buffers, or one that the
// device reads behind one that it writes.
enum status virtio_ring_put(struct virtio_ring *ring, const struct virtio_buffer *buffers,
                            u32 count, u16 *token);
enum status virtio_ring_take(struct virtio_ring *ring, u16 *token, u32 *written);
