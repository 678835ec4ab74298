// What the kernel and services say to people: shown on the console, or kept while a program has the
// line that the console is on, until somebody reads it: whoever shows it instead, or the console
// when it has the line again. The oldest is dropped for want of room.
//
// What is said while something is still kept is kept behind that, so all is shown in the order in
// which it was said.
//
// Locks: messages.lock, held while the port writes, is of the highest rank, so any context can say
// something. The readers' queue is another matter: who may not wake them leaves that to the next
// one.

#include "kernel/ipc/messages.h"

#include "kernel/arch/arch.h"
#include "kernel/ipc/ring.h"
#include "kernel/sched/wait.h"
#include "kernel/sync/spinlock.h"

#define KEPT_BYTES  (16 * KIB)
#define PIECE_BYTES 128u // shown at a time, since interrupts are off meanwhile

static u8 kept_memory[KEPT_BYTES];

static struct {
    struct spinlock lock;
    struct ring kept; // under lock
    struct wait_queue queue;
} messages = {
    .lock = {.rank = LOCK_MESSAGES, .name = "messages"},
    .kept = {.data = kept_memory, .size = KEPT_BYTES},
};

static void keep_locked(const char *text, usize len) {
    if (len > KEPT_BYTES) {
        text += len - KEPT_BYTES;
        len = KEPT_BYTES;
    }
    u32 room = ring_room(&messages.kept);
    if (room < len)
        ring_skip(&messages.kept, (u32)len - room);
    ring_put(&messages.kept, text, (u32)len);
}

// Returns whether anything is kept now.
static bool say(const char *text, usize len) {
    spin_lock(&messages.lock);
    if (ring_used(&messages.kept) != 0 || !arch_console_write(text, len))
        keep_locked(text, len);
    bool is_kept = ring_used(&messages.kept) != 0;
    spin_unlock(&messages.lock);
    return is_kept;
}

void messages_say(const char *text, usize len) {
    (void)say(text, len);
}

static u32 kept_bytes(void) {
    spin_lock(&messages.lock);
    u32 used = ring_used(&messages.kept);
    spin_unlock(&messages.lock);
    return used;
}

void messages_wake(void) {
    if (kept_bytes() == 0)
        return;
    wait_lock(&messages.queue);
    wake_all_locked(&messages.queue);
    wait_unlock(&messages.queue);
}

// How much of the text is the next piece: as many whole lines as it has room for.
static usize piece_of(const char *text, usize len) {
    if (len <= PIECE_BYTES)
        return len;
    usize piece = PIECE_BYTES;
    while (piece != 0 && text[piece - 1] != '\n')
        piece--;
    return piece == 0 ? PIECE_BYTES : piece;
}

void messages_say_lines(const char *text, usize len) {
    bool is_kept = false;
    while (len != 0) {
        usize piece = piece_of(text, len);
        is_kept = say(text, piece);
        text += piece;
        len -= piece;
    }
    if (is_kept)
        messages_wake();
}

void messages_show(void) {
    bool goes_on = true;
    while (goes_on) {
        spin_lock(&messages.lock);
        struct bytes front = ring_front(&messages.kept);
        u32 len = (u32)min_u64(front.len, PIECE_BYTES);
        goes_on = len != 0 && arch_console_write((const char *)front.data, len);
        if (goes_on)
            ring_skip(&messages.kept, len);
        spin_unlock(&messages.lock);
    }
}

void messages_init(void) {
    wait_queue_init(&messages.queue);
}

// -- As an object ---------------------------------------------------------------------------------

static enum status messages_write(struct object *object, u64 offset, const void *from, usize len,
                                  usize *put) {
    (void)object;
    (void)offset;
    messages_say_lines(from, len);
    *put = len;
    return OK;
}

static enum status messages_read(struct object *object, u64 offset, void *to, usize len,
                                 usize *got) {
    (void)object;
    (void)offset;
    enum status status = OK;
    wait_lock(&messages.queue);
    while (status == OK && len != 0 && kept_bytes() == 0)
        status = wait_locked(&messages.queue, WAIT_FOREVER);
    if (status == OK) {
        spin_lock(&messages.lock);
        *got = ring_take(&messages.kept, to, (u32)min_u64(len, KEPT_BYTES));
        spin_unlock(&messages.lock);
    }
    wait_unlock(&messages.queue);
    return status;
}

static enum status messages_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){
        .type = object->type, .is_terminal = object->is_terminal, .device = 3, .link_count = 1};
    return OK;
}

static u32 messages_poll(struct object *object, u64 *available) {
    (void)object;
    *available = kept_bytes();
    return POLL_WRITABLE | (*available != 0 ? POLL_READABLE : 0);
}

static struct wait_queue *messages_poll_queue(struct object *object) {
    (void)object;
    return &messages.queue;
}

static const struct object_ops messages_ops = {
    .read = messages_read,
    .write = messages_write,
    .stat = messages_stat,
    .poll = messages_poll,
    .poll_queue = messages_poll_queue,
};

static struct object messages_object = {
    .ops = &messages_ops,
    .ref_count = 1, // the kernel's own: it never goes
    .type = OBJECT_STREAM,
    .is_terminal = true,
};

struct object *messages_stream(void) {
    return &messages_object;
}
