// Files at the other end of the link. An object is a handle there; each operation is one call.

#include "kernel/ipc/link_file.h"

#include "base/assert.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/remote_file.h"
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

STATIC_ASSERT(PATH_LEN_MAX <= FILE_PATH_MAX, "every path that is let through can be sent");

static enum status link_remote_call(struct remote_call *call) {
    struct link_call sent = {
        .op = call->op,
        .flags = call->flags,
        .handle = handle_of(call->object),
        .other = call->other == NULL ? 0 : handle_of(call->other),
        .words = {call->words[0], call->words[1]},
        .path = call->path,
        .other_path = call->other_path,
        .data = call->data,
        .to = call->to,
        .room = call->room,
    };
    enum status status = link_call(&sent);
    memcpy(call->words, sent.words, sizeof call->words);
    call->got = sent.got;
    return status;
}

static enum status link_open(const struct place *place, u32 flags, struct object **out) {
    u32 handle;
    enum status status = link_handle_reserve(&handle);
    if (status != OK)
        return status;
    struct link_call call = {
        .op = FILE_OPEN,
        .flags = remote_open_flags(flags),
        .handle = handle_of(place->directory),
        .other = handle,
        .path = place->path,
    };
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
