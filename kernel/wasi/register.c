// Registers every call of preview 1, and of preview 0, with the process layer.
//
// All but proc_exit, proc_raise, sched_yield and thread-spawn return an error number and share one
// entry, which finds the call in the context that it was registered with.

#include "kernel/wasi/wasi.h"

#include "base/assert.h"
#include "base/string.h"
#include "kernel/wasi/wasi_internal.h"

#define PREVIEW1 "wasi_snapshot_preview1"
#define PREVIEW0 "wasi_unstable"

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

// What is not in preview 0 as it is in preview 1.
static const struct wasi_call old_calls[] = {
    {"fd_seek", "iIii:i", wasi0_fd_seek},
    {"fd_filestat_get", "ii:i", wasi0_fd_filestat_get},
    {"path_filestat_get", "iiiii:i", wasi0_path_filestat_get},
    {"poll_oneoff", "iiii:i", wasi0_poll_oneoff},
    {"sock_accept", NULL, NULL}, // is not at all
};

static const struct host_import apart[] = {
    {.module = PREVIEW1, .name = "proc_exit", .signature = "i:", .code = wasi_proc_exit},
    {.module = PREVIEW1, .name = "proc_raise", .signature = "i:i", .code = wasi_proc_raise},
    {.module = PREVIEW1, .name = "sched_yield", .signature = ":i", .direct = wasi_sched_yield},
    {.module = PREVIEW0, .name = "proc_exit", .signature = "i:", .code = wasi_proc_exit},
    {.module = PREVIEW0, .name = "proc_raise", .signature = "i:i", .code = wasi_proc_raise},
    {.module = PREVIEW0, .name = "sched_yield", .signature = ":i", .direct = wasi_sched_yield},
    {.module = "wasi", .name = "thread-spawn", .signature = "i:i", .code = wasi_thread_spawn},
};

#define IMPORTS_MAX (COUNT_OF(calls) + COUNT_OF(apart))

// A table for each preview: the one that no program needs costs no code.
struct import_list {
    struct host_import imports[IMPORTS_MAX];
    u32 count;
};
static struct import_list previews[2];

static struct host_import import_of(const char *module, const struct wasi_call *call) {
    return (struct host_import){
        .module = module,
        .name = call->name,
        .signature = call->signature,
        .code = call->func == wasi_fd_close ? wasi_close_entry : wasi_entry,
        .context = (void *)(uptr)call,
    };
}

// The call as preview 0 has it.
static const struct wasi_call *old_call(const struct wasi_call *call) {
    for (u32 i = 0; i < COUNT_OF(old_calls); i++) {
        if (strcmp(old_calls[i].name, call->name) == 0)
            return &old_calls[i];
    }
    return call;
}

static void add(struct import_list *list, struct host_import import) {
    list->imports[list->count++] = import;
}

enum status wasi_register(void) {
    for (u32 i = 0; i < COUNT_OF(calls); i++) {
        const struct wasi_call *old = old_call(&calls[i]);
        add(&previews[1], import_of(PREVIEW1, &calls[i]));
        if (old->func != NULL)
            add(&previews[0], import_of(PREVIEW0, old));
    }
    for (u32 i = 0; i < COUNT_OF(apart); i++)
        add(&previews[strcmp(apart[i].module, PREVIEW0) != 0], apart[i]);
    enum status status = process_register_imports(previews[1].imports, previews[1].count);
    if (status != OK)
        return status;
    return process_register_imports(previews[0].imports, previews[0].count);
}
