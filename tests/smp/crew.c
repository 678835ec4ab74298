// See crew.h.

#include "tests/smp/crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "kernel/sched/wait.h"
#include "tests/smp/machine.h"

#define LIMIT_S 900 // for hangs only

struct stress stress = {.cpus = 4, .rounds = 300, .seed = 1};

static struct {
    struct wait_queue queue;

    // Under queue.lock:
    u32 left;
} crew;

static struct member {
    void (*work)(u32 number, u64 *random);
    u32 number;
    struct thread *thread;
} members[CREW_MAX];

static void (*stress_body)(void *);

static void body(void *) {
    wait_queue_init(&crew.queue);
    stress_body(NULL);
}

void stress_run(const char *name, int argc, char **argv, void (*with_body)(void *)) {
    if (argc > 1)
        stress.cpus = (u32)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        stress.rounds = (u32)strtoul(argv[2], NULL, 10);
    if (argc > 3)
        stress.seed = strtoull(argv[3], NULL, 10);
    printf("%s %u %u %llu\n", name, stress.cpus, stress.rounds, (unsigned long long)stress.seed);
    fflush(stdout);
    stress_body = with_body;
    alarm(LIMIT_S);
    machine_run(stress.cpus, 64 * MIB, body);
}

void stress_end(void) {
    printf("all well on %u CPUs\n", stress.cpus);
    fflush(stdout);
    machine_end();
}

struct thread *stress_thread(const char *name, void (*entry)(void *), void *argument,
                             u32 affinity) {
    const struct thread_config config = {
        .name = name,
        .entry = entry,
        .argument = argument,
        .stack_bytes = 2 * PAGE_SIZE,
        .stack_committed = PAGE_SIZE,
        .priority = PRIORITY_NORMAL,
        .affinity = affinity,
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    CHECK(status == OK);
    return thread;
}

void stress_pause(u64 us) {
    enum status status = thread_sleep_until(arch_clock_ns() + us * 1000);
    CHECK(status == OK || status == ERR_KILLED);
}

static void member_main(void *argument) {
    const struct member *member = argument;
    u64 random = stress.seed * 1000 + member->number;
    member->work(member->number, &random);
    wait_lock(&crew.queue);
    crew.left--;
    wake_all_locked(&crew.queue);
    wait_unlock(&crew.queue);
    machine_thread_exit();
}

void crew_wait(u32 most) {
    wait_lock(&crew.queue);
    while (crew.left > most)
        CHECK(wait_locked(&crew.queue, WAIT_FOREVER) == OK);
    wait_unlock(&crew.queue);
}

void crew_start(u32 count, void (*work)(u32, u64 *), bool pinned) {
    CHECK(count <= CREW_MAX);
    crew.left = count;
    for (u32 i = 0; i < count; i++) {
        u32 affinity = pinned ? 1u << i % stress.cpus : 0;
        members[i] = (struct member){.work = work, .number = i};
        members[i].thread = stress_thread("member", member_main, &members[i], affinity);
    }
    for (u32 i = 0; i < count; i++)
        thread_start(members[i].thread);
}

struct thread *crew_thread(u32 number) {
    return members[number].thread;
}

void crew_run(const char *what, u32 count, void (*work)(u32, u64 *), bool pinned) {
    crew_start(count, work, pinned);
    crew_wait(0);
    sched_check();
    printf("  %s\n", what);
    fflush(stdout);
}
