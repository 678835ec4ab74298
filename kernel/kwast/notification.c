// Notifications.

#include "kernel/ipc/notification.h"
#include "abi/wasi/preview1.h"
#include "kernel/kwast/kwast_internal.h"

// (out)
enum status kwast_notification_create(struct process *process, const u64 *args) {
    struct object *object;
    enum status status = notification_create(&object);
    if (status != OK)
        return status;
    const struct handle handle = {
        .object = object,
        .rights = KWAST_RIGHT_SIGNAL | KWAST_RIGHT_WAIT | WASI_RIGHT_FD_READ |
                  WASI_RIGHT_POLL_FD_READWRITE,
    };
    return kwast_give(process, &handle, args[0]);
}

// (handle, bits)
enum status kwast_notification_signal(struct process *process, const u64 *args) {
    struct object *object;
    enum status status =
        kwast_object(process, args[0], notification_is, KWAST_RIGHT_SIGNAL, &object);
    if (status != OK)
        return status;
    notification_signal(object, args[1]);
    object_release(object);
    return OK;
}

// (handle, timeout, out)
enum status kwast_notification_take(struct process *process, const u64 *args) {
    struct object *object;
    enum status status = kwast_object(process, args[0], notification_is, KWAST_RIGHT_WAIT, &object);
    if (status != OK)
        return status;
    u64 bits;
    status = kwast_check(process, args[2], sizeof bits);
    if (status == OK)
        status = notification_take(object, kwast_deadline(args[1]), &bits);
    object_release(object);
    return status == OK ? kwast_put(process, args[2], &bits, sizeof bits) : status;
}
