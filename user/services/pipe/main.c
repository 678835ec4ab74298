// pipe: pipes.
//
//   pipe SERVER
//
// serves the scheme whose server end is descriptor SERVER (abi/kwast/pipe.h). An end that nobody
// holds any more is closed: the kernel tells, whatever became of its holders.
//
// What poll knows of each end is told whenever a request has changed it, before any answer.
//
// A pipe is a ring of bytes and the requests that wait for it. Either readers wait, and then it is
// empty, or writers, and then there is no room for the first of them.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/file.h"
#include "abi/kwast/pipe.h"
#include "base/status.h"
#include "user/sdk/kwast.h"

#define PIPE_BYTES  65536u
#define PIPES_MAX   1024u
#define WAITING_MAX 64u
#define WAITING_ALL (KWAST_RECEIVED_MAX - 64) // of all pipes: with more, no call could be received

// A read or a write that waits.
struct waiting {
    u64 number;
    u32 len;
};

struct waiting_list {
    struct waiting items[WAITING_MAX];
    u32 count;
};

// An end of a pipe, as far as somebody holds it.
struct end {
    bool is_open;
    kwast_handle ready;
    u32 events; // as told
    u64 available;
};

struct pipe {
    u8 *data;  // NULL: this one is free
    u32 taken; // the ring is [taken, put), modulo PIPE_BYTES
    u32 put;
    struct end reader;
    struct end writer;
    bool had_writer;
    struct waiting_list readers;
    struct waiting_list writers;
};

static kwast_handle server;
static struct pipe *pipes[PIPES_MAX];
static u32 waiting_count; // in all lists

// Values: 0 is the service; a pipe's ends are twice its index, and one more for writing.
#define FIRST_INDEX 1u

static struct pipe *pipe_of(u64 value) {
    return value / 2 < PIPES_MAX ? pipes[value / 2] : NULL;
}

static bool is_writing_end(u64 value) {
    return value % 2 != 0;
}

static u32 used(const struct pipe *pipe) {
    return pipe->put - pipe->taken;
}

// -- What poll knows ------------------------------------------------------------------------------

static void tell_end(struct end *end, u32 events, u64 available) {
    if (!end->is_open || (end->events == events && end->available == available))
        return;
    end->events = events;
    end->available = available;
    kwast_ready_set(end->ready, events, available);
}

static bool is_at_end(const struct pipe *pipe) {
    return pipe->had_writer && !pipe->writer.is_open;
}

static void tell(struct pipe *pipe) {
    u32 read = used(pipe) != 0 ? KWAST_READABLE : 0;
    u32 write = PIPE_BYTES - used(pipe) >= PIPE_ATOMIC ? KWAST_WRITABLE : 0;
    tell_end(&pipe->reader, is_at_end(pipe) ? KWAST_READABLE | KWAST_HANGUP : read, used(pipe));
    tell_end(&pipe->writer, pipe->reader.is_open ? write : KWAST_WRITABLE | KWAST_HANGUP, 0);
}

// A new end with its channel.
static u32 open_end(struct end *end, u64 value, kwast_handle *out) {
    u32 error = kwast_scheme_pollable(server, value, KWAST_KIND_STREAM, out, &end->ready);
    end->is_open = error == 0;
    return error;
}

static void close_end(struct end *end) {
    if (end->is_open)
        close((int)end->ready);
    *end = (struct end){0};
}

// -- Making and closing ---------------------------------------------------------------------------

static enum status create(kwast_handle *out) {
    u32 index = FIRST_INDEX;
    while (index < PIPES_MAX && pipes[index] != NULL)
        index++;
    if (index == PIPES_MAX)
        return ERR_LIMIT;
    struct pipe *pipe = calloc(1, sizeof *pipe);
    u8 *data = malloc(PIPE_BYTES);
    u32 error = pipe == NULL || data == NULL ? __WASI_ERRNO_NOMEM
                                             : open_end(&pipe->reader, 2ull * index, out);
    if (error != 0) {
        free(pipe);
        free(data);
        return ERR_NO_MEMORY;
    }
    pipe->data = data;
    pipes[index] = pipe;
    return OK;
}

static enum status create_writer(u64 value, kwast_handle *out) {
    struct pipe *pipe = pipe_of(value);
    if (pipe == NULL || is_writing_end(value) || pipe->had_writer)
        return ERR_INVALID;
    if (open_end(&pipe->writer, value + 1, out) != 0)
        return ERR_NO_MEMORY;
    pipe->had_writer = true;
    tell(pipe);
    return OK;
}

// -- Bytes ----------------------------------------------------------------------------------------

// The part of the ring from `at` on that lies in one piece, at most `len`.
static u32 piece_at(u32 at, u32 len) {
    u32 until_end = PIPE_BYTES - at % PIPE_BYTES;
    return len < until_end ? len : until_end;
}

static enum status copy_out(struct pipe *pipe, u64 number, u32 len) {
    u32 first = piece_at(pipe->taken, len);
    u32 error =
        kwast_grant_write(server, number, 0, 0, pipe->data + pipe->taken % PIPE_BYTES, first);
    if (error == 0 && len > first)
        error = kwast_grant_write(server, number, 0, first, pipe->data, len - first);
    if (error != 0)
        return ERR_FAULT;
    pipe->taken += len;
    return OK;
}

static enum status copy_in(struct pipe *pipe, u64 number, u32 len) {
    u32 first = piece_at(pipe->put, len);
    u32 error = kwast_grant_read(server, number, 0, 0, pipe->data + pipe->put % PIPE_BYTES, first);
    if (error == 0 && len > first)
        error = kwast_grant_read(server, number, 0, first, pipe->data, len - first);
    if (error != 0)
        return ERR_FAULT;
    pipe->put += len;
    return OK;
}

// What can be said about a read now; false: it has to wait.
static bool try_read(struct pipe *pipe, const struct waiting *read, struct kwast_reply *reply) {
    u32 len = read->len < used(pipe) ? read->len : used(pipe);
    if (len == 0 && read->len != 0 && !is_at_end(pipe))
        return false;
    reply->answer = copy_out(pipe, read->number, len);
    reply->words[2] = reply->answer == OK ? len : 0;
    return true;
}

static bool try_write(struct pipe *pipe, const struct waiting *write, struct kwast_reply *reply) {
    u32 room = PIPE_BYTES - used(pipe);
    u32 len = write->len < room ? write->len : room;
    if (!pipe->reader.is_open) {
        reply->answer = ERR_CLOSED;
        return true;
    }
    if (len < write->len && (len == 0 || write->len <= PIPE_ATOMIC))
        return false;
    reply->answer = copy_in(pipe, write->number, len);
    reply->words[0] = reply->answer == OK ? len : 0;
    return true;
}

// -- Waiting --------------------------------------------------------------------------------------

typedef bool (*attempt)(struct pipe *pipe, const struct waiting *request,
                        struct kwast_reply *reply);

static void drop(struct waiting_list *list, u32 index) {
    waiting_count--;
    list->count--;
    memmove(list->items + index, list->items + index + 1,
            (list->count - index) * sizeof list->items[0]);
}

// Answers those that wait, in order, as far as that is possible; returns whether any was.
static bool answer_waiting(struct pipe *pipe, struct waiting_list *list, attempt attempt) {
    bool any = false;
    while (list->count != 0) {
        struct kwast_reply reply = {.number = list->items[0].number, .handle = KWAST_NO_HANDLE};
        if (!attempt(pipe, &list->items[0], &reply))
            break;
        drop(list, 0);
        tell(pipe);
        kwast_scheme_reply(server, &reply); // who has gone needs none
        any = true;
    }
    return any;
}

// Bytes may have come or gone: goes on until nobody can.
static void settle(struct pipe *pipe) {
    bool any = true;
    while (any) {
        any = answer_waiting(pipe, &pipe->readers, try_read);
        any |= answer_waiting(pipe, &pipe->writers, try_write);
    }
    tell(pipe);
}

static bool attempt_or_wait(struct pipe *pipe, struct waiting_list *list, attempt attempt,
                            const struct kwast_request *request, struct kwast_reply *reply) {
    const struct waiting asked = {request->number,
                                  request->grant_count == 0 ? 0 : request->grants[0].len};
    if (list->count == 0 && attempt(pipe, &asked, reply))
        return true;
    if (list->count == WAITING_MAX || waiting_count == WAITING_ALL) {
        reply->answer = ERR_LIMIT;
        return true;
    }
    waiting_count++;
    list->items[list->count++] = asked;
    return false;
}

static bool forget(struct waiting_list *list, u64 number) {
    for (u32 i = 0; i < list->count; i++) {
        if (list->items[i].number == number) {
            drop(list, i);
            return true;
        }
    }
    return false;
}

// The client of a request that waits gave up; false: no request with this number waits.
static bool cancel(u64 number) {
    for (u32 i = FIRST_INDEX; i < PIPES_MAX; i++) {
        struct pipe *pipe = pipes[i];
        if (pipe != NULL && (forget(&pipe->readers, number) || forget(&pipe->writers, number))) {
            settle(pipe); // who came behind it may be content with less
            return true;
        }
    }
    return false;
}

// -- Requests -------------------------------------------------------------------------------------

static void closed(u64 value) {
    struct pipe *pipe = pipe_of(value);
    if (pipe == NULL)
        return;
    close_end(is_writing_end(value) ? &pipe->writer : &pipe->reader);
    if (!pipe->reader.is_open && !pipe->writer.is_open) {
        pipes[value / 2] = NULL;
        free(pipe->data);
        free(pipe);
        return;
    }
    settle(pipe);
}

static void answer_stat(const struct kwast_request *request, struct kwast_reply *reply) {
    const struct file_stat stat = {
        .inode = request->value / 2, .link_count = 1, .type = FILE_TYPE_OTHER};
    if (kwast_grant_write(server, request->number, 0, 0, &stat, sizeof stat) != 0)
        reply->answer = ERR_FAULT;
    reply->words[2] = sizeof stat;
}

static bool transfer(const struct kwast_request *request, struct kwast_reply *reply) {
    struct pipe *pipe = pipe_of(request->value);
    bool writes = request->operation == KWAST_FILE_OPERATION + FILE_WRITE;
    if (pipe == NULL || writes != is_writing_end(request->value)) {
        reply->answer = ERR_DENIED;
        return true;
    }
    bool is_done = writes ? attempt_or_wait(pipe, &pipe->writers, try_write, request, reply)
                          : attempt_or_wait(pipe, &pipe->readers, try_read, request, reply);
    settle(pipe);
    return is_done;
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)context;
    (void)bytes;
    for (u32 i = 0; i < request->handle_count; i++)
        close((int)request->handles[i]);
    switch (request->operation) {
    case KWAST_CANCELLED:
        return cancel(request->number);
    case KWAST_CLOSED:
        closed(request->value);
        return false;
    case PIPE_CREATE:
        reply->answer = request->value == 0 ? create(&reply->handle) : ERR_INVALID;
        return true;
    case PIPE_WRITER:
        reply->answer = create_writer(request->value, &reply->handle);
        return true;
    case KWAST_FILE_OPERATION + FILE_READ:
    case KWAST_FILE_OPERATION + FILE_WRITE:
        return transfer(request, reply);
    case KWAST_FILE_OPERATION + FILE_STAT:
        answer_stat(request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_SYNC:
        return true;
    default:
        reply->answer = ERR_UNSUPPORTED;
        return true;
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: pipe SERVER\n");
        return 2;
    }
    server = (kwast_handle)atoi(argv[1]);
    u32 error = kwast_serve(server, serve, NULL);
    fprintf(stderr, "pipe: serving: %s\n", strerror((int)error));
    return 1;
}
