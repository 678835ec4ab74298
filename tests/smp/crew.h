#pragma once
// Crews for stress tests on the machine of machine.h: threads that all run one function and are
// waited for.

#include "kernel/sched/thread.h"

#define CREW_MAX 16u

// What `stress [CPUS [ROUNDS [SEED]]]` and its like were called with.
struct stress {
    u32 cpus;
    u32 rounds;
    u64 seed;
};
extern struct stress stress;

// Reads the arguments, says them, and runs `body` on the machine. A wake-up that got lost shows as
// a part that never ends: an alarm then ends the program.
[[noreturn]] void stress_run(const char *name, int argc, char **argv, void (*body)(void *));

// Says that all went well, and ends the program.
[[noreturn]] void stress_end(void);

struct thread *stress_thread(const char *name, void (*entry)(void *), void *argument, u32 affinity);

// Sleeps some microseconds, whatever else happens.
void stress_pause(u64 us);

// Starts `count` threads, each with its number and pseudo-random numbers of its own. Pinned ones
// stay on the CPU with their number.
void crew_start(u32 count, void (*work)(u32 number, u64 *random), bool pinned);
struct thread *crew_thread(u32 number);

// Waits until no more than `most` of them are left.
void crew_wait(u32 most);

// Both, to the end; says `what` has been done.
void crew_run(const char *what, u32 count, void (*work)(u32 number, u64 *random), bool pinned);
