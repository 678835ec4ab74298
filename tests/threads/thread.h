#pragma once
// Threads for C without a C library: wasi-threads as it is, with stacks of their own, joining, and
// a mutex on memory.atomic.wait. Linked with --import-memory --shared-memory.
//
// __stack_pointer is a global, so each thread's instance has its own: the assembly below sets it
// before C runs.

#include "abi/wasi/preview1.h"
#include "base/types.h"

#define WASI_IMPORT(name)                                                                          \
    [[clang::import_module("wasi_snapshot_preview1"), clang::import_name(#name)]]

WASI_IMPORT(proc_exit) [[noreturn]] void wasi_proc_exit(u32 status);
WASI_IMPORT(sched_yield) u32 wasi_sched_yield(void);
WASI_IMPORT(args_get) u32 wasi_args_get(char **argv, char *strings);
WASI_IMPORT(args_sizes_get) u32 wasi_args_sizes_get(u32 *count, u32 *bytes);
WASI_IMPORT(clock_time_get) u32 wasi_clock_time_get(u32 clock, u64 precision, u64 *out);
WASI_IMPORT(fd_write)
u32 wasi_fd_write(u32 fd, const struct wasi_iovec *parts, u32 count, u32 *written);
WASI_IMPORT(fd_read) u32 wasi_fd_read(u32 fd, const struct wasi_iovec *parts, u32 count, u32 *got);
WASI_IMPORT(fd_close) u32 wasi_fd_close(u32 fd);
WASI_IMPORT(fd_seek) u32 wasi_fd_seek(u32 fd, i64 offset, u32 whence, u64 *position);
WASI_IMPORT(path_open)
u32 wasi_path_open(u32 fd, u32 follow, const char *path, u32 len, u32 flags, u64 rights,
                   u64 inheriting, u32 fdflags, u32 *out);

[[clang::import_module("wasi"), clang::import_name("thread-spawn")]]
i32 wasi_thread_spawn(void *argument);

#define THREAD_STACK_BYTES 8192

struct thread {
    void *stack_top; // first: the assembly loads it
    void (*code)(struct thread *self);
    u32 number; // for the program
    i32 id;
    i32 has_ended; // 0, then 1: waited for
    alignas(16) u8 stack[THREAD_STACK_BYTES];
};

__asm__(".globaltype __stack_pointer, i32\n"
        ".functype thread_begin (i32, i32) -> ()\n"
        ".globl wasi_thread_start\n"
        ".export_name wasi_thread_start, wasi_thread_start\n"
        ".type wasi_thread_start,@function\n"
        "wasi_thread_start:\n"
        ".functype wasi_thread_start (i32, i32) -> ()\n"
        "local.get 1\n"
        "i32.load 0\n"
        "global.set __stack_pointer\n"
        "local.get 0\n"
        "local.get 1\n"
        "call thread_begin\n"
        "end_function\n");

static inline void wait_while(i32 *address, i32 value) {
    while (__atomic_load_n(address, __ATOMIC_SEQ_CST) == value)
        __builtin_wasm_memory_atomic_wait32(address, value, -1);
}

[[gnu::used]] void thread_begin(i32 id, struct thread *self) {
    self->id = id;
    self->code(self);
    // Who joins may give the thread's memory to another at once: nothing is on this stack any more
    // but where to return to, which is not in memory.
    __atomic_store_n(&self->has_ended, 1, __ATOMIC_SEQ_CST);
    __builtin_wasm_memory_atomic_notify(&self->has_ended, UINT32_MAX);
}

// Returns what thread-spawn does.
static inline i32 thread_start(struct thread *thread, void (*code)(struct thread *self)) {
    thread->stack_top = thread->stack + THREAD_STACK_BYTES;
    thread->code = code;
    thread->has_ended = 0;
    return wasi_thread_spawn(thread);
}

static inline void thread_join(struct thread *thread) {
    wait_while(&thread->has_ended, 0);
}

// 0: free, 1: held, 2: held and waited for.
struct mutex {
    i32 state;
};

static inline void mutex_lock(struct mutex *mutex) {
    i32 state = 0;
    if (__atomic_compare_exchange_n(&mutex->state, &state, 1, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        return;
    while (__atomic_exchange_n(&mutex->state, 2, __ATOMIC_SEQ_CST) != 0)
        __builtin_wasm_memory_atomic_wait32(&mutex->state, 2, -1);
}

static inline void mutex_unlock(struct mutex *mutex) {
    if (__atomic_exchange_n(&mutex->state, 0, __ATOMIC_SEQ_CST) == 2)
        __builtin_wasm_memory_atomic_notify(&mutex->state, 1);
}
