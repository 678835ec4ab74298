#pragma once
// The time of day: nanoseconds since 1970, in UTC. It begins with what the machine says, goes on as
// arch_clock_ns does, and jumps when somebody sets it, which nothing else does.

#include "kernel/sched/wait.h"

#define WALL_LAST_NS ((u64)INT64_MAX) // in the year 2262

u64 wall_now_ns(void); // any context

// ERR_INVALID: behind WALL_LAST_NS. Any context; takes the queue's lock.
MUST_USE enum status wall_set(u64 now_ns);

// Woken whenever it has been set: for those who wait for a time of day.
struct wait_queue *wall_queue(void);
