#pragma once
// The trace: what happens, in a ring of events on each CPU (abi/kwast/trace.h). The newest
// overwrite the oldest. Off it costs a branch where something happens.

#include "abi/kwast/trace.h"
#include "base/status.h"
#include "kernel/sched/thread.h"

#define TRACE_EVENTS_USUAL 16384u // on each CPU, 1 MiB
#define TRACE_EVENTS_MOST  (1u << 20)

extern bool trace_is_on; // atomic

// Begins a new trace on CPUs 0 to `cpu_count` - 1. The first one decides how many events each CPU
// keeps (at least `events`), and takes the memory for good. ERR_NO_MEMORY. Thread context, one
// thread at a time.
MUST_USE enum status trace_start(u32 cpu_count, u32 events);

// Nothing is added any more, but what other CPUs are just adding. As above.
void trace_stop(void);

// How long the stream is at most, and 0 when there has been no trace.
usize trace_bytes_most(void);

// Copies the stream as it is now, which has room; returns its length. Any thread, also while the
// trace goes on.
usize trace_copy(void *to);

// Adds an event of `thread`, which runs on this CPU. Any context.
void trace_write(const struct thread *thread, enum trace_type type, u32 other, u64 word0,
                 u64 word1);

static inline bool trace_wanted(void) {
    // Relaxed: an event more or less at the beginning and the end.
    return __builtin_expect(__atomic_load_n(&trace_is_on, __ATOMIC_RELAXED), false);
}

// The same of the running thread, if there is a trace.
static inline void trace(enum trace_type type, u32 other, u64 word0, u64 word1) {
    if (trace_wanted())
        trace_write(thread_current(), type, other, word0, word1);
}
