// The link's stdin, stdout and stderr as objects. They are static: the first reference is the
// kernel's own and never goes.

#include "kernel/ipc/link.h"
#include "kernel/ipc/stream.h"

static enum status stream_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){
        .type = object->type,
        .is_terminal = object->is_terminal,
        .device = 2,
        .link_count = 1,
    };
    return OK;
}

static enum status stdin_read(struct object *object, u64 offset, void *to, usize len, usize *got) {
    (void)object;
    (void)offset;
    return link_stdin_read(to, len, got);
}

static u32 stdin_poll(struct object *object, u64 *available) {
    (void)object;
    bool ended;
    *available = link_stdin_available(&ended);
    u32 events = ended ? POLL_HANGUP : 0;
    return *available != 0 || ended ? events | POLL_READABLE : events;
}

static enum status output_write(enum link_type type, const void *from, usize len, usize *put) {
    // Nothing is no frame: it would tell the other side nothing.
    enum status status = len == 0 ? OK : link_send(type, from, len);
    if (status == OK)
        *put = len;
    return status;
}

static enum status stdout_write(struct object *object, u64 offset, const void *from, usize len,
                                usize *put) {
    (void)object;
    (void)offset;
    return output_write(LINK_STDOUT, from, len, put);
}

static enum status stderr_write(struct object *object, u64 offset, const void *from, usize len,
                                usize *put) {
    (void)object;
    (void)offset;
    return output_write(LINK_STDERR, from, len, put);
}

static u32 output_poll(struct object *object, u64 *available) {
    (void)object;
    *available = link_output_room();
    return *available != 0 ? POLL_WRITABLE : 0;
}

static struct wait_queue *link_poll_queue(struct object *object) {
    (void)object;
    return link_wait_queue();
}

static const struct object_ops stdin_ops = {
    .read = stdin_read,
    .stat = stream_stat,
    .poll = stdin_poll,
    .poll_queue = link_poll_queue,
};
static const struct object_ops stdout_ops = {
    .write = stdout_write,
    .stat = stream_stat,
    .poll = output_poll,
    .poll_queue = link_poll_queue,
};
static const struct object_ops stderr_ops = {
    .write = stderr_write,
    .stat = stream_stat,
    .poll = output_poll,
    .poll_queue = link_poll_queue,
};

static struct object stdin_object = {.ops = &stdin_ops, .ref_count = 1, .type = OBJECT_STREAM};
static struct object stdout_object = {.ops = &stdout_ops, .ref_count = 1, .type = OBJECT_STREAM};
static struct object stderr_object = {.ops = &stderr_ops, .ref_count = 1, .type = OBJECT_STREAM};

struct object *link_stdin_stream(void) {
    return &stdin_object;
}

struct object *link_stdout_stream(void) {
    return &stdout_object;
}

struct object *link_stderr_stream(void) {
    return &stderr_object;
}
