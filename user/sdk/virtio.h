#pragma once
// Virtio devices (version 1), behind the PCI service (abi/kwast/pci.h): what drivers for them
// share.
//
//   struct virtio device;
//   status = virtio_open(&device, claims, 0, wanted features);      the first function that matches
//   status = virtio_queue_open(&device, 0, 64, &queue);             rings, and an interrupt
//   status = virtio_start(&device);
//   status = virtio_memory_create(&device, bytes, &memory);         what buffers are in
//   status = virtio_queue_put(&queue, buffers, count, &token);      any number of times
//   virtio_queue_notify(&queue);
//   status = virtio_queue_wait(&queue, timeout);
//   status = virtio_queue_take(&queue, &token, &written);           until ERR_NOT_FOUND
//
// What a device says is not believed: a descriptor that was not given to it, or more bytes than a
// buffer has, is ERR_MALFORMED, and the queue is of no use from then on. Nothing here is given
// back but by the driver's end, which resets the device. Not for several threads.

#include "abi/kwast/pci.h"
#include "base/status.h"
#include "user/sdk/kwast.h"
#include "user/sdk/virtio_ring.h"

#define VIRTIO_VENDOR            0x1af4u

#define VIRTIO_FEATURE_VERSION_1 (1ull << 32)

// Memory that both sides reach, at `data` here.
struct virtio_memory {
    u8 *data;
    u64 address; // for the device
    u64 bytes;
    kwast_handle handle;
};

struct virtio {
    kwast_handle function; // a channel of the PCI service
    u64 features;          // as agreed on
    u32 queue_count;
    u32 device_id; // PCI's

    // The library's own:
    volatile struct virtio_common *common;
    volatile u8 *notify;
    u64 notify_bytes;
    u32 notify_multiplier;
    volatile u8 *cause;
    volatile u8 *config;
    u64 config_bytes;
    bool has_line; // instead of messages: all queues have the same interrupt
    kwast_handle line;
};

struct virtio_queue {
    struct virtio *device;
    struct virtio_ring ring;
    struct virtio_memory memory; // of the ring
    kwast_handle interrupt;      // to poll, after virtio_queue_listen
    volatile u16 *doorbell;
    u16 index;
};

// Claims function number `number` of those that match, resets it, and agrees on features: version
// 1, which it must have, and those of `wanted` that it offers. ERR_NOT_FOUND: there is none.
// ERR_UNSUPPORTED: no virtio 1 device, or it does not agree.
enum status virtio_open(struct virtio *device, kwast_handle claims, u32 number, u64 wanted);

// Queue `index` with at most `size_max` descriptors, a power of two; before virtio_start.
// ERR_NOT_FOUND: the device does not have it.
enum status virtio_queue_open(struct virtio *device, u16 index, u16 size_max,
                              struct virtio_queue *queue);

// The device may work now.
enum status virtio_start(struct virtio *device);

// Has the device forget everything; it is of no use then.
void virtio_fail(struct virtio *device);

// Bytes of the device's own configuration, as they were at one time. ERR_INVALID: it has no such.
enum status virtio_config_read(const struct virtio *device, u32 offset, void *to, u32 len);

// Whole pages, all zeros.
enum status virtio_memory_create(struct virtio *device, u64 bytes, struct virtio_memory *out);

// Offers buffers to the device, as one chain: first those that it reads, then those that it writes.
// *token tells which it is when it comes back. ERR_WOULD_BLOCK: no descriptors are free.
enum status virtio_queue_put(struct virtio_queue *queue, const struct virtio_buffer *buffers,
                             u32 count, u16 *token);

// Tells the device that there is something in the queue.
void virtio_queue_notify(struct virtio_queue *queue);

// A chain that the device is done with, and how many bytes it has written. ERR_NOT_FOUND: there is
// none now. ERR_MALFORMED: the device is broken.
enum status virtio_queue_take(struct virtio_queue *queue, u16 *token, u32 *written);

// Takes the queue's interrupt, if it has come: poll finds the next one. What came before is in the
// queue by then.
enum status virtio_queue_listen(struct virtio_queue *queue);

// Waits for the queue's interrupt, and takes it. It may have come without anything to take.
// ERR_TIMED_OUT; ERR_PEER_DIED: the PCI service has gone.
enum status virtio_queue_wait(struct virtio_queue *queue, i64 timeout_ns);
