// The link: two rings under one wait queue's lock.
//
// Output: senders put whole frames into `output`; whoever holds the lock next (a sender, or the
// port's interrupt when it has room again) pumps the ring into the port. Input: the interrupt feeds
// the port's bytes to the frame parser, and stdin lands in `input`. The peer may send only what it
// was given credit for; the ring is as large as all credit, so what does not fit is a peer that
// broke the rules, and it is cut off.
//
// Calls wait in `pending` under their tags; an answer's data goes straight to where its caller
// wants it. A caller that is killed takes its call out, and the answer finds nobody. So that a
// handle can always be closed, by a process that is being killed too, the room for its FILE_CLOSE
// stays free in the output ring for as long as it is open.
//
// Work in the interrupt is bounded by the rings' sizes.

#include "kernel/ipc/link.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/frame_parser.h"
#include "kernel/ipc/ring.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait.h"

#define OUTPUT_BYTES  (128 * KIB)
#define STDIN_BYTES   (64 * KIB)
#define FRAME_BYTES   (16 * KIB) // largest payload that is sent: more frames, shorter locks
#define CREDIT_STEP   (STDIN_BYTES / 4)
#define RECEIVE_BYTES (16 * KIB)
#define CLOSE_BYTES   (sizeof(struct link_header) + sizeof(struct file_request))
#define HANDLE_WORDS  (FILE_HANDLES_MAX / 64)
#define RECEIVE_MOST  (4 * STDIN_BYTES) // in one interrupt; an honest peer sends less

static struct {
    bool is_up; // atomic: link_init is over, but for what came meanwhile

    // Fixed after link_init:
    void (*interrupt)(void);

    struct wait_queue queue;

    // Under queue.lock:
    struct ring output;
    struct ring input;
    struct frame_parser parser;
    bool input_ended;
    bool interrupted; // LINK_INTERRUPT came, and the hook was not called yet
    u32 taken;        // bytes of stdin that were read and not yet given back as credit

    struct list pending; // calls that wait for their answers
    u32 last_tag;
    u64 handles[HANDLE_WORDS]; // bits: in use
    u32 handle_count;

    // The answer that is coming in.
    struct file_reply reply;
    u32 reply_len;            // bytes of `reply` that have come
    struct link_call *answer; // whose it is, once all of `reply` has come; NULL: nobody's
} link;

static u8 output_memory[OUTPUT_BYTES];
static u8 input_memory[STDIN_BYTES];
static u8 receive_memory[RECEIVE_BYTES]; // under queue.lock

STATIC_ASSERT(FRAME_BYTES <= LINK_PAYLOAD_MAX, "the peer takes it");
#define CALL_BYTES_MAX (sizeof(struct file_request) + 2 * FILE_PATH_MAX + FILE_DATA_MAX)
STATIC_ASSERT(CALL_BYTES_MAX <= LINK_PAYLOAD_MAX, "the peer takes it");
STATIC_ASSERT(sizeof(struct file_reply) + FILE_DATA_MAX <= LINK_PAYLOAD_MAX,
              "the peer may send it");
STATIC_ASSERT(sizeof(struct link_header) + CALL_BYTES_MAX + FILE_HANDLES_MAX * CLOSE_BYTES <=
                  OUTPUT_BYTES,
              "a frame fits beside all promises");

// -- Answers --------------------------------------------------------------------------------------

static struct link_call *pending_find_locked(u32 tag) {
    LIST_FOR_EACH(node, &link.pending) {
        struct link_call *call = container_of(node, struct link_call, pending_link);
        if (call->tag == tag)
            return call;
    }
    return NULL;
}

static void answer_finish_locked(struct link_call *call, enum status status) {
    list_remove(&call->pending_link);
    call->status = status;
    call->is_answered = true;
}

static void answer_end_locked(void) {
    struct link_call *call = link.answer;
    link.reply_len = 0;
    link.answer = NULL;
    if (call == NULL)
        return;
    memcpy(call->words, link.reply.words, sizeof call->words);
    u32 status = link.reply.status;
    answer_finish_locked(call, status < STATUS_COUNT ? (enum status)status : ERR_IO);
}

static void answer_piece_locked(struct bytes piece, u32 left) {
    usize head = min_u64(sizeof link.reply - link.reply_len, piece.len);
    if (head != 0) {
        memcpy((u8 *)&link.reply + link.reply_len, piece.data, head);
        link.reply_len += (u32)head;
        if (link.reply_len == sizeof link.reply)
            link.answer = pending_find_locked(link.reply.tag);
    }
    usize len = piece.len - head;
    struct link_call *call = link.answer;
    if (call != NULL && len != 0) {
        // More than there is room for is a peer that breaks the rules.
        if (len > call->room - call->got) {
            link.parser.is_broken = true;
            return;
        }
        memcpy((u8 *)call->to + call->got, piece.data + head, len);
        call->got += (u32)len;
    }
    if (left == 0 && link.reply_len != sizeof link.reply)
        link.parser.is_broken = true;
    else if (left == 0)
        answer_end_locked();
}

// Nothing comes any more.
static void pending_fail_all_locked(void) {
    link.answer = NULL;
    LIST_FOR_EACH(node, &link.pending)
    answer_finish_locked(container_of(node, struct link_call, pending_link), ERR_CLOSED);
}

// -- Input ----------------------------------------------------------------------------------------

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
    } else if (type == LINK_FILE_REPLY) {
        answer_piece_locked(piece, left);
    }
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
    for (u32 total = 0; total < RECEIVE_MOST;) {
        usize got = arch_link_read(receive_memory, sizeof receive_memory);
        if (got == 0)
            return;
        frame_parser_feed(&link.parser, (struct bytes){receive_memory, got});
        if (link.parser.is_broken) {
            link.input_ended = true;
            pending_fail_all_locked();
        }
        total += (u32)got;
    }
}

// -- Output ---------------------------------------------------------------------------------------

// Room for a frame with so much payload, beside what is promised to open handles.
static bool has_room_locked(usize len) {
    usize promised = link.handle_count * CLOSE_BYTES;
    return ring_room(&link.output) >= promised + sizeof(struct link_header) + len;
}

static void put_parts_locked(enum link_type type, const struct bytes *parts, u32 count) {
    struct link_header header = {LINK_MAGIC, (u16)type, 0};
    for (u32 i = 0; i < count; i++)
        header.len += (u32)parts[i].len;
    ring_put(&link.output, &header, sizeof header);
    for (u32 i = 0; i < count; i++) {
        if (parts[i].len != 0)
            ring_put(&link.output, parts[i].data, (u32)parts[i].len);
    }
    pump_output_locked();
}

static void put_frame_locked(enum link_type type, const void *data, usize len) {
    const struct bytes part = {data, len};
    put_parts_locked(type, &part, 1);
}

// Waits until there is room. ERR_KILLED.
static enum status wait_room_locked(usize len) {
    enum status status = OK;
    while (status == OK && !has_room_locked(len))
        status = wait_locked(&link.queue, WAIT_FOREVER);
    return status;
}

static enum status send_frame(enum link_type type, const void *data, usize len) {
    wait_lock(&link.queue);
    enum status status = wait_room_locked(len);
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
    bool has_room = has_room_locked(sizeof(u32));
    bool is_due = link.taken >= CREDIT_STEP || ring_used(&link.input) == 0;
    if (link.taken == 0 || !has_room || !is_due || link.input_ended)
        return;
    u32 credit = link.taken;
    link.taken = 0;
    send_credit_locked(credit);
}

bool link_init(void (*interrupt)(void)) {
    ASSERT(!link_is_up());
    if (!arch_link_present())
        return false;
    wait_queue_init(&link.queue);
    list_init(&link.pending);
    link.handles[0] = UINT64_MAX; // the roots
    link.output = (struct ring){.data = output_memory, .size = OUTPUT_BYTES};
    link.input = (struct ring){.data = input_memory, .size = STDIN_BYTES};
    link.parser = (struct frame_parser){.piece = receive_piece};
    link.interrupt = interrupt;
    // Pairs with the load in link_is_up: the port may interrupt another CPU already.
    __atomic_store_n(&link.is_up, true, __ATOMIC_RELEASE);

    u32 version = LINK_VERSION;
    wait_lock(&link.queue);
    put_frame_locked(LINK_HELLO, &version, sizeof version);
    send_credit_locked(STDIN_BYTES);
    pump_input_locked();
    wait_unlock(&link.queue);
    return true;
}

bool link_is_up(void) {
    return __atomic_load_n(&link.is_up, __ATOMIC_ACQUIRE);
}

enum status link_send(enum link_type type, const void *data, usize len) {
    if (!link_is_up())
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
    if (!link_is_up())
        return false;
    wait_lock(&link.queue);
    bool has_room = has_room_locked(len);
    if (has_room)
        put_frame_locked(type, data, len);
    wait_unlock(&link.queue);
    return has_room;
}

void link_flush(u64 deadline_ns) {
    if (!link_is_up())
        return;
    enum status status = OK;
    wait_lock(&link.queue);
    while (status == OK && (ring_used(&link.output) != 0 || !arch_link_is_sent()))
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
    usize taken = link.handle_count * CLOSE_BYTES + sizeof(struct link_header);
    wait_unlock(&link.queue);
    return room > taken ? room - taken : 0;
}

// -- Calls ----------------------------------------------------------------------------------------

STATIC_ASSERT(FILE_ROOTS_MAX == 64, "one word of link.handles");

static void send_call_locked(struct link_call *call) {
    call->tag = ++link.last_tag;
    const struct file_request request = {
        .tag = call->tag,
        .op = call->op,
        .flags = call->flags,
        .handle = call->handle,
        .other = call->other,
        .words = {call->words[0], call->words[1]},
        .room = call->room,
        .path_len = (u16)call->path.len,
        .other_len = (u16)call->other_path.len,
    };
    const struct bytes parts[] = {
        {(const u8 *)&request, sizeof request}, call->path, call->other_path, call->data};
    list_init(&call->pending_link);
    list_push_back(&link.pending, &call->pending_link);
    put_parts_locked(LINK_FILE_REQUEST, parts, COUNT_OF(parts));
}

enum status link_call(struct link_call *call) {
    ASSERT(is_for_all(call) && is_for_all(call->to));
    ASSERT(call->path.len <= FILE_PATH_MAX && call->other_path.len <= FILE_PATH_MAX);
    ASSERT(call->data.len <= FILE_DATA_MAX && call->room <= FILE_DATA_MAX);
    if (!link_is_up())
        return ERR_CLOSED;
    usize len =
        sizeof(struct file_request) + call->path.len + call->other_path.len + call->data.len;
    call->got = 0;
    call->is_answered = false;
    wait_lock(&link.queue);
    enum status status = link.parser.is_broken ? ERR_CLOSED : wait_room_locked(len);
    if (status == OK) {
        send_call_locked(call);
        while (status == OK && !call->is_answered)
            status = wait_locked(&link.queue, WAIT_FOREVER);
        if (call->is_answered) {
            status = call->status;
        } else {
            list_remove(&call->pending_link);
            if (link.answer == call)
                link.answer = NULL;
        }
    }
    wait_unlock(&link.queue);
    return status;
}

static enum status handle_take_locked(u32 *out) {
    for (u32 i = 0; i < HANDLE_WORDS; i++) {
        if (link.handles[i] == UINT64_MAX)
            continue;
        u32 bit = (u32)__builtin_ctzll(~link.handles[i]);
        link.handles[i] |= 1ull << bit;
        link.handle_count++;
        *out = 64 * i + bit;
        return OK;
    }
    return ERR_LIMIT;
}

enum status link_handle_reserve(u32 *out) {
    if (!link_is_up())
        return ERR_CLOSED;
    wait_lock(&link.queue);
    enum status status = wait_room_locked(sizeof(struct file_request));
    if (status == OK)
        status = handle_take_locked(out);
    wait_unlock(&link.queue);
    return status;
}

void link_handle_close(u32 handle) {
    const struct file_request request = {.op = FILE_CLOSE, .handle = handle};
    wait_lock(&link.queue);
    ASSERT(handle < FILE_HANDLES_MAX && (link.handles[handle / 64] >> handle % 64 & 1) != 0);
    CHECK(ring_room(&link.output) >= CLOSE_BYTES); // as promised
    link.handles[handle / 64] &= ~(1ull << handle % 64);
    link.handle_count--;
    put_frame_locked(LINK_FILE_REQUEST, &request, sizeof request);
    wait_unlock(&link.queue);
}

struct wait_queue *link_wait_queue(void) {
    return &link.queue;
}

void link_interrupt(void) {
    if (!link_is_up())
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
