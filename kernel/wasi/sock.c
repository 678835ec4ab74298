// Sockets. No handle of today is one, so each call checks its descriptor and says so.

#include "kernel/wasi/wasi_internal.h"

static enum wasi_errno refuse(struct process *process, u64 fd) {
    struct handle handle;
    enum wasi_errno error = wasi_fd(process, fd, 0, &handle);
    if (error != WASI_ESUCCESS)
        return error;
    object_release(handle.object);
    return WASI_ENOTSOCK;
}

enum wasi_errno wasi_sock_accept(struct process *process, const u64 *args) {
    return refuse(process, args[0]);
}

enum wasi_errno wasi_sock_recv(struct process *process, const u64 *args) {
    return refuse(process, args[0]);
}

enum wasi_errno wasi_sock_send(struct process *process, const u64 *args) {
    return refuse(process, args[0]);
}

enum wasi_errno wasi_sock_shutdown(struct process *process, const u64 *args) {
    return refuse(process, args[0]);
}
