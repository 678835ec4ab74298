// One message is under way at a time: its request is one buffer and its answer another, both in
// memory that the device reaches, so data is copied between there and the client and nowhere else.

#include "user/services/ninep/transport.h"

#include <stdio.h>
#include <stdlib.h>

#include "abi/kwast/file.h"

#define QUEUE_REQUESTS 0
#define QUEUE_SIZE     4u
#define MESSAGE_BYTES  (FILE_DATA_MAX + 4 * KIB) // what a client asks for at a time, and a header

static struct {
    struct p9_transport transport;
    struct virtio device;
    struct virtio_queue queue;
    struct virtio_memory memory;
} wire;

[[noreturn]] static void give_up(enum status status) {
    fprintf(stderr, "ninep: the device: %s\n", status_text(status));
    exit(1);
}

// Waits for the one chain that is with the device.
static u32 take_reply(u16 token) {
    u16 taken;
    u32 written;
    enum status status;
    while ((status = virtio_queue_take(&wire.queue, &taken, &written)) == ERR_NOT_FOUND) {
        status = virtio_queue_wait(&wire.queue, -1);
        if (status != OK)
            break;
    }
    if (status == OK && taken != token)
        status = ERR_MALFORMED;
    if (status != OK)
        give_up(status);
    return written;
}

static enum status exchange(struct p9_transport *transport, u32 request_len, u32 *reply_len) {
    (void)transport;
    u16 token;
    const struct virtio_buffer buffers[] = {
        {.address = wire.memory.address, .len = request_len},
        {.address = wire.memory.address + MESSAGE_BYTES, .len = MESSAGE_BYTES, .is_written = true},
    };
    enum status status = virtio_queue_put(&wire.queue, buffers, COUNT_OF(buffers), &token);
    if (status != OK)
        give_up(status);
    virtio_queue_notify(&wire.queue);
    *reply_len = take_reply(token);
    return OK;
}

enum status ninep_transport_open(kwast_handle claims, struct p9_transport **out) {
    enum status status = virtio_open(&wire.device, claims, 0, 0);
    if (status == OK)
        status = virtio_queue_open(&wire.device, QUEUE_REQUESTS, QUEUE_SIZE, &wire.queue);
    if (status == OK)
        status = virtio_memory_create(&wire.device, 2 * MESSAGE_BYTES, &wire.memory);
    if (status == OK)
        status = virtio_start(&wire.device);
    if (status != OK)
        return status;
    wire.transport = (struct p9_transport){
        .exchange = exchange,
        .request = wire.memory.data,
        .reply = wire.memory.data + MESSAGE_BYTES,
        .bytes = MESSAGE_BYTES,
    };
    *out = &wire.transport;
    return OK;
}
