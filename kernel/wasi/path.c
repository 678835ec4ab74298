// Paths below a directory descriptor. What a path means, and what may become of it, is the file
// system's business (kernel/ipc/path.h); here are descriptors, rights, flags and memory.

#include "kernel/ipc/path.h"
#include "base/math.h"
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

static struct place place_of(const struct path *path) {
    return (struct place){path->base.object, path->text};
}

static enum wasi_errno check_lookup(u64 flags) {
    return (flags & ~(u64)WASI_LOOKUP_FOLLOW) != 0 ? WASI_EINVAL : WASI_ESUCCESS;
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

// Of the rights that mean something for what is opened, fewer than asked for are not granted: what
// the directory does not hand down cannot be had.
static enum wasi_errno check_rights(const struct path *path, const struct open_args *open,
                                    u64 sensible) {
    u64 missing = open->rights & sensible & ~path->base.rights_inheriting;
    return missing != 0 ? WASI_ENOTCAPABLE : WASI_ESUCCESS;
}

// The rights that are sure to mean something for what will be opened. Where something may change,
// these are all of them, so that nothing is refused too late.
static u64 rights_expected(const struct open_args *open) {
    if ((open->oflags & WASI_OFLAG_DIRECTORY) != 0)
        return wasi_directory_rights();
    if ((open->oflags & (WASI_OFLAG_CREAT | WASI_OFLAG_TRUNC)) != 0)
        return wasi_file_rights();
    return wasi_directory_rights() & wasi_file_rights();
}

static enum wasi_errno check_open(const struct path *path, const struct open_args *open) {
    bool may_sync = (path->base.rights & (WASI_RIGHT_FD_DATASYNC | WASI_RIGHT_FD_SYNC)) != 0;
    if ((open->fdflags & WASI_FDFLAG_DSYNC) != 0 && !may_sync) // either of the two will do
        return WASI_ENOTCAPABLE;
    if ((open->oflags & ~(u64)WASI_OFLAGS_ALL) != 0 ||
        (open->fdflags & ~(u64)WASI_FDFLAGS_ALL) != 0)
        return WASI_EINVAL;
    if (open_creates(open) && (open->oflags & WASI_OFLAG_DIRECTORY) != 0)
        return WASI_EINVAL;
    return check_rights(path, open, rights_expected(open));
}

static u64 rights_to_open(const struct open_args *open) {
    u64 rights = WASI_RIGHT_PATH_OPEN;
    if (open_creates(open))
        rights |= WASI_RIGHT_PATH_CREATE_FILE;
    if ((open->oflags & WASI_OFLAG_TRUNC) != 0)
        rights |= WASI_RIGHT_PATH_FILESTAT_SET_SIZE;
    if ((open->fdflags & (WASI_FDFLAG_SYNC | WASI_FDFLAG_RSYNC)) != 0)
        rights |= WASI_RIGHT_FD_SYNC;
    return rights;
}

static u32 flags_to_open(const struct path *path, const struct open_args *open) {
    u64 granted = open->rights & path->base.rights_inheriting;
    u32 flags = open->follow ? OPEN_FOLLOW : 0;
    flags |= (open->oflags & WASI_OFLAG_CREAT) != 0 ? OPEN_CREATE : 0;
    flags |= (open->oflags & WASI_OFLAG_EXCL) != 0 ? OPEN_EXCLUSIVE : 0;
    flags |= (open->oflags & WASI_OFLAG_TRUNC) != 0 ? OPEN_TRUNCATE : 0;
    flags |= (open->oflags & WASI_OFLAG_DIRECTORY) != 0 ? OPEN_DIRECTORY : 0;
    flags |= (granted & (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_READDIR)) != 0 ? OPEN_READ : 0;
    flags |= (granted & WASI_RIGHT_FD_WRITE) != 0 ? OPEN_WRITE : 0;
    // A directory has no size, so there these rights mean nothing.
    bool resizes = (granted & (WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_SET_SIZE)) != 0;
    flags |= resizes && (flags & OPEN_DIRECTORY) == 0 ? OPEN_RESIZE : 0;
    return flags;
}

static enum wasi_errno insert_opened(struct process *process, const struct path *path,
                                     const struct open_args *open, struct object *object, u32 *fd) {
    u64 sensible = object->type == OBJECT_DIRECTORY ? wasi_directory_rights() : wasi_file_rights();
    enum wasi_errno error = check_rights(path, open, sensible);
    const struct handle handle = {
        .object = object,
        .rights = open->rights & sensible,
        .rights_inheriting = open->inheriting & path->base.rights_inheriting,
        .flags = (u16)open->fdflags,
    };
    if (error == WASI_ESUCCESS)
        error = wasi_errno_of(handle_insert(&process->handles, &handle, fd));
    if (error != WASI_ESUCCESS)
        object_release(object);
    return error;
}

static enum wasi_errno open_path(struct process *process, const struct path *path,
                                 const struct open_args *open, u64 fd_at) {
    struct object *object;
    u32 fd;
    enum wasi_errno error = wasi_check(process, fd_at, sizeof fd);
    if (error != WASI_ESUCCESS)
        return error;
    struct place place = place_of(path);
    enum status status = path_open(&place, flags_to_open(path, open), &object);
    if (status != OK)
        return wasi_errno_of(status);
    error = insert_opened(process, path, open, object, &fd);
    if (error != WASI_ESUCCESS)
        return error;
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
    error = check_lookup(args[1]);
    if (error == WASI_ESUCCESS)
        error = check_open(&path, &open);
    if (error == WASI_ESUCCESS)
        error = open_path(process, &path, &open, args[8]);
    path_end(&path);
    return error;
}

// -- Asking -------------------------------------------------------------------------------------

enum wasi_errno wasi_path_stat(struct process *process, const u64 *args,
                               struct wasi_filestat *out) {
    struct path path;
    struct object_stat stat;
    enum wasi_errno error =
        path_begin(process, args[0], WASI_RIGHT_PATH_FILESTAT_GET, args + 2, &path);
    if (error != WASI_ESUCCESS)
        return error;
    struct place place = place_of(&path);
    error = check_lookup(args[1]);
    if (error == WASI_ESUCCESS)
        error = wasi_errno_of(path_stat(&place, args[1] != 0, &stat));
    path_end(&path);
    if (error == WASI_ESUCCESS)
        wasi_filestat_of(&stat, out);
    return error;
}

// (fd, flags, path, length, filestat out)
enum wasi_errno wasi_path_filestat_get(struct process *process, const u64 *args) {
    struct wasi_filestat stat;
    enum wasi_errno error = wasi_path_stat(process, args, &stat);
    return error == WASI_ESUCCESS ? wasi_put(process, args[4], &stat, sizeof stat) : error;
}

static enum wasi_errno put_target(struct process *process, const struct path *path,
                                  const u64 *args) {
    enum wasi_errno error = wasi_check(process, args[5], sizeof(u32));
    if (error == WASI_ESUCCESS)
        error = wasi_check(process, args[3], args[4]);
    if (error != WASI_ESUCCESS)
        return error;
    usize size = PATH_LEN_MAX;
    u8 *target = kmalloc(size);
    if (target == NULL)
        return WASI_ENOMEM;
    usize len;
    struct place place = place_of(path);
    error = wasi_errno_of(path_read_link(&place, target, min_u64(size, args[4]), &len));
    if (error == WASI_ESUCCESS)
        error = wasi_put(process, args[3], target, len);
    if (error == WASI_ESUCCESS)
        error = wasi_put_u32(process, args[5], (u32)len);
    kfree(target, size);
    return error;
}

// (fd, path, length, buffer, length, used out)
enum wasi_errno wasi_path_readlink(struct process *process, const u64 *args) {
    struct path path;
    enum wasi_errno error = path_begin(process, args[0], WASI_RIGHT_PATH_READLINK, args + 1, &path);
    if (error != WASI_ESUCCESS)
        return error;
    error = put_target(process, &path, args);
    path_end(&path);
    return error;
}

// -- Changing -----------------------------------------------------------------------------------

// A call about one path that needs nothing else: (fd, path, length).
static enum wasi_errno change_one(struct process *process, const u64 *args, u64 right,
                                  enum status (*change)(const struct place *place)) {
    struct path path;
    enum wasi_errno error = path_begin(process, args[0], right, args + 1, &path);
    if (error != WASI_ESUCCESS)
        return error;
    struct place place = place_of(&path);
    error = wasi_errno_of(change(&place));
    path_end(&path);
    return error;
}

// (fd, path, length)
enum wasi_errno wasi_path_create_directory(struct process *process, const u64 *args) {
    return change_one(process, args, WASI_RIGHT_PATH_CREATE_DIRECTORY, path_make_directory);
}

// (fd, path, length)
enum wasi_errno wasi_path_remove_directory(struct process *process, const u64 *args) {
    return change_one(process, args, WASI_RIGHT_PATH_REMOVE_DIRECTORY, path_remove_directory);
}

// (fd, path, length)
enum wasi_errno wasi_path_unlink_file(struct process *process, const u64 *args) {
    return change_one(process, args, WASI_RIGHT_PATH_UNLINK_FILE, path_unlink);
}

// (fd, flags, path, length, accessed, modified, fstflags)
enum wasi_errno wasi_path_filestat_set_times(struct process *process, const u64 *args) {
    struct path path;
    struct object_times times;
    enum wasi_errno error =
        path_begin(process, args[0], WASI_RIGHT_PATH_FILESTAT_SET_TIMES, args + 2, &path);
    if (error != WASI_ESUCCESS)
        return error;
    error = check_lookup(args[1]);
    if (error == WASI_ESUCCESS)
        error = wasi_times_of(args[4], args[5], args[6], &times);
    struct place place = place_of(&path);
    if (error == WASI_ESUCCESS)
        error = wasi_errno_of(path_set_times(&place, args[1] != 0, &times));
    path_end(&path);
    return error;
}

// (target, length, fd, path, length)
enum wasi_errno wasi_path_symlink(struct process *process, const u64 *args) {
    struct path path;
    struct bytes target;
    enum wasi_errno error = path_begin(process, args[2], WASI_RIGHT_PATH_SYMLINK, args + 3, &path);
    if (error != WASI_ESUCCESS)
        return error;
    error = copy_text(process, args[0], args[1], &target);
    struct place place = place_of(&path);
    if (error == WASI_ESUCCESS)
        error = wasi_errno_of(path_make_link(&place, target));
    if (target.data != NULL)
        kfree((void *)(uptr)target.data, target.len);
    path_end(&path);
    return error;
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
        struct place source = place_of(&from);
        struct place target = place_of(&to);
        error = check_lookup(args[1]);
        if (error == WASI_ESUCCESS)
            error = wasi_errno_of(path_link(&source, args[1] != 0, &target));
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
        struct place source = place_of(&from);
        struct place target = place_of(&to);
        error = wasi_errno_of(path_rename(&source, &target));
        path_end(&to);
    }
    path_end(&from);
    return error;
}
