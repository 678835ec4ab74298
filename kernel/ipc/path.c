// Names below directories: the checks that all file systems share, and the file system of whoever
// has no operations of its own for them: a tree that is walked by lookups and stays as it is. A
// file of it can be written where it has that operation.
//
// An attempt to change such a tree is checked in the order in which a writable one would fail
// (path, existence, kind), so that a program learns the truest reason, and ends in ERR_READ_ONLY.

#include "kernel/ipc/path.h"

#include "base/math.h"

// -- A tree that is only read -------------------------------------------------------------------

static enum status walk(const struct place *place, bool follow, struct object **out) {
    return object_walk(place->directory, place->path, follow, out);
}

// What becomes of an attempt to make `place` new: ERR_EXISTS, what is wrong with the way there, or
// ERR_READ_ONLY. Never OK.
static enum status tree_create(const struct place *place) {
    struct object *object;
    enum status status = walk(place, false, &object);
    if (status == OK) {
        object_release(object);
        return ERR_EXISTS;
    }
    if (status != ERR_NOT_FOUND)
        return status;

    usize len = place->path.len;
    while (len > 0 && place->path.data[len - 1] == '/')
        len--;
    while (len > 0 && place->path.data[len - 1] != '/')
        len--;
    if (len == 0)
        return place->path.len == 0 ? ERR_NOT_FOUND : ERR_READ_ONLY;
    const struct place parent = {place->directory, {place->path.data, len}};
    status = walk(&parent, true, &object);
    if (status != OK)
        return status;
    object_release(object);
    return ERR_READ_ONLY;
}

// What becomes of an attempt to change what is there; *type: what that is, with ERR_READ_ONLY.
// Never OK.
static enum status tree_change(const struct place *place, bool follow, enum object_type *type) {
    struct object *object;
    enum status status = walk(place, follow, &object);
    if (status != OK)
        return status;
    *type = object->type;
    object_release(object);
    return ERR_READ_ONLY;
}

// Whether what was found may be opened as asked.
static enum status check_found(u32 flags, const struct object *object) {
    bool changes = (flags & (OPEN_TRUNCATE | OPEN_WRITE)) != 0;
    bool creates = (flags & OPEN_CREATE) != 0;
    if (creates && (flags & OPEN_EXCLUSIVE) != 0)
        return ERR_EXISTS;
    if ((flags & OPEN_DIRECTORY) != 0 && object->type != OBJECT_DIRECTORY)
        return ERR_NOT_DIRECTORY;
    if (object->type == OBJECT_LINK)
        return ERR_LOOP;
    if (object->type == OBJECT_DIRECTORY)
        return changes || creates ? ERR_IS_DIRECTORY : OK;
    bool is_fixed = object->type == OBJECT_FILE && object->ops->write == NULL;
    return changes && is_fixed ? ERR_READ_ONLY : OK;
}

static enum status tree_open(const struct place *place, u32 flags, struct object **out) {
    bool is_new_only = (flags & OPEN_CREATE) != 0 && (flags & OPEN_EXCLUSIVE) != 0;
    enum status status = walk(place, (flags & OPEN_FOLLOW) != 0 && !is_new_only, out);
    if (status == ERR_NOT_FOUND && (flags & OPEN_CREATE) != 0)
        return tree_create(place);
    if (status != OK)
        return status;
    status = check_found(flags, *out);
    if (status == OK && (flags & OPEN_TRUNCATE) != 0 && (*out)->type == OBJECT_FILE)
        status = object_set_size(*out, 0);
    if (status != OK)
        object_release(*out);
    return status;
}

static enum status tree_stat(const struct place *place, bool follow, struct object_stat *out) {
    struct object *object;
    enum status status = walk(place, follow, &object);
    if (status != OK)
        return status;
    status = object_stat(object, out);
    object_release(object);
    return status;
}

static enum status tree_set_times(const struct place *place, bool follow,
                                  const struct object_times *) {
    enum object_type type;
    return tree_change(place, follow, &type);
}

static enum status tree_read_link(const struct place *place, void *to, usize size, usize *len) {
    struct object *object;
    struct bytes target;
    enum status status = walk(place, false, &object);
    if (status != OK)
        return status;
    status = object_read_link(object, &target);
    if (status == OK) {
        *len = min_u64(target.len, size);
        if (*len != 0)
            memcpy(to, target.data, *len);
    }
    object_release(object);
    return status;
}

static enum status tree_remove_directory(const struct place *place) {
    enum object_type type = OBJECT_DIRECTORY;
    enum status status = tree_change(place, false, &type);
    return type == OBJECT_DIRECTORY ? status : ERR_NOT_DIRECTORY;
}

static enum status tree_unlink(const struct place *place) {
    enum object_type type = OBJECT_FILE;
    enum status status = tree_change(place, false, &type);
    return type == OBJECT_DIRECTORY ? ERR_IS_DIRECTORY : status;
}

static enum status tree_rename(const struct place *from, const struct place *to) {
    enum object_type type;
    enum status status = tree_change(from, false, &type);
    if (status != ERR_READ_ONLY)
        return status;
    status = tree_create(to);
    return status == ERR_EXISTS ? ERR_READ_ONLY : status;
}

static enum status tree_link(const struct place *from, bool follow, const struct place *to) {
    enum object_type type = OBJECT_FILE;
    enum status status = tree_change(from, follow, &type);
    if (status != ERR_READ_ONLY)
        return status;
    return type == OBJECT_DIRECTORY ? ERR_NOT_PERMITTED : tree_create(to); // it has one name
}

static enum status tree_make_link(const struct place *place, struct bytes) {
    return tree_create(place);
}

static const struct path_ops tree_paths = {
    .open = tree_open,
    .stat = tree_stat,
    .set_times = tree_set_times,
    .read_link = tree_read_link,
    .make_directory = tree_create,
    .remove_directory = tree_remove_directory,
    .unlink = tree_unlink,
    .rename = tree_rename,
    .link = tree_link,
    .make_link = tree_make_link,
};

// -- For all ------------------------------------------------------------------------------------

// Checks the place and finds the operations.
static enum status place_ops(const struct place *place, const struct path_ops **ops) {
    if (place->directory->type != OBJECT_DIRECTORY)
        return ERR_NOT_DIRECTORY;
    *ops = place->directory->ops->paths == NULL ? &tree_paths : place->directory->ops->paths;
    return path_check(place->path);
}

// The same for two places, of one file system.
static enum status places_ops(const struct place *from, const struct place *to,
                              const struct path_ops **ops) {
    const struct path_ops *other;
    enum status status = place_ops(from, ops);
    if (status == OK)
        status = place_ops(to, &other);
    return status == OK && *ops != other ? ERR_CROSS_DEVICE : status;
}

enum status path_open(const struct place *place, u32 flags, struct object **out) {
    const struct path_ops *ops;
    enum status status = place_ops(place, &ops);
    return status == OK ? ops->open(place, flags, out) : status;
}

enum status path_stat(const struct place *place, bool follow, struct object_stat *out) {
    const struct path_ops *ops;
    enum status status = place_ops(place, &ops);
    return status == OK ? ops->stat(place, follow, out) : status;
}

enum status path_set_times(const struct place *place, bool follow,
                           const struct object_times *times) {
    const struct path_ops *ops;
    enum status status = place_ops(place, &ops);
    return status == OK ? ops->set_times(place, follow, times) : status;
}

enum status path_read_link(const struct place *place, void *to, usize size, usize *len) {
    const struct path_ops *ops;
    enum status status = place_ops(place, &ops);
    return status == OK ? ops->read_link(place, to, size, len) : status;
}

enum status path_make_directory(const struct place *place) {
    const struct path_ops *ops;
    enum status status = place_ops(place, &ops);
    return status == OK ? ops->make_directory(place) : status;
}

enum status path_remove_directory(const struct place *place) {
    const struct path_ops *ops;
    enum status status = place_ops(place, &ops);
    return status == OK ? ops->remove_directory(place) : status;
}

enum status path_unlink(const struct place *place) {
    const struct path_ops *ops;
    enum status status = place_ops(place, &ops);
    return status == OK ? ops->unlink(place) : status;
}

enum status path_rename(const struct place *from, const struct place *to) {
    const struct path_ops *ops;
    enum status status = places_ops(from, to, &ops);
    return status == OK ? ops->rename(from, to) : status;
}

enum status path_link(const struct place *from, bool follow, const struct place *to) {
    const struct path_ops *ops;
    enum status status = places_ops(from, to, &ops);
    return status == OK ? ops->link(from, follow, to) : status;
}

enum status path_make_link(const struct place *place, struct bytes target) {
    const struct path_ops *ops;
    enum status status = place_ops(place, &ops);
    if (status == OK)
        status = path_check(target);
    return status == OK ? ops->make_link(place, target) : status;
}
