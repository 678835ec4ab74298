// Several CPUs at once on locks, wait queues, kills, the heap and threads, under ThreadSanitizer.
//
//   stress [CPUS [ROUNDS [SEED]]]
//
// Every part has counts that must come out.

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/reclaim.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait.h"
#include "tests/smp/crew.h"
#include "tests/smp/machine.h"

#define THREADS      12u
#define SPARE_FRAMES 12u
#define US           1000ull
#define POOL         64u

// -- Locks ----------------------------------------------------------------------------------------

static struct spinlock spin;
static struct mutex mutex;
static u64 spin_count, mutex_count; // under these

static void lock_work(u32, u64 *random) {
    for (u32 i = 0; i < stress.rounds; i++) {
        spin_lock(&spin);
        spin_count++;
        spin_unlock(&spin);
        mutex_lock(&mutex);
        u64 before = mutex_count;
        machine_work((u32)(machine_random(random) % 4)); // a switch is allowed here
        mutex_count = before + 1;
        mutex_unlock(&mutex);
    }
}

// -- Wake-ups -------------------------------------------------------------------------------------
// Pairs that wake each other: a lost wake-up stops both.

static struct {
    struct wait_queue queue;
    u32 turn; // under queue.lock
} pairs[THREADS / 2];

static void pair_work(u32 number, u64 *) {
    u32 me = number % 2;
    for (u32 i = 0; i < stress.rounds; i++) {
        wait_lock(&pairs[number / 2].queue);
        while (pairs[number / 2].turn != me)
            CHECK(wait_locked(&pairs[number / 2].queue, WAIT_FOREVER) == OK);
        pairs[number / 2].turn = 1 - me;
        wake_all_locked(&pairs[number / 2].queue);
        wait_unlock(&pairs[number / 2].queue);
    }
}

// -- Tokens, deadlines and kills ------------------------------------------------------------------
// Half of the threads put tokens in, one wake-up each; the others take them, with short deadlines.
// A wake-up that is spent on a thread which reports a timeout leaves tokens and sleepers.

static struct {
    struct wait_queue queue;

    // Under queue.lock:
    u32 tokens;
    u32 taken;
    u32 ended; // takers that were killed
} market;

static void put_work(u64 *random) {
    for (u32 i = 0; i < stress.rounds; i++) {
        wait_lock(&market.queue);
        market.tokens++;
        wake_one_locked(&market.queue);
        wait_unlock(&market.queue);
        if (machine_random(random) % 8 == 0)
            CHECK(thread_sleep_until(arch_clock_ns() + machine_random(random) % (50 * US)) == OK);
    }
}

static void take_work(u64 *random) {
    for (u32 i = 0; i < stress.rounds;) {
        bool forever = machine_random(random) % 2 == 0;
        u64 deadline =
            forever ? WAIT_FOREVER : arch_clock_ns() + machine_random(random) % (20 * US);
        enum status status = OK;
        wait_lock(&market.queue);
        while (market.tokens == 0 && status == OK)
            status = wait_locked(&market.queue, deadline);
        if (status == OK) {
            market.tokens--;
            market.taken++;
            i++;
        }
        wait_unlock(&market.queue);
        CHECK(status == OK || status == ERR_TIMED_OUT);
    }
}

static void market_work(u32 number, u64 *random) {
    if (number % 2 == 0)
        put_work(random);
    else
        take_work(random);
}

static void victim_work(u32, u64 *random) {
    while (!thread_is_killed(thread_current())) {
        u64 deadline = arch_clock_ns() + machine_random(random) % (30 * US);
        wait_lock(&market.queue);
        enum status status = wait_locked(&market.queue, deadline);
        wait_unlock(&market.queue);
        CHECK(status == ERR_TIMED_OUT || status == ERR_KILLED || status == OK);
        machine_work(8);
    }
    wait_lock(&market.queue);
    enum status status = wait_locked(&market.queue, WAIT_FOREVER);
    market.ended += status == ERR_KILLED;
    wait_unlock(&market.queue);
    // It stays until all have been killed, as a process's thread does.
    mutex_lock(&mutex);
    mutex_unlock(&mutex);
}

static void kill_all(void) {
    mutex_lock(&mutex);
    crew_start(THREADS, victim_work, false);
    for (u32 i = 0; i < THREADS; i++) {
        CHECK(thread_sleep_until(arch_clock_ns() + 40 * US) == OK);
        thread_kill(crew_thread(i));
    }
    mutex_unlock(&mutex);
    crew_wait(0);
}

// -- Memory ---------------------------------------------------------------------------------------
// What one allocates another frees.

static void *pool[POOL]; // atomic

static usize pool_size(u32 index) {
    static const usize sizes[] = {16, 24, 100, 256, 700, 2048, PAGE_SIZE, 3 * PAGE_SIZE};
    return sizes[index % COUNT_OF(sizes)];
}

static void memory_work(u32 number, u64 *random) {
    for (u32 i = 0; i < 4 * stress.rounds; i++) {
        u32 index = (u32)(machine_random(random) % POOL);
        u8 *memory = kmalloc(pool_size(index));
        CHECK(memory != NULL);
        for (usize at = 0; at < pool_size(index); at += 8)
            CHECK(memory[at] == 0);
        memset(memory, (int)number + 1, pool_size(index));
        u8 *old = __atomic_exchange_n((u8 **)&pool[index], memory, __ATOMIC_ACQ_REL);
        if (old == NULL)
            continue;
        CHECK(old[0] != 0 && old[0] == old[pool_size(index) - 1]);
        kfree(old, pool_size(index));
    }
}

static void memory_empty(void) {
    for (u32 i = 0; i < POOL; i++) {
        kfree(pool[i], pool_size(i));
        pool[i] = NULL;
    }
}

// -- Threads --------------------------------------------------------------------------------------

static void nothing_work(u32, u64 *random) {
    machine_work((u32)(machine_random(random) % 4));
}

static void pinned_work(u32 number, u64 *) {
    for (u32 i = 0; i < stress.rounds; i++) {
        preempt_disable();
        CHECK(arch_cpu_id() == number % stress.cpus);
        preempt_enable();
        thread_yield();
    }
}

// Work waits nowhere while a CPU idles, also one that took work over before: what is started here
// can run only elsewhere.

static u32 helped; // atomic

static void helper_main(void *) {
    __atomic_store_n(&helped, 1, __ATOMIC_RELEASE);
    machine_thread_exit();
}

static void idle_cpus_help(void) {
    for (u32 i = 0; i < stress.rounds && stress.cpus > 1; i++) {
        helped = 0;
        preempt_disable();
        thread_start(stress_thread("helper", helper_main, NULL, 0));
        while (__atomic_load_n(&helped, __ATOMIC_ACQUIRE) == 0)
            machine_work(1);
        preempt_enable();
    }
    printf("  idle CPUs\n");
    fflush(stdout);
}

static u64 free_frames(void) {
    struct frame_stats stats;
    reclaim(); // stacks of threads that have ended
    heap_trim();
    frame_stats(&stats);
    return stats.free[ZONE_KERNEL] + stats.free[ZONE_PROGRAM];
}

// The last threads' stacks are freed a moment after they have ended; a spare slab in each class may
// be there that was not needed before.
static void expect_memory_back(u64 before) {
    for (u32 i = 0; free_frames() + SPARE_FRAMES < before; i++) {
        CHECK(i < 10000);
        CHECK(thread_sleep_until(arch_clock_ns() + 1000 * US) == OK);
    }
}

static void body(void *) {
    spin_init(&spin, LOCK_OBJECT, "test");
    mutex_init(&mutex);
    wait_queue_init(&market.queue);
    for (u32 i = 0; i < COUNT_OF(pairs); i++)
        wait_queue_init(&pairs[i].queue);

    // What the heap keeps for good is there after the first use.
    crew_run("first memory", THREADS, memory_work, false);
    memory_empty();
    u64 before;
    do {
        before = free_frames();
        CHECK(thread_sleep_until(arch_clock_ns() + 20000 * US) == OK);
    } while (free_frames() != before);

    crew_run("locks", THREADS, lock_work, false);
    CHECK(spin_count == (u64)THREADS * stress.rounds && mutex_count == spin_count);
    crew_run("wake-ups", THREADS, pair_work, false);
    crew_run("wake-ups across CPUs", THREADS, pair_work, true);
    crew_run("tokens and deadlines", THREADS, market_work, false);
    CHECK(market.tokens == 0 && market.taken == THREADS / 2 * stress.rounds);
    for (u32 i = 0; i < stress.rounds / 20; i++)
        kill_all();
    CHECK(market.ended == THREADS * (stress.rounds / 20));
    printf("  kills\n");
    crew_run("memory", THREADS, memory_work, false);
    memory_empty();
    idle_cpus_help();
    crew_run("pinned threads", THREADS, pinned_work, true);
    for (u32 i = 0; i < stress.rounds / 20; i++)
        crew_run("a storm", THREADS, nothing_work, false);
    expect_memory_back(before);
    heap_check();
    aspace_check(aspace_kernel());
    stress_end();
}

int main(int argc, char **argv) {
    stress_run("stress", argc, argv, body);
}
