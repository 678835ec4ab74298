// Readiness of what a scheme has opened (kernel/ipc/ready.h).

#include "kernel/ipc/ready.h"
#include "kernel/kwast/kwast_internal.h"

STATIC_ASSERT((u32)POLL_READABLE == KWAST_READABLE && (u32)POLL_WRITABLE == KWAST_WRITABLE &&
                  (u32)POLL_HANGUP == KWAST_HANGUP,
              "abi");

// (ready, events, available)
enum status kwast_ready_set(struct process *process, const u64 *args) {
    struct object *end;
    enum status status = kwast_object(process, args[0], ready_is_end, KWAST_RIGHT_SIGNAL, &end);
    if (status != OK)
        return status;
    u64 all = KWAST_READABLE | KWAST_WRITABLE | KWAST_HANGUP;
    if ((args[1] & ~all) == 0)
        ready_set(end, (u32)args[1], args[2]);
    else
        status = ERR_INVALID;
    object_release(end);
    return status;
}
