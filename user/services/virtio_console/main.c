// virtio_console: streams to the machine's host, by virtio.
//
//   virtio_console SERVER DEVICES
//
// serves the scheme whose server end is descriptor SERVER: a directory with 0, 1 and so on for the
// consoles that the PCI service's channel DEVICES matches: the first port of each. (The device that
// is the kernel's link is not among them.)
//
// What the device has received waits in its buffers when nobody reads: it gets them back when there
// is room, and stops its host until then.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "user/sdk/streams.h"
#include "user/sdk/virtio.h"

#define CONSOLES_MAX  8u
#define NAME_BYTES    4u
#define QUEUE_SIZE    16u // and so many buffers in each direction
#define BUFFER_BYTES  KWAST_PAGE_BYTES
#define RECEIVE_QUEUE 0u
#define SEND_QUEUE    1u

struct direction {
    struct virtio_queue queue;
    struct virtio_memory memory;
    u8 buffer_of[QUEUE_SIZE]; // of a token, while the device has it
};

struct filled {
    u8 buffer;
    u32 len;
};

struct console {
    struct virtio device;
    struct stream stream;
    char name[NAME_BYTES];
    struct direction in;
    struct direction out;
    struct filled filled[QUEUE_SIZE]; // by the device, in order, for which there was no room
    u32 filled_count;
    u8 free[QUEUE_SIZE]; // buffers to send with
    u32 free_count;
};

static struct console consoles[CONSOLES_MAX];
static u32 console_count;

[[noreturn]] static void fail(const struct console *console) {
    fprintf(stderr, "virtio_console: device %s is broken, or was taken away\n", console->name);
    exit(1); // the next driver begins with a reset
}

// -- Buffers --------------------------------------------------------------------------------------

static u8 *buffer_at(const struct direction *direction, u32 buffer) {
    return direction->memory.data + (usize)buffer * BUFFER_BYTES;
}

static void lend(struct console *console, struct direction *direction, u8 buffer, u32 len) {
    u16 token;
    const struct virtio_buffer whole = {
        .address = direction->memory.address + (u64)buffer * BUFFER_BYTES,
        .len = len,
        .is_written = direction == &console->in,
    };
    if (virtio_queue_put(&direction->queue, &whole, 1, &token) != OK || token >= QUEUE_SIZE)
        fail(console); // there are as many buffers as descriptors
    direction->buffer_of[token] = buffer;
}

// A buffer that the device is done with; false: there is none now.
static bool take_back(struct console *console, struct direction *direction, u8 *buffer, u32 *len) {
    u16 token;
    enum status status = virtio_queue_take(&direction->queue, &token, len);
    if (status == ERR_NOT_FOUND)
        return false;
    if (status != OK || token >= QUEUE_SIZE)
        fail(console);
    *buffer = direction->buffer_of[token];
    return true;
}

// -- Receiving ------------------------------------------------------------------------------------

// Hands over what there is room for, and gives those buffers back to the device.
static void hand_over(struct console *console) {
    u32 done = 0;
    for (; done < console->filled_count; done++) {
        const struct filled *filled = &console->filled[done];
        if (filled->len > stream_room(&console->stream))
            break;
        stream_receive(&console->stream, buffer_at(&console->in, filled->buffer), filled->len);
        lend(console, &console->in, filled->buffer, BUFFER_BYTES);
    }
    if (done == 0)
        return;
    console->filled_count -= done;
    memmove(console->filled, console->filled + done,
            console->filled_count * sizeof console->filled[0]);
    virtio_queue_notify(&console->in.queue);
}

static void take_received(struct console *console) {
    u8 buffer;
    u32 len;
    while (take_back(console, &console->in, &buffer, &len))
        console->filled[console->filled_count++] = (struct filled){buffer, len};
    hand_over(console);
}

static struct console *console_of(struct stream *stream) {
    return (struct console *)(void *)((u8 *)stream - offsetof(struct console, stream));
}

static void resume(struct stream *stream) {
    hand_over(console_of(stream));
}

// -- Sending --------------------------------------------------------------------------------------

static u32 send(struct stream *stream, const u8 *bytes, u32 len) {
    struct console *console = console_of(stream);
    u32 done = 0;
    while (done < len && console->free_count != 0) {
        u8 buffer = console->free[--console->free_count];
        u32 piece = (u32)min_u64(len - done, BUFFER_BYTES);
        memcpy(buffer_at(&console->out, buffer), bytes + done, piece);
        lend(console, &console->out, buffer, piece);
        done += piece;
    }
    if (done != 0)
        virtio_queue_notify(&console->out.queue);
    return done;
}

static void take_sent(struct console *console) {
    u32 len;
    u32 before = console->free_count;
    while (take_back(console, &console->out, &console->free[console->free_count], &len))
        console->free_count++;
    if (console->free_count != before)
        stream_can_send(&console->stream);
}

// -- The loop -------------------------------------------------------------------------------------

static void listen(struct console *console, struct direction *direction) {
    if (virtio_queue_listen(&direction->queue) != OK)
        fail(console);
}

static void run(struct stream_set *set) {
    struct pollfd events[3 * CONSOLES_MAX + 1];
    nfds_t count = 0;
    events[count++] = (struct pollfd){.fd = (int)set->server, .events = POLLRDNORM};
    for (u32 i = 0; i < console_count; i++) {
        const struct console *console = &consoles[i];
        const kwast_handle handles[] = {console->device.function, console->in.queue.interrupt,
                                        console->out.queue.interrupt};
        for (u32 j = 0; j < COUNT_OF(handles); j++)
            events[count++] = (struct pollfd){.fd = (int)handles[j], .events = POLLRDNORM};
    }
    do {
        for (u32 i = 0; i < console_count; i++) {
            struct console *console = &consoles[i];
            if (events[1 + 3 * i].revents != 0)
                fail(console); // the PCI service has gone
            listen(console, &console->in);
            listen(console, &console->out);
            take_received(console);
            take_sent(console);
        }
        stream_set_serve(set);
    } while (poll(events, count, -1) >= 0);
}

// -- The beginning --------------------------------------------------------------------------------

static enum status open_direction(struct console *console, struct direction *direction, u16 queue) {
    enum status status = virtio_queue_open(&console->device, queue, QUEUE_SIZE, &direction->queue);
    return status == OK ? virtio_memory_create(&console->device, QUEUE_SIZE * BUFFER_BYTES,
                                               &direction->memory)
                        : status;
}

static enum status open_console(struct stream_set *set, kwast_handle devices, u32 number) {
    struct console *console = &consoles[number];
    enum status status = virtio_open(&console->device, devices, number, 0);
    if (status == OK)
        status = open_direction(console, &console->in, RECEIVE_QUEUE);
    if (status == OK)
        status = open_direction(console, &console->out, SEND_QUEUE);
    if (status == OK)
        status = virtio_start(&console->device);
    if (status != OK)
        return status;
    snprintf(console->name, sizeof console->name, "%u", number);
    console->stream = (struct stream){.name = console->name, .send = send, .resume = resume};
    if (stream_set_add(set, &console->stream) != 0)
        return ERR_NO_MEMORY;
    // A device with shorter queues has fewer buffers.
    u32 in_count = console->in.queue.ring.size;
    console->free_count = console->out.queue.ring.size;
    for (u32 i = 0; i < console->free_count; i++)
        console->free[i] = (u8)i;
    for (u32 i = 0; i < in_count; i++)
        lend(console, &console->in, (u8)i, BUFFER_BYTES);
    virtio_queue_notify(&console->in.queue);
    return OK;
}

int main(int argc, char **argv) {
    static struct stream_set set;
    enum status status = OK;
    if (argc != 3) {
        fprintf(stderr, "usage: virtio_console SERVER DEVICES\n");
        return 2;
    }
    stream_set_init(&set, (kwast_handle)atoi(argv[1]));
    while (console_count < CONSOLES_MAX && status == OK) {
        status = open_console(&set, (kwast_handle)atoi(argv[2]), console_count);
        console_count += status == OK;
    }
    if (status != OK && status != ERR_NOT_FOUND) {
        fprintf(stderr, "virtio_console: device %u: error %u\n", console_count, (u32)status);
        return 1;
    }
    run(&set);
    perror("virtio_console");
    return 1;
}
