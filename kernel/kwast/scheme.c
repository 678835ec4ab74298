// Schemes: calling and serving (kernel/ipc/scheme.h).

#include "kernel/ipc/scheme.h"
#include "abi/wasi/preview1.h"
#include "base/math.h"
#include "kernel/kwast/kwast_internal.h"
#include "kernel/wasi/wasi.h"

STATIC_ASSERT(KWAST_WORDS == SCHEME_WORDS, "abi");
STATIC_ASSERT(KWAST_BYTES_MAX == SCHEME_BYTES_MAX, "abi");
STATIC_ASSERT(KWAST_GRANTS_MAX == SCHEME_GRANTS_MAX, "abi");
STATIC_ASSERT(KWAST_HANDLES_MAX == SCHEME_HANDLES_MAX, "abi");
STATIC_ASSERT(KWAST_CANCELLED == (u32)SCHEME_CANCELLED && KWAST_CLOSED == (u32)SCHEME_CLOSED,
              "abi");
STATIC_ASSERT(KWAST_FIRST_OPERATION == (u32)SCHEME_FIRST_OPERATION, "abi");
STATIC_ASSERT(KWAST_READ == (u32)GRANT_READ && KWAST_WRITE == (u32)GRANT_WRITE, "abi");

static struct grant own_memory(struct process *process, u64 address, u64 len,
                               enum grant_access access) {
    return (struct grant){
        .memory = process_memory(process),
        .start = {address},
        .len = len,
        .access = access,
    };
}

// -- Making schemes and channels ----------------------------------------------------------------

// (name, len, out)
enum status kwast_scheme_create(struct process *process, const u64 *args) {
    u8 name[SCHEME_NAME_MAX];
    struct handle handle = {
        .rights = KWAST_RIGHT_SERVE | WASI_RIGHT_FD_READ | WASI_RIGHT_POLL_FD_READWRITE,
    };
    enum status status = kwast_get_text(process, args[0], args[1], sizeof name, name);
    if (status == OK)
        status = scheme_create((struct bytes){name, args[1]}, &handle.object);
    return status == OK ? kwast_give(process, &handle, args[2]) : status;
}

// What a channel of each kind is, and what its first holder may do with it.
static enum status channel_handle(u64 kind, struct handle *out) {
    *out = (struct handle){.rights = KWAST_RIGHT_CALL};
    switch (kind) {
    case KWAST_KIND_PLAIN:
        return OK;
    case KWAST_KIND_STREAM:
    case KWAST_KIND_TERMINAL:
        out->rights |= wasi_stream_rights(true, true);
        return OK;
    case KWAST_KIND_FILE:
        out->rights |= wasi_inheriting_rights();
        return OK;
    case KWAST_KIND_DIRECTORY:
        out->rights |= wasi_directory_rights();
        out->rights_inheriting = wasi_inheriting_rights();
        return OK;
    default:
        return ERR_INVALID;
    }
}

static enum object_type object_type_of(u64 kind) {
    static const enum object_type types[] = {
        [KWAST_KIND_PLAIN] = OBJECT_PLAIN,     [KWAST_KIND_STREAM] = OBJECT_STREAM,
        [KWAST_KIND_FILE] = OBJECT_FILE,       [KWAST_KIND_DIRECTORY] = OBJECT_DIRECTORY,
        [KWAST_KIND_TERMINAL] = OBJECT_STREAM,
    };
    return types[kind];
}

// Gives the process a new channel of this kind.
static enum status give_channel(struct process *process, u64 kind, struct handle *channel, u64 at) {
    channel->object->is_terminal = kind == KWAST_KIND_TERMINAL;
    return kwast_give(process, channel, at);
}

// (server, value, kind, out)
enum status kwast_scheme_channel(struct process *process, const u64 *args) {
    struct object *server;
    struct handle channel;
    enum status status =
        kwast_object(process, args[0], scheme_is_server, KWAST_RIGHT_SERVE, &server);
    if (status != OK)
        return status;
    status = channel_handle(args[2], &channel);
    if (status == OK)
        status = scheme_channel(server, args[1], object_type_of(args[2]), &channel.object);
    object_release(server);
    return status == OK ? give_channel(process, args[2], &channel, args[3]) : status;
}

// (server, kind, out)
enum status kwast_scheme_root(struct process *process, const u64 *args) {
    struct object *server;
    struct handle channel;
    enum status status =
        kwast_object(process, args[0], scheme_is_server, KWAST_RIGHT_SERVE, &server);
    if (status != OK)
        return status;
    status = channel_handle(args[1], &channel);
    if (status == OK)
        status = scheme_root(server, object_type_of(args[1]), &channel.object);
    object_release(server);
    return status == OK ? give_channel(process, args[1], &channel, args[2]) : status;
}

// -- Calling ------------------------------------------------------------------------------------

static enum status get_grants(struct process *process, const struct kwast_call *from,
                              struct scheme_call *to) {
    struct kwast_grant grants[KWAST_GRANTS_MAX];
    if (from->grant_count > KWAST_GRANTS_MAX)
        return ERR_INVALID;
    to->grant_count = from->grant_count;
    if (from->grant_count == 0)
        return OK;
    enum status status =
        kwast_get(process, from->grants, grants, from->grant_count * sizeof grants[0]);
    for (u32 i = 0; status == OK && i < from->grant_count; i++) {
        const struct kwast_grant *grant = &grants[i];
        if (grant->access == 0 || (grant->access & ~(u32)(KWAST_READ | KWAST_WRITE)) != 0)
            return ERR_INVALID;
        status = kwast_check(process, grant->address, grant->len);
        to->grants[i] =
            own_memory(process, grant->address, grant->len, (enum grant_access)grant->access);
    }
    return status;
}

// Copies of handles, with references: release_handles.
static enum status get_handles(struct process *process, const struct kwast_call *from,
                               struct scheme_call *to) {
    u32 numbers[KWAST_HANDLES_MAX];
    if (from->handle_count > KWAST_HANDLES_MAX)
        return ERR_INVALID;
    if (from->handle_count == 0)
        return OK;
    enum status status =
        kwast_get(process, from->handles, numbers, from->handle_count * sizeof numbers[0]);
    for (u32 i = 0; status == OK && i < from->handle_count; i++) {
        status = handle_get(&process->handles, numbers[i], &to->handles[i]);
        to->handle_count += status == OK;
    }
    return status;
}

static void release_handles(struct scheme_call *call) {
    for (u32 i = 0; i < call->handle_count; i++)
        object_release(call->handles[i].object);
}

static enum status get_call(struct process *process, u64 address, struct kwast_call *from,
                            struct scheme_call *to) {
    enum status status = kwast_get(process, address, from, sizeof *from);
    if (status != OK)
        return status;
    if (from->operation < KWAST_FIRST_OPERATION || from->bytes_len > KWAST_BYTES_MAX)
        return ERR_INVALID;
    to->operation = from->operation;
    memcpy(to->words, from->words, sizeof to->words);
    status = kwast_check(process, from->bytes, from->bytes_len);
    to->bytes = own_memory(process, from->bytes, from->bytes_len, GRANT_READ);
    return status == OK ? get_grants(process, from, to) : status;
}

static enum status put_reply(struct process *process, u64 address, struct kwast_call *to,
                             const struct scheme_call *from) {
    memcpy(to->words, from->words, sizeof to->words);
    to->answer = from->answer;
    to->handle = KWAST_NO_HANDLE;
    enum status status = OK;
    if (from->granted.object != NULL)
        status = handle_insert(&process->handles, &from->granted, &to->handle);
    if (status != OK) {
        object_release(from->granted.object);
        return status;
    }
    return kwast_put(process, address, to, sizeof *to);
}

// (channel, call, timeout)
enum status kwast_scheme_call(struct process *process, const u64 *args) {
    struct object *channel;
    enum status status =
        kwast_object(process, args[0], scheme_is_channel, KWAST_RIGHT_CALL, &channel);
    if (status != OK)
        return status;
    struct kwast_call given;
    struct scheme_call *call = thread_lend(sizeof *call); // arrays: set as far as their counts
    call->handle_count = 0;
    status = get_call(process, args[1], &given, call);
    if (status == OK)
        status = get_handles(process, &given, call);
    if (status == OK)
        status = scheme_call(channel, call, kwast_deadline(args[2]));
    release_handles(call);
    object_release(channel);
    if (status == OK)
        status = put_reply(process, args[1], &given, call);
    thread_lend_end();
    return status;
}

// -- Serving ------------------------------------------------------------------------------------

static enum status receive(struct process *process, struct object *server, const u64 *args) {
    struct grant bytes = own_memory(process, args[1], (u32)args[2], GRANT_WRITE);
    struct scheme_request request;
    enum status status = kwast_check(process, args[0], sizeof(struct kwast_request));
    if (status == OK)
        status = kwast_check(process, args[1], args[2]);
    if (status == OK)
        status = scheme_receive(server, &process->party, &bytes, kwast_deadline(args[3]), &request);
    if (status != OK)
        return status;

    struct kwast_request out = {
        .number = request.number,
        .value = request.value,
        .operation = request.operation,
        .bytes_len = request.bytes_len,
        .grant_count = request.grant_count,
        .handle_count = request.handle_count,
    };
    memcpy(out.words, request.words, sizeof out.words);
    for (u32 i = 0; i < request.handle_count; i++)
        out.handles[i] = request.handles[i];
    for (u32 i = 0; i < request.grant_count; i++) {
        out.grants[i].len = (u32)request.grants[i].len;
        out.grants[i].access = request.grants[i].access;
    }
    return kwast_put(process, args[0], &out, sizeof out);
}

static enum status reply(struct process *process, struct object *server, u64 address) {
    struct kwast_reply given;
    enum status status = kwast_get(process, address, &given, sizeof given);
    if (status != OK)
        return status;
    struct scheme_reply reply = {.answer = given.answer};
    memcpy(reply.words, given.words, sizeof reply.words);
    if (given.handle != KWAST_NO_HANDLE)
        status = handle_get(&process->handles, given.handle, &reply.handle);
    if (status == OK)
        status = scheme_reply(server, &process->party, given.number, &reply);
    if (status == OK && given.handle != KWAST_NO_HANDLE) {
        enum status closed = handle_close(&process->handles, given.handle);
        (void)closed; // another thread of the process may have closed it
    }
    if (status == OK)
        return OK;
    object_release(reply.handle.object);
    return status == ERR_NOT_FOUND ? ERR_INVALID : status;
}

// Replies, receives, or does the one and then the other; NULL leaves it out.
static enum status serve(struct process *process, u64 number, const u64 *reply_args,
                         const u64 *receive_args) {
    struct object *server;
    enum status status =
        kwast_object(process, number, scheme_is_server, KWAST_RIGHT_SERVE, &server);
    if (status != OK)
        return status;
    if (reply_args != NULL)
        status = reply(process, server, reply_args[0]);
    if (status == OK && receive_args != NULL)
        status = receive(process, server, receive_args);
    object_release(server);
    return status;
}

// (server, request, bytes, len, timeout)
enum status kwast_scheme_receive(struct process *process, const u64 *args) {
    return serve(process, args[0], NULL, args + 1);
}

// (server, reply)
enum status kwast_scheme_reply(struct process *process, const u64 *args) {
    return serve(process, args[0], args + 1, NULL);
}

// (server, reply, request, bytes, len, timeout)
enum status kwast_scheme_reply_receive(struct process *process, const u64 *args) {
    return serve(process, args[0], args + 1, args + 2);
}

// -- Grants -------------------------------------------------------------------------------------

// (server, number, index, offset, address, len)
static enum status copy_grant(struct process *process, const u64 *args, enum grant_access access) {
    struct object *server;
    enum status status =
        kwast_object(process, args[0], scheme_is_server, KWAST_RIGHT_SERVE, &server);
    if (status != OK)
        return status;
    struct grant local = own_memory(process, args[4], args[5], access);
    status = kwast_check(process, args[4], args[5]);
    if (status == OK)
        status = scheme_copy(server, &process->party, args[1], (u32)args[2], args[3], &local);
    object_release(server);
    return status == ERR_NOT_FOUND ? ERR_INVALID : status;
}

enum status kwast_grant_read(struct process *process, const u64 *args) {
    return copy_grant(process, args, GRANT_WRITE);
}

enum status kwast_grant_write(struct process *process, const u64 *args) {
    return copy_grant(process, args, GRANT_READ);
}
