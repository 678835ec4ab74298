#pragma once
// The scheduler on the fake machine: contexts that really switch, and a clock that moves only when
// a thread works or everybody sleeps. Everything that happens is a function of the test alone.

#include "base/types.h"

// Starts a machine, runs `body` in its first thread, and returns when all threads wait and no
// deadline is left, or when fake_sched_stop was called. What a body finds out it leaves in
// variables, or CHECKs: it does not run on the stack of the test.
void fake_sched_run(void (*body)(void *argument), void *argument);

// The same on several CPUs, which share one clock: it goes on when all of them work or idle, as far
// as where the first of them has something else to do.
void fake_sched_run_on(u32 cpus, void (*body)(void *argument), void *argument);
[[noreturn]] void fake_sched_stop(void);

// The running thread computes for this long; interrupts come in the meantime.
void fake_work(u64 ns);

// Has `handler` called as an interrupt at this time, once (one at a time).
void fake_interrupt_at(u64 at_ns, void (*handler)(void));

// Has `handler` called as an interrupt the n-th time from now that interrupts are turned on
// or are about to be turned off, or that the CPU idles.
void fake_interrupt_at_nth_chance(u64 n, void (*handler)(void));

// How often the timer has been armed and has rung, since the start.
u64 fake_timer_armed(void);
u64 fake_timer_rang(void);
