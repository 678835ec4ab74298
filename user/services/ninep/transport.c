// One message is waited for at a time: its request is one buffer and its answer another, both in
// memory that the device reaches, so data is copied between there and the client and nowhere else.
// Besides there are small messages that nobody waits for, each in a slot of its own until the
// device is done with it.

#include "user/services/ninep/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/kwast/file.h"

#define QUEUE_REQUESTS 0
#define QUEUE_SIZE     64u // descriptors, of which a message takes two
#define SLOTS          24u
#define NO_TOKEN       UINT16_MAX
#define MESSAGE_BYTES  (FILE_DATA_MAX + 4 * KIB) // what a client asks for at a time, and a header

static struct {
    struct p9_transport transport;
    struct virtio device;
    struct virtio_queue queue;
    struct virtio_memory memory;
    struct {
        u16 token; // NO_TOKEN: the slot is free
        u32 fid;
    } slots[SLOTS];
} wire;

// The parts of `memory`.
#define REPLY_AT   MESSAGE_BYTES
#define SLOTS_AT   (2 * MESSAGE_BYTES)
#define SLOT_BYTES (2 * P9_POST_MAX)
#define ALL_BYTES  (SLOTS_AT + 4 * KIB)
_Static_assert(SLOTS *SLOT_BYTES <= 4 * KIB, "the slots are a page");
_Static_assert(2 * (SLOTS + 1) <= QUEUE_SIZE, "all messages are in the queue at once");

[[noreturn]] static void give_up(enum status status) {
    fprintf(stderr, "ninep: the device: %s\n", status_text(status));
    exit(1);
}

static void put(u64 request_at, u32 request_len, u64 reply_at, u32 reply_len, u16 *token) {
    u64 address = wire.memory.address;
    const struct virtio_buffer buffers[] = {
        {.address = address + request_at, .len = request_len},
        {.address = address + reply_at, .len = reply_len, .is_written = true},
    };
    enum status status = virtio_queue_put(&wire.queue, buffers, COUNT_OF(buffers), token);
    if (status != OK)
        give_up(status); // there is room for all, so the ring is broken
}

// A chain came back: frees the slot that it is of. False: it is of none.
static bool finish_slot(u16 token) {
    for (u32 i = 0; i < SLOTS; i++) {
        if (wire.slots[i].token != token)
            continue;
        wire.slots[i].token = NO_TOKEN;
        wire.transport.posted(wire.transport.context, wire.slots[i].fid);
        return true;
    }
    return false;
}

// Waits for the chain that is no slot's.
static u32 take_reply(u16 token) {
    u16 taken;
    u32 written;
    enum status status;
    for (;;) {
        status = virtio_queue_take(&wire.queue, &taken, &written);
        if (status == ERR_NOT_FOUND)
            status = virtio_queue_wait(&wire.queue, -1);
        else if (status == OK && taken == token)
            return written;
        else if (status == OK && !finish_slot(taken))
            status = ERR_MALFORMED;
        if (status != OK)
            give_up(status);
    }
}

static enum status exchange(struct p9_transport *transport, u32 request_len, u32 *reply_len) {
    (void)transport;
    u16 token;
    put(0, request_len, REPLY_AT, MESSAGE_BYTES, &token);
    virtio_queue_notify(&wire.queue);
    *reply_len = take_reply(token);
    return OK;
}

// The device is told with the next message that is waited for.
static bool post(struct p9_transport *transport, const void *message, u32 len, u32 fid) {
    (void)transport;
    for (u32 i = 0; i < SLOTS; i++) {
        if (wire.slots[i].token != NO_TOKEN)
            continue;
        u32 at = SLOTS_AT + i * SLOT_BYTES;
        memcpy(wire.memory.data + at, message, len);
        put(at, len, at + P9_POST_MAX, P9_POST_MAX, &wire.slots[i].token);
        wire.slots[i].fid = fid;
        return true;
    }
    return false;
}

enum status ninep_transport_open(kwast_handle claims, struct p9_transport **out) {
    enum status status = virtio_open(&wire.device, claims, 0, 0);
    if (status == OK)
        status = virtio_queue_open(&wire.device, QUEUE_REQUESTS, QUEUE_SIZE, &wire.queue);
    if (status == OK)
        status = virtio_memory_create(&wire.device, ALL_BYTES, &wire.memory);
    if (status == OK)
        status = virtio_start(&wire.device);
    if (status != OK)
        return status;
    for (u32 i = 0; i < SLOTS; i++)
        wire.slots[i].token = NO_TOKEN;
    wire.transport = (struct p9_transport){
        .exchange = exchange,
        .request = wire.memory.data,
        .post = post,
        .reply = wire.memory.data + REPLY_AT,
        .bytes = MESSAGE_BYTES,
    };
    *out = &wire.transport;
    return OK;
}
