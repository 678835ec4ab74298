#pragma once
// Objects whose server speaks the file protocol (abi/kwast/file.h), however its messages travel:
// over the link, or as calls to a scheme. What is the same for both is here; a kind of object
// brings the way to its server (object_ops.remote_call), what opening makes, and what closing does.

#include "abi/kwast/file.h"
#include "kernel/ipc/object.h"
#include "kernel/ipc/path.h"

// A message and its answer.
struct remote_call {
    enum file_op op;
    u16 flags;
    struct object *object;
    struct object *other; // of the same server, or NULL
    u64 words[2];         // and what was answered
    struct bytes path;
    struct bytes other_path;
    struct bytes data; // at most FILE_DATA_MAX
    void *to;          // where the answer's data goes, at most `room` bytes
    u32 room;
    u32 got; // of them
};

MUST_USE enum status remote_read(struct object *object, u64 offset, void *to, usize len,
                                 usize *got);
MUST_USE enum status remote_write(struct object *object, u64 offset, const void *from, usize len,
                                  usize *put);
MUST_USE enum status remote_append(struct object *object, const void *from, usize len, usize *put,
                                   u64 *end);
MUST_USE enum status remote_set_size(struct object *object, u64 bytes);
MUST_USE enum status remote_allocate(struct object *object, u64 offset, u64 len);
MUST_USE enum status remote_sync(struct object *object, bool only_data);
MUST_USE enum status remote_stat(struct object *object, struct object_stat *out);
MUST_USE enum status remote_set_times(struct object *object, const struct object_times *times);
MUST_USE enum status remote_list(struct object *object, u64 cookie, entry_taker take,
                                 void *context);
MUST_USE enum status remote_at_stat(const struct place *place, bool follow,
                                    struct object_stat *out);
MUST_USE enum status remote_at_set_times(const struct place *place, bool follow,
                                         const struct object_times *times);
MUST_USE enum status remote_at_read_link(const struct place *place, void *to, usize size,
                                         usize *len);
MUST_USE enum status remote_at_make_directory(const struct place *place);
MUST_USE enum status remote_at_remove_directory(const struct place *place);
MUST_USE enum status remote_at_unlink(const struct place *place);
MUST_USE enum status remote_at_rename(const struct place *from, const struct place *to);
MUST_USE enum status remote_at_link(const struct place *from, bool follow, const struct place *to);
MUST_USE enum status remote_at_make_link(const struct place *place, struct bytes target);

// Flags of path_open as the protocol has them.
u16 remote_open_flags(u32 flags);

// The operations for the tables of such objects.
#define REMOTE_FILE_OPS                                                                            \
    .read = remote_read, .write = remote_write, .append = remote_append,                           \
    .set_size = remote_set_size, .allocate = remote_allocate, .sync = remote_sync,                 \
    .set_times = remote_set_times, .stat = remote_stat

#define REMOTE_DIRECTORY_OPS                                                                       \
    .set_times = remote_set_times, .sync = remote_sync, .stat = remote_stat, .list = remote_list

// All of path_ops but `open`.
#define REMOTE_PATH_OPS                                                                            \
    .stat = remote_at_stat, .set_times = remote_at_set_times, .read_link = remote_at_read_link,    \
    .make_directory = remote_at_make_directory, .remove_directory = remote_at_remove_directory,    \
    .unlink = remote_at_unlink, .rename = remote_at_rename, .link = remote_at_link,                \
    .make_link = remote_at_make_link
