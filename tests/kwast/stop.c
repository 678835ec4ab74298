// Stopping processes and letting them go on, in whatever they are: computing, asleep, in a call,
// serving, starting others, being killed. Prints what is wrong, or at the end "all right".
//
//   stop             the test; a directory with stop.wasm and threads.wasm is preopened as /bin
//   stop ROLE        a child, which counts in memory that both have mapped

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kwast/check.h"
#include "tests/kwast/isolation.h"
#include "user/sdk/kwast.h"

#define GIVEN_MODULE  3
#define GIVEN_MEMORY  4
#define GIVEN_SERVER  5 // of a scheme
#define GIVEN_CHANNEL 6 // of another
#define RIGHT_WRITE   (1u << 6)
#define OP_COUNT      KWAST_FIRST_OPERATION
#define QUIET_ROUNDS  8 // without a count, until we believe it
#define ROUNDS        9
#define MS            1000000
#define BOTH          (KWAST_READ | KWAST_WRITE)

// What parent and children share.
static _Alignas(KWAST_PAGE_BYTES) struct {
    volatile u32 count;
    volatile u32 is_in_call;
    u8 padding[KWAST_PAGE_BYTES - 8];
} shared;

static kwast_handle memory, server, root, client_server, client_root;

static void count(void) {
    __atomic_fetch_add(&shared.count, 1, __ATOMIC_SEQ_CST);
}

// -- Children -------------------------------------------------------------------------------------

static void compute(void) {
    for (;;) {
        for (volatile u32 i = 0; i < 1000; i++)
            ;
        count();
    }
}

static void yield(void) {
    for (;;) {
        count();
        sched_yield();
    }
}

static void sleep_often(void) {
    for (;;) {
        count();
        usleep(100);
    }
}

static void call_often(void) {
    for (;;) {
        struct kwast_call call = {.operation = OP_COUNT};
        shared.is_in_call = 1;
        if (kwast_scheme_call(GIVEN_CHANNEL, &call, -1) != 0)
            return;
        count();
    }
}

static bool count_call(void *context, const struct kwast_request *request, const void *bytes,
                       struct kwast_reply *reply) {
    (void)context, (void)request, (void)bytes, (void)reply;
    count();
    return true;
}

static void serve(void) {
    kwast_serve(GIVEN_SERVER, count_call, NULL);
}

static void grow(void) {
    for (;;) {
        (void)!__builtin_wasm_memory_grow(0, 0); // a helper, always
        count();
    }
}

static kwast_handle spawn(const char *role, u32 module);

static void start_others(void) {
    for (;;) {
        kwast_handle child = spawn("compute", GIVEN_MODULE);
        if (child == KWAST_NO_HANDLE)
            return;
        for (u32 i = 0; i < 5; i++)
            sched_yield();
        kwast_process_kill(child);
        close((int)child);
    }
}

static void have(const char *role) {
    CHECK(spawn(role, GIVEN_MODULE) != KWAST_NO_HANDLE);
    for (;;)
        usleep(1000000);
}

static void have_child(void) {
    have("compute");
}

static void have_grandchild(void) {
    have("parent");
}

static void end_soon(void) {
    count();
}

static const struct {
    const char *name;
    void (*run)(void);
} roles[] = {
    {"compute", compute},    {"yield", yield},
    {"sleep", sleep_often},  {"call", call_often},
    {"serve", serve},        {"grow", grow},
    {"spawn", start_others}, {"parent", have_child},
    {"end", end_soon},       {"grandparent", have_grandchild},
};

static kwast_handle spawn(const char *role, u32 module) {
    char args[32];
    int len = snprintf(args, sizeof args, "stop%c%s", 0, role) + 1;
    const kwast_handle mine[] = {module, memory, server, client_root};
    struct kwast_given given[5] = {kwast_give(1, 1, NULL)};
    for (u32 i = 0; i < COUNT_OF(mine); i++)
        given[i + 1] = kwast_give(mine[i], GIVEN_MODULE + i, NULL);
    const struct kwast_spawn config = {
        .module = module,
        .name = (u32)role,
        .name_len = (u32)strlen(role),
        .args = (u32)args,
        .args_len = (u32)len,
        .given = (u32)given,
        .given_count = COUNT_OF(given),
        .isolation = isolation_of_children(),
    };
    kwast_handle child = KWAST_NO_HANDLE;
    CHECK(kwast_process_spawn(&config, &child) == 0);
    return child;
}

static int be(const char *role) {
    memory = GIVEN_MEMORY;
    server = GIVEN_SERVER;
    client_root = GIVEN_CHANNEL;
    if (kwast_memory_map(memory, 0, &shared, sizeof shared, BOTH) != 0)
        return 1;
    for (u32 i = 0; i < COUNT_OF(roles); i++) {
        if (strcmp(roles[i].name, role) == 0)
            roles[i].run();
    }
    return failures;
}

// -- The test -------------------------------------------------------------------------------------

static void wait_until_it_counts(void) {
    for (u32 before = shared.count; shared.count == before;)
        sched_yield();
}

static u64 cpu_ns_of(kwast_handle child) {
    struct kwast_status status = {.cpu_ns = 0};
    CHECK(child == KWAST_NO_HANDLE || kwast_process_status(child, &status) == 0);
    return status.cpu_ns;
}

// It may take a moment until a stop has reached other CPUs. From then on nothing is counted, nor
// charged to the child.
static void wait_until_it_is_quiet(kwast_handle child) {
    u32 count_before = shared.count;
    u64 cpu_before = cpu_ns_of(child);
    for (u32 quiet = 0; quiet < QUIET_ROUNDS; quiet++) {
        usleep(1000);
        sched_yield();
        if (shared.count != count_before || cpu_ns_of(child) != cpu_before)
            quiet = 0;
        count_before = shared.count;
        cpu_before = cpu_ns_of(child);
    }
}

static u32 outcome(kwast_handle child) {
    struct kwast_status status = {.outcome = 99};
    CHECK(kwast_process_status(child, &status) == 0);
    return status.outcome;
}

static void kill_and_close(kwast_handle child) {
    struct kwast_status status = {.outcome = 99};
    CHECK(kwast_process_kill_tree(child) == 0);
    CHECK(kwast_process_wait(child, -1, &status) == 0);
    CHECK(status.outcome == KWAST_KILLED);
    CHECK(kwast_process_stop(child, true) == 0); // who has ended cannot
    CHECK(outcome(child) == KWAST_KILLED);
    CHECK(close((int)child) == 0);
}

static void test_stops_and_goes_on(const char *role) {
    struct kwast_status status;
    kwast_handle child = spawn(role, GIVEN_MODULE);
    wait_until_it_counts();
    for (u32 round = 0; round < 3; round++) {
        CHECK(kwast_process_wait_change(child, KWAST_RUNNING, 0, &status) == ETIMEDOUT);
        CHECK(kwast_process_stop(child, round == 1) == 0);
        CHECK(kwast_process_stop(child, false) == 0);
        CHECK(kwast_process_wait_change(child, KWAST_RUNNING, -1, &status) == 0);
        CHECK(status.outcome == KWAST_STOPPED && outcome(child) == KWAST_STOPPED);
        CHECK(kwast_process_wait_change(child, KWAST_STOPPED, 0, &status) == ETIMEDOUT);
        CHECK(kwast_process_wait(child, 0, &status) == ETIMEDOUT);
        wait_until_it_is_quiet(child);
        CHECK(kwast_process_continue(child, true) == 0);
        CHECK(kwast_process_continue(child, false) == 0);
        CHECK(outcome(child) == KWAST_RUNNING);
        wait_until_it_counts();
    }
    CHECK(kwast_process_stop(child, false) == 0);
    kill_and_close(child);
}

// Stopped at any moment of its life, and killed or let go on at any moment of that.
static void test_any_moment(const char *role) {
    for (u32 i = 0; i < ROUNDS; i++) {
        kwast_handle child = spawn(role, GIVEN_MODULE);
        for (u32 k = 0; k < i; k++)
            sched_yield();
        CHECK(kwast_process_stop(child, i % 2 == 0) == 0);
        for (u32 k = 0; k < i % 7; k++)
            sched_yield();
        if (i % 3 == 0)
            CHECK(kwast_process_continue(child, i % 2 == 0) == 0);
        if (i % 3 == 1)
            wait_until_it_is_quiet(child);
        kill_and_close(child);
    }
}

static void receive(struct kwast_request *request) {
    static u8 bytes[KWAST_BYTES_MAX];
    CHECK(kwast_scheme_receive(client_server, request, bytes, sizeof bytes, -1) == 0);
}

// What the child waits for comes while it stands still; it finds that afterwards.
static void test_in_a_call(void) {
    struct kwast_request request;
    kwast_handle child = spawn("call", GIVEN_MODULE);
    for (u32 i = 0; i < 5; i++) {
        receive(&request);
        u32 before = shared.count;
        CHECK(kwast_process_stop(child, false) == 0);
        const struct kwast_reply reply = {.number = request.number, .handle = KWAST_NO_HANDLE};
        CHECK(kwast_scheme_reply(client_server, &reply) == 0);
        wait_until_it_is_quiet(child);
        CHECK(shared.count == before);
        CHECK(kwast_process_continue(child, false) == 0);
        while (shared.count == before) // once: then it calls again
            sched_yield();
    }
    receive(&request);
    CHECK(kwast_process_stop(child, false) == 0);
    kill_and_close(child);
    const struct kwast_reply late = {.number = request.number, .handle = KWAST_NO_HANDLE};
    (void)kwast_scheme_reply(client_server, &late);
    static u8 bytes[16]; // that the call was taken back
    while (kwast_scheme_receive(client_server, &request, bytes, sizeof bytes, 0) == 0)
        CHECK(request.operation == KWAST_CANCELLED);
}

static void test_serving(void) {
    kwast_handle child = spawn("serve", GIVEN_MODULE);
    struct kwast_call call = {.operation = OP_COUNT};
    CHECK(kwast_scheme_call(root, &call, -1) == 0);
    for (u32 i = 0; i < 5; i++) {
        CHECK(kwast_process_stop(child, false) == 0);
        u32 before = shared.count;
        CHECK(kwast_scheme_call(root, &call, 2 * MS) == ETIMEDOUT);
        CHECK(shared.count == before);
        CHECK(kwast_process_continue(child, false) == 0);
        CHECK(kwast_scheme_call(root, &call, -1) == 0);
        CHECK(shared.count > before);
    }
    CHECK(kwast_process_stop(child, false) == 0);
    kill_and_close(child);
    CHECK(kwast_scheme_call(root, &call, 0) != 0);
}

static void test_tree(void) {
    for (u32 i = 0; i < ROUNDS; i++) {
        kwast_handle child = spawn("spawn", GIVEN_MODULE);
        for (u32 k = 0; k < i; k++)
            sched_yield();
        CHECK(kwast_process_stop(child, true) == 0);
        wait_until_it_is_quiet(child); // also who was being started
        CHECK(kwast_process_continue(child, true) == 0);
        wait_until_it_counts();
        kill_and_close(child);
    }
}

static void test_orphan(void) {
    kwast_handle child = spawn("grandparent", GIVEN_MODULE);
    wait_until_it_counts();
    CHECK(kwast_process_stop(child, true) == 0);
    wait_until_it_is_quiet(KWAST_NO_HANDLE);
    struct kwast_status status;
    CHECK(kwast_process_kill(child) == 0);
    CHECK(kwast_process_wait(child, -1, &status) == 0 && status.outcome == KWAST_KILLED);
    wait_until_it_counts(); // all go on, for nobody would ever say so
    CHECK(close((int)child) == 0);
}

static void test_end(void) {
    struct kwast_status status;
    kwast_handle child = spawn("end", GIVEN_MODULE);
    CHECK(kwast_process_wait(child, -1, &status) == 0 && status.outcome == KWAST_EXITED);
    CHECK(kwast_process_stop(child, false) == 0 && kwast_process_continue(child, false) == 0);
    CHECK(kwast_process_wait_change(child, KWAST_STOPPED, 0, &status) == 0);
    CHECK(status.outcome == KWAST_EXITED && status.status == 0);
    CHECK(close((int)child) == 0);
}

static void test_refusals(void) {
    struct kwast_status status;
    kwast_handle child = spawn("compute", GIVEN_MODULE);
    kwast_handle weak;
    CHECK(kwast_handle_duplicate(child, KWAST_RIGHT_WAIT, 0, &weak) == 0);
    CHECK(kwast_process_stop(weak, false) == ENOTCAPABLE);
    CHECK(kwast_process_continue(weak, false) == ENOTCAPABLE);
    CHECK(kwast_process_wait_change(weak, KWAST_STOPPED, 0, &status) == 0);
    CHECK(status.outcome == KWAST_RUNNING);
    CHECK(kwast_process_wait_change(weak, KWAST_EXITED, 0, &status) == EINVAL);
    CHECK(kwast_process_wait_change(weak, KWAST_RUNNING, 0, (void *)0xfffffff0) == EFAULT);
    CHECK(kwast_process_stop(99, false) == EBADF);
    CHECK(kwast_process_stop(memory, false) == ENOTCAPABLE);
    CHECK(close((int)weak) == 0);
    kill_and_close(child);
}

// Many threads, which wait for each other and end.
static void test_threads(void) {
    static const char args[] = "threads\0forever";
    int module = open("/bin/threads.wasm", O_RDONLY);
    CHECK(module >= 0);
    const struct kwast_given output = {.handle = 1, .number = 1, .rights = RIGHT_WRITE};
    const struct kwast_spawn config = {
        .module = (u32)module,
        .name = (u32) "threads",
        .name_len = 7,
        .args = (u32)args,
        .args_len = sizeof args,
        .given = (u32)&output,
        .given_count = 1,
        .isolation = isolation_of_children(),
    };
    for (u32 i = 0; i < ROUNDS; i++) {
        kwast_handle child;
        CHECK(kwast_process_spawn(&config, &child) == 0);
        for (u32 k = 0; k < i; k++) {
            sched_yield();
            u32 error = k % 3 == 1 ? kwast_process_stop(child, false)
                                   : kwast_process_continue(child, false);
            CHECK(error == 0);
        }
        kill_and_close(child);
    }
    CHECK(close(module) == 0);
}

static void prepare(void) {
    int module = open("/bin/stop.wasm", O_RDONLY);
    CHECK(module >= 0);
    if (module != GIVEN_MODULE)
        CHECK(__wasi_fd_renumber(module, GIVEN_MODULE) == 0);
    CHECK(kwast_memory_create(sizeof shared, &memory) == 0);
    CHECK(kwast_memory_map(memory, 0, &shared, sizeof shared, BOTH) == 0);
    CHECK(kwast_scheme_create("stop", 4, &server) == 0);
    CHECK(kwast_scheme_root(server, KWAST_KIND_PLAIN, &root) == 0);
    CHECK(kwast_scheme_create("call", 4, &client_server) == 0);
    CHECK(kwast_scheme_root(client_server, KWAST_KIND_PLAIN, &client_root) == 0);
}

int main(int argc, char **argv) {
    static const char *const counting[] = {"compute", "yield", "sleep", "grow"};
    if (argc == 2)
        return be(argv[1]);
    test_threads();
    prepare(); // descriptor 3 is the preopened directory until then
    for (u32 i = 0; i < COUNT_OF(counting); i++) {
        test_stops_and_goes_on(counting[i]);
        test_any_moment(counting[i]);
    }
    test_in_a_call();
    test_serving();
    test_tree();
    test_orphan();
    test_end();
    test_refusals();
    if (failures == 0)
        printf("all right\n");
    return failures == 0 ? 0 : 1;
}
