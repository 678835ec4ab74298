// Streams as files (streams.h): the directory is served by files.c; whoever opens a stream gets a
// channel to it, the same for all, whose requests are answered here, in the order in which they
// came.

#include "user/sdk/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/math.h"

#define DEVICE_NUMBER 0x737472u

// Values of channels: those of streams have this flag and their index, those of files do not.
#define STREAM_FLAG (1ull << 62)
#define LENT_FLAG   (1ull << 61)

static struct stream *stream_of(struct node *node) {
    return (struct stream *)(void *)((u8 *)node - offsetof(struct stream, file));
}

static u32 used(const struct stream *stream) {
    return stream->put - stream->taken;
}

u32 stream_room(const struct stream *stream) {
    return STREAM_RECEIVED_MAX - used(stream);
}

// -- What poll knows ------------------------------------------------------------------------------

static void tell_end(struct stream_end *end, u32 events, u64 available) {
    if (end->ready == KWAST_NO_HANDLE || (end->events == events && end->available == available))
        return;
    end->events = events;
    end->available = available;
    kwast_ready_set(end->ready, events, available);
}

static void tell(struct stream *stream) {
    u32 events =
        (used(stream) != 0 ? KWAST_READABLE : 0) | (stream->writes.count == 0 ? KWAST_WRITABLE : 0);
    tell_end(&stream->end, events, used(stream));
    tell_end(&stream->lent, events, used(stream));
}

// -- Reading and writing --------------------------------------------------------------------------
// An attempt says what is to be said about a request now; false: it has to wait.

typedef bool (*attempt)(struct stream *stream, struct stream_wait *asked,
                        struct kwast_reply *reply);

static bool try_read(struct stream *stream, struct stream_wait *read, struct kwast_reply *reply) {
    kwast_handle server = stream->set->server;
    u32 len = (u32)min_u64(read->len, used(stream));
    u32 at = stream->taken % STREAM_RECEIVED_MAX;
    u32 first = (u32)min_u64(len, STREAM_RECEIVED_MAX - at);
    if (len == 0 && read->len != 0)
        return false;
    u32 error = kwast_grant_write(server, read->number, 0, 0, stream->received + at, first);
    if (error == 0 && len > first)
        error = kwast_grant_write(server, read->number, 0, first, stream->received, len - first);
    if (error != 0) {
        reply->answer = ERR_FAULT;
        return true;
    }
    stream->taken += len;
    reply->words[2] = len;
    return true;
}

static bool try_write(struct stream *stream, struct stream_wait *write, struct kwast_reply *reply) {
    static u8 bytes[STREAM_SENT_AT_ONCE];
    while (write->done < write->len) {
        u32 piece = (u32)min_u64(write->len - write->done, sizeof bytes);
        if (kwast_grant_read(stream->set->server, write->number, 0, write->done, bytes, piece) !=
            0) {
            reply->answer = write->done == 0 ? ERR_FAULT : OK;
            break;
        }
        u32 sent = stream->send(stream, bytes, piece);
        write->done += sent;
        if (sent < piece)
            return false;
    }
    reply->words[0] = write->done;
    return true;
}

static void drop(struct stream_waits *waits, u32 index) {
    waits->count--;
    memmove(waits->items + index, waits->items + index + 1,
            (waits->count - index) * sizeof waits->items[0]);
}

// Answers those that wait, as far as that is possible.
static void answer_waiting(struct stream *stream, struct stream_waits *waits, attempt attempt) {
    while (waits->count != 0) {
        struct kwast_reply reply = {.number = waits->items[0].number, .handle = KWAST_NO_HANDLE};
        if (!attempt(stream, &waits->items[0], &reply))
            break;
        drop(waits, 0);
        tell(stream);
        kwast_scheme_reply(stream->set->server, &reply); // who has gone needs none
    }
    tell(stream);
}

void stream_receive(struct stream *stream, const u8 *bytes, u32 len) {
    len = (u32)min_u64(len, stream_room(stream));
    u32 at = stream->put % STREAM_RECEIVED_MAX;
    u32 first = (u32)min_u64(len, STREAM_RECEIVED_MAX - at);
    memcpy(stream->received + at, bytes, first);
    memcpy(stream->received, bytes + first, len - first);
    stream->put += len;
    answer_waiting(stream, &stream->reads, try_read);
}

void stream_can_send(struct stream *stream) {
    answer_waiting(stream, &stream->writes, try_write);
}

static bool attempt_or_wait(struct stream *stream, struct stream_waits *waits, attempt attempt,
                            const struct kwast_request *request, struct kwast_reply *reply) {
    struct stream_wait asked = {
        .number = request->number,
        .len = request->grant_count == 0 ? 0 : request->grants[0].len,
    };
    if (waits->count == STREAM_WAITS_MAX) {
        reply->answer = ERR_LIMIT;
        return true;
    }
    if (waits->count == 0 && attempt(stream, &asked, reply))
        return true;
    waits->items[waits->count++] = asked;
    return false;
}

static bool serve_read(struct stream *stream, const struct kwast_request *request,
                       struct kwast_reply *reply) {
    u32 before = stream_room(stream);
    bool is_due = attempt_or_wait(stream, &stream->reads, try_read, request, reply);
    if (stream->resume != NULL && stream_room(stream) != before)
        stream->resume(stream);
    return is_due;
}

// -- Requests -------------------------------------------------------------------------------------

static bool forget(struct stream_waits *waits, u64 number) {
    for (u32 i = 0; i < waits->count; i++) {
        if (waits->items[i].number != number)
            continue;
        drop(waits, i);
        return true;
    }
    return false;
}

static void answer_stat(const struct stream *stream, const struct kwast_request *request,
                        struct kwast_reply *reply) {
    const struct file_stat stat = {
        .device = DEVICE_NUMBER,
        .inode = device_file_inode(&stream->file),
        .link_count = 1,
        .type = FILE_TYPE_CHARACTER_DEVICE,
    };
    if (kwast_grant_write(stream->set->server, request->number, 0, 0, &stat, sizeof stat) != 0)
        reply->answer = ERR_FAULT;
    reply->words[2] = sizeof stat;
}

static void close_lent(struct stream *stream) {
    if (stream->lent.ready != KWAST_NO_HANDLE)
        close((int)stream->lent.ready);
    stream->lent = (struct stream_end){.ready = KWAST_NO_HANDLE};
}

// Returns whether the reply is due.
static bool serve_stream(struct stream *stream, const struct kwast_request *request,
                         struct kwast_reply *reply) {
    switch (request->operation) {
    case KWAST_CANCELLED:
        if (forget(&stream->reads, request->number))
            return true;
        if (!forget(&stream->writes, request->number))
            return false;
        stream_can_send(stream); // who came behind it
        return true;
    case KWAST_CLOSED:
        if ((request->value & LENT_FLAG) != 0)
            close_lent(stream);
        return false;
    case KWAST_FILE_OPERATION + FILE_READ:
        return serve_read(stream, request, reply);
    case KWAST_FILE_OPERATION + FILE_WRITE:
        return attempt_or_wait(stream, &stream->writes, try_write, request, reply);
    case KWAST_FILE_OPERATION + FILE_STAT:
        answer_stat(stream, request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_SET_SIZE: // opening it to be written
    case KWAST_FILE_OPERATION + FILE_SYNC:     // a write that was answered has been sent
        return true;
    default:
        reply->answer = ERR_UNSUPPORTED;
        return true;
    }
}

static bool answer(struct stream_set *set, const struct kwast_request *request, const void *bytes,
                   struct kwast_reply *reply) {
    u64 index = request->value & UINT32_MAX;
    if ((request->value & STREAM_FLAG) == 0)
        return files_answer(&set->files, request, bytes, reply);
    for (u32 i = 0; i < request->handle_count; i++)
        close((int)request->handles[i]);
    if (index >= set->directory.count) {
        reply->answer = ERR_CLOSED;
        return true;
    }
    struct stream *stream = stream_of(&set->directory.all[index]->node);
    bool is_due = serve_stream(stream, request, reply);
    tell(stream);
    return is_due;
}

void stream_set_serve(struct stream_set *set) {
    struct kwast_request request;
    static u8 bytes[KWAST_BYTES_MAX];
    while (kwast_scheme_receive(set->server, &request, bytes, sizeof bytes, 0) == 0) {
        struct kwast_reply reply = {.number = request.number, .handle = KWAST_NO_HANDLE};
        bool is_due = answer(set, &request, bytes, &reply) && request.number != 0;
        bool has_gone = is_due && kwast_scheme_reply(set->server, &reply) != 0;
        if (has_gone && reply.handle != KWAST_NO_HANDLE)
            close((int)reply.handle);
    }
}

// -- The directory --------------------------------------------------------------------------------

static u32 stands_for(struct file_system *fs, struct node *node) {
    bool is_root = node == fs->root;
    return is_root || stream_is_lent(stream_of(node)) ? KWAST_NO_HANDLE : stream_of(node)->channel;
}

// Of a stream, where none stands for it.
static enum status open_node(struct file_system *fs, struct node *node, u16 flags) {
    (void)flags;
    return node == fs->root ? OK : ERR_BUSY;
}

static const struct file_system_ops operations = {
    .stands_for = stands_for,
    .open = open_node,
    .release = device_files_release,
    .lookup = device_files_lookup,
    .list = device_files_list,
    .stat = device_files_stat,
};

// -- Making them ----------------------------------------------------------------------------------

void stream_set_init(struct stream_set *set, kwast_handle server) {
    *set = (struct stream_set){.server = server};
    device_files_init(&set->directory, DEVICE_NUMBER, &operations);
    files_init(&set->files, server, &set->directory.fs);
}

u32 stream_set_add(struct stream_set *set, struct stream *stream) {
    u32 index = set->directory.count;
    if (index == DEVICE_FILES_MAX)
        return EMFILE;
    stream->received = malloc(STREAM_RECEIVED_MAX);
    if (stream->received == NULL)
        return ENOMEM;
    stream->set = set;
    stream->lent.ready = KWAST_NO_HANDLE;
    u32 error = kwast_scheme_pollable(set->server, STREAM_FLAG | index, KWAST_KIND_STREAM,
                                      &stream->channel, &stream->end.ready);
    if (error != 0) {
        free(stream->received);
        return error;
    }
    device_files_add(&set->directory, &stream->file, stream->name, FILE_TYPE_CHARACTER_DEVICE);
    tell(stream);
    return 0;
}

u32 stream_lend(struct stream *stream, kwast_handle *out) {
    u32 error =
        kwast_scheme_pollable(stream->set->server, STREAM_FLAG | LENT_FLAG | stream->file.index,
                              KWAST_KIND_STREAM, out, &stream->lent.ready);
    if (error != 0)
        stream->lent.ready = KWAST_NO_HANDLE;
    tell(stream);
    return error;
}

bool stream_is_lent(const struct stream *stream) {
    return stream->lent.ready != KWAST_NO_HANDLE;
}
