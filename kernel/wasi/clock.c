// Clocks.

#include "kernel/sched/wall.h"
#include "kernel/wasi/wasi_internal.h"

enum wasi_errno wasi_clock_now(struct process *process, u64 clock, u64 *out) {
    switch (clock) {
    case WASI_CLOCK_REALTIME:
        *out = wall_now_ns();
        return WASI_ESUCCESS;
    case WASI_CLOCK_MONOTONIC:
        *out = arch_clock_ns();
        return WASI_ESUCCESS;
    case WASI_CLOCK_PROCESS_CPUTIME:
        *out = process_cpu_time_ns(process);
        return WASI_ESUCCESS;
    case WASI_CLOCK_THREAD_CPUTIME:
        *out = process_thread_cpu_time_ns();
        return WASI_ESUCCESS;
    default:
        return WASI_EINVAL;
    }
}

// (clock, resolution out)
enum wasi_errno wasi_clock_res_get(struct process *process, const u64 *args) {
    if (args[0] > WASI_CLOCK_THREAD_CPUTIME)
        return WASI_EINVAL;
    return wasi_put_u64(process, args[1], arch_clock_resolution_ns());
}

// (clock, precision, time out): the precision is a hint, and ours is always the best.
enum wasi_errno wasi_clock_time_get(struct process *process, const u64 *args) {
    u64 now;
    enum wasi_errno error = wasi_clock_now(process, args[0], &now);
    return error == WASI_ESUCCESS ? wasi_put_u64(process, args[2], now) : error;
}
