#pragma once
// A virtio block device: reading, writing, flushing whole sectors, one request at a time.

#include "user/sdk/virtio.h"

#define SECTOR_BYTES  512u
#define DISK_TRANSFER (128u * 1024u) // bytes in one request

struct disk {
    struct virtio device;
    struct virtio_queue queue;
    struct virtio_memory memory; // the request's head and state, then its data
    u8 *data;                    // DISK_TRANSFER bytes
    u64 sectors;
    bool is_read_only;
    bool can_flush;
};

// The disk number `number` of those that match. ERR_NOT_FOUND: there is none.
enum status disk_open(struct disk *disk, kwast_handle claims, u32 number);

// Moves `count` sectors, at most DISK_TRANSFER bytes, between the disk and disk->data. ERR_IO: the
// disk says so. ERR_PEER_DIED, ERR_MALFORMED: it is of no use any more.
enum status disk_read(struct disk *disk, u64 sector, u32 count);
enum status disk_write(struct disk *disk, u64 sector, u32 count);

// Returns when what was written is on the disk.
enum status disk_flush(struct disk *disk);
