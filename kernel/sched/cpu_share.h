#pragma once
// The share of the CPU that a process gets where several want it: the length of its threads' turns.
// What is not used up goes to whoever wants it, so a share is no cap.
//
// Everybody on a CPU's queue has one turn after the other, so turns twice as long are twice the
// CPU. The turns of a process with several threads that compute are shorter, by how many these are;
// that is counted in turns: how many the process took since this thread's last one. That all CPUs
// go round at the same pace is balance.c's business.

#include "base/types.h"

#define CPU_SHARE_MAX    1000u
#define CPU_SHARE_USUAL  100u
#define THREAD_SLICE_NS  10000000ull // 10 ms: a turn with the usual share
#define CPU_TURN_NS_MIN  100000ull   // shorter ones would be spent on switching
#define CPU_TURN_NS_MOST (THREAD_SLICE_NS / CPU_SHARE_USUAL * CPU_SHARE_MAX)

struct cpu_share {
    u64 turn_ticks; // of a thread that is alone; fixed

    // Atomic:
    u32 threads; // that there are
    u32 turns;   // that they were given, as far as there were several threads
};

// What a thread knows of its process's turns.
struct share_turns {
    u32 last;  // the count when it was given its last one
    u32 among; // how many threads take turns, of late, in 1/SHARE_AMONG_ONE; 0: not seen yet
};

#define SHARE_AMONG_ONE 64u

// For kernel threads: the usual one, from sched_init on, and nobody counts them.
extern struct cpu_share cpu_share_of_kernel;

// `share`: 1 to CPU_SHARE_MAX.
void cpu_share_init(struct cpu_share *share, u32 value);

// The length of a thread's next turn, in ticks. `turns` is the thread's own.
u64 cpu_share_divided(struct cpu_share *share, struct share_turns *turns);

static inline u64 cpu_share_turn(struct cpu_share *share, struct share_turns *turns) {
    if (__builtin_expect(__atomic_load_n(&share->threads, __ATOMIC_RELAXED) <= 1, 1))
        return share->turn_ticks;
    return cpu_share_divided(share, turns);
}
