// Shares of the CPU; see cpu_share.h.
//
// Where n threads of a process compute, each finds that about n turns were taken since its own last
// one, wherever they run, and takes the n-th part of the process's turn. On several CPUs these
// numbers scatter, and what is divided by them would be too long on average: so it is their moving
// average that divides. A thread that has slept finds a large number once, of which no more than
// twice the threads that there are count; it has a few short turns.
//
// Refused: dividing by the number of threads, since most of them sleep; virtual time on each CPU,
// since it wants sorted queues, and something written at each switch.

#include "kernel/sched/cpu_share.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/arch/arch.h"

struct cpu_share cpu_share_of_kernel;

void cpu_share_init(struct cpu_share *share, u32 value) {
    ASSERT(value != 0 && value <= CPU_SHARE_MAX);
    u64 turn_ns = THREAD_SLICE_NS / CPU_SHARE_USUAL * value;
    *share = (struct cpu_share){.turn_ticks = arch_ns_to_ticks(turn_ns)};
}

u64 cpu_share_divided(struct cpu_share *share, struct share_turns *turns) {
    // Relaxed: the count orders nothing.
    u32 now = __atomic_add_fetch(&share->turns, 1, __ATOMIC_RELAXED);
    u32 threads = __atomic_load_n(&share->threads, __ATOMIC_RELAXED);
    u32 since = (u32)min_u64(now - turns->last, 2ull * threads) * SHARE_AMONG_ONE;
    turns->last = now;
    turns->among = turns->among == 0 ? since : (3 * turns->among + since) / 4;
    u64 among = max_u64(min_u64(turns->among, threads * SHARE_AMONG_ONE), SHARE_AMONG_ONE);
    u64 ticks = share->turn_ticks * SHARE_AMONG_ONE / among;
    return max_u64(ticks, arch_ns_to_ticks(CPU_TURN_NS_MIN));
}
