// Paths below a directory descriptor.
//
// Every file system of today is read-only. A call that would change one still checks everything in
// the order in which a writable one would fail (descriptor, rights, pointers, path, existence), so
// that a program learns the truest reason, and ends in EROFS.

#include "kernel/mm/heap.h"
#include "kernel/wasi/wasi.h"
#include "kernel/wasi/wasi_internal.h"

#define PATH_BYTES_MAX 4096u

struct path {
    struct handle base;
    struct bytes text; // on the heap
};

static void path_end(struct path *path) {
    if (path->text.data != NULL)
        kfree((void *)(uptr)path->text.data, path->text.len);
    object_release(path->base.object);
}

static enum wasi_errno copy_text(struct process *process, u64 at, u64 len, struct bytes *out) {
    *out = (struct bytes){NULL, 0};
    enum wasi_errno error = wasi_check(process, at, len);
    if (error != WASI_ESUCCESS || len == 0)
        return error;
    if (len > PATH_BYTES_MAX)
        return WASI_ENAMETOOLONG;
    u8 *text = kmalloc(len);
    if (text == NULL)
        return WASI_ENOMEM;
    error = wasi_get(process, at, text, len);
    if (error != WASI_ESUCCESS)
        kfree(text, len);
    else
        *out = (struct bytes){text, len};
    return error;
}

// The directory descriptor, its rights, and the path's text. On success path_end is due.
static enum wasi_errno path_begin(struct process *process, u64 fd, u64 rights, const u64 *text,
                                  struct path *out) {
    out->text = (struct bytes){NULL, 0};
    enum wasi_errno error = wasi_fd(process, fd, 0, &out->base);
    if (error != WASI_ESUCCESS)
        return error;
    if (out->base.object->type != OBJECT_DIRECTORY)
        error = WASI_ENOTDIR;
    else if ((rights & ~out->base.rights) != 0)
        error = WASI_ENOTCAPABLE;
    else
        error = copy_text(process, text[0], text[1], &out->text);
    if (error != WASI_ESUCCESS)
        path_end(out);
    return error;
}

static enum status path_walk(const struct path *path, bool follow, struct object **out) {
    return object_walk(path->base.object, path->text, follow, out);
}

// What becomes of an attempt to make `path` new: ERR_EXISTS, what is wrong with the way there, or
// ERR_READ_ONLY. Never OK.
static enum status path_create(const struct path *path) {
    struct object *object;
    enum status status = path_walk(path, false, &object);
    if (status == OK) {
        object_release(object);
        return ERR_EXISTS;
    }
    if (status != ERR_NOT_FOUND)
        return status;

    usize len = path->text.len;
    while (len > 0 && path->text.data[len - 1] == '/')
        len--;
    while (len > 0 && path->text.data[len - 1] != '/')
        len--;
    if (len == 0)
        return path->text.len == 0 ? ERR_NOT_FOUND : ERR_READ_ONLY;
    const struct path parent = {path->base, {path->text.data, len}};
    status = path_walk(&parent, true, &object);
    if (status != OK)
        return status;
    object_release(object);
    return ERR_READ_ONLY;
}

// What becomes of an attempt to change the object that is there. Never OK.
static enum status path_change(const struct path *path, bool follow, enum object_type *type) {
    struct object *object;
    enum status status = path_walk(path, follow, &object);
    if (status != OK)
        return status;
    *type = object->type;
    object_release(object);
    return ERR_READ_ONLY;
}

// -- Opening ------------------------------------------------------------------------------------

struct open_args {
    bool follow;
    u64 oflags;
    u64 rights;
    u64 inheriting;
    u64 fdflags;
};

static bool open_creates(const struct open_args *open) {
    return (open->oflags & WASI_OFLAG_CREAT) != 0;
}

static enum wasi_errno check_open(const struct open_args *open, u64 dirflags) {
    if ((dirflags & ~(u64)WASI_LOOKUP_FOLLOW) != 0 || (open->oflags & ~(u64)WASI_OFLAGS_ALL) != 0 ||
        (open->fdflags & ~(u64)WASI_FDFLAGS_ALL) != 0)
        return WASI_EINVAL;
    if (open_creates(open) && (open->oflags & WASI_OFLAG_DIRECTORY) != 0)
        return WASI_EINVAL;
    return WASI_ESUCCESS;
}

static u64 rights_to_open(const struct open_args *open) {
    u64 rights = WASI_RIGHT_PATH_OPEN;
    if (open_creates(open))
        rights |= WASI_RIGHT_PATH_CREATE_FILE;
    if ((open->oflags & WASI_OFLAG_TRUNC) != 0)
        rights |= WASI_RIGHT_PATH_FILESTAT_SET_SIZE;
    return rights;
}

// Whether what was found may be opened as asked.
static enum status check_found(const struct open_args *open, const struct object *object) {
    bool changes =
        (open->oflags & WASI_OFLAG_TRUNC) != 0 || (open->rights & WASI_RIGHT_FD_WRITE) != 0;
    if (open_creates(open) && (open->oflags & WASI_OFLAG_EXCL) != 0)
        return ERR_EXISTS;
    if ((open->oflags & WASI_OFLAG_DIRECTORY) != 0 && object->type != OBJECT_DIRECTORY)
        return ERR_NOT_DIRECTORY;
    if (object->type == OBJECT_LINK)
        return ERR_LOOP;
    if (object->type == OBJECT_DIRECTORY)
        return changes && (open->oflags & WASI_OFLAG_DIRECTORY) == 0 ? ERR_IS_DIRECTORY : OK;
    return changes && object->type == OBJECT_FILE ? ERR_READ_ONLY : OK;
}

static enum status find_to_open(const struct path *path, const struct open_args *open,
                                struct object **out) {
    bool is_new_only = open_creates(open) && (open->oflags & WASI_OFLAG_EXCL) != 0;
    enum status status = path_walk(path, open->follow && !is_new_only, out);
    if (status == ERR_NOT_FOUND && open_creates(open))
        return path_create(path);
    if (status != OK)
        return status;
    status = check_found(open, *out);
    if (status != OK)
        object_release(*out);
    return status;
}

// Fewer rights than asked for may be granted: those that the directory hands down and that mean
// something for what was opened.
static enum status insert_opened(struct process *process, const struct path *path,
                                 const struct open_args *open, struct object *object, u32 *fd) {
    u64 sensible = object->type == OBJECT_DIRECTORY ? wasi_directory_rights() : wasi_file_rights();
    const struct handle handle = {
        .object = object,
        .rights = open->rights & path->base.rights_inheriting & sensible,
        .rights_inheriting = open->inheriting & path->base.rights_inheriting,
        .flags = (u16)open->fdflags,
    };
    enum status status = handle_insert(&process->handles, &handle, fd);
    if (status != OK)
        object_release(object);
    return status;
}

static enum wasi_errno open_path(struct process *process, const struct path *path,
                                 const struct open_args *open, u64 fd_at) {
    struct object *object;
    u32 fd;
    enum wasi_errno error = wasi_check(process, fd_at, sizeof fd);
    if (error != WASI_ESUCCESS)
        return error;
    enum status status = find_to_open(path, open, &object);
    if (status == OK)
        status = insert_opened(process, path, open, object, &fd);
    if (status != OK)
        return wasi_errno_of(status);
    error = wasi_put_u32(process, fd_at, fd);
    if (error != WASI_ESUCCESS) {
        status = handle_close(&process->handles, fd);
        (void)status; // nobody else knows the number
    }
    return error;
}

// (fd, dirflags, path, length, oflags, rights, inheriting, fdflags, fd out)
enum wasi_errno wasi_path_open(struct process *process, const u64 *args) {
    const struct open_args open = {
        .follow = (args[1] & WASI_LOOKUP_FOLLOW) != 0,
        .oflags = args[4],
        .rights = args[5],
        .inheriting = args[6],
        .fdflags = args[7],
    };
    struct path path;
    enum wasi_errno error = path_begin(process, args[0], rights_to_open(&open), args + 2, &path);
    if (error != WASI_ESUCCESS)
        return error;
    error = check_open(&open, args[1]);
    if (error == WASI_ESUCCESS)
        error = open_path(process, &path, &open, args[8]);
    path_end(&path);
    return error;
}

// -- Asking -------------------------------------------------------------------------------------

// (fd, flags, path, length, filestat out)
enum wasi_errno wasi_path_filestat_get(struct process *process, const u64 *args) {
    struct path path;
    struct object *object;
    struct object_stat stat;
    struct wasi_filestat result;
    enum wasi_errno error =
        path_begin(process, args[0], WASI_RIGHT_PATH_FILESTAT_GET, args + 2, &path);
    if (error != WASI_ESUCCESS)
        return error;
    enum status status = path_walk(&path, (args[1] & WASI_LOOKUP_FOLLOW) != 0, &object);
    if (status == OK) {
        status = object_stat(object, &stat);
        object_release(object);
    }
    path_end(&path);
    if (status != OK)
        return wasi_errno_of(status);
    wasi_filestat_of(&stat, &result);
    return wasi_put(process, args[4], &result, sizeof result);
}

static enum wasi_errno put_target(struct process *process, struct object *link, const u64 *args) {
    struct bytes target;
    enum wasi_errno error = wasi_errno_of(object_read_link(link, &target));
    if (error == WASI_ESUCCESS)
        error = wasi_check(process, args[5], sizeof(u32));
    u64 len = target.len < args[4] ? target.len : args[4];
    if (error == WASI_ESUCCESS)
        error = wasi_put(process, args[3], target.data, len);
    return error == WASI_ESUCCESS ? wasi_put_u32(process, args[5], (u32)len) : error;
}

// (fd, path, length, buffer, length, used out)
enum wasi_errno wasi_path_readlink(struct process *process, const u64 *args) {
    struct path path;
    struct object *object;
    enum wasi_errno error = path_begin(process, args[0], WASI_RIGHT_PATH_READLINK, args + 1, &path);
    if (error != WASI_ESUCCESS)
        return error;
    error = wasi_errno_of(path_walk(&path, false, &object));
    if (error == WASI_ESUCCESS) {
        error = put_target(process, object, args);
        object_release(object);
    }
    path_end(&path);
    return error;
}

// -- Changing -----------------------------------------------------------------------------------

// (fd, path, length)
enum wasi_errno wasi_path_create_directory(struct process *process, const u64 *args) {
    struct path path;
    enum wasi_errno error =
        path_begin(process, args[0], WASI_RIGHT_PATH_CREATE_DIRECTORY, args + 1, &path);
    if (error != WASI_ESUCCESS)
        return error;
    enum status status = path_create(&path);
    path_end(&path);
    return wasi_errno_of(status);
}

// (fd, flags, path, length, accessed, modified, fstflags)
enum wasi_errno wasi_path_filestat_set_times(struct process *process, const u64 *args) {
    struct path path;
    enum object_type type;
    enum wasi_errno error =
        path_begin(process, args[0], WASI_RIGHT_PATH_FILESTAT_SET_TIMES, args + 2, &path);
    if (error != WASI_ESUCCESS)
        return error;
    error = wasi_check_times(args[6]);
    if (error == WASI_ESUCCESS)
        error = wasi_errno_of(path_change(&path, (args[1] & WASI_LOOKUP_FOLLOW) != 0, &type));
    path_end(&path);
    return error;
}

// (fd, path, length)
enum wasi_errno wasi_path_remove_directory(struct process *process, const u64 *args) {
    struct path path;
    enum object_type type = OBJECT_DIRECTORY;
    enum wasi_errno error =
        path_begin(process, args[0], WASI_RIGHT_PATH_REMOVE_DIRECTORY, args + 1, &path);
    if (error != WASI_ESUCCESS)
        return error;
    enum status status = path_change(&path, false, &type);
    path_end(&path);
    return type == OBJECT_DIRECTORY ? wasi_errno_of(status) : WASI_ENOTDIR;
}

// (fd, path, length)
enum wasi_errno wasi_path_unlink_file(struct process *process, const u64 *args) {
    struct path path;
    enum object_type type = OBJECT_FILE;
    enum wasi_errno error =
        path_begin(process, args[0], WASI_RIGHT_PATH_UNLINK_FILE, args + 1, &path);
    if (error != WASI_ESUCCESS)
        return error;
    enum status status = path_change(&path, false, &type);
    path_end(&path);
    return type == OBJECT_DIRECTORY ? WASI_EISDIR : wasi_errno_of(status);
}

// (target, length, fd, path, length)
enum wasi_errno wasi_path_symlink(struct process *process, const u64 *args) {
    struct path path;
    struct bytes target;
    enum wasi_errno error = path_begin(process, args[2], WASI_RIGHT_PATH_SYMLINK, args + 3, &path);
    if (error != WASI_ESUCCESS)
        return error;
    error = copy_text(process, args[0], args[1], &target);
    if (error == WASI_ESUCCESS && target.len == 0)
        error = WASI_ENOENT;
    else if (error == WASI_ESUCCESS && target.data[0] == '/')
        error = WASI_ENOTCAPABLE; // such a link could never be followed
    if (error == WASI_ESUCCESS)
        error = wasi_errno_of(path_create(&path));
    if (target.data != NULL)
        kfree((void *)(uptr)target.data, target.len);
    path_end(&path);
    return error;
}

// Two paths, of which the first must be there.
static enum wasi_errno change_two(const struct path *from, bool follow, const struct path *to,
                                  bool replaces) {
    enum object_type type = OBJECT_FILE;
    enum status status = path_change(from, follow, &type);
    if (status != ERR_READ_ONLY)
        return wasi_errno_of(status);
    if (!replaces && type == OBJECT_DIRECTORY)
        return WASI_EPERM; // a directory has one name
    status = path_create(to);
    return wasi_errno_of(status == ERR_EXISTS && replaces ? ERR_READ_ONLY : status);
}

// (fd, flags, path, length, new fd, new path, new length)
enum wasi_errno wasi_path_link(struct process *process, const u64 *args) {
    struct path from;
    struct path to;
    enum wasi_errno error =
        path_begin(process, args[0], WASI_RIGHT_PATH_LINK_SOURCE, args + 2, &from);
    if (error != WASI_ESUCCESS)
        return error;
    error = path_begin(process, args[4], WASI_RIGHT_PATH_LINK_TARGET, args + 5, &to);
    if (error == WASI_ESUCCESS) {
        error = change_two(&from, (args[1] & WASI_LOOKUP_FOLLOW) != 0, &to, false);
        path_end(&to);
    }
    path_end(&from);
    return error;
}

// (fd, path, length, new fd, new path, new length)
enum wasi_errno wasi_path_rename(struct process *process, const u64 *args) {
    struct path from;
    struct path to;
    enum wasi_errno error =
        path_begin(process, args[0], WASI_RIGHT_PATH_RENAME_SOURCE, args + 1, &from);
    if (error != WASI_ESUCCESS)
        return error;
    error = path_begin(process, args[3], WASI_RIGHT_PATH_RENAME_TARGET, args + 4, &to);
    if (error == WASI_ESUCCESS) {
        error = change_two(&from, false, &to, true);
        path_end(&to);
    }
    path_end(&from);
    return error;
}
