// Kills processes with many threads, which wait and compute on all CPUs, at any moment of their
// lives; and gives them limits. Everything that they had is given back. Prints what is wrong, or at
// the end "all right". A directory with threads.wasm is preopened as /bin.

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/kwast/check.h"
#include "tests/kwast/isolation.h"
#include "user/sdk/kwast.h"

#define ROUNDS      40
#define RIGHT_WRITE (1u << 6)

static int module;

static kwast_handle spawn(const char *args, u32 args_len, u32 thread_limit, u64 memory_limit) {
    static const struct kwast_given output = {.handle = 1, .number = 1, .rights = RIGHT_WRITE};
    const struct kwast_spawn config = {
        .isolation = isolation_of_children(),
        .module = (u32)module,
        .name = (u32) "threads",
        .name_len = 7,
        .args = (u32)args,
        .args_len = args_len,
        .given = (u32)&output,
        .given_count = 1,
        .thread_limit = thread_limit,
        .memory_limit = memory_limit,
    };
    kwast_handle child = KWAST_NO_HANDLE;
    CHECK(kwast_process_spawn(&config, &child) == 0);
    return child;
}

#define SPAWN(args, thread_limit, memory_limit)                                                    \
    spawn(args, sizeof(args), thread_limit, memory_limit)

static struct kwast_status finish(kwast_handle child) {
    struct kwast_status status = {.outcome = KWAST_RUNNING};
    CHECK(kwast_process_wait(child, -1, &status) == 0);
    CHECK(status.outcome != KWAST_RUNNING && status.memory_bytes == 0);
    CHECK(close((int)child) == 0);
    return status;
}

static void test_kill_at_any_moment(void) {
    for (int i = 0; i < ROUNDS; i++) {
        kwast_handle child = SPAWN("threads\0forever", 0, 0);
        for (int k = 0; k < i; k++)
            sched_yield();
        CHECK(kwast_process_kill(child) == 0);
        CHECK(finish(child).outcome == KWAST_KILLED);
    }
}

// All threads' time is the process's.
static void test_time(void) {
    kwast_handle child = SPAWN("threads\0forever", 0, 0);
    struct kwast_status status = {.cpu_ns = 0};
    while (status.cpu_ns < 100000000) {
        CHECK(kwast_process_status(child, &status) == 0 && status.outcome == KWAST_RUNNING);
        sched_yield();
    }
    u64 before = status.cpu_ns;
    CHECK(kwast_process_kill(child) == 0);
    CHECK(kwast_process_wait(child, -1, &status) == 0);
    CHECK(status.cpu_ns >= before);
    CHECK(finish(child).outcome == KWAST_KILLED);
}

static void test_limits(void) {
    const struct kwast_spawn config = {
        .module = (u32)module, .name = (u32) "x", .name_len = 1, .thread_limit = 1000};
    kwast_handle child;
    CHECK(kwast_process_spawn(&config, &child) == ENOTCAPABLE);
    // The first thread, two more, and no fourth.
    struct kwast_status status = finish(SPAWN("threads\0few", 3, 0));
    CHECK(status.outcome == KWAST_EXITED && status.status == 0);
    // Memory for stacks and instances is charged: it runs out, and the program is told.
    status = finish(SPAWN("threads\0poor", 0, 2 << 20));
    CHECK(status.outcome == KWAST_EXITED && status.status == 0);
}

int main(void) {
    module = open("/bin/threads.wasm", O_RDONLY);
    CHECK(module >= 0);
    test_kill_at_any_moment();
    test_time();
    test_limits();
    if (failures == 0)
        printf("all right\n");
    return failures == 0 ? 0 : 1;
}
