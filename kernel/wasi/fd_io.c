// Reading and writing through descriptors.
//
// Data passes through a bounce buffer of BOUNCE_BYTES, because an object may block or be slow while
// it fills a buffer, and a program's memory is only ever touched by the checked copies. All buffers
// and the place of the count are checked before an object is asked for anything.

#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/wasi/wasi_internal.h"

#define BOUNCE_BYTES (32 * KIB)

struct transfer {
    struct process *process;
    struct handle handle;
    struct wasi_buffers buffers;
    u8 *bounce;
    usize bounce_bytes;
    u64 offset; // of the next byte
    u64 done;
    bool appends; // wherever the end is, and `offset` follows
};

static void transfer_end(struct transfer *t) {
    if (t->bounce != NULL)
        kfree(t->bounce, t->bounce_bytes);
    wasi_buffers_fini(&t->buffers);
    object_release(t->handle.object);
}

static enum wasi_errno check_handle(const struct handle *handle, u64 rights, bool positioned) {
    if (handle->object->type == OBJECT_DIRECTORY)
        return WASI_EISDIR;
    if (positioned && handle->object->type == OBJECT_STREAM)
        return WASI_ESPIPE;
    return (rights & ~handle->rights) != 0 ? WASI_ENOTCAPABLE : WASI_ESUCCESS;
}

// Everything that can be refused, before anything happens. On success transfer_end is due.
static enum wasi_errno transfer_begin(struct transfer *t, const u64 *args, u64 rights, u64 count_at,
                                      bool positioned) {
    t->bounce = NULL;
    t->buffers.parts = NULL;
    t->done = 0;
    t->appends = false;
    enum wasi_errno error = wasi_fd(t->process, args[0], 0, &t->handle);
    if (error != WASI_ESUCCESS)
        return error;
    error = check_handle(&t->handle, rights, positioned);
    if (error == WASI_ESUCCESS)
        error = wasi_buffers_get(t->process, args[1], args[2], &t->buffers);
    if (error == WASI_ESUCCESS)
        error = wasi_check(t->process, count_at, sizeof(u32));
    if (error == WASI_ESUCCESS && t->buffers.total != 0) {
        t->bounce_bytes = min_u64(t->buffers.total, BOUNCE_BYTES);
        t->bounce = kmalloc(t->bounce_bytes);
        if (t->bounce == NULL)
            error = WASI_ENOMEM;
    }
    if (error != WASI_ESUCCESS)
        transfer_end(t);
    return error;
}

static bool would_block(const struct handle *handle, u32 wanted) {
    u64 available;
    return (handle->flags & WASI_FDFLAG_NONBLOCK) != 0 &&
           (object_poll(handle->object, &available) & wanted) == 0;
}

// One step of reading. *more: the object may have more, at once.
static enum wasi_errno read_step(struct transfer *t, bool *more) {
    usize len = min_u64(t->buffers.total - t->done, t->bounce_bytes);
    usize got = 0;
    enum status status = object_read(t->handle.object, t->offset, t->bounce, len, &got);
    if (status != OK)
        return wasi_errno_of(status);
    enum wasi_errno error = wasi_buffers_scatter(t->process, &t->buffers, t->bounce, got);
    if (error != WASI_ESUCCESS)
        return error;
    t->done += got;
    t->offset += got;
    // What a stream has now is what the program gets; a file is read until it ends.
    *more = got == len && t->handle.object->type == OBJECT_FILE;
    return WASI_ESUCCESS;
}

static enum status write_piece(struct transfer *t, usize len, usize *put) {
    struct object *object = t->handle.object;
    if (t->appends)
        return object_append(object, t->bounce, len, put, &t->offset);
    enum status status = object_write(object, t->offset, t->bounce, len, put);
    t->offset += status == OK ? *put : 0;
    return status;
}

// What a descriptor opened for synchronous writing promises.
static enum status sync_written(const struct transfer *t) {
    bool all = (t->handle.flags & WASI_FDFLAG_SYNC) != 0;
    if (!all && (t->handle.flags & WASI_FDFLAG_DSYNC) == 0)
        return OK;
    return object_sync(t->handle.object, !all);
}

static enum wasi_errno write_step(struct transfer *t, bool *more) {
    usize len = min_u64(t->buffers.total - t->done, t->bounce_bytes);
    usize put = 0;
    enum wasi_errno error = wasi_buffers_gather(t->process, &t->buffers, t->bounce, len);
    if (error != WASI_ESUCCESS)
        return error;
    enum status status = write_piece(t, len, &put);
    if (status == OK)
        status = sync_written(t);
    if (status != OK)
        return wasi_errno_of(status);
    t->done += put;
    *more = put == len;
    return WASI_ESUCCESS;
}

// Repeats the step. What was moved before a failure counts; the failure shows at the next call. A
// process that is to end does so now and not after gigabytes.
static enum wasi_errno transfer_run(struct transfer *t,
                                    enum wasi_errno (*step)(struct transfer *t, bool *more)) {
    enum wasi_errno error = WASI_ESUCCESS;
    bool more = true;
    while (error == WASI_ESUCCESS && more && t->done < t->buffers.total)
        error = thread_is_killed(thread_current()) ? WASI_EINTR : step(t, &more);
    return t->done != 0 ? WASI_ESUCCESS : error;
}

static enum wasi_errno run_read(struct transfer *t) {
    if (t->buffers.total != 0 && would_block(&t->handle, POLL_READABLE))
        return WASI_EAGAIN;
    return transfer_run(t, read_step);
}

static enum wasi_errno run_write(struct transfer *t) {
    if (t->buffers.total != 0 && would_block(&t->handle, POLL_WRITABLE))
        return WASI_EAGAIN;
    return transfer_run(t, write_step);
}

// A file ends at 2^63 - 1 at the latest.
static bool fits_in_file(const struct transfer *t) {
    return range_fits(t->offset, t->buffers.total, INT64_MAX);
}

// Who shares a file's position goes on where the one before has stopped.
static enum wasi_errno run_file(struct transfer *t, u32 fd,
                                enum wasi_errno (*run)(struct transfer *t)) {
    struct open_file *file;
    u64 position;
    enum status status = handle_file(&t->process->handles, fd, t->handle.object, &file);
    if (status != OK)
        return wasi_errno_of(status);
    status = open_file_take(file, &position);
    if (status != OK) {
        open_file_release(file);
        return wasi_errno_of(status);
    }
    t->offset = position;
    t->appends = run == run_write && (t->handle.flags & WASI_FDFLAG_APPEND) != 0;
    enum wasi_errno error = t->appends || fits_in_file(t) ? run(t) : WASI_EINVAL;
    bool has_moved = error == WASI_ESUCCESS && t->done != 0;
    open_file_put_back(file, has_moved ? t->offset : position);
    open_file_release(file);
    return error;
}

// Reads or writes at the handle's own position and moves it on.
static enum wasi_errno at_position(struct process *process, const u64 *args, u64 rights,
                                   enum wasi_errno (*run)(struct transfer *t)) {
    struct transfer t = {.process = process};
    enum wasi_errno error = transfer_begin(&t, args, rights, args[3], false);
    if (error != WASI_ESUCCESS)
        return error;
    error = t.handle.object->type == OBJECT_FILE ? run_file(&t, (u32)args[0], run) : run(&t);
    if (error == WASI_ESUCCESS)
        error = wasi_put_u32(process, args[3], (u32)t.done);
    transfer_end(&t);
    return error;
}

static enum wasi_errno at_offset(struct process *process, const u64 *args, u64 rights,
                                 enum wasi_errno (*run)(struct transfer *t)) {
    struct transfer t = {.process = process};
    enum wasi_errno error = transfer_begin(&t, args, rights, args[4], true);
    if (error != WASI_ESUCCESS)
        return error;
    t.offset = args[3];
    error = fits_in_file(&t) ? run(&t) : WASI_EINVAL;
    if (error == WASI_ESUCCESS)
        error = wasi_put_u32(process, args[4], (u32)t.done);
    transfer_end(&t);
    return error;
}

// (fd, iovecs, count, read out)
enum wasi_errno wasi_fd_read(struct process *process, const u64 *args) {
    return at_position(process, args, WASI_RIGHT_FD_READ, run_read);
}

// (fd, iovecs, count, written out)
enum wasi_errno wasi_fd_write(struct process *process, const u64 *args) {
    return at_position(process, args, WASI_RIGHT_FD_WRITE, run_write);
}

// (fd, iovecs, count, offset, read out)
enum wasi_errno wasi_fd_pread(struct process *process, const u64 *args) {
    return at_offset(process, args, WASI_RIGHT_FD_READ | WASI_RIGHT_FD_SEEK, run_read);
}

// (fd, iovecs, count, offset, written out)
enum wasi_errno wasi_fd_pwrite(struct process *process, const u64 *args) {
    return at_offset(process, args, WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_SEEK, run_write);
}
