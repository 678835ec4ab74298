// virtio_rng: random bytes from the machine's entropy device.
//
//   virtio_rng SERVER DEVICES
//
// serves the scheme whose server end is descriptor SERVER, which is a stream: reading gives what
// the first device that the PCI service's channel DEVICES matches makes, as many bytes as are asked
// for.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "user/sdk/files.h"
#include "user/sdk/virtio.h"

#define DEVICE_NUMBER 0x726e67u
#define QUEUE_SIZE    4u
#define BYTES         KWAST_PAGE_BYTES // asked for at a time

static struct {
    struct virtio device;
    struct virtio_queue queue;
    struct virtio_memory memory;
} rng;

static struct node root = {1, FILE_TYPE_CHARACTER_DEVICE};

static enum status open_device(kwast_handle devices) {
    enum status status = virtio_open(&rng.device, devices, 0, 0);
    if (status == OK)
        status = virtio_queue_open(&rng.device, 0, QUEUE_SIZE, &rng.queue);
    if (status == OK)
        status = virtio_memory_create(&rng.device, BYTES, &rng.memory);
    return status == OK ? virtio_start(&rng.device) : status;
}

// Has the device fill the memory with up to `wanted` bytes; *got is how many it made.
static enum status fill(u32 wanted, u32 *got) {
    const struct virtio_buffer buffer = {rng.memory.address, wanted, true};
    u16 token;
    enum status status = virtio_queue_put(&rng.queue, &buffer, 1, &token);
    if (status != OK)
        return status;
    virtio_queue_notify(&rng.queue);
    while ((status = virtio_queue_take(&rng.queue, &token, got)) == ERR_NOT_FOUND) {
        status = virtio_queue_wait(&rng.queue, -1);
        if (status != OK && status != ERR_TIMED_OUT)
            return status;
    }
    return status;
}

static enum status read(struct file_system *fs, struct node *node, u64 offset,
                        struct transfer *transfer) {
    (void)fs;
    (void)node;
    (void)offset;
    while (transfer_left(transfer) != 0) {
        u32 got;
        enum status status = fill((u32)min_u64(BYTES, transfer_left(transfer)), &got);
        if (status != OK || got == 0) {
            fprintf(stderr, "virtio_rng: the device is broken, or was taken away\n");
            exit(1); // the next driver begins with a reset
        }
        status = transfer_put(transfer, rng.memory.data, got);
        memset(rng.memory.data, 0, got); // nobody else gets these
        if (status != OK)
            return status;
    }
    return OK;
}

static enum status stat(struct file_system *fs, struct node *node, struct file_stat *out) {
    (void)fs;
    *out = (struct file_stat){
        .device = DEVICE_NUMBER, .inode = 1, .link_count = 1, .type = node->type};
    return OK;
}

static void release(struct file_system *fs, struct node *node) {
    (void)fs;
    (void)node;
}

static const struct file_system_ops operations = {
    .release = release,
    .stat = stat,
    .read = read,
};

int main(int argc, char **argv) {
    struct file_system fs = {&operations, &root};
    if (argc != 3) {
        fprintf(stderr, "usage: virtio_rng SERVER DEVICES\n");
        return 2;
    }
    enum status status = open_device((kwast_handle)atoi(argv[2]));
    if (status != OK) {
        fprintf(stderr, "virtio_rng: error %u\n", (u32)status);
        return 1;
    }
    u32 error = files_serve((kwast_handle)atoi(argv[1]), &fs);
    fprintf(stderr, "virtio_rng: serving: %s\n", strerror((int)error));
    return 1;
}
