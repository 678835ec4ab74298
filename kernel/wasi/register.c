// Registers every call of preview 1 with the process layer.
//
// All but proc_exit, proc_raise, sched_yield and thread-spawn return an error number and share one
// entry, which finds the call in the context that it was registered with.

#include "kernel/wasi/wasi.h"

#include "base/assert.h"
#include "kernel/wasi/wasi_internal.h"

#define MODULE_NAME "wasi_snapshot_preview1"

[[gnu::noinline]] static enum trap wasi_entry(struct instance *caller, u64 *values, void *context) {
    const struct wasi_call *call = context;
    values[0] = call->func(process_of(caller), values);
    return process_call_end();
}

// The cheapest call there is: a number that is certainly not open needs none of the detour.
static enum trap wasi_close_entry(struct instance *caller, u64 *values, void *context) {
    if (!handle_is_beyond(&process_of(caller)->handles, (u32)values[0]))
        return wasi_entry(caller, values, context);
    values[0] = WASI_EBADF;
    return process_call_end();
}

static const struct wasi_call calls[] = {
#define WASI_CALL(name, parameters) {#name, parameters ":i", wasi_##name},
#include "kernel/wasi/calls.def"
#undef WASI_CALL
};

#define CALL_COUNT  COUNT_OF(calls)
#define APART_COUNT 4u

static struct host_import imports[CALL_COUNT + APART_COUNT];

enum status wasi_register(void) {
    for (u32 i = 0; i < CALL_COUNT; i++)
        imports[i] = (struct host_import){
            .module = MODULE_NAME,
            .name = calls[i].name,
            .signature = calls[i].signature,
            .code = calls[i].func == wasi_fd_close ? wasi_close_entry : wasi_entry,
            .context = (void *)(uptr)&calls[i],
        };
    imports[CALL_COUNT] =
        (struct host_import){MODULE_NAME, "proc_exit", "i:", wasi_proc_exit, NULL};
    imports[CALL_COUNT + 1] =
        (struct host_import){MODULE_NAME, "proc_raise", "i:i", wasi_proc_raise, NULL};
    imports[CALL_COUNT + 2] =
        (struct host_import){"wasi", "thread-spawn", "i:i", wasi_thread_spawn, NULL};
    imports[CALL_COUNT + 3] =
        (struct host_import){MODULE_NAME, "sched_yield", ":i", wasi_sched_yield, NULL};
    return process_register_imports(imports, COUNT_OF(imports));
}
