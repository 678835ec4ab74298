// Descriptors: state, attributes, and the listing of directories.

#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/wasi/wasi_internal.h"

// -- Position -----------------------------------------------------------------------------------

// The place that a seek goes to.
static enum wasi_errno seek_target(const struct handle *handle, i64 delta, u64 whence, u64 *out) {
    u64 base = 0;
    if (whence == WASI_WHENCE_CUR) {
        base = handle->position;
    } else if (whence == WASI_WHENCE_END) {
        struct object_stat stat;
        enum status status = object_stat(handle->object, &stat);
        if (status != OK)
            return wasi_errno_of(status);
        base = stat.size;
    }
    i64 target;
    if (base > INT64_MAX || __builtin_add_overflow((i64)base, delta, &target) || target < 0)
        return WASI_EINVAL;
    *out = (u64)target;
    return WASI_ESUCCESS;
}

static enum wasi_errno seek(struct process *process, struct handle *handle, const u64 *args) {
    u64 target;
    bool only_tells = args[2] == WASI_WHENCE_CUR && args[1] == 0;
    u64 right = only_tells ? WASI_RIGHT_FD_TELL : WASI_RIGHT_FD_SEEK;
    if (handle->object->type == OBJECT_STREAM)
        return WASI_ESPIPE;
    if ((handle->rights & right) == 0 && (handle->rights & WASI_RIGHT_FD_SEEK) == 0)
        return WASI_ENOTCAPABLE;
    if (args[2] > WASI_WHENCE_END)
        return WASI_EINVAL;
    enum wasi_errno error = wasi_check(process, args[3], sizeof(u64));
    if (error == WASI_ESUCCESS)
        error = seek_target(handle, (i64)args[1], args[2], &target);
    if (error == WASI_ESUCCESS)
        error = wasi_put_u64(process, args[3], target);
    if (error == WASI_ESUCCESS)
        error = wasi_errno_of(handle_set_position(&process->handles, (u32)args[0], target));
    return error;
}

// (fd, offset, whence, position out)
enum wasi_errno wasi_fd_seek(struct process *process, const u64 *args) {
    struct handle handle;
    enum wasi_errno error = wasi_fd(process, args[0], 0, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    error = seek(process, &handle, args);
    object_release(handle.object);
    return error;
}

// (fd, position out)
enum wasi_errno wasi_fd_tell(struct process *process, const u64 *args) {
    const u64 seek_args[] = {args[0], 0, WASI_WHENCE_CUR, args[1]};
    return wasi_fd_seek(process, seek_args);
}

// -- State --------------------------------------------------------------------------------------

// (fd)
enum wasi_errno wasi_fd_close(struct process *process, const u64 *args) {
    return wasi_errno_of(handle_close(&process->handles, (u32)args[0]));
}

// (from, to)
enum wasi_errno wasi_fd_renumber(struct process *process, const u64 *args) {
    return wasi_errno_of(handle_renumber(&process->handles, (u32)args[0], (u32)args[1]));
}

// (fd, fdstat out)
enum wasi_errno wasi_fd_fdstat_get(struct process *process, const u64 *args) {
    struct handle handle;
    enum wasi_errno error = wasi_fd(process, args[0], 0, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    const struct wasi_fdstat stat = {
        .filetype = wasi_filetype_of(handle.object),
        .flags = handle.flags,
        .rights_base = handle.rights,
        .rights_inheriting = handle.rights_inheriting,
    };
    object_release(handle.object);
    return wasi_put(process, args[1], &stat, sizeof stat);
}

// Looks a descriptor up only to see that it has a right.
static enum wasi_errno check_fd(struct process *process, u64 fd, u64 rights,
                                enum object_type *type) {
    struct handle handle;
    enum wasi_errno error = wasi_fd(process, fd, rights, &handle);
    if (error == WASI_ESUCCESS) {
        *type = handle.object->type;
        object_release(handle.object);
    }
    return error;
}

// (fd, flags)
enum wasi_errno wasi_fd_fdstat_set_flags(struct process *process, const u64 *args) {
    enum object_type type;
    enum wasi_errno error = check_fd(process, args[0], WASI_RIGHT_FD_FDSTAT_SET_FLAGS, &type);
    if (error != WASI_ESUCCESS)
        return error;
    if ((args[1] & ~(u64)WASI_FDFLAGS_ALL) != 0)
        return WASI_EINVAL;
    return wasi_errno_of(handle_set_flags(&process->handles, (u32)args[0], (u16)args[1]));
}

// (fd, rights, inheriting)
enum wasi_errno wasi_fd_fdstat_set_rights(struct process *process, const u64 *args) {
    return wasi_errno_of(handle_set_rights(&process->handles, (u32)args[0], args[1], args[2]));
}

// -- Attributes ---------------------------------------------------------------------------------

// (fd, filestat out)
enum wasi_errno wasi_fd_filestat_get(struct process *process, const u64 *args) {
    struct handle handle;
    struct object_stat stat;
    struct wasi_filestat result;
    enum wasi_errno error = wasi_fd(process, args[0], WASI_RIGHT_FD_FILESTAT_GET, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    error = wasi_errno_of(object_stat(handle.object, &stat));
    object_release(handle.object);
    if (error != WASI_ESUCCESS)
        return error;
    wasi_filestat_of(&stat, &result);
    return wasi_put(process, args[1], &result, sizeof result);
}

// (fd, size)
enum wasi_errno wasi_fd_filestat_set_size(struct process *process, const u64 *args) {
    enum object_type type;
    enum wasi_errno error = check_fd(process, args[0], WASI_RIGHT_FD_FILESTAT_SET_SIZE, &type);
    if (error != WASI_ESUCCESS)
        return error;
    if (type != OBJECT_FILE || args[1] > INT64_MAX)
        return WASI_EINVAL;
    return WASI_EROFS;
}

enum wasi_errno wasi_check_times(u64 flags) {
    bool both_accessed = (flags & WASI_FSTFLAG_ATIM) != 0 && (flags & WASI_FSTFLAG_ATIM_NOW) != 0;
    bool both_modified = (flags & WASI_FSTFLAG_MTIM) != 0 && (flags & WASI_FSTFLAG_MTIM_NOW) != 0;
    bool unknown = (flags & ~(u64)WASI_FSTFLAGS_ALL) != 0;
    return both_accessed || both_modified || unknown ? WASI_EINVAL : WASI_ESUCCESS;
}

// (fd, accessed, modified, flags)
enum wasi_errno wasi_fd_filestat_set_times(struct process *process, const u64 *args) {
    enum object_type type;
    enum wasi_errno error = check_fd(process, args[0], WASI_RIGHT_FD_FILESTAT_SET_TIMES, &type);
    if (error == WASI_ESUCCESS)
        error = wasi_check_times(args[3]);
    return error == WASI_ESUCCESS ? WASI_EROFS : error;
}

// (fd, offset, length, advice)
enum wasi_errno wasi_fd_advise(struct process *process, const u64 *args) {
    enum object_type type;
    enum wasi_errno error = check_fd(process, args[0], 0, &type);
    if (error != WASI_ESUCCESS)
        return error;
    if (type == OBJECT_STREAM)
        return WASI_ESPIPE;
    error = check_fd(process, args[0], WASI_RIGHT_FD_ADVISE, &type);
    if (error != WASI_ESUCCESS)
        return error;
    u64 end;
    bool is_valid = args[3] < WASI_ADVICE_COUNT && add_u64(args[1], args[2], &end);
    return is_valid ? WASI_ESUCCESS : WASI_EINVAL;
}

// (fd, offset, length)
enum wasi_errno wasi_fd_allocate(struct process *process, const u64 *args) {
    enum object_type type;
    enum wasi_errno error = check_fd(process, args[0], WASI_RIGHT_FD_ALLOCATE, &type);
    if (error != WASI_ESUCCESS)
        return error;
    if (args[2] == 0 || !range_fits(args[1], args[2], INT64_MAX))
        return WASI_EINVAL;
    return WASI_EROFS; // only files have the right
}

// (fd)
enum wasi_errno wasi_fd_sync(struct process *process, const u64 *args) {
    enum object_type type;
    return check_fd(process, args[0], WASI_RIGHT_FD_SYNC, &type);
}

// (fd)
enum wasi_errno wasi_fd_datasync(struct process *process, const u64 *args) {
    enum object_type type;
    return check_fd(process, args[0], WASI_RIGHT_FD_DATASYNC, &type);
}

// -- Preopened directories ----------------------------------------------------------------------

// (fd, prestat out)
enum wasi_errno wasi_fd_prestat_get(struct process *process, const u64 *args) {
    usize len;
    if (handle_preopen_name(&process->handles, (u32)args[0], NULL, 0, &len) != OK)
        return WASI_EBADF;
    const struct wasi_prestat prestat = {.tag = WASI_PREOPEN_DIR, .name_len = (u32)len};
    return wasi_put(process, args[1], &prestat, sizeof prestat);
}

// (fd, buffer, length)
enum wasi_errno wasi_fd_prestat_dir_name(struct process *process, const u64 *args) {
    usize len;
    if (handle_preopen_name(&process->handles, (u32)args[0], NULL, 0, &len) != OK)
        return WASI_EBADF;
    if (args[2] < len)
        return WASI_ENAMETOOLONG;
    usize size = len;
    char *name = kmalloc(size);
    if (name == NULL)
        return WASI_ENOMEM;
    enum wasi_errno error = WASI_EBADF; // closed in between
    if (handle_preopen_name(&process->handles, (u32)args[0], name, size, &len) == OK)
        error = wasi_put(process, args[1], name, min_u64(size, len));
    kfree(name, size);
    return error;
}

// -- Directories --------------------------------------------------------------------------------

// Cookies 0 and 1 are "." and ".."; the object's own cookies follow.
#define OWN_COOKIES 2u

static enum status entry_at(struct object *directory, u64 cookie, struct object_entry *out) {
    if (cookie < OWN_COOKIES) {
        // A directory does not know its parent: ".." leads out of the sandbox at its root.
        struct object_stat stat;
        enum status status = object_stat(directory, &stat);
        if (status != OK)
            return status;
        *out = (struct object_entry){
            .inode = stat.inode,
            .type = OBJECT_DIRECTORY,
            .next_cookie = cookie + 1,
            .name = bytes_of(cookie == 0 ? "." : ".."),
        };
        return OK;
    }
    enum status status = object_read_entry(directory, cookie - OWN_COOKIES, out);
    if (status == OK)
        out->next_cookie += OWN_COOKIES;
    return status;
}

// Puts as much of `from` as fits at *at.
static enum wasi_errno put_cut(struct process *process, u64 *at, u64 end, const void *from,
                               u64 len) {
    u64 fits = min_u64(len, end - *at);
    enum wasi_errno error = wasi_put(process, *at, from, fits);
    *at += fits;
    return error;
}

static enum wasi_errno put_entry(struct process *process, u64 *at, u64 end,
                                 const struct object_entry *entry) {
    const struct object object = {.type = entry->type};
    const struct wasi_dirent dirent = {
        .next = entry->next_cookie,
        .inode = entry->inode,
        .name_len = (u32)entry->name.len,
        .filetype = wasi_filetype_of(&object),
    };
    enum wasi_errno error = put_cut(process, at, end, &dirent, sizeof dirent);
    if (error == WASI_ESUCCESS)
        error = put_cut(process, at, end, entry->name.data, entry->name.len);
    return error;
}

static enum wasi_errno list(struct process *process, struct object *directory, const u64 *args) {
    u64 at = args[1];
    u64 end = args[1] + args[2];
    u64 cookie = args[3];
    enum wasi_errno error = wasi_check(process, args[1], args[2]);
    if (error == WASI_ESUCCESS)
        error = wasi_check(process, args[4], sizeof(u32));
    while (error == WASI_ESUCCESS && at < end) {
        struct object_entry entry;
        enum status status = entry_at(directory, cookie, &entry);
        if (status == ERR_NOT_FOUND)
            break;
        if (status != OK)
            return wasi_errno_of(status);
        error = put_entry(process, &at, end, &entry);
        cookie = entry.next_cookie;
    }
    if (error == WASI_ESUCCESS)
        error = wasi_put_u32(process, args[4], (u32)(at - args[1]));
    return error;
}

// (fd, buffer, length, cookie, used out)
enum wasi_errno wasi_fd_readdir(struct process *process, const u64 *args) {
    struct handle handle;
    enum wasi_errno error = wasi_fd(process, args[0], 0, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    if (handle.object->type != OBJECT_DIRECTORY)
        error = WASI_ENOTDIR;
    else if ((handle.rights & WASI_RIGHT_FD_READDIR) == 0)
        error = WASI_ENOTCAPABLE;
    else
        error = list(process, handle.object, args);
    object_release(handle.object);
    return error;
}
