// Which CPU runs a thread that is ready, where several could: threads that are taken over from
// other CPUs' queues.
//
// A CPU with nothing to do takes what waits elsewhere (take_over). One whose thread has used up a
// turn looks who waits elsewhere, and takes over who has had less than the one that would be next
// here (balance). So all CPUs go round at one pace, and shares, which say how long a turn is, hold
// for all of them together.
//
// What a thread has had is its `progress`: the turns that it used up, or the part of one that it
// used before it yielded. It is counted where a turn is given, so switches, wake-ups and hand-overs
// know nothing of it; and with one CPU nobody asks.
//
// No thread has more than one CPU, so one with a large share may fall behind others for ever, and
// so does one that sleeps. Nobody may save that up: who gets a turn is at most PROGRESS_CREDIT
// behind those that its CPU has seen, here and elsewhere (`runq.progress`), and who gets its first
// one begins there. One that is far ahead, because nobody wanted its CPU, is no worse off: the
// others are brought up to it as soon as a CPU sees it wait.
//
// A thread that is taken over runs at once, for it was next where it came from. Nobody starves by
// that: who waits here comes after three of them, whatever their progress says.
//
// How well that works is measured by cpu_share_across_test.c. Refused: weights of queues that are
// kept equal, since three equal threads on two CPUs have no such weights, and it is time that is
// promised; one queue for all CPUs, since all would lock it.
//
// Locks: one run queue's at a time. Of the others' queues, those that have threads are locked one
// after the other, once in a turn; only the first threads are looked at.

#include "base/math.h"
#include "kernel/sched/sched_internal.h"

#define TAKEN_IN_A_ROW 3u

// Who is that much behind is taken over. It is less than a turn, for these are no exact times.
#define BEHIND_LEAST (PROGRESS_TURN / 2)

static bool may_be_taken_from_locked(const struct cpu *other) {
    // One that idles has been told, and runs its own, unless it was handed somebody.
    return !is_idle(other, other->current) || is_handed(other);
}

// The thread, if any, was taken out of a queue, whose lock is held. It belongs to this CPU now.
static struct thread *taken_locked(struct cpu *cpu, struct thread *thread) {
    if (thread != NULL) {
        __atomic_store_n(&thread->cpu, cpu, __ATOMIC_RELAXED);
        count_one(&cpu->taken);
    }
    return thread;
}

// -- Nothing to do --------------------------------------------------------------------------------

// Takes a ready thread out of another CPU's queue, or NULL. Interrupts off, no lock held.
static struct thread *take_from(struct cpu *other, struct cpu *cpu) {
    if (__atomic_load_n(&other->runq.count, __ATOMIC_SEQ_CST) == 0)
        return NULL;
    struct thread *thread = NULL;
    spin_lock_masked(&other->runq.lock);
    if (may_be_taken_from_locked(other))
        thread = taken_locked(cpu, runq_take_locked(&other->runq, cpu->id));
    spin_unlock_masked(&other->runq.lock);
    return thread;
}

struct thread *take_over(struct cpu *cpu) {
    u32 online = sched_online() & ~(1u << cpu->id);
    u32 later = online & ~((1u << cpu->id) - 1);
    struct thread *thread = NULL;
    for (u32 left = later; left != 0 && thread == NULL; left &= left - 1)
        thread = take_from(cpu_at((u32)__builtin_ctz(left)), cpu);
    for (u32 left = online & ~later; left != 0 && thread == NULL; left &= left - 1)
        thread = take_from(cpu_at((u32)__builtin_ctz(left)), cpu);
    return thread;
}

// -- The end of a turn ----------------------------------------------------------------------------

// Who is behind most.
struct behind {
    struct cpu *where; // NULL: nobody waits elsewhere
    u64 progress;
};

static struct behind find_behind(const struct cpu *cpu, enum thread_priority priority) {
    struct behind most = {.where = NULL};
    for (u32 left = sched_online() & ~(1u << cpu->id); left != 0; left &= left - 1) {
        struct cpu *other = cpu_at((u32)__builtin_ctz(left));
        if (__atomic_load_n(&other->runq.count, __ATOMIC_RELAXED) == 0)
            continue;
        u64 progress;
        spin_lock_masked(&other->runq.lock);
        bool is_any = may_be_taken_from_locked(other) &&
                      runq_find_locked(&other->runq, cpu->id, priority, &progress);
        spin_unlock_masked(&other->runq.lock);
        if (is_any && (most.where == NULL || progress < most.progress))
            most = (struct behind){other, progress};
    }
    return most;
}

static struct thread *take_behind(struct cpu *other, struct cpu *cpu, enum thread_priority priority,
                                  u64 at_most) {
    struct thread *thread = NULL;
    spin_lock_masked(&other->runq.lock);
    if (may_be_taken_from_locked(other))
        thread =
            taken_locked(cpu, runq_take_behind_locked(&other->runq, cpu->id, priority, at_most));
    spin_unlock_masked(&other->runq.lock);
    return thread;
}

// Whether it is the turn of those that wait here, after so many others. The lock is held.
static bool is_own_turn_locked(struct cpu *cpu) {
    if (cpu->runq.levels == 0 || cpu->taken_in_a_row == TAKEN_IN_A_ROW) {
        cpu->taken_in_a_row = 0;
        return cpu->runq.levels != 0;
    }
    return false;
}

void balance(struct cpu *cpu, const struct thread *running) {
    enum thread_priority priority = running->priority;
    struct behind behind = find_behind(cpu, priority);
    u64 progress = running->progress + PROGRESS_TURN; // when this turn has been counted
    u64 at_most = 0;
    spin_lock_masked(&cpu->runq.lock);
    cpu->runq.progress = behind.where == NULL ? progress : max_u64(progress, behind.progress);
    if (!is_own_turn_locked(cpu))
        at_most = runq_next_progress_locked(&cpu->runq, priority, progress) - BEHIND_LEAST;
    spin_unlock_masked(&cpu->runq.lock);
    if (behind.where == NULL || behind.progress > at_most)
        return;
    struct thread *thread = take_behind(behind.where, cpu, priority, at_most);
    if (thread == NULL)
        return;
    cpu->taken_in_a_row++;
    u32 affinity = thread->affinity;
    spin_lock_masked(&cpu->runq.lock);
    runq_put_taken_locked(&cpu->runq, thread);
    spin_unlock_masked(&cpu->runq.lock);
    offer_elsewhere(cpu, affinity); // who looked meanwhile found it in no queue
}
