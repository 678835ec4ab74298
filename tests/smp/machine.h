#pragma once
// A machine of several CPUs for stress tests under ThreadSanitizer: kernel/arch/arch.h on host
// threads that really run at the same time.
//
// A CPU is a token, a context a host thread, and a switch hands the CPU over to another host
// thread. Interrupts come where they are turned on. RAM is ordinary memory; mapping is a table, and
// nothing can be touched through it.

#include "kernel/arch/arch.h"

// Starts the machine and runs `body` in its first kernel thread. Does not return: the body ends
// with machine_end.
[[noreturn]] void machine_run(u32 cpus, u64 ram_bytes, void (*body)(void *));
[[noreturn]] void machine_end(void);

// Ends the running thread and its host thread, which thread_exit would keep.
[[noreturn]] void machine_thread_exit(void);

// Deterministic pseudo-random numbers; each thread has its own state.
u64 machine_random(u64 *state);

// Lets interrupts come, as a thread that computes would.
void machine_work(u32 rounds);
