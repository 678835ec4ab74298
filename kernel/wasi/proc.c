// Ending and yielding.

#include "kernel/wasi/wasi_internal.h"

#define SIGNAL_STATUS 128u // a process that a signal ended, as shells count

enum wasi_signal {
    SIGNAL_NONE = 0,
    SIGNAL_CHLD = 16,
    SIGNAL_CONT = 17,
    SIGNAL_URG = 22,
    SIGNAL_WINCH = 27
};

// (status). A status is a byte wherever anybody can see it.
enum trap wasi_proc_exit(struct instance *caller, u64 *values, void *context) {
    (void)context;
    return process_exit(process_of(caller), (u32)values[0]);
}

// (signal) -> errno. There are no handlers: a signal that is not ignored by default ends the
// process.
enum trap wasi_proc_raise(struct instance *caller, u64 *values, void *context) {
    (void)context;
    u64 signal = values[0];
    bool is_ignored = signal == SIGNAL_NONE || signal == SIGNAL_CHLD || signal == SIGNAL_CONT ||
                      signal == SIGNAL_URG || signal == SIGNAL_WINCH;
    if (is_ignored || signal >= WASI_SIGNAL_COUNT) {
        values[0] = is_ignored ? WASI_ESUCCESS : WASI_EINVAL;
        return process_call_end();
    }
    return process_exit(process_of(caller), SIGNAL_STATUS + (u32)signal);
}

// () -> errno. Without the detour that the other calls take: it is over before they are under way.
struct helper_result wasi_sched_yield(u64, u64, u64, u64, u64, u64) {
    u32 asked = thread_yield();
    return (struct helper_result){.value = WASI_ESUCCESS, .trap = asked}; // as process_call_end
}
