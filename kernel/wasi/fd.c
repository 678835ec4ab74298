// Descriptors: state, attributes, and the listing of directories.

#include "abi/kwast/calls.h"
#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/wasi/wasi_internal.h"

// -- Position -----------------------------------------------------------------------------------

// The place that a seek goes to.
static enum wasi_errno seek_target(struct object *object, u64 position, const u64 *args, u64 *out) {
    u64 base = 0;
    if (args[2] == WASI_WHENCE_CUR) {
        base = position;
    } else if (args[2] == WASI_WHENCE_END) {
        struct object_stat stat;
        enum status status = object_stat(object, &stat);
        if (status != OK)
            return wasi_errno_of(status);
        base = stat.size;
    }
    i64 target;
    i64 delta = (i64)args[1];
    if (base > INT64_MAX || __builtin_add_overflow((i64)base, delta, &target) || target < 0)
        return WASI_EINVAL;
    *out = (u64)target;
    return WASI_ESUCCESS;
}

static enum wasi_errno check_seek(struct process *process, const struct handle *handle,
                                  const u64 *args) {
    bool only_tells = args[2] == WASI_WHENCE_CUR && args[1] == 0;
    u64 right = only_tells ? WASI_RIGHT_FD_TELL : WASI_RIGHT_FD_SEEK;
    if (handle->object->type == OBJECT_STREAM)
        return WASI_ESPIPE;
    if ((handle->rights & right) == 0 && (handle->rights & WASI_RIGHT_FD_SEEK) == 0)
        return WASI_ENOTCAPABLE;
    if (args[2] > WASI_WHENCE_END)
        return WASI_EINVAL;
    return wasi_check(process, args[3], sizeof(u64));
}

static enum wasi_errno seek_file(struct process *process, struct object *object,
                                 struct open_file *file, const u64 *args) {
    u64 position;
    enum status status = open_file_take(file, &position);
    if (status != OK)
        return wasi_errno_of(status);
    u64 target;
    enum wasi_errno error = seek_target(object, position, args, &target);
    if (error == WASI_ESUCCESS)
        error = wasi_put_u64(process, args[3], target);
    open_file_put_back(file, error == WASI_ESUCCESS ? target : position);
    return error;
}

static enum wasi_errno seek(struct process *process, const struct handle *handle, const u64 *args) {
    enum wasi_errno error = check_seek(process, handle, args);
    if (error != WASI_ESUCCESS)
        return error;
    struct open_file *file;
    enum status status = handle_file(&process->handles, (u32)args[0], handle->object, &file);
    if (status != OK)
        return wasi_errno_of(status);
    error = seek_file(process, handle->object, file, args);
    open_file_release(file);
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

enum wasi_errno wasi_fd_stat(struct process *process, const u64 *args, struct wasi_filestat *out) {
    struct handle handle;
    struct object_stat stat;
    enum wasi_errno error = wasi_fd(process, args[0], WASI_RIGHT_FD_FILESTAT_GET, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    error = wasi_errno_of(object_stat(handle.object, &stat));
    object_release(handle.object);
    if (error == WASI_ESUCCESS)
        wasi_filestat_of(&stat, out);
    return error;
}

// (fd, filestat out)
enum wasi_errno wasi_fd_filestat_get(struct process *process, const u64 *args) {
    struct wasi_filestat stat;
    enum wasi_errno error = wasi_fd_stat(process, args, &stat);
    return error == WASI_ESUCCESS ? wasi_put(process, args[1], &stat, sizeof stat) : error;
}

// Looks a file up for a call that changes it.
static enum wasi_errno get_file(struct process *process, u64 fd, u64 right, struct handle *out) {
    enum wasi_errno error = wasi_fd(process, fd, right, out);
    if (error != WASI_ESUCCESS || out->object->type == OBJECT_FILE)
        return error;
    object_release(out->object);
    return WASI_EINVAL;
}

// (fd, size)
enum wasi_errno wasi_fd_filestat_set_size(struct process *process, const u64 *args) {
    struct handle handle;
    enum wasi_errno error = get_file(process, args[0], WASI_RIGHT_FD_FILESTAT_SET_SIZE, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    error =
        args[1] > INT64_MAX ? WASI_EINVAL : wasi_errno_of(object_set_size(handle.object, args[1]));
    object_release(handle.object);
    return error;
}

STATIC_ASSERT(TIMES_ACCESSED == WASI_FSTFLAG_ATIM, "the same flags");
STATIC_ASSERT(TIMES_ACCESSED_NOW == WASI_FSTFLAG_ATIM_NOW, "the same flags");
STATIC_ASSERT(TIMES_MODIFIED == WASI_FSTFLAG_MTIM, "the same flags");
STATIC_ASSERT(TIMES_MODIFIED_NOW == WASI_FSTFLAG_MTIM_NOW, "the same flags");

enum wasi_errno wasi_times_of(u64 accessed_ns, u64 modified_ns, u64 flags,
                              struct object_times *out) {
    bool both_accessed = (flags & WASI_FSTFLAG_ATIM) != 0 && (flags & WASI_FSTFLAG_ATIM_NOW) != 0;
    bool both_modified = (flags & WASI_FSTFLAG_MTIM) != 0 && (flags & WASI_FSTFLAG_MTIM_NOW) != 0;
    bool unknown = (flags & ~(u64)WASI_FSTFLAGS_ALL) != 0;
    *out = (struct object_times){accessed_ns, modified_ns, (u32)flags};
    return both_accessed || both_modified || unknown ? WASI_EINVAL : WASI_ESUCCESS;
}

// (fd, accessed, modified, flags)
enum wasi_errno wasi_fd_filestat_set_times(struct process *process, const u64 *args) {
    struct handle handle;
    struct object_times times;
    enum wasi_errno error = wasi_fd(process, args[0], WASI_RIGHT_FD_FILESTAT_SET_TIMES, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    error = wasi_times_of(args[1], args[2], args[3], &times);
    if (error == WASI_ESUCCESS)
        error = wasi_errno_of(object_set_times(handle.object, &times));
    object_release(handle.object);
    return error;
}

// (fd, offset, length, advice): taken note of by nobody.
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
    struct handle handle;
    enum wasi_errno error = get_file(process, args[0], WASI_RIGHT_FD_ALLOCATE, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    bool is_valid = args[2] != 0 && range_fits(args[1], args[2], INT64_MAX);
    error =
        is_valid ? wasi_errno_of(object_allocate(handle.object, args[1], args[2])) : WASI_EINVAL;
    object_release(handle.object);
    return error;
}

static enum wasi_errno sync_fd(struct process *process, u64 fd, u64 right, bool only_data) {
    struct handle handle;
    enum wasi_errno error = wasi_fd(process, fd, right, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    error = wasi_errno_of(object_sync(handle.object, only_data));
    object_release(handle.object);
    return error;
}

// (fd)
enum wasi_errno wasi_fd_sync(struct process *process, const u64 *args) {
    return sync_fd(process, args[0], WASI_RIGHT_FD_SYNC, false);
}

// (fd)
enum wasi_errno wasi_fd_datasync(struct process *process, const u64 *args) {
    return sync_fd(process, args[0], WASI_RIGHT_FD_DATASYNC, true);
}

// -- Preopened directories ----------------------------------------------------------------------

// (fd, prestat out)
enum wasi_errno wasi_fd_prestat_get(struct process *process, const u64 *args) {
    usize len = 0;
    bool is_numbered = handle_is_numbered(&process->handles, (u32)args[0]);
    if (!is_numbered && handle_preopen_name(&process->handles, (u32)args[0], NULL, 0, &len) != OK)
        return WASI_EBADF;
    const struct wasi_prestat prestat = {
        .tag = is_numbered ? KWAST_PREOPEN_NUMBERED : WASI_PREOPEN_DIR, .name_len = (u32)len};
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

// A listing under way, in the program's memory.
struct listing {
    struct process *process;
    u64 at;
    u64 end;
    u64 own_cookies; // what the object's cookies are offset by
    enum wasi_errno error;
};

// Puts as much of `from` as fits.
static void put_cut(struct listing *listing, const void *from, u64 len) {
    u64 fits = min_u64(len, listing->end - listing->at);
    if (listing->error == WASI_ESUCCESS)
        listing->error = wasi_put(listing->process, listing->at, from, fits);
    listing->at += fits;
}

static bool put_entry(void *context, const struct object_entry *entry) {
    struct listing *listing = context;
    const struct object object = {.type = entry->type};
    const struct wasi_dirent dirent = {
        .next = entry->next_cookie + listing->own_cookies,
        .inode = entry->inode,
        .name_len = (u32)entry->name.len,
        .filetype = wasi_filetype_of(&object),
    };
    put_cut(listing, &dirent, sizeof dirent);
    put_cut(listing, entry->name.data, entry->name.len);
    return listing->error == WASI_ESUCCESS && listing->at < listing->end;
}

// "." and "..": a directory does not know its parent, and ".." leads out of the sandbox at its
// root.
static enum wasi_errno put_own_entries(struct listing *listing, struct object *directory,
                                       u64 cookie) {
    struct object_stat stat;
    enum status status = object_stat(directory, &stat);
    if (status != OK)
        return wasi_errno_of(status);
    for (; cookie < OWN_COOKIES; cookie++) {
        const struct object_entry entry = {
            .inode = stat.inode,
            .type = OBJECT_DIRECTORY,
            .next_cookie = cookie + 1,
            .name = bytes_of(cookie == 0 ? "." : ".."),
        };
        if (!put_entry(listing, &entry))
            break;
    }
    return listing->error;
}

static enum wasi_errno list(struct process *process, struct object *directory, const u64 *args) {
    struct listing listing = {.process = process, .at = args[1], .end = args[1] + args[2]};
    u64 cookie = args[3];
    enum wasi_errno error = wasi_check(process, args[1], args[2]);
    if (error == WASI_ESUCCESS)
        error = wasi_check(process, args[4], sizeof(u32));
    if (error == WASI_ESUCCESS && cookie < OWN_COOKIES)
        error = put_own_entries(&listing, directory, cookie);
    if (error != WASI_ESUCCESS)
        return error;
    if (listing.at < listing.end) {
        u64 own = cookie < OWN_COOKIES ? 0 : cookie - OWN_COOKIES;
        listing.own_cookies = OWN_COOKIES;
        error = wasi_errno_of(object_list(directory, own, put_entry, &listing));
    }
    if (error == WASI_ESUCCESS)
        error = listing.error;
    if (error == WASI_ESUCCESS)
        error = wasi_put_u32(process, args[4], (u32)(listing.at - args[1]));
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
