// WASI preview 0: the few calls that differ from preview 1, in terms of those.

#include "abi/wasi/preview0.h"
#include "base/math.h"
#include "kernel/wasi/wasi_internal.h"

// (fd, offset, whence, position out)
enum wasi_errno wasi0_fd_seek(struct process *process, const u64 *args) {
    static const u64 whences[] = {
        [WASI0_WHENCE_CUR] = WASI_WHENCE_CUR,
        [WASI0_WHENCE_END] = WASI_WHENCE_END,
        [WASI0_WHENCE_SET] = WASI_WHENCE_SET,
    };
    u64 whence = args[2] < COUNT_OF(whences) ? whences[args[2]] : args[2]; // which is refused
    const u64 seek_args[] = {args[0], args[1], whence, args[3]};
    return wasi_fd_seek(process, seek_args);
}

static enum wasi_errno put_filestat(struct process *process, u64 to,
                                    const struct wasi_filestat *stat) {
    const struct wasi0_filestat old = {
        .device = stat->device,
        .inode = stat->inode,
        .filetype = stat->filetype,
        .link_count = (u32)min_u64(stat->link_count, UINT32_MAX),
        .size = stat->size,
        .accessed_ns = stat->accessed_ns,
        .modified_ns = stat->modified_ns,
        .changed_ns = stat->changed_ns,
    };
    return wasi_put(process, to, &old, sizeof old);
}

// (fd, filestat out)
enum wasi_errno wasi0_fd_filestat_get(struct process *process, const u64 *args) {
    struct wasi_filestat stat;
    enum wasi_errno error = wasi_fd_stat(process, args, &stat);
    return error == WASI_ESUCCESS ? put_filestat(process, args[1], &stat) : error;
}

// (fd, flags, path, length, filestat out)
enum wasi_errno wasi0_path_filestat_get(struct process *process, const u64 *args) {
    struct wasi_filestat stat;
    enum wasi_errno error = wasi_path_stat(process, args, &stat);
    return error == WASI_ESUCCESS ? put_filestat(process, args[4], &stat) : error;
}

static enum wasi_errno take_subscription(struct process *process, u64 at,
                                         struct wasi_subscription *out) {
    struct wasi0_subscription old;
    enum wasi_errno error = wasi_get(process, at, &old, sizeof old);
    if (error != WASI_ESUCCESS)
        return error;
    *out = (struct wasi_subscription){.userdata = old.userdata, .tag = old.tag};
    if (old.tag != WASI_EVENT_CLOCK) {
        out->fd = old.fd;
        return WASI_ESUCCESS;
    }
    out->clock.id = old.clock.id;
    out->clock.timeout_ns = old.clock.timeout_ns;
    out->clock.precision_ns = old.clock.precision_ns;
    out->clock.flags = old.clock.flags;
    return WASI_ESUCCESS;
}

// (subscriptions, events out, count, events stored out)
enum wasi_errno wasi0_poll_oneoff(struct process *process, const u64 *args) {
    return wasi_poll(process, args, sizeof(struct wasi0_subscription), take_subscription);
}
