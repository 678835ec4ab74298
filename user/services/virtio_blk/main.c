// virtio_blk: disks as files.
//
//   virtio_blk SERVER DISKS
//
// serves the scheme whose server end is descriptor SERVER: a directory with a file for each disk
// that the PCI service's channel DISKS matches, called 0, 1 and so on. A disk can be read and
// written at any offset and length within its size, which does not change; fsync returns when what
// was written is on the disk.
//
// A write has reached the device when it is answered. When the driver ends, calls that were not
// answered fail, and what they wrote is on the disk or not, sector by sector.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "user/sdk/device_files.h"
#include "user/sdk/files.h"
#include "user/services/virtio_blk/disk.h"

#define DEVICE_NUMBER 0x626c6bu
#define DISKS_MAX     16u // of DEVICE_FILES_MAX
#define NAME_BYTES    8u

struct drive {
    struct device_file file;
    struct disk disk;
    char name[NAME_BYTES];
};

static struct drive drives[DISKS_MAX];
static u32 drive_count;
static struct device_files files;

static struct drive *drive_of(struct node *node) {
    return (struct drive *)(void *)node;
}

// A device that cannot be trusted any more, or has been taken away, ends the driver: the next one
// begins with a reset.
static enum status checked(enum status status) {
    if (status == ERR_MALFORMED || status == ERR_PEER_DIED) {
        fprintf(stderr, "virtio_blk: %s\n",
                status == ERR_MALFORMED ? "the device is broken" : "the PCI service has gone");
        exit(1);
    }
    return status;
}

// -- Reading and writing --------------------------------------------------------------------------

// The sectors that a part of a transfer is in.
struct span {
    u64 sector;
    u32 count;
    u32 skip; // bytes of the first that are not meant
    u32 len;
};

static struct span span_at(u64 offset, u64 left) {
    struct span span = {.sector = offset / SECTOR_BYTES, .skip = offset % SECTOR_BYTES};
    span.len = (u32)min_u64(left, DISK_TRANSFER - span.skip);
    span.count = (span.skip + span.len + SECTOR_BYTES - 1) / SECTOR_BYTES;
    return span;
}

static enum status read(struct file_system *fs, struct node *node, u64 offset,
                        struct transfer *transfer) {
    (void)fs;
    struct disk *disk = &drive_of(node)->disk;
    u64 size = disk->sectors * SECTOR_BYTES;
    enum status status = OK;
    u64 left = offset >= size ? 0 : min_u64(transfer_left(transfer), size - offset);
    while (status == OK && left != 0) {
        struct span span = span_at(offset, left);
        status = checked(disk_read(disk, span.sector, span.count));
        if (status == OK)
            status = transfer_put(transfer, disk->data + span.skip, span.len);
        offset += span.len;
        left -= span.len;
    }
    return transfer->done != 0 ? OK : status;
}

// A sector that is not written as a whole keeps the rest.
static enum status fill_edges(struct disk *disk, const struct span *span) {
    bool is_head_whole = span->skip == 0;
    bool is_tail_whole = (span->skip + span->len) % SECTOR_BYTES == 0;
    return is_head_whole && is_tail_whole ? OK : disk_read(disk, span->sector, span->count);
}

static enum status write(struct file_system *fs, struct node *node, u64 offset,
                         struct transfer *transfer) {
    (void)fs;
    struct disk *disk = &drive_of(node)->disk;
    u64 size = disk->sectors * SECTOR_BYTES;
    enum status status = OK;
    if (disk->is_read_only)
        return ERR_READ_ONLY;
    if (transfer_left(transfer) != 0 && offset >= size)
        return ERR_NO_SPACE; // an append, too
    u64 left = min_u64(transfer_left(transfer), size - offset);
    while (status == OK && left != 0) {
        struct span span = span_at(offset, left);
        struct transfer piece = *transfer;
        status = checked(fill_edges(disk, &span));
        if (status == OK)
            status = transfer_get(&piece, disk->data + span.skip, span.len);
        if (status == OK)
            status = checked(disk_write(disk, span.sector, span.count));
        if (status == OK)
            *transfer = piece;
        offset += span.len;
        left -= span.len;
    }
    return transfer->done != 0 ? OK : status;
}

static enum status sync(struct file_system *fs, struct node *node, bool only_data) {
    (void)fs;
    (void)only_data;
    enum status status = OK;
    for (u32 i = 0; i < drive_count && status == OK; i++) {
        if (node == &files.root || node == &drives[i].file.node)
            status = checked(disk_flush(&drives[i].disk));
    }
    return status;
}

// The size is what it is: only to that can it be set.
static enum status set_size(struct file_system *fs, struct node *node, u64 size) {
    (void)fs;
    return size == drive_of(node)->disk.sectors * SECTOR_BYTES ? OK : ERR_NOT_PERMITTED;
}

// -- The directory --------------------------------------------------------------------------------

static enum status stat(struct file_system *fs, struct node *node, struct file_stat *out) {
    enum status status = device_files_stat(fs, node, out);
    out->size = node == &files.root ? 0 : drive_of(node)->disk.sectors * SECTOR_BYTES;
    return status;
}

static const struct file_system_ops operations = {
    .release = device_files_release,
    .lookup = device_files_lookup,
    .list = device_files_list,
    .stat = stat,
    .read = read,
    .write = write,
    .set_size = set_size,
    .sync = sync,
};

static enum status open_all(kwast_handle claims) {
    while (drive_count < DISKS_MAX) {
        struct drive *drive = &drives[drive_count];
        enum status status = disk_open(&drive->disk, claims, drive_count);
        if (status != OK)
            return status;
        snprintf(drive->name, sizeof drive->name, "%u", drive_count);
        device_files_add(&files, &drive->file, drive->name, FILE_TYPE_FILE);
        drive_count++;
    }
    return ERR_NOT_FOUND;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: virtio_blk SERVER DISKS\n");
        return 2;
    }
    device_files_init(&files, DEVICE_NUMBER, &operations);
    enum status status = open_all((kwast_handle)atoi(argv[2]));
    if (status != ERR_NOT_FOUND) {
        fprintf(stderr, "virtio_blk: disk %u: error %u\n", drive_count, (u32)status);
        return 1;
    }
    u32 error = files_serve((kwast_handle)atoi(argv[1]), &files.fs);
    fprintf(stderr, "virtio_blk: serving: %s\n", strerror((int)error));
    return 1;
}
