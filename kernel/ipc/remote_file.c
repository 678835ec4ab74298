// The client's side of the file protocol (abi/kwast/file.h): each operation on an object is one
// message to the server that has it.
//
// What comes back is checked as far as it could hurt the kernel or another process: sizes, types
// and names. Beyond that a server is trusted with its own files.

#include "kernel/ipc/remote_file.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/heap.h"

static enum status remote_send(struct remote_call *call) {
    enum status status = call->object->ops->remote_call(call);
    return status == OK && call->got > call->room ? ERR_IO : status;
}

// -- Contents -----------------------------------------------------------------------------------

enum status remote_read(struct object *object, u64 offset, void *to, usize len, usize *got) {
    struct remote_call call = {
        .op = FILE_READ,
        .object = object,
        .words = {offset},
        .to = to,
        .room = (u32)min_u64(len, FILE_DATA_MAX),
    };
    enum status status = remote_send(&call);
    if (status == OK)
        *got = call.got;
    return status;
}

static enum status put_data(struct remote_call *call, const void *from, usize len, usize *put) {
    call->data = (struct bytes){from, min_u64(len, FILE_DATA_MAX)};
    enum status status = remote_send(call);
    if (status == OK && call->words[0] > call->data.len)
        return ERR_IO;
    if (status == OK)
        *put = call->words[0];
    return status;
}

enum status remote_write(struct object *object, u64 offset, const void *from, usize len,
                         usize *put) {
    struct remote_call call = {.op = FILE_WRITE, .object = object, .words = {offset}};
    return put_data(&call, from, len, put);
}

enum status remote_append(struct object *object, const void *from, usize len, usize *put,
                          u64 *end) {
    struct remote_call call = {.op = FILE_APPEND, .object = object};
    enum status status = put_data(&call, from, len, put);
    if (status == OK)
        *end = call.words[1];
    return status;
}

enum status remote_set_size(struct object *object, u64 bytes) {
    struct remote_call call = {.op = FILE_SET_SIZE, .object = object, .words = {bytes}};
    return remote_send(&call);
}

enum status remote_allocate(struct object *object, u64 offset, u64 len) {
    struct remote_call call = {.op = FILE_ALLOCATE, .object = object, .words = {offset, len}};
    return remote_send(&call);
}

enum status remote_sync(struct object *object, bool only_data) {
    struct remote_call call = {
        .op = FILE_SYNC, .flags = only_data ? FILE_SYNC_DATA : 0, .object = object};
    return remote_send(&call);
}

// -- Attributes ---------------------------------------------------------------------------------

static const enum object_type object_types[FILE_TYPE_COUNT] = {
    [FILE_TYPE_OTHER] = OBJECT_PLAIN,
    [FILE_TYPE_FILE] = OBJECT_FILE,
    [FILE_TYPE_DIRECTORY] = OBJECT_DIRECTORY,
    [FILE_TYPE_LINK] = OBJECT_LINK,
    [FILE_TYPE_CHARACTER_DEVICE] = OBJECT_CHARACTER_DEVICE,
    [FILE_TYPE_BLOCK_DEVICE] = OBJECT_BLOCK_DEVICE,
    [FILE_TYPE_SOCKET] = OBJECT_SOCKET,
};

static enum object_type type_of(u64 type) {
    return type < FILE_TYPE_COUNT ? object_types[type] : OBJECT_PLAIN;
}

static enum status get_stat(struct remote_call *call, struct object_stat *out) {
    struct file_stat stat = {0}; // a server may say that it wrote, and has not
    call->op = FILE_STAT;
    call->to = &stat;
    call->room = sizeof stat;
    enum status status = remote_send(call);
    if (status == OK && call->got != sizeof stat)
        return ERR_IO;
    if (status == OK)
        *out = (struct object_stat){
            .type = type_of(stat.type),
            .device = stat.device,
            .inode = stat.inode,
            .link_count = stat.link_count,
            .size = stat.size,
            .accessed_ns = stat.accessed_ns,
            .modified_ns = stat.modified_ns,
            .changed_ns = stat.changed_ns,
        };
    return status;
}

enum status remote_stat(struct object *object, struct object_stat *out) {
    struct remote_call call = {.object = object};
    return get_stat(&call, out);
}

STATIC_ASSERT((int)TIMES_ACCESSED == FILE_TIME_ACCESSED, "the same flags");
STATIC_ASSERT((int)TIMES_ACCESSED_NOW == FILE_TIME_ACCESSED_NOW, "the same flags");
STATIC_ASSERT((int)TIMES_MODIFIED == FILE_TIME_MODIFIED, "the same flags");
STATIC_ASSERT((int)TIMES_MODIFIED_NOW == FILE_TIME_MODIFIED_NOW, "the same flags");

static struct remote_call times_call(struct object *object, const struct object_times *times) {
    return (struct remote_call){
        .op = FILE_SET_TIMES,
        .flags = (u16)times->flags,
        .object = object,
        .words = {times->accessed_ns, times->modified_ns},
    };
}

enum status remote_set_times(struct object *object, const struct object_times *times) {
    struct remote_call call = times_call(object, times);
    return remote_send(&call);
}

// -- Listing ------------------------------------------------------------------------------------

static enum status hand_over(struct bytes data, entry_taker take, void *context) {
    while (data.len != 0) {
        struct file_entry entry;
        if (data.len < sizeof entry)
            return ERR_IO;
        memcpy(&entry, data.data, sizeof entry);
        if (entry.name_len == 0 || entry.name_len > data.len - sizeof entry)
            return ERR_IO;
        const struct object_entry found = {
            .inode = entry.inode,
            .type = type_of(entry.type),
            .next_cookie = entry.next_cookie,
            .name = {data.data + sizeof entry, entry.name_len},
        };
        if (!take(context, &found))
            return OK;
        data.data += sizeof entry + entry.name_len;
        data.len -= sizeof entry + entry.name_len;
    }
    return OK;
}

enum status remote_list(struct object *object, u64 cookie, entry_taker take, void *context) {
    u8 *buffer = kmalloc(FILE_DATA_MAX);
    if (buffer == NULL)
        return ERR_NO_MEMORY;
    struct remote_call call = {
        .op = FILE_LIST,
        .object = object,
        .words = {cookie},
        .to = buffer,
        .room = FILE_DATA_MAX,
    };
    enum status status = remote_send(&call);
    if (status == OK)
        status = hand_over((struct bytes){buffer, call.got}, take, context);
    kfree(buffer, FILE_DATA_MAX);
    return status;
}

// -- Names --------------------------------------------------------------------------------------

STATIC_ASSERT(PATH_LEN_MAX <= FILE_PATH_MAX, "every path that is let through can be sent");

static struct remote_call call_at(enum file_op op, const struct place *place) {
    return (struct remote_call){
        .op = op,
        .object = place->directory,
        .path = place->path,
    };
}

u16 remote_open_flags(u32 flags) {
    static const struct {
        u32 own;
        u16 sent;
    } map[] = {
        {OPEN_READ, FILE_OPEN_READ},           {OPEN_WRITE, FILE_OPEN_WRITE},
        {OPEN_RESIZE, FILE_OPEN_WRITE},        {OPEN_CREATE, FILE_OPEN_CREATE},
        {OPEN_EXCLUSIVE, FILE_OPEN_EXCLUSIVE}, {OPEN_TRUNCATE, FILE_OPEN_TRUNCATE},
        {OPEN_DIRECTORY, FILE_OPEN_DIRECTORY}, {OPEN_FOLLOW, FILE_FOLLOW},
    };
    u16 sent = 0;
    for (u32 i = 0; i < COUNT_OF(map); i++)
        sent |= (flags & map[i].own) != 0 ? map[i].sent : 0;
    return sent;
}

enum status remote_at_stat(const struct place *place, bool follow, struct object_stat *out) {
    struct remote_call call = call_at(FILE_STAT, place);
    call.flags = follow ? FILE_FOLLOW : 0;
    return get_stat(&call, out);
}

enum status remote_at_set_times(const struct place *place, bool follow,
                                const struct object_times *times) {
    struct remote_call call = times_call(place->directory, times);
    call.flags |= follow ? FILE_FOLLOW : 0;
    call.path = place->path;
    return remote_send(&call);
}

enum status remote_at_read_link(const struct place *place, void *to, usize size, usize *len) {
    struct remote_call call = call_at(FILE_READ_LINK, place);
    call.to = to;
    call.room = (u32)min_u64(size, FILE_DATA_MAX);
    enum status status = remote_send(&call);
    if (status == OK)
        *len = call.got;
    return status;
}

enum status remote_at_make_directory(const struct place *place) {
    struct remote_call call = call_at(FILE_MAKE_DIRECTORY, place);
    return remote_send(&call);
}

enum status remote_at_remove_directory(const struct place *place) {
    struct remote_call call = call_at(FILE_REMOVE_DIRECTORY, place);
    return remote_send(&call);
}

enum status remote_at_unlink(const struct place *place) {
    struct remote_call call = call_at(FILE_UNLINK, place);
    return remote_send(&call);
}

static enum status at_two(enum file_op op, u16 flags, const struct place *from,
                          const struct place *to) {
    struct remote_call call = call_at(op, from);
    call.flags = flags;
    call.other = to->directory;
    call.other_path = to->path;
    return remote_send(&call);
}

enum status remote_at_rename(const struct place *from, const struct place *to) {
    return at_two(FILE_RENAME, 0, from, to);
}

enum status remote_at_link(const struct place *from, bool follow, const struct place *to) {
    return at_two(FILE_LINK, follow ? FILE_FOLLOW : 0, from, to);
}

enum status remote_at_make_link(const struct place *place, struct bytes target) {
    struct remote_call call = call_at(FILE_MAKE_LINK, place);
    call.other_path = target;
    return remote_send(&call);
}
