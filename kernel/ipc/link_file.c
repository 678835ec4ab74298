// Files at the other end of the link. An object is a handle there; each operation is one call.
//
// What comes back is checked as far as it could hurt: sizes, types and names. Beyond that the other
// side is trusted with its own files.

#include "kernel/ipc/link_file.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/path.h"
#include "kernel/mm/heap.h"

struct link_file {
    struct object object;
    u32 handle;
};

static const struct object_ops root_ops, directory_ops, file_ops;

static u32 handle_of(const struct object *object) {
    return container_of(object, struct link_file, object)->handle;
}

static enum status file_create(u32 handle, const struct object_ops *ops, enum object_type type,
                               struct object **out) {
    struct link_file *file = kmalloc(sizeof *file);
    if (file == NULL)
        return ERR_NO_MEMORY;
    object_init(&file->object, ops, type);
    file->handle = handle;
    *out = &file->object;
    return OK;
}

enum status link_directory_create(u32 root, struct object **out) {
    ASSERT(root < FILE_ROOTS_MAX);
    return file_create(root, &root_ops, OBJECT_DIRECTORY, out);
}

static void root_destroy(struct object *object) {
    kfree(container_of(object, struct link_file, object), sizeof(struct link_file));
}

static void file_destroy(struct object *object) {
    link_handle_close(handle_of(object));
    root_destroy(object);
}

// -- Contents -----------------------------------------------------------------------------------

static enum status file_read(struct object *object, u64 offset, void *to, usize len, usize *got) {
    struct link_call call = {
        .op = FILE_READ,
        .handle = handle_of(object),
        .words = {offset},
        .to = to,
        .room = (u32)min_u64(len, FILE_DATA_MAX),
    };
    enum status status = link_call(&call);
    if (status == OK)
        *got = call.got;
    return status;
}

static enum status put_data(struct link_call *call, const void *from, usize len, usize *put) {
    call->data = (struct bytes){from, min_u64(len, FILE_DATA_MAX)};
    enum status status = link_call(call);
    if (status == OK && call->words[0] > call->data.len)
        return ERR_IO;
    if (status == OK)
        *put = call->words[0];
    return status;
}

static enum status file_write(struct object *object, u64 offset, const void *from, usize len,
                              usize *put) {
    struct link_call call = {.op = FILE_WRITE, .handle = handle_of(object), .words = {offset}};
    return put_data(&call, from, len, put);
}

static enum status file_append(struct object *object, const void *from, usize len, usize *put,
                               u64 *end) {
    struct link_call call = {.op = FILE_APPEND, .handle = handle_of(object)};
    enum status status = put_data(&call, from, len, put);
    if (status == OK)
        *end = call.words[1];
    return status;
}

static enum status file_set_size(struct object *object, u64 bytes) {
    struct link_call call = {.op = FILE_SET_SIZE, .handle = handle_of(object), .words = {bytes}};
    return link_call(&call);
}

static enum status file_allocate(struct object *object, u64 offset, u64 len) {
    struct link_call call = {
        .op = FILE_ALLOCATE, .handle = handle_of(object), .words = {offset, len}};
    return link_call(&call);
}

static enum status file_sync(struct object *object, bool only_data) {
    struct link_call call = {
        .op = FILE_SYNC, .flags = only_data ? FILE_SYNC_DATA : 0, .handle = handle_of(object)};
    return link_call(&call);
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

static enum status get_stat(struct link_call *call, struct object_stat *out) {
    struct file_stat stat;
    call->op = FILE_STAT;
    call->to = &stat;
    call->room = sizeof stat;
    enum status status = link_call(call);
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

static enum status file_stat(struct object *object, struct object_stat *out) {
    struct link_call call = {.handle = handle_of(object)};
    return get_stat(&call, out);
}

STATIC_ASSERT((int)TIMES_ACCESSED == FILE_TIME_ACCESSED, "the same flags");
STATIC_ASSERT((int)TIMES_ACCESSED_NOW == FILE_TIME_ACCESSED_NOW, "the same flags");
STATIC_ASSERT((int)TIMES_MODIFIED == FILE_TIME_MODIFIED, "the same flags");
STATIC_ASSERT((int)TIMES_MODIFIED_NOW == FILE_TIME_MODIFIED_NOW, "the same flags");

static struct link_call times_call(const struct object *object, const struct object_times *times) {
    return (struct link_call){
        .op = FILE_SET_TIMES,
        .flags = (u16)times->flags,
        .handle = handle_of(object),
        .words = {times->accessed_ns, times->modified_ns},
    };
}

static enum status file_set_times(struct object *object, const struct object_times *times) {
    struct link_call call = times_call(object, times);
    return link_call(&call);
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

static enum status directory_list(struct object *object, u64 cookie, entry_taker take,
                                  void *context) {
    u8 *buffer = kmalloc(FILE_DATA_MAX);
    if (buffer == NULL)
        return ERR_NO_MEMORY;
    struct link_call call = {
        .op = FILE_LIST,
        .handle = handle_of(object),
        .words = {cookie},
        .to = buffer,
        .room = FILE_DATA_MAX,
    };
    enum status status = link_call(&call);
    if (status == OK)
        status = hand_over((struct bytes){buffer, call.got}, take, context);
    kfree(buffer, FILE_DATA_MAX);
    return status;
}

// -- Names --------------------------------------------------------------------------------------

STATIC_ASSERT(PATH_LEN_MAX <= FILE_PATH_MAX, "every path that is let through can be sent");

static struct link_call call_at(enum file_op op, const struct place *place) {
    return (struct link_call){
        .op = op,
        .handle = handle_of(place->directory),
        .path = place->path,
    };
}

static u16 open_flags(u32 flags) {
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

static enum status at_open(const struct place *place, u32 flags, struct object **out) {
    u32 handle;
    enum status status = link_handle_reserve(&handle);
    if (status != OK)
        return status;
    struct link_call call = call_at(FILE_OPEN, place);
    call.flags = open_flags(flags);
    call.other = handle;
    status = link_call(&call);
    bool is_directory = call.words[0] == FILE_TYPE_DIRECTORY;
    if (status == OK && !is_directory && call.words[0] != FILE_TYPE_FILE)
        status = ERR_IO;
    if (status == OK)
        status = file_create(handle, is_directory ? &directory_ops : &file_ops,
                             is_directory ? OBJECT_DIRECTORY : OBJECT_FILE, out);
    if (status != OK)
        link_handle_close(handle);
    return status;
}

static enum status at_stat(const struct place *place, bool follow, struct object_stat *out) {
    struct link_call call = call_at(FILE_STAT, place);
    call.flags = follow ? FILE_FOLLOW : 0;
    return get_stat(&call, out);
}

static enum status at_set_times(const struct place *place, bool follow,
                                const struct object_times *times) {
    struct link_call call = times_call(place->directory, times);
    call.flags |= follow ? FILE_FOLLOW : 0;
    call.path = place->path;
    return link_call(&call);
}

static enum status at_read_link(const struct place *place, void *to, usize size, usize *len) {
    struct link_call call = call_at(FILE_READ_LINK, place);
    call.to = to;
    call.room = (u32)min_u64(size, FILE_DATA_MAX);
    enum status status = link_call(&call);
    if (status == OK)
        *len = call.got;
    return status;
}

static enum status at_make_directory(const struct place *place) {
    struct link_call call = call_at(FILE_MAKE_DIRECTORY, place);
    return link_call(&call);
}

static enum status at_remove_directory(const struct place *place) {
    struct link_call call = call_at(FILE_REMOVE_DIRECTORY, place);
    return link_call(&call);
}

static enum status at_unlink(const struct place *place) {
    struct link_call call = call_at(FILE_UNLINK, place);
    return link_call(&call);
}

static enum status at_two(enum file_op op, u16 flags, const struct place *from,
                          const struct place *to) {
    struct link_call call = call_at(op, from);
    call.flags = flags;
    call.other = handle_of(to->directory);
    call.other_path = to->path;
    return link_call(&call);
}

static enum status at_rename(const struct place *from, const struct place *to) {
    return at_two(FILE_RENAME, 0, from, to);
}

static enum status at_link(const struct place *from, bool follow, const struct place *to) {
    return at_two(FILE_LINK, follow ? FILE_FOLLOW : 0, from, to);
}

static enum status at_make_link(const struct place *place, struct bytes target) {
    struct link_call call = call_at(FILE_MAKE_LINK, place);
    call.other_path = target;
    return link_call(&call);
}

static const struct path_ops link_paths = {
    .open = at_open,
    .stat = at_stat,
    .set_times = at_set_times,
    .read_link = at_read_link,
    .make_directory = at_make_directory,
    .remove_directory = at_remove_directory,
    .unlink = at_unlink,
    .rename = at_rename,
    .link = at_link,
    .make_link = at_make_link,
};

// -- The tables ---------------------------------------------------------------------------------

static const struct object_ops root_ops = {
    .destroy = root_destroy,
    .set_times = file_set_times,
    .sync = file_sync,
    .stat = file_stat,
    .list = directory_list,
    .paths = &link_paths,
};

static const struct object_ops directory_ops = {
    .destroy = file_destroy,
    .set_times = file_set_times,
    .sync = file_sync,
    .stat = file_stat,
    .list = directory_list,
    .paths = &link_paths,
};

static const struct object_ops file_ops = {
    .destroy = file_destroy,
    .read = file_read,
    .write = file_write,
    .append = file_append,
    .set_size = file_set_size,
    .allocate = file_allocate,
    .sync = file_sync,
    .set_times = file_set_times,
    .stat = file_stat,
};
