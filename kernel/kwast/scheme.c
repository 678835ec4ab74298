// Schemes: calling and serving (kernel/ipc/scheme.h).

#include "kernel/ipc/scheme.h"
#include "abi/wasi/preview1.h"
#include "base/math.h"
#include "kernel/kwast/kwast_internal.h"
#include "kernel/proc/process_object.h"
#include "kernel/wasi/wasi.h"

STATIC_ASSERT(KWAST_WORDS == SCHEME_WORDS, "abi");
STATIC_ASSERT(KWAST_BYTES_MAX == SCHEME_BYTES_MAX, "abi");
STATIC_ASSERT(KWAST_GRANTS_MAX == SCHEME_GRANTS_MAX, "abi");
STATIC_ASSERT(KWAST_HANDLES_MAX == SCHEME_HANDLES_MAX, "abi");
STATIC_ASSERT(KWAST_RECEIVED_MAX == SCHEME_RECEIVED_MAX, "abi");
STATIC_ASSERT(KWAST_UNTOLD_MAX == SCHEME_UNTOLD_MAX, "abi");
STATIC_ASSERT(KWAST_CANCELLED == (u32)SCHEME_CANCELLED && KWAST_CLOSED == (u32)SCHEME_CLOSED,
              "abi");
STATIC_ASSERT(KWAST_FIRST_OPERATION == (u32)SCHEME_FIRST_OPERATION, "abi");
STATIC_ASSERT(KWAST_READ == (u32)GRANT_READ && KWAST_WRITE == (u32)GRANT_WRITE, "abi");

// -- Making schemes and channels ----------------------------------------------------------------

// (name, len, out)
enum status kwast_scheme_create(struct process *process, const u64 *args) {
    u8 name[SCHEME_NAME_MAX];
    struct handle handle = {
        .rights = KWAST_RIGHT_SERVE | WASI_RIGHT_FD_READ | WASI_RIGHT_POLL_FD_READWRITE,
    };
    struct object *payer;
    enum status status = kwast_get_text(process, args[0], args[1], sizeof name, name);
    if (status == OK)
        status = process_object_create(process, &payer);
    if (status != OK)
        return status;
    status = scheme_create((struct bytes){name, args[1]}, &process->account, payer, &handle.object);
    object_release(payer);
    return status == OK ? kwast_give(process, &handle, args[2]) : status;
}

// What a channel of each kind is, and what its first holder may do with it.
static enum status channel_handle(u64 kind, struct handle *out) {
    *out = (struct handle){.rights = KWAST_RIGHT_CALL};
    switch (kind) {
    case KWAST_KIND_PLAIN:
        out->rights |= WASI_RIGHT_FD_READ | WASI_RIGHT_POLL_FD_READWRITE; // to wait for
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

// `value` is what the server knows it by; NULL: the root.
static enum status make_channel(struct process *process, u64 number, const u64 *value, u64 kind,
                                u64 out) {
    struct object *server;
    struct handle channel;
    enum status status =
        kwast_object(process, number, scheme_is_server, KWAST_RIGHT_SERVE, &server);
    if (status != OK)
        return status;
    status = channel_handle(kind, &channel);
    if (status == OK)
        status = value == NULL
                     ? scheme_root(server, object_type_of(kind), &channel.object)
                     : scheme_channel(server, *value, object_type_of(kind), &channel.object);
    object_release(server);
    return status == OK ? give_channel(process, kind, &channel, out) : status;
}

// (server, value, kind, out)
enum status kwast_scheme_channel(struct process *process, const u64 *args) {
    return make_channel(process, args[0], &args[1], args[2], args[3]);
}

// (server, kind, out)
enum status kwast_scheme_root(struct process *process, const u64 *args) {
    return make_channel(process, args[0], NULL, args[1], args[2]);
}

// (server, value, kind, out, ready)
enum status kwast_scheme_pollable(struct process *process, const u64 *args) {
    struct object *server;
    struct handle channel;
    struct handle ready = {.rights = KWAST_RIGHT_SIGNAL};
    enum status status =
        kwast_object(process, args[0], scheme_is_server, KWAST_RIGHT_SERVE, &server);
    if (status != OK)
        return status;
    status = kwast_check(process, args[4], sizeof(u32));
    if (status == OK)
        status = channel_handle(args[2], &channel);
    if (status == OK)
        status = scheme_pollable(server, args[1], object_type_of(args[2]), &channel.object,
                                 &ready.object);
    object_release(server);
    if (status != OK)
        return status;
    u32 number;
    status = handle_insert(&process->handles, &ready, &number);
    if (status != OK) {
        object_release(ready.object);
        object_release(channel.object);
        return status;
    }
    status = give_channel(process, args[2], &channel, args[3]);
    if (status == OK)
        return kwast_put(process, args[4], &number, sizeof number);
    kwast_close(process, number);
    return status;
}

// (server, ready)
enum status kwast_scheme_root_ready(struct process *process, const u64 *args) {
    struct object *server;
    struct handle ready = {.rights = KWAST_RIGHT_SIGNAL};
    enum status status =
        kwast_object(process, args[0], scheme_is_server, KWAST_RIGHT_SERVE, &server);
    if (status != OK)
        return status;
    status = kwast_check(process, args[1], sizeof(u32));
    if (status == OK)
        status = scheme_root_ready(server, &ready.object);
    object_release(server);
    return status == OK ? kwast_give(process, &ready, args[1]) : status;
}

// -- Calling ------------------------------------------------------------------------------------

static enum status get_grants(struct process *process, const struct kwast_call *from,
                              struct scheme_call *to) {
    struct kwast_grant grants[KWAST_GRANTS_MAX];
    if (from->grant_count > KWAST_GRANTS_MAX)
        return ERR_INVALID;
    to->grant_count = from->grant_count;
    enum status status =
        kwast_get(process, from->grants, grants, from->grant_count * sizeof grants[0]);
    for (u32 i = 0; status == OK && i < from->grant_count; i++) {
        const struct kwast_grant *grant = &grants[i];
        if (grant->access == 0 || (grant->access & ~(u32)(KWAST_READ | KWAST_WRITE)) != 0)
            return ERR_INVALID;
        status = kwast_check(process, grant->address, grant->len);
        to->grants[i] =
            kwast_own_memory(process, grant->address, grant->len, (enum grant_access)grant->access);
    }
    return status;
}

// Copies of handles, with references: release_handles.
static enum status get_handles(struct process *process, const struct kwast_call *from,
                               struct scheme_call *to) {
    u32 numbers[KWAST_HANDLES_MAX];
    if (from->handle_count > KWAST_HANDLES_MAX)
        return ERR_INVALID;
    enum status status =
        kwast_get(process, from->handles, numbers, from->handle_count * sizeof numbers[0]);
    for (u32 i = 0; status == OK && i < from->handle_count; i++) {
        status = handle_copy(&process->handles, numbers[i], &to->handles[i]);
        to->handle_count += status == OK;
    }
    return status;
}

static void release_handles(struct scheme_call *call) {
    for (u32 i = 0; i < call->handle_count; i++)
        handle_drop(&call->handles[i]);
}

// What is not in the words: bytes, grants and handles.
static enum status get_attached(struct process *process, const struct kwast_call *from,
                                struct scheme_call *to) {
    if (from->bytes_len > KWAST_BYTES_MAX)
        return ERR_INVALID;
    enum status status = kwast_check(process, from->bytes, from->bytes_len);
    to->bytes = kwast_own_memory(process, from->bytes, from->bytes_len, GRANT_READ);
    if (status == OK)
        status = get_grants(process, from, to);
    return status == OK ? get_handles(process, from, to) : status;
}

static enum status get_call(struct process *process, u64 address, struct kwast_call *from,
                            struct scheme_call *to) {
    to->bytes.len = 0;
    to->grant_count = 0;
    to->handle_count = 0;
    struct guest_memory memory = process_memory(process);
    enum status status =
        guest_read_words(&memory, from, (struct guest_addr){address}, sizeof *from / sizeof(u64));
    if (status != OK)
        return status;
    if (from->operation < KWAST_FIRST_OPERATION)
        return ERR_INVALID;
    to->operation = from->operation;
    for (u32 i = 0; i < SCHEME_WORDS; i++)
        to->words[i] = from->words[i];
    bool is_plain = (from->bytes_len | from->grant_count | from->handle_count) == 0;
    return __builtin_expect(is_plain, 1) ? OK : get_attached(process, from, to);
}

// The part of the call that is stored, in words.
#define STORED_START offsetof(struct kwast_call, words)
#define STORED_WORDS ((sizeof(struct kwast_call) - STORED_START) / sizeof(u64))
STATIC_ASSERT(STORED_START % sizeof(u64) == 0, "copied in words");

static enum status put_reply(struct process *process, u64 address, struct kwast_call *to,
                             struct scheme_call *from) {
    for (u32 i = 0; i < SCHEME_WORDS; i++)
        to->words[i] = from->words[i];
    to->answer = from->answer;
    to->handle = KWAST_NO_HANDLE;
    if (__builtin_expect(from->granted.object != NULL, 0)) {
        enum status status = handle_insert(&process->handles, &from->granted, &to->handle);
        if (status != OK) {
            handle_drop(&from->granted);
            return status;
        }
    }
    struct guest_memory memory = process_memory(process);
    enum status status = guest_write_words(&memory, (struct guest_addr){address + STORED_START},
                                           (const u8 *)to + STORED_START, STORED_WORDS);
    if (__builtin_expect(status != OK && to->handle != KWAST_NO_HANDLE, 0))
        kwast_close(process, to->handle);
    return status;
}

// (channel, call, timeout)
enum status kwast_scheme_call(struct process *process, const u64 *args) {
    struct lent_object channel;
    enum status status =
        kwast_object_borrow(process, args[0], SCHEME_END_CHANNEL, KWAST_RIGHT_CALL, &channel);
    if (status != OK)
        return status;
    struct kwast_call given;
    struct scheme_call *call = thread_lend(sizeof *call); // arrays: set as far as their counts
    status = get_call(process, args[1], &given, call);
    if (status == OK)
        status = scheme_call(channel.object, call, kwast_deadline(args[2]));
    if (kwast_may_hint(process, &channel))
        handle_hint_set(&process->handles, HINT_CALL, args[0], channel.object);
    release_handles(call);
    kwast_object_return(&channel);
    if (status == OK)
        status = put_reply(process, args[1], &given, call);
    thread_lend_end();
    return status;
}

enum status kwast_call_resume(struct process *process, u64 address, struct scheme_call *call,
                              enum status status) {
    struct kwast_call stored = {0};
    struct object *channel = process->handles.hints[HINT_CALL].object; // it has not been closed
    status = scheme_call_resume(channel, call, status);
    return status == OK ? put_reply(process, address, &stored, call) : status;
}

// -- Serving ------------------------------------------------------------------------------------

// What every request has: the kernel has it in the same order.
#define REQUEST_HEAD offsetof(struct kwast_request, grants)
STATIC_ASSERT(REQUEST_HEAD % sizeof(u64) == 0, "copied in words");
STATIC_ASSERT(REQUEST_HEAD == offsetof(struct scheme_request, grants), "the same order");
STATIC_ASSERT(offsetof(struct kwast_request, words) == offsetof(struct scheme_request, words),
              "the same order");
STATIC_ASSERT(offsetof(struct kwast_request, operation) ==
                  offsetof(struct scheme_request, operation),
              "the same order");
STATIC_ASSERT(offsetof(struct kwast_request, handle_count) ==
                  offsetof(struct scheme_request, handle_count),
              "the same order");

// Grants and handles.
static enum status put_attached(struct process *process, u64 address,
                                const struct scheme_request *request) {
    struct kwast_request out = {.number = 0};
    for (u32 i = 0; i < request->handle_count; i++)
        out.handles[i] = request->handles[i];
    for (u32 i = 0; i < request->grant_count; i++) {
        out.grants[i].len = (u32)request->grants[i].len;
        out.grants[i].access = request->grants[i].access;
    }
    return kwast_put(process, address + REQUEST_HEAD, (const u8 *)&out + REQUEST_HEAD,
                     sizeof out - REQUEST_HEAD);
}

static enum status put_request(struct process *process, u64 address,
                               const struct scheme_request *request) {
    struct guest_memory memory = process_memory(process);
    enum status status = guest_write_words(&memory, (struct guest_addr){address}, request,
                                           REQUEST_HEAD / sizeof(u64));
    if (__builtin_expect((request->grant_count | request->handle_count) == 0, 1))
        return status;
    return status == OK ? put_attached(process, address, request) : status;
}

// The arguments of receiving: request, bytes, len, timeout.
static enum status check_receive(struct process *process, const u64 *args) {
    struct guest_memory memory = process_memory(process);
    bool is_ok =
        guest_range_ok(&memory, (struct guest_addr){args[0]}, sizeof(struct kwast_request)) &&
        guest_range_ok(&memory, (struct guest_addr){args[1]}, args[2]);
    return is_ok ? OK : ERR_FAULT;
}

static enum status receive(struct process *process, struct object *server, const u64 *args) {
    struct grant bytes = kwast_own_memory(process, args[1], (u32)args[2], GRANT_WRITE);
    struct scheme_request request;
    enum status status = check_receive(process, args);
    if (status == OK)
        status = scheme_receive(server, &process->party, &bytes, kwast_deadline(args[3]), &request);
    return status == OK ? put_request(process, args[0], &request) : status;
}

// ERR_NOT_FOUND is what the kernel knows of calls; programs name them by numbers that may be wrong.
static enum status status_of_reply(enum status status) {
    return status == ERR_NOT_FOUND ? ERR_INVALID : status;
}

static enum status reply(struct process *process, struct object *server,
                         const struct kwast_reply *given) {
    struct scheme_reply reply = {.answer = given->answer};
    for (u32 i = 0; i < SCHEME_WORDS; i++)
        reply.words[i] = given->words[i];
    enum status status = OK;
    if (given->handle != KWAST_NO_HANDLE)
        status = handle_copy(&process->handles, given->handle, &reply.handle);
    if (status == OK)
        status = scheme_reply(server, &process->party, given->number, &reply);
    if (status == OK && given->handle != KWAST_NO_HANDLE)
        kwast_close(process, given->handle);
    if (status == OK)
        return OK;
    handle_drop(&reply.handle);
    return status_of_reply(status);
}

static enum status put_served(struct process *process, u64 address,
                              const struct scheme_served *served) {
    return served->is_stored ? OK : put_request(process, address, &served->request);
}

// A reply without a handle, and the next call. `number` is the server's handle.
static enum status exchange(struct process *process, const struct lent_object *server, u64 number,
                            const struct kwast_reply *given, const u64 *args) {
    struct scheme_served served;
    served.number = given->number;
    served.answer = given->answer;
    served.words = given->words;
    served.bytes = kwast_own_memory(process, args[1], (u32)args[2], GRANT_WRITE);
    served.deadline_ns = kwast_deadline(args[3]);
    served.request_at = 0;
    if (kwast_may_hint(process, server)) {
        handle_hint_set(&process->handles, HINT_SERVE, number, server->object);
        served.request_at = process->memory->base + args[0];
    }
    enum status status = scheme_reply_receive(server->object, &process->party, &served);
    return status == OK ? put_served(process, args[0], &served) : status_of_reply(status);
}

enum status kwast_exchange_resume(struct process *process, const u64 *args,
                                  struct receiver *receiver, enum status status) {
    struct scheme_served served;
    struct object *server = process->handles.hints[HINT_SERVE].object; // it has not been closed
    served.bytes = kwast_own_memory(process, args[1], args[2], GRANT_WRITE);
    served.deadline_ns = WAIT_FOREVER;
    served.request_at = process->memory->base + args[0];
    status = scheme_receive_resume(server, &process->party, receiver, status, &served);
    return status == OK ? put_served(process, args[0], &served) : status;
}

static enum status server_borrow(struct process *process, u64 number, struct lent_object *out) {
    return kwast_object_borrow(process, number, SCHEME_END_SERVER, KWAST_RIGHT_SERVE, out);
}

static enum status get_reply(struct process *process, u64 address, struct kwast_reply *out) {
    struct guest_memory memory = process_memory(process);
    return guest_read_words(&memory, out, (struct guest_addr){address}, sizeof *out / sizeof(u64));
}

// (server, request, bytes, len, timeout)
enum status kwast_scheme_receive(struct process *process, const u64 *args) {
    struct lent_object server;
    enum status status = server_borrow(process, args[0], &server);
    if (status != OK)
        return status;
    status = receive(process, server.object, args + 1);
    kwast_object_return(&server);
    return status;
}

// (server, reply)
enum status kwast_scheme_reply(struct process *process, const u64 *args) {
    struct lent_object server;
    struct kwast_reply given;
    enum status status = server_borrow(process, args[0], &server);
    if (status != OK)
        return status;
    status = get_reply(process, args[1], &given);
    if (status == OK)
        status = reply(process, server.object, &given);
    kwast_object_return(&server);
    return status;
}

// (server, reply, request, bytes, len, timeout)
enum status kwast_scheme_reply_receive(struct process *process, const u64 *args) {
    struct lent_object server;
    struct kwast_reply given;
    enum status status = server_borrow(process, args[0], &server);
    if (status != OK)
        return status;
    status = get_reply(process, args[1], &given);
    if (status == OK)
        status = check_receive(process, args + 2);
    if (status == OK && given.handle == KWAST_NO_HANDLE) {
        status = exchange(process, &server, args[0], &given, args + 2);
    } else if (status == OK) {
        status = reply(process, server.object, &given);
        if (status == OK)
            status = receive(process, server.object, args + 2);
    }
    kwast_object_return(&server);
    return status;
}

// -- Grants -------------------------------------------------------------------------------------

// (server, number, index, offset, address, len)
static enum status copy_grant(struct process *process, const u64 *args, enum grant_access access) {
    struct lent_object server;
    enum status status = server_borrow(process, args[0], &server);
    if (status != OK)
        return status;
    struct grant local = kwast_own_memory(process, args[4], args[5], access);
    status = kwast_check(process, args[4], args[5]);
    if (status == OK)
        status =
            scheme_copy(server.object, &process->party, args[1], (u32)args[2], args[3], &local);
    kwast_object_return(&server);
    return status == ERR_NOT_FOUND ? ERR_INVALID : status;
}

enum status kwast_grant_read(struct process *process, const u64 *args) {
    return copy_grant(process, args, GRANT_WRITE);
}

enum status kwast_grant_write(struct process *process, const u64 *args) {
    return copy_grant(process, args, GRANT_READ);
}
