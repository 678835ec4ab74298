// The link: two rings under one wait queue's lock.
//
// Output: senders put whole frames into `output`; whoever holds the lock next (a sender, or the
// port's interrupt when it has room again) pumps the ring into the port. Input: the interrupt feeds
// the port's bytes to the frame parser, and stdin lands in `input`. The peer may send only what it
// was given credit for; the ring is as large as all credit, so what does not fit is a peer that
// broke the rules, and it is cut off.
//
// Work in the interrupt is bounded by the rings' sizes.

#include "kernel/ipc/link.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/frame_parser.h"
#include "kernel/ipc/ring.h"
#include "kernel/sched/wait.h"

#define OUTPUT_BYTES  (128 * KIB)
#define STDIN_BYTES   (64 * KIB)
#define FRAME_BYTES   (16 * KIB) // largest payload that is sent: more frames, shorter locks
#define CREDIT_STEP   (STDIN_BYTES / 4)
#define RECEIVE_BYTES 512u
#define RECEIVE_MOST  (4 * STDIN_BYTES) // in one interrupt; an honest peer sends less

static struct {
    // Fixed after link_init:
    bool is_up;
    void (*interrupt)(void);

    struct wait_queue queue;

    // Under queue.lock:
    struct ring output;
    struct ring input;
    struct frame_parser parser;
    bool input_ended;
    bool interrupted; // LINK_INTERRUPT came, and the hook was not called yet
    u32 taken;        // bytes of stdin that were read and not yet given back as credit
} link;

static u8 output_memory[OUTPUT_BYTES];
static u8 input_memory[STDIN_BYTES];

STATIC_ASSERT(sizeof(struct link_header) + FRAME_BYTES <= OUTPUT_BYTES, "a frame fits");
STATIC_ASSERT(FRAME_BYTES <= LINK_PAYLOAD_MAX, "the peer takes it");

static void receive_piece(void *context, u16 type, struct bytes piece, u32 left) {
    (void)context;
    if (type == LINK_STDIN && !link.input_ended) {
        if (piece.len > ring_room(&link.input))
            link.parser.is_broken = true;
        else
            ring_put(&link.input, piece.data, (u32)piece.len);
    } else if (type == LINK_STDIN_END) {
        link.input_ended = true;
    } else if (type == LINK_INTERRUPT && left == 0) {
        link.interrupted = true;
    }
    if (link.parser.is_broken)
        link.input_ended = true;
}

static void pump_output_locked(void) {
    ASSERT(spin_is_held(&link.queue.lock));
    while (ring_used(&link.output) != 0) {
        struct bytes front = ring_front(&link.output);
        usize taken = arch_link_write(front.data, front.len);
        if (taken == 0)
            return;
        ring_skip(&link.output, (u32)taken);
    }
}

static void pump_input_locked(void) {
    ASSERT(spin_is_held(&link.queue.lock));
    u8 buffer[RECEIVE_BYTES];
    for (u32 total = 0; total < RECEIVE_MOST;) {
        usize got = arch_link_read(buffer, sizeof buffer);
        if (got == 0)
            return;
        frame_parser_feed(&link.parser, (struct bytes){buffer, got});
        if (link.parser.is_broken)
            link.input_ended = true;
        total += (u32)got;
    }
}

static void put_frame_locked(enum link_type type, const void *data, usize len) {
    struct link_header header = {LINK_MAGIC, (u16)type, (u32)len};
    ring_put(&link.output, &header, sizeof header);
    if (len != 0)
        ring_put(&link.output, data, (u32)len);
    pump_output_locked();
}

static enum status send_frame(enum link_type type, const void *data, usize len) {
    enum status status = OK;
    wait_lock(&link.queue);
    while (status == OK && ring_room(&link.output) < sizeof(struct link_header) + len)
        status = wait_locked(&link.queue, WAIT_FOREVER);
    if (status == OK)
        put_frame_locked(type, data, len);
    wait_unlock(&link.queue);
    return status;
}

static void send_credit_locked(u32 bytes) {
    u32 credit = bytes;
    put_frame_locked(LINK_STDIN_CREDIT, &credit, sizeof credit);
}

// Gives credit back in large steps, or when the peer may have none left. Without room for the frame
// it waits until the port takes something: a reader may be asleep by then, and nobody else would
// ever tell the peer to go on.
static void return_credit_locked(void) {
    bool has_room = ring_room(&link.output) >= sizeof(struct link_header) + sizeof(u32);
    bool is_due = link.taken >= CREDIT_STEP || ring_used(&link.input) == 0;
    if (link.taken == 0 || !has_room || !is_due || link.input_ended)
        return;
    u32 credit = link.taken;
    link.taken = 0;
    send_credit_locked(credit);
}

bool link_init(void (*interrupt)(void)) {
    ASSERT(!link.is_up);
    if (!arch_link_present())
        return false;
    wait_queue_init(&link.queue);
    link.output = (struct ring){.data = output_memory, .size = OUTPUT_BYTES};
    link.input = (struct ring){.data = input_memory, .size = STDIN_BYTES};
    link.parser = (struct frame_parser){.piece = receive_piece};
    link.interrupt = interrupt;
    link.is_up = true;

    u32 version = LINK_VERSION;
    wait_lock(&link.queue);
    put_frame_locked(LINK_HELLO, &version, sizeof version);
    send_credit_locked(STDIN_BYTES);
    pump_input_locked();
    wait_unlock(&link.queue);
    return true;
}

bool link_is_up(void) {
    return link.is_up;
}

enum status link_send(enum link_type type, const void *data, usize len) {
    if (!link.is_up)
        return ERR_CLOSED;
    if (len == 0)
        return send_frame(type, NULL, 0);
    for (usize at = 0; at < len;) {
        usize piece = min_u64(len - at, FRAME_BYTES);
        enum status status = send_frame(type, (const u8 *)data + at, piece);
        if (status != OK)
            return status;
        at += piece;
    }
    return OK;
}

bool link_try_send(enum link_type type, const void *data, usize len) {
    if (!link.is_up)
        return false;
    wait_lock(&link.queue);
    bool has_room = ring_room(&link.output) >= sizeof(struct link_header) + len;
    if (has_room)
        put_frame_locked(type, data, len);
    wait_unlock(&link.queue);
    return has_room;
}

void link_flush(u64 deadline_ns) {
    if (!link.is_up)
        return;
    enum status status = OK;
    wait_lock(&link.queue);
    while (status == OK && ring_used(&link.output) != 0)
        status = wait_locked(&link.queue, deadline_ns);
    wait_unlock(&link.queue);
}

enum status link_stdin_read(void *to, usize len, usize *got) {
    enum status status = OK;
    u32 taken = 0;
    wait_lock(&link.queue);
    while (status == OK && len != 0 && ring_used(&link.input) == 0 && !link.input_ended)
        status = wait_locked(&link.queue, WAIT_FOREVER);
    if (status == OK)
        taken = ring_take(&link.input, to, (u32)min_u64(len, STDIN_BYTES));
    link.taken += taken;
    return_credit_locked();
    wait_unlock(&link.queue);
    if (status == OK)
        *got = taken;
    return status;
}

usize link_stdin_available(bool *ended) {
    wait_lock(&link.queue);
    usize available = ring_used(&link.input);
    *ended = link.input_ended;
    wait_unlock(&link.queue);
    return available;
}

usize link_output_room(void) {
    wait_lock(&link.queue);
    usize room = ring_room(&link.output);
    wait_unlock(&link.queue);
    return room > sizeof(struct link_header) ? room - sizeof(struct link_header) : 0;
}

struct wait_queue *link_wait_queue(void) {
    return &link.queue;
}

void link_interrupt(void) {
    if (!link.is_up)
        return;
    wait_lock(&link.queue);
    pump_output_locked();
    return_credit_locked();
    pump_input_locked();
    wake_all_locked(&link.queue);
    bool interrupted = link.interrupted;
    link.interrupted = false;
    wait_unlock(&link.queue);
    // Outside the lock: the hook wakes somebody else's queue.
    if (interrupted && link.interrupt != NULL)
        link.interrupt();
}
