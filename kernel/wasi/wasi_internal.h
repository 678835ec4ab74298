#pragma once
// Shared inside kernel/wasi: how a call is declared, and the ways to what it was given.
//
// A call gets its process and its arguments, one 64-bit slot each with i32 values zero-extended,
// and returns an error number. Rules that every call keeps:
//   1. a descriptor is looked up first, then its rights are checked, then pointers, then the rest;
//   2. where results go is checked before anything changes, so a bad pointer changes nothing;
//   3. what a program's memory says is read once, into the kernel, and checked there.

#include "abi/wasi/preview1.h"
#include "kernel/proc/process.h"

typedef enum wasi_errno (*wasi_func)(struct process *process, const u64 *args);

struct wasi_call {
    const char *name;
    const char *signature; // of the parameters
    wasi_func func;
};

// The families. Each is listed in calls.def; those that return no error number are apart.
#define WASI_CALL(name, parameters)                                                                \
    enum wasi_errno wasi_##name(struct process *process, const u64 *args);
#include "kernel/wasi/calls.def"
#undef WASI_CALL

// What differs in preview 0 (preview0.c).
enum wasi_errno wasi0_fd_seek(struct process *process, const u64 *args);
enum wasi_errno wasi0_fd_filestat_get(struct process *process, const u64 *args);
enum wasi_errno wasi0_path_filestat_get(struct process *process, const u64 *args);
enum wasi_errno wasi0_poll_oneoff(struct process *process, const u64 *args);

enum trap wasi_proc_exit(struct instance *caller, u64 *values, void *context);
enum trap wasi_proc_raise(struct instance *caller, u64 *values, void *context);
struct helper_result wasi_sched_yield(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f); // a host_direct
enum trap wasi_thread_spawn(struct instance *caller, u64 *values, void *context);

enum wasi_errno wasi_errno_of(enum status status);

// -- Memory (memory.c) --------------------------------------------------------------------------

enum wasi_errno wasi_get(struct process *process, u64 from, void *to, u64 len);
enum wasi_errno wasi_put(struct process *process, u64 to, const void *from, u64 len);
enum wasi_errno wasi_put_u32(struct process *process, u64 to, u32 value);
enum wasi_errno wasi_put_u64(struct process *process, u64 to, u64 value);

// Whether a result of `len` bytes can go there.
enum wasi_errno wasi_check(struct process *process, u64 to, u64 len);

// A list of buffers, copied in and checked: each lies inside the memory, and their total is a u32.
struct wasi_buffers {
    struct wasi_iovec *parts; // on the heap
    u32 count;
    u64 total;

    // How far the buffers have been used.
    u32 index;
    u32 offset;
};
enum wasi_errno wasi_buffers_get(struct process *process, u64 iovecs, u64 count,
                                 struct wasi_buffers *out);
void wasi_buffers_fini(struct wasi_buffers *buffers);

// Moves the next `len` bytes out of or into the buffers; `len` is at most what is left.
enum wasi_errno wasi_buffers_gather(struct process *process, struct wasi_buffers *buffers, u8 *to,
                                    usize len);
enum wasi_errno wasi_buffers_scatter(struct process *process, struct wasi_buffers *buffers,
                                     const u8 *from, usize len);

// -- Descriptors (descriptor.c) -----------------------------------------------------------------

// Looks `fd` up and checks that it has all of `rights`. The handle has a reference: release its
// object.
enum wasi_errno wasi_fd(struct process *process, u64 fd, u64 rights, struct handle *out);

enum wasi_filetype wasi_filetype_of(const struct object *object);
void wasi_filestat_of(const struct object_stat *stat, struct wasi_filestat *out);

// Rights that mean something for a file or a directory.
u64 wasi_file_rights(void);

// What fd_filestat_get and path_filestat_get tell, from their arguments.
enum wasi_errno wasi_fd_stat(struct process *process, const u64 *args, struct wasi_filestat *out);
enum wasi_errno wasi_path_stat(struct process *process, const u64 *args, struct wasi_filestat *out);

// The arguments of set_times, unless its flags contradict themselves.
enum wasi_errno wasi_times_of(u64 accessed_ns, u64 modified_ns, u64 flags,
                              struct object_times *out);

// -- Polling (poll.c) ---------------------------------------------------------------------------

// poll_oneoff, for subscriptions of `bytes` each, which `take` reads from a program's memory.
typedef enum wasi_errno (*subscription_taker)(struct process *process, u64 at,
                                              struct wasi_subscription *out);
enum wasi_errno wasi_poll(struct process *process, const u64 *args, u32 bytes,
                          subscription_taker take);

// -- Clocks (clock.c) ---------------------------------------------------------------------------

// Nanoseconds of a clock, now; of the process, for its CPU time.
enum wasi_errno wasi_clock_now(struct process *process, u64 clock, u64 *out);
