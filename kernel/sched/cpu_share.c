// Shares of the CPU; see cpu_share.h.
//
// Where n threads of a process compute, each finds that n turns were taken since its own last one,
// wherever they run, and takes the n-th part of the process's turn. A thread that has slept finds a
// large number once, and the right one at its next turn. There are never more than there are
// threads.
//
// Refused: dividing by the number of threads, since most of them sleep; virtual time, since it
// wants sorted queues, and something written at each switch.

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

u64 cpu_share_divided(struct cpu_share *share, u32 *turn) {
    // Relaxed: the count orders nothing.
    u32 now = __atomic_add_fetch(&share->turns, 1, __ATOMIC_RELAXED);
    u32 threads = __atomic_load_n(&share->threads, __ATOMIC_RELAXED);
    u32 among = (u32)min_u64(now - *turn, threads);
    *turn = now;
    return max_u64(share->turn_ticks / max_u64(among, 1), arch_ns_to_ticks(CPU_TURN_NS_MIN));
}
