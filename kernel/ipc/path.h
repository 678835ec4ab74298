#pragma once
// What can be done to names below a directory, on any file system. Paths come from programs and are
// hostile: they are checked here, and none leads out of its directory, as object_walk says.

#include "kernel/ipc/object.h"

#define PATH_LEN_MAX 4095u

struct place {
    struct object *directory;
    struct bytes path;
};

enum open_flags {
    OPEN_READ = 1,
    OPEN_WRITE = 2,
    OPEN_CREATE = 4,
    OPEN_EXCLUSIVE = 8, // with OPEN_CREATE
    OPEN_TRUNCATE = 16,
    OPEN_DIRECTORY = 32, // nothing else will do
    OPEN_FOLLOW = 64,    // a symbolic link at the end; without it that is ERR_LOOP
    OPEN_RESIZE = 128,   // set_size and allocate will be asked for, where there is such a thing
};

// The operations of a file system; paths have passed path_check, directories are its own.
struct path_ops {
    enum status (*open)(const struct place *place, u32 flags, struct object **out);
    enum status (*stat)(const struct place *place, bool follow, struct object_stat *out);
    enum status (*set_times)(const struct place *place, bool follow,
                             const struct object_times *times);
    enum status (*read_link)(const struct place *place, void *to, usize size, usize *len);
    enum status (*make_directory)(const struct place *place);
    enum status (*remove_directory)(const struct place *place);
    enum status (*unlink)(const struct place *place);
    enum status (*rename)(const struct place *from, const struct place *to);
    enum status (*link)(const struct place *from, bool follow, const struct place *to);
    enum status (*make_link)(const struct place *place, struct bytes target);
};

// What is wrong with the text of a path by itself: it is empty (ERR_NOT_FOUND), too long, not UTF-8
// (ERR_BAD_NAME), absolute (ERR_ESCAPES), or has a NUL (ERR_INVALID).
MUST_USE enum status path_check(struct bytes text);

// Returns a new reference. Only files and directories can be opened.
MUST_USE enum status path_open(const struct place *place, u32 flags, struct object **out);
MUST_USE enum status path_stat(const struct place *place, bool follow, struct object_stat *out);
MUST_USE enum status path_set_times(const struct place *place, bool follow,
                                    const struct object_times *times);

// The target of a symbolic link, cut to `size` bytes.
MUST_USE enum status path_read_link(const struct place *place, void *to, usize size, usize *len);
MUST_USE enum status path_make_directory(const struct place *place);
MUST_USE enum status path_remove_directory(const struct place *place);
MUST_USE enum status path_unlink(const struct place *place); // ERR_IS_DIRECTORY

// Between two file systems: ERR_CROSS_DEVICE.
MUST_USE enum status path_rename(const struct place *from, const struct place *to);
MUST_USE enum status path_link(const struct place *from, bool follow, const struct place *to);

// `target` is kept as it stands; an absolute one, which could never be followed, is ERR_ESCAPES.
MUST_USE enum status path_make_link(const struct place *place, struct bytes target);
