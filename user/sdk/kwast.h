#pragma once
// The calls of abi/kwast/calls.h for programs in C, and a loop for services. Header only: a program
// includes this and is linked as any WASI program. More convenient things are beside it: start.h
// starts programs, files.h serves files.
//
//   clang-19 --target=wasm32-wasi --sysroot=/usr -I KWAST service.c -o service.wasm
//
// Every kwast_* function returns 0 or a WASI error number, as errno has them.

#include <string.h>
#include <wasi/api.h>

#include "abi/kwast/calls.h"

#define KWAST_IMPORT(name) [[clang::import_module("kwast"), clang::import_name(#name)]]

typedef u32 kwast_handle;

KWAST_IMPORT(handle_duplicate)
u32 kwast_handle_duplicate(kwast_handle handle, u64 rights, u64 inheriting, kwast_handle *out);

KWAST_IMPORT(scheme_create)
u32 kwast_scheme_create(const char *name, usize len, kwast_handle *out);
KWAST_IMPORT(scheme_channel)
u32 kwast_scheme_channel(kwast_handle server, u64 value, enum kwast_kind kind, kwast_handle *out);
KWAST_IMPORT(scheme_root)
u32 kwast_scheme_root(kwast_handle server, enum kwast_kind kind, kwast_handle *out);
KWAST_IMPORT(scheme_pollable)
u32 kwast_scheme_pollable(kwast_handle server, u64 value, enum kwast_kind kind, kwast_handle *out,
                          kwast_handle *ready);
KWAST_IMPORT(scheme_root_ready)
u32 kwast_scheme_root_ready(kwast_handle server, kwast_handle *ready);
KWAST_IMPORT(ready_set) u32 kwast_ready_set(kwast_handle ready, u32 events, u64 available);
KWAST_IMPORT(scheme_call)
u32 kwast_scheme_call(kwast_handle channel, struct kwast_call *call, i64 timeout_ns);
KWAST_IMPORT(scheme_receive)
u32 kwast_scheme_receive(kwast_handle server, struct kwast_request *request, void *bytes, usize len,
                         i64 timeout_ns);
KWAST_IMPORT(scheme_reply)
u32 kwast_scheme_reply(kwast_handle server, const struct kwast_reply *reply);
KWAST_IMPORT(scheme_reply_receive)
u32 kwast_scheme_reply_receive(kwast_handle server, const struct kwast_reply *reply,
                               struct kwast_request *request, void *bytes, usize len,
                               i64 timeout_ns);
KWAST_IMPORT(grant_read)
u32 kwast_grant_read(kwast_handle server, u64 number, u32 index, u64 offset, void *to, usize len);
KWAST_IMPORT(grant_write)
u32 kwast_grant_write(kwast_handle server, u64 number, u32 index, u64 offset, const void *from,
                      usize len);

KWAST_IMPORT(grant_map)
u32 kwast_grant_map(kwast_handle server, u64 number, u32 index, u64 offset, void *to, usize len,
                    u32 access);

KWAST_IMPORT(memory_create) u32 kwast_memory_create(u64 bytes, kwast_handle *out);
KWAST_IMPORT(memory_map)
u32 kwast_memory_map(kwast_handle memory, u64 offset, void *to, usize len, u32 access);
KWAST_IMPORT(memory_unmap) u32 kwast_memory_unmap(void *from);
KWAST_IMPORT(memory_wait)
u32 kwast_memory_wait(kwast_handle memory, u64 offset, u32 expected, i64 timeout_ns);
KWAST_IMPORT(memory_wake)
u32 kwast_memory_wake(kwast_handle memory, u64 offset, u32 count, u32 *out);

KWAST_IMPORT(notification_create) u32 kwast_notification_create(kwast_handle *out);
KWAST_IMPORT(notification_signal) u32 kwast_notification_signal(kwast_handle handle, u64 bits);
KWAST_IMPORT(notification_take)
u32 kwast_notification_take(kwast_handle handle, i64 timeout_ns, u64 *out);

KWAST_IMPORT(process_spawn)
u32 kwast_process_spawn(const struct kwast_spawn *spawn, kwast_handle *out);
KWAST_IMPORT(process_wait)
u32 kwast_process_wait(kwast_handle process, i64 timeout_ns, struct kwast_status *out);
KWAST_IMPORT(process_status)
u32 kwast_process_status(kwast_handle process, struct kwast_status *out);
KWAST_IMPORT(process_kill) u32 kwast_process_kill(kwast_handle process);
KWAST_IMPORT(process_kill_tree) u32 kwast_process_kill_tree(kwast_handle process);
KWAST_IMPORT(process_stop) u32 kwast_process_stop(kwast_handle process, bool tree);
KWAST_IMPORT(process_continue) u32 kwast_process_continue(kwast_handle process, bool tree);
KWAST_IMPORT(process_wait_change)
u32 kwast_process_wait_change(kwast_handle process, u32 known, i64 timeout_ns,
                              struct kwast_status *out);
KWAST_IMPORT(process_note) u32 kwast_process_note(kwast_handle process, u32 number, bool tree);
KWAST_IMPORT(process_notes)
u32 kwast_process_notes(u32 taken, u32 ignored, struct kwast_notes *out);
KWAST_IMPORT(process_keep) u32 kwast_process_keep(bool keeps);
KWAST_IMPORT(process_open) u32 kwast_process_open(kwast_handle from, u32 id, kwast_handle *out);

KWAST_IMPORT(device_describe)
u32 kwast_device_describe(kwast_handle device, struct kwast_machine *out);
KWAST_IMPORT(device_range)
u32 kwast_device_range(kwast_handle machine, u64 address, u64 bytes, enum kwast_caching caching,
                       kwast_handle *out);
KWAST_IMPORT(device_ports)
u32 kwast_device_ports(kwast_handle machine, u32 first, u32 count, kwast_handle *out);
KWAST_IMPORT(port_in) u32 kwast_port_in(kwast_handle ports, u32 offset, u32 width, u32 *out);
KWAST_IMPORT(port_out) u32 kwast_port_out(kwast_handle ports, u32 offset, u32 width, u32 value);
KWAST_IMPORT(device_interrupt)
u32 kwast_device_interrupt(kwast_handle machine, u32 line, kwast_handle *out);
KWAST_IMPORT(device_message)
u32 kwast_device_message(kwast_handle machine, kwast_handle *out, struct kwast_message *message);
KWAST_IMPORT(interrupt_take)
u32 kwast_interrupt_take(kwast_handle interrupt, i64 timeout_ns, u64 *out);
KWAST_IMPORT(dma_create)
u32 kwast_dma_create(kwast_handle machine, u64 bytes, kwast_handle *out, u64 *address);
KWAST_IMPORT(dma_done) u32 kwast_dma_done(kwast_handle memory);
KWAST_IMPORT(dma_reclaim) u32 kwast_dma_reclaim(kwast_handle machine);

// A call of words alone, to be set by the caller. The rest of the structure is left as it is, for
// then nobody reads it: so such a call costs what it has.
static inline void kwast_call_begin(struct kwast_call *call, u32 operation) {
    call->operation = operation;
    call->bytes_len = 0;
    call->grant_count = 0;
    call->handle_count = 0;
}

// The same with inline bytes.
static inline void kwast_call_begin_bytes(struct kwast_call *call, u32 operation, const void *bytes,
                                          usize len) {
    call->operation = operation;
    call->bytes_len = (u32)len;
    call->grant_count = 0;
    call->handle_count = 0;
    call->bytes = (u32)(uptr)bytes;
}

// A service: what it does with each operation. `reply` is all zeros but for its number and
// KWAST_NO_HANDLE; returns whether it is to be sent now (a service may also answer later, with
// kwast_scheme_reply).
typedef bool (*kwast_serve_func)(void *context, const struct kwast_request *request,
                                 const void *bytes, struct kwast_reply *reply);

// Whether receiving may go well the next time: what failed was one call, for which there was no
// room here. Its client has been told.
static inline bool kwast_is_passing(u32 error) {
    return error == __WASI_ERRNO_NOMEM || error == __WASI_ERRNO_MFILE ||
           error == __WASI_ERRNO_NFILE;
}

static inline void kwast_pause(u64 ns) {
    __wasi_subscription_t pause = {.userdata = 0};
    pause.u.tag = __WASI_EVENTTYPE_CLOCK;
    pause.u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
    pause.u.u.clock.timeout = ns;
    __wasi_event_t event;
    __wasi_size_t count;
    u16 error = __wasi_poll_oneoff(&pause, &event, 1, &count);
    (void)error; // then there is no pause
}

// Serves for ever; returns only with an error number that will stay. News without a number
// (KWAST_CLOSED) comes to `serve` too, and what it returns then is ignored.
static inline u32 kwast_serve(kwast_handle server, kwast_serve_func serve, void *context) {
    // Not on the stack: at fixed addresses they cost less.
    static _Thread_local u8 bytes[KWAST_BYTES_MAX];
    static _Thread_local struct kwast_request request;
    static _Thread_local struct kwast_reply reply;
    for (;;) {
        u32 error = kwast_scheme_receive(server, &request, bytes, sizeof bytes, -1);
        bool is_stuck = error != 0; // until somebody gives something back
        // After an error no reply is owed: it went before the next request was waited for.
        while (error == 0) {
            reply = (struct kwast_reply){.number = request.number, .handle = KWAST_NO_HANDLE};
            bool is_due = serve(context, &request, bytes, &reply) && request.number != 0;
            error = is_due ? kwast_scheme_reply_receive(server, &reply, &request, bytes,
                                                        sizeof bytes, -1)
                           : kwast_scheme_receive(server, &request, bytes, sizeof bytes, -1);
        }
        if (!kwast_is_passing(error))
            return error;
        if (is_stuck)
            kwast_pause(1000000);
    }
}

// -- Spawning -------------------------------------------------------------------------------------

// What a process was given as descriptor `fd`, as far as that can be seen: a directory with a name,
// or a stream that is known by its number. What else there may be, channels, is told by words.
enum kwast_given_as { KWAST_AS_OTHER, KWAST_AS_DIRECTORY, KWAST_AS_STREAM };

static inline enum kwast_given_as kwast_given_as(int fd, usize *name_len) {
    __wasi_prestat_t prestat;
    if (__wasi_fd_prestat_get(fd, &prestat) != 0)
        return KWAST_AS_OTHER;
    *name_len = prestat.u.dir.pr_name_len;
    return prestat.tag == KWAST_PREOPEN_NUMBERED ? KWAST_AS_STREAM : KWAST_AS_DIRECTORY;
}

// A copy of `handle` with all its rights for a child, as its descriptor `number`; `preopen` is the
// directory's name there, or NULL.
static inline struct kwast_given kwast_give(kwast_handle handle, u32 number, const char *preopen) {
    __wasi_fdstat_t stat = {0};
    if (__wasi_fd_fdstat_get((int)handle, &stat) != 0)
        stat = (__wasi_fdstat_t){0}; // spawning will say that there is no such handle
    return (struct kwast_given){
        .handle = handle,
        .number = number,
        .rights = stat.fs_rights_base,
        .inheriting = stat.fs_rights_inheriting,
        .name = (u32)(uptr)preopen,
        .name_len = preopen == NULL ? 0 : (u32)strlen(preopen),
    };
}
