// Threads, as the proposal wasi-threads has them: one call, of a module of its own.

#include "kernel/wasi/wasi_internal.h"

// (argument) -> the thread's number, or the negative of an error number
enum trap wasi_thread_spawn(struct instance *caller, u64 *values, void *context) {
    (void)context;
    u32 id;
    enum status status = process_thread_start(process_of(caller), (u32)values[0], &id);
    bool is_short = status == ERR_LIMIT || status == ERR_NO_MEMORY;
    if (status == OK)
        values[0] = id;
    else
        values[0] = 0 - (u32)(is_short ? WASI_EAGAIN : wasi_errno_of(status));
    return TRAP_NONE;
}
