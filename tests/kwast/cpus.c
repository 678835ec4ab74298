// Processes that may run on some CPUs only. Prints what is wrong, or at the end "all right".
//
//   cpus place     children that compute are kept to their CPUs, and theirs, too
//   cpus counts    what CPUs have opened, closed, taken and freed is what processes have
//   cpus call N    N calls from a client on CPU 0 to a server on CPU 1, and to one on any CPU
//   cpus across N  on two CPUs a client of a server on the other one each, of which one is killed
//                  at some moment, N times
//   cpus ROLE ...  a child
//
// Descriptor 3 is a directory /bin with cpus.wasm, and /kernel the kernel's files; on a machine
// with four CPUs, of which it may use all.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

#include "tests/kwast/check.h"
#include "tests/kwast/columns.h"
#include "user/sdk/kwast.h"

#define LIMIT_US    300000ull
#define ROUNDING_US 10 // of what is told in microseconds
#define GIVEN       4
#define RIGHT_READ  (1u << 1)
#define RIGHT_WRITE (1u << 6)
#define RIGHT_OPEN  (1u << 13)
#define ADD         KWAST_FIRST_OPERATION

// -- Starting children ----------------------------------------------------------------------------

// `args`: strings that end with zero bytes, the role second.
static u32 spawn_on(u32 cpus, const char *args, u32 args_len, kwast_handle given, u64 rights,
                    kwast_handle *child) {
    int module = open("/bin/cpus.wasm", O_RDONLY);
    const struct kwast_given handles[] = {
        {.handle = 1, .number = 1, .rights = RIGHT_WRITE},
        {.handle = 3,
         .number = 3,
         .rights = RIGHT_OPEN,
         .inheriting = RIGHT_READ,
         .name = (u32) "/bin",
         .name_len = 4},
        {.handle = given, .number = GIVEN, .rights = rights},
    };
    const struct kwast_spawn config = {
        .module = (u32)module,
        .name = (u32) "child",
        .name_len = 5,
        .args = (u32)args,
        .args_len = args_len,
        .given = (u32)handles,
        .given_count = given == KWAST_NO_HANDLE ? 2 : 3,
        .cpus = cpus,
    };
    u32 error = kwast_process_spawn(&config, child);
    close(module);
    return error;
}

static kwast_handle child_on(u32 cpus, const char *role) {
    char args[32];
    int len = snprintf(args, sizeof args, "cpus%c%s", 0, role) + 1;
    kwast_handle child = KWAST_NO_HANDLE;
    CHECK(spawn_on(cpus, args, (u32)len, KWAST_NO_HANDLE, 0, &child) == 0);
    return child;
}

static u32 id_of(kwast_handle child) {
    struct kwast_status status = {.id = 0};
    CHECK(kwast_process_status(child, &status) == 0);
    return status.id;
}

static unsigned long long used_us(u32 id) {
    return column_of("/kernel/processes", id, "cpu_us");
}

static unsigned long long busy_us(u32 cpu) {
    return column_of("/kernel/cpus", cpu, "busy_us");
}

[[noreturn]] static void spin(void) {
    for (volatile int on = 1;; on = 1)
        (void)on;
}

// -- Where processes run --------------------------------------------------------------------------

// More processes that compute than CPUs that they may run on: together they use what these CPUs
// have, and no more. What a process used is told up to its last turn, and what a CPU did when
// somebody looks afterwards, so this holds at every moment.
static void kept_to(u32 cpus, const char *role) {
    kwast_handle children[4];
    u32 ids[COUNT_OF(children)];
    unsigned long long before = 0;
    for (u32 cpu = 0; cpu < 4; cpu++)
        before += (cpus >> cpu & 1) != 0 ? busy_us(cpu) : 0;
    for (u32 i = 0; i < COUNT_OF(children); i++) {
        children[i] = child_on(cpus, role);
        ids[i] = id_of(children[i]);
        CHECK(column_of("/kernel/processes", ids[i], "cpus") == cpus);
    }
    unsigned long long used = 0;
    while (used < LIMIT_US) {
        usleep(10000);
        used = 0;
        for (u32 i = 0; i < COUNT_OF(children); i++)
            used += used_us(ids[i]);
        unsigned long long busy = 0;
        for (u32 cpu = 0; cpu < 4; cpu++)
            busy += (cpus >> cpu & 1) != 0 ? busy_us(cpu) : 0;
        bool is_kept = used <= busy - before + ROUNDING_US;
        CHECK(is_kept);
        if (!is_kept)
            break;
    }
    for (u32 i = 0; i < COUNT_OF(children); i++) {
        struct kwast_status status;
        CHECK(kwast_process_kill(children[i]) == 0);
        CHECK(kwast_process_wait(children[i], -1, &status) == 0);
        close((int)children[i]);
    }
}

// In a child on CPUs 1 and 2: what it spawns is where it is, unless it says less.
static int confined(void) {
    static const struct {
        u32 cpus;
        u32 error;
    } cases[] = {
        {0, 0},
        {1u << 1, 0},
        {1u << 1 | 1u << 2, 0},
        {1u << 0, ENOTCAPABLE},
        {1u << 0 | 1u << 1, ENOTCAPABLE},
        {UINT32_MAX, ENOTCAPABLE},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        kwast_handle child;
        struct kwast_status status = {.status = 99};
        u32 error =
            spawn_on(cases[i].cpus, "cpus\0exit", sizeof "cpus\0exit", KWAST_NO_HANDLE, 0, &child);
        CHECK(error == cases[i].error);
        if (error != 0)
            continue;
        CHECK(kwast_process_wait(child, -1, &status) == 0 && status.status == 7);
        close((int)child);
    }
    fflush(stdout);
    return failures;
}

static void place(void) {
    kwast_handle child;
    CHECK(spawn_on(1u << 31, "cpus\0exit", sizeof "cpus\0exit", KWAST_NO_HANDLE, 0, &child) ==
          EINVAL); // the machine has none of these
    struct kwast_status status = {.status = 99};
    CHECK(kwast_process_wait(child_on(1u << 1 | 1u << 2, "confined"), -1, &status) == 0);
    CHECK(status.outcome == KWAST_EXITED && status.status == 0);
    kept_to(1u << 3, "spin");
    kept_to(1u << 1 | 1u << 2, "spin");
}

// How many handles CPUs have opened and not closed; `looks` comes from having looked at both.
static unsigned long long open_by_cpus(void) {
    unsigned long long opened = column_sum("/kernel/cpus", "opened");
    unsigned long long closed = column_sum("/kernel/cpus", "closed");
    const unsigned long long looks = 1; // the file of the first look is closed at the second
    return opened + looks - closed;
}

// A process may be waited for before all that it had is gone, so this waits for the equality.
static void counts(void) {
    for (u32 cpu = 0; cpu < 4; cpu++) {
        kwast_handle child = child_on(1u << cpu, "exit");
        struct kwast_status status = {.status = 99};
        CHECK(kwast_process_wait(child, -1, &status) == 0 && status.status == 7);
        close((int)child);
        while (open_by_cpus() != column_sum("/kernel/processes", "handles"))
            usleep(1000);
    }
    unsigned long long freed = column_sum("/kernel/cpus", "freed_kib");
    unsigned long long got = column_sum("/kernel/cpus", "got_kib");
    CHECK(got > freed + column_sum("/kernel/processes", "memory_kib")); // and the kernel has some
}

// -- Calls between CPUs ---------------------------------------------------------------------------

static bool add(void *context, const struct kwast_request *request, const void *bytes,
                struct kwast_reply *reply) {
    (void)context;
    (void)bytes;
    __wasi_timestamp_t used;
    // Asking has the time up to now charged to this process.
    if (__wasi_clock_time_get(__WASI_CLOCKID_THREAD_CPUTIME_ID, 0, &used) != 0)
        return false;
    reply->words[0] = request->words[0] + request->words[1];
    return true;
}

static int call_often(u64 count) {
    for (u64 i = 0; i < count; i++) {
        struct kwast_call call = {.operation = ADD, .words = {i, 3 * i}};
        if (kwast_scheme_call(GIVEN, &call, -1) != 0 || call.words[0] != 4 * i)
            return 1;
    }
    return 0;
}

static void call_between(u32 client_cpus, u32 server_cpus, const char *count) {
    kwast_handle server;
    kwast_handle root;
    kwast_handle server_child;
    kwast_handle client_child;
    char args[64];
    struct kwast_status status = {.status = 99};
    CHECK(kwast_scheme_create("add", 3, &server) == 0);
    CHECK(kwast_scheme_root(server, KWAST_KIND_PLAIN, &root) == 0);
    CHECK(spawn_on(server_cpus, "cpus\0serve", sizeof "cpus\0serve", server, KWAST_RIGHT_SERVE,
                   &server_child) == 0);
    struct kwast_call call = {.operation = ADD, .words = {1, 2}};
    CHECK(kwast_scheme_call(root, &call, -1) == 0 && call.words[0] == 3); // it has begun
    CHECK(kwast_process_status(server_child, &status) == 0);
    u64 server_ns = status.cpu_ns;
    unsigned long long before[] = {busy_us(0), busy_us(1)};
    int len = snprintf(args, sizeof args, "cpus%cclient%c%s", 0, 0, count) + 1;
    CHECK(spawn_on(client_cpus, args, (u32)len, root, KWAST_RIGHT_CALL, &client_child) == 0);
    CHECK(kwast_process_wait(client_child, -1, &status) == 0);
    CHECK(status.outcome == KWAST_EXITED && status.status == 0);
    // What each used, its own CPU has given.
    if (client_cpus == 1u << 0)
        CHECK(status.cpu_ns / 1000 <= busy_us(0) - before[0] + ROUNDING_US);
    CHECK(kwast_process_kill(server_child) == 0);
    CHECK(kwast_process_wait(server_child, -1, &status) == 0);
    if (server_cpus == 1u << 1)
        CHECK((status.cpu_ns - server_ns) / 1000 <= busy_us(1) - before[1] + ROUNDING_US);
    close((int)client_child);
    close((int)server_child);
    close((int)root);
    close((int)server);
}

// -- Both ways at once, and kills -----------------------------------------------------------------

struct service {
    kwast_handle server;
    kwast_handle root;
    kwast_handle child;
};

static void service_start(struct service *service, u32 cpus) {
    CHECK(kwast_scheme_create("add", 3, &service->server) == 0);
    CHECK(kwast_scheme_root(service->server, KWAST_KIND_PLAIN, &service->root) == 0);
    CHECK(spawn_on(cpus, "cpus\0serve", sizeof "cpus\0serve", service->server, KWAST_RIGHT_SERVE,
                   &service->child) == 0);
    close((int)service->server); // so that the service ends with its process
    struct kwast_call call = {.operation = ADD, .words = {1, 2}};
    CHECK(kwast_scheme_call(service->root, &call, -1) == 0 && call.words[0] == 3);
}

// A client that calls until it is killed, or the server is: then its calls fail in one of the ways
// that there are, hence 1, and never give a wrong sum.
static int call_for_ever(void) {
    for (u64 i = 0;; i++) {
        struct kwast_call call;
        kwast_call_begin(&call, ADD);
        for (u64 word = 0; word < KWAST_WORDS; word++)
            call.words[word] = i + word;
        u32 error = kwast_scheme_call(GIVEN, &call, -1);
        if (error != 0)
            return error == EOWNERDEAD || error == EPIPE ? 1 : 2;
        if (call.words[0] != 2 * i + 1)
            return 3;
    }
}

static void end(kwast_handle child, bool is_killed) {
    struct kwast_status status = {.status = 99};
    if (is_killed)
        CHECK(kwast_process_kill(child) == 0);
    CHECK(kwast_process_wait(child, -1, &status) == 0);
    if (is_killed)
        CHECK(status.outcome == KWAST_KILLED);
    else
        CHECK(status.outcome == KWAST_EXITED && status.status == 1);
    close((int)child);
}

// Where in its calls a process is killed is chance. Whoever is left goes on: a server answers
// everybody else, and a client of one that was killed is told.
static void call_and_kill(u32 round) {
    struct service services[2];
    kwast_handle clients[2];
    for (u32 i = 0; i < 2; i++)
        service_start(&services[i], 1u << (1 - i));
    for (u32 i = 0; i < 2; i++)
        CHECK(spawn_on(1u << i, "cpus\0call", sizeof "cpus\0call", services[i].root,
                       KWAST_RIGHT_CALL, &clients[i]) == 0);
    usleep(round * 331 % 2000);
    u32 victim = round % 2;
    bool is_server = round / 2 % 2 == 0;
    if (is_server)
        end(services[victim].child, true);
    end(clients[victim], !is_server);
    for (u32 i = 0; i < 2; i++) {
        struct kwast_call call = {.operation = ADD, .words = {20, 22}};
        u32 error = kwast_scheme_call(services[i].root, &call, -1);
        if (is_server && i == victim)
            CHECK(error == EOWNERDEAD || error == EPIPE);
        else
            CHECK(error == 0 && call.words[0] == 42);
    }
    end(clients[1 - victim], true);
    for (u32 i = 0; i < 2; i++) {
        if (!is_server || i != victim)
            end(services[i].child, true);
        close((int)services[i].root);
    }
}

int main(int argc, char **argv) {
    const char *role = argc > 1 ? argv[1] : "";
    if (strcmp(role, "spin") == 0)
        spin();
    if (strcmp(role, "exit") == 0)
        return 7;
    if (strcmp(role, "confined") == 0)
        return confined();
    if (strcmp(role, "serve") == 0)
        return (int)kwast_serve(GIVEN, add, NULL);
    if (strcmp(role, "client") == 0)
        return call_often(strtoull(argv[2], NULL, 10));
    if (strcmp(role, "call") == 0 && argc == 2)
        return call_for_ever();
    if (strcmp(role, "place") == 0)
        place();
    if (strcmp(role, "counts") == 0)
        counts();
    for (u32 i = 0; strcmp(role, "across") == 0 && i < strtoul(argv[2], NULL, 10); i++)
        call_and_kill(i);
    if (strcmp(role, "call") == 0) { // with a count
        call_between(1u << 0, 1u << 1, argv[2]);
        call_between(1u << 0, 0, argv[2]);
        call_between(0, 1u << 1, argv[2]);
    }
    if (failures == 0)
        printf("all right\n");
    return failures != 0;
}
