// A virtio block device (virtio 1.2, section 5.2).

#include "user/services/virtio_blk/disk.h"

#include "base/math.h"

#define FEATURE_READ_ONLY (1ull << 5)
#define FEATURE_FLUSH     (1ull << 9)
#define QUEUE_SIZE        8u
#define STATE_OK          0u
#define STATE_UNWRITTEN   0xffu
#define DATA_AT           KWAST_PAGE_BYTES // behind the head

enum request_type : u32 { REQUEST_READ = 0, REQUEST_WRITE = 1, REQUEST_FLUSH = 4 };

// The first page of the memory, as both sides see it.
struct head {
    u32 type;
    u32 reserved;
    u64 sector;
    u8 state; // the device's answer
};

static volatile struct head *head_of(const struct disk *disk) {
    return (volatile struct head *)(void *)disk->memory.data;
}

enum status disk_open(struct disk *disk, kwast_handle claims, u32 number) {
    *disk = (struct disk){};
    enum status status =
        virtio_open(&disk->device, claims, number, FEATURE_READ_ONLY | FEATURE_FLUSH);
    if (status != OK)
        return status;
    status = virtio_queue_open(&disk->device, 0, QUEUE_SIZE, &disk->queue);
    if (status == OK)
        status = virtio_memory_create(&disk->device, DATA_AT + DISK_TRANSFER, &disk->memory);
    if (status == OK)
        status = virtio_config_read(&disk->device, 0, &disk->sectors, sizeof disk->sectors);
    if (status != OK) {
        virtio_fail(&disk->device);
        return status;
    }
    disk->data = disk->memory.data + DATA_AT;
    disk->sectors = min_u64(disk->sectors, (u64)INT64_MAX / SECTOR_BYTES);
    disk->is_read_only = (disk->device.features & FEATURE_READ_ONLY) != 0;
    disk->can_flush = (disk->device.features & FEATURE_FLUSH) != 0;
    return virtio_start(&disk->device);
}

static enum status wait_for(struct disk *disk, u16 token) {
    for (;;) {
        u16 done;
        u32 written;
        enum status status = virtio_queue_take(&disk->queue, &done, &written);
        if (status == OK)
            return done == token ? OK : ERR_MALFORMED; // there is only one
        if (status == ERR_NOT_FOUND)
            status = virtio_queue_wait(&disk->queue, -1);
        // The device has the request still: what it does with the memory nobody knows.
        if (status != OK && status != ERR_TIMED_OUT)
            return status == ERR_PEER_DIED ? status : ERR_MALFORMED;
    }
}

static enum status request(struct disk *disk, enum request_type type, u64 sector, u32 bytes) {
    volatile struct head *head = head_of(disk);
    const u64 at = disk->memory.address;
    u32 count = 0;
    u16 token;
    struct virtio_buffer buffers[3];
    head->type = type;
    head->reserved = 0;
    head->sector = sector;
    head->state = STATE_UNWRITTEN;
    buffers[count++] = (struct virtio_buffer){at, offsetof(struct head, state), false};
    if (bytes != 0)
        buffers[count++] = (struct virtio_buffer){at + DATA_AT, bytes, type == REQUEST_READ};
    buffers[count++] = (struct virtio_buffer){at + offsetof(struct head, state), 1, true};
    enum status status = virtio_queue_put(&disk->queue, buffers, count, &token);
    if (status != OK)
        return status;
    virtio_queue_notify(&disk->queue);
    status = wait_for(disk, token);
    if (status != OK)
        return status;
    return head->state == STATE_OK ? OK : ERR_IO;
}

enum status disk_read(struct disk *disk, u64 sector, u32 count) {
    return request(disk, REQUEST_READ, sector, count * SECTOR_BYTES);
}

enum status disk_write(struct disk *disk, u64 sector, u32 count) {
    return request(disk, REQUEST_WRITE, sector, count * SECTOR_BYTES);
}

enum status disk_flush(struct disk *disk) {
    return disk->can_flush ? request(disk, REQUEST_FLUSH, 0, 0) : OK;
}
