// Files and directories that a scheme serves: messages of the file protocol as calls on a channel.
// Whoever holds such a channel as a descriptor needs to know nothing of schemes.

#include "abi/kwast/calls.h"
#include "base/assert.h"
#include "kernel/ipc/remote_file.h"
#include "kernel/ipc/scheme_internal.h"
#include "kernel/sched/thread.h"

STATIC_ASSERT(KWAST_FILE_OPERATION == (u32)SCHEME_FILE_OPERATION, "abi");
STATIC_ASSERT(SCHEME_FILE_OPERATION + FILE_OP_COUNT <= SCHEME_FIRST_OPERATION, "room");
STATIC_ASSERT(PATH_LEN_MAX <= SCHEME_BYTES_MAX, "every path that is let through can be sent");

static struct grant lend(const void *memory, u64 len, enum grant_access access) {
    struct grant grant = {.len = len, .access = access};
    // What is lent for reading is never written, const or not. What is on the stack is found in
    // this thread's address space.
    if (is_for_all(memory))
        grant.kernel = (void *)(uptr)memory;
    else
        grant.memory =
            (struct guest_memory){.aspace = thread_aspace(), .base = {(uptr)memory}, .bytes = len};
    return grant;
}

// A name for `other` that means something to the server of `channel`.
static enum status value_of_other(const struct channel *channel, struct object *other, u64 *out) {
    const struct channel *second = container_of(other, struct channel, object);
    if (!scheme_is_channel(other) || second->scheme != channel->scheme)
        return ERR_CROSS_DEVICE;
    if (second->epoch != 0 && channel->epoch != 0 && second->epoch != channel->epoch)
        return ERR_PEER_DIED;
    *out = second->value;
    return OK;
}

static void add_grant(struct scheme_call *call, struct grant grant) {
    call->grants[call->grant_count++] = grant;
}

// What the server says is its own numbering of statuses only if it is one of ours.
static enum status status_of(u32 answer) {
    return answer < STATUS_COUNT ? (enum status)answer : ERR_IO;
}

// Sends the message; *granted is what came with the answer, or NULL.
static enum status exchange(struct remote_call *call, struct scheme_call *sent,
                            struct object **granted) {
    struct channel *channel = container_of(call->object, struct channel, object);
    *sent = (struct scheme_call){
        .operation = SCHEME_FILE_OPERATION + call->op,
        .words = {call->words[0], call->words[1], call->flags, 0},
        .bytes = lend(call->path.data, call->path.len, GRANT_READ),
    };
    enum status status = OK;
    if (call->other != NULL)
        status = value_of_other(channel, call->other, &sent->words[3]);
    if (status != OK)
        return status;
    if (call->room != 0)
        add_grant(sent, lend(call->to, call->room, GRANT_WRITE));
    else
        add_grant(sent, lend(call->data.data, call->data.len, GRANT_READ));
    if (call->other_path.len != 0)
        add_grant(sent, lend(call->other_path.data, call->other_path.len, GRANT_READ));

    status = scheme_call(call->object, sent, WAIT_FOREVER);
    if (status != OK)
        return status;
    status = status_of(sent->answer);
    if (granted != NULL && status == OK && sent->granted.object != NULL) {
        *granted = sent->granted.object;
        object_retain(*granted);
    }
    handle_drop(&sent->granted);
    call->words[0] = sent->words[0];
    call->words[1] = sent->words[1];
    call->got = sent->words[2] <= call->room ? (u32)sent->words[2] : 0;
    return sent->words[2] <= call->room ? status : ERR_IO;
}

static enum status send(struct remote_call *call, struct object **granted) {
    struct scheme_call *sent = thread_lend(sizeof *sent);
    enum status status = exchange(call, sent, granted);
    thread_lend_end();
    return status;
}

enum status scheme_remote_call(struct remote_call *call) {
    return send(call, NULL);
}

static enum status scheme_open(const struct place *place, u32 flags, struct object **out) {
    struct remote_call call = {
        .op = FILE_OPEN,
        .flags = remote_open_flags(flags),
        .object = place->directory,
        .path = place->path,
    };
    struct object *opened = NULL;
    enum status status = send(&call, &opened);
    if (status != OK)
        return status;
    bool is_fit = opened != NULL && (opened->type == OBJECT_FILE || opened->type == OBJECT_STREAM ||
                                     opened->type == OBJECT_DIRECTORY);
    if (!is_fit) {
        object_release(opened);
        return ERR_IO;
    }
    *out = opened;
    return OK;
}

const struct path_ops scheme_paths = {.open = scheme_open, REMOTE_PATH_OPS};
