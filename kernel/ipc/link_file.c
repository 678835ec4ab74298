// Files at the other end of the link. An object is a handle there; each operation is one call.

#include "kernel/ipc/link_file.h"

#include "base/assert.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/remote_file.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/thread.h"

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

STATIC_ASSERT(PATH_LEN_MAX <= FILE_PATH_MAX, "every path that is let through can be sent");

// The answer comes in an interrupt, in whatever address space: so to memory that is in all.
struct exchange {
    struct link_call call;
    u8 data[]; // in place of what is on the stack
};

static enum status link_remote_call(struct remote_call *call) {
    bool is_direct = call->room == 0 || is_for_all(call->to);
    usize bytes = sizeof(struct exchange) + (is_direct ? 0 : call->room);
    struct exchange *exchange = kmalloc(bytes);
    if (exchange == NULL)
        return ERR_NO_MEMORY;
    exchange->call = (struct link_call){
        .op = call->op,
        .flags = call->flags,
        .handle = handle_of(call->object),
        .other = call->other == NULL ? 0 : handle_of(call->other),
        .words = {call->words[0], call->words[1]},
        .path = call->path,
        .other_path = call->other_path,
        .data = call->data,
        .to = is_direct ? call->to : exchange->data,
        .room = call->room,
    };
    enum status status = link_call(&exchange->call);
    memcpy(call->words, exchange->call.words, sizeof call->words);
    call->got = exchange->call.got;
    if (!is_direct && call->got <= call->room)
        memcpy(call->to, exchange->data, call->got);
    kfree(exchange, bytes);
    return status;
}

static enum status link_open(const struct place *place, u32 flags, struct object **out) {
    u32 handle;
    enum status status = link_handle_reserve(&handle);
    if (status != OK)
        return status;
    struct link_call *call = thread_lend(sizeof *call);
    *call = (struct link_call){
        .op = FILE_OPEN,
        .flags = remote_open_flags(flags),
        .handle = handle_of(place->directory),
        .other = handle,
        .path = place->path,
    };
    status = link_call(call);
    u64 type = call->words[0];
    thread_lend_end();
    bool is_directory = type == FILE_TYPE_DIRECTORY;
    if (status == OK && !is_directory && type != FILE_TYPE_FILE)
        status = ERR_IO;
    if (status == OK)
        status = file_create(handle, is_directory ? &directory_ops : &file_ops,
                             is_directory ? OBJECT_DIRECTORY : OBJECT_FILE, out);
    if (status != OK)
        link_handle_close(handle);
    return status;
}

static const struct path_ops link_paths = {.open = link_open, REMOTE_PATH_OPS};

static const struct object_ops root_ops = {
    .destroy = root_destroy,
    .remote_call = link_remote_call,
    .paths = &link_paths,
    REMOTE_DIRECTORY_OPS,
};

static const struct object_ops directory_ops = {
    .destroy = file_destroy,
    .remote_call = link_remote_call,
    .paths = &link_paths,
    REMOTE_DIRECTORY_OPS,
};

static const struct object_ops file_ops = {
    .destroy = file_destroy,
    .remote_call = link_remote_call,
    REMOTE_FILE_OPS,
};
