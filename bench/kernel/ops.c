// What the kernel's operations cost: each is done COUNT times in each of so many batches, and for
// each batch the time of one is printed in thousandths of a nanosecond. Under QEMU with -icount
// shift=0 a nanosecond is an instruction.
//
//   ops NAME COUNT BATCHES  prints "NAME PICOSECONDS..."
//   ops preempt             two processes see how they are preempted, and print that (gaps.h)
//   ops call-across COUNT BATCHES   the caller is a child on CPU 0, the server one on CPU 1
//   ops teardown MIB BATCHES        a child that has touched so much is killed; the time of a page
//   ops server | yielder | watcher  children of its own: serve the scheme at descriptor 3; yield
//                                   for ever; the second of `preempt`
//   ops filler MIB                  that child: says at descriptor 3 when it has
//   ops caller COUNT BATCHES        that of `call-across`: descriptor 3 is the channel
//
// The module must be /bin/ops.wasm, and hello.wasm beside it, for those that spawn.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/kernel/gaps.h"
#include "user/sdk/kwast.h"

#define GIVEN       3
#define BATCHES_MAX 1000
#define GRANT_MAX   (64 * 1024)
#define WASM_PAGE   (64 * 1024)

#define SERVE_READ  (KWAST_FIRST_OPERATION + 1) // reads grant 0 whole, and replies
#define SERVE_MAP   (KWAST_FIRST_OPERATION + 2) // maps it instead, and reads a word of each page
#define RIGHT_WRITE (1u << 6)

static _Alignas(KWAST_PAGE_BYTES) u8 buffer[GRANT_MAX];
static kwast_handle root, server;
static enum kwast_isolation isolation = KWAST_ISOLATION_SIP; // of children
static u32 cpus;                                             // of children; 0: all

[[clang::import_module("wasi_snapshot_preview1"), clang::import_name("fd_close")]]
int wasi_fd_close(int fd);

[[clang::import_module("wasi_snapshot_preview1"), clang::import_name("sched_yield")]]
int wasi_sched_yield(void);

[[noreturn]] static void fail(const char *what, u32 error) {
    fprintf(stderr, "ops: %s: error %u\n", what, error);
    exit(1);
}

static u64 now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

// -- Children -------------------------------------------------------------------------------------

static void serve_mapped(const struct kwast_request *request) {
    u32 len = request->grants[0].len;
    kwast_grant_map(GIVEN, request->number, 0, 0, buffer, len, KWAST_READ);
    for (u32 at = 0; at < len; at += KWAST_PAGE_BYTES)
        (void)*(const volatile u32 *)(buffer + at);
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)context;
    (void)bytes;
    (void)reply;
    if (request->operation == SERVE_READ)
        kwast_grant_read(GIVEN, request->number, 0, 0, buffer, request->grants[0].len);
    if (request->operation == SERVE_MAP)
        serve_mapped(request);
    return true;
}

// `role` may have arguments behind it, after blanks.
static kwast_handle spawn(const char *path, const char *role, kwast_handle given, u64 rights) {
    char args[64];
    char reason[KWAST_REASON_BYTES] = "";
    int args_len = snprintf(args, sizeof args, "ops %s", role) + 1;
    for (int i = 0; i < args_len; i++)
        args[i] = args[i] == ' ' ? 0 : args[i];
    int module = open(path, O_RDONLY);
    const struct kwast_given handles[] = {
        {.handle = 1, .number = 1, .rights = RIGHT_WRITE},
        {.handle = given, .number = GIVEN, .rights = rights},
    };
    const struct kwast_spawn config = {
        .module = (u32)module,
        .name = (u32)role,
        .name_len = (u32)strlen(role),
        .args = (u32)args,
        .args_len = (u32)args_len,
        .given = (u32)handles,
        .given_count = given == KWAST_NO_HANDLE ? 1 : 2,
        .isolation = isolation,
        .reason = (u32)reason,
        .reason_len = sizeof reason,
        .cpus = cpus,
    };
    kwast_handle child;
    u32 error = kwast_process_spawn(&config, &child);
    close(module);
    if (error != 0)
        fail(reason, error);
    return child;
}

static void serve_scheme(void) {
    kwast_scheme_create("ops", 3, &server);
    kwast_scheme_root(server, KWAST_KIND_PLAIN, &root);
    spawn("/bin/ops.wasm", "server", server, KWAST_RIGHT_SERVE);
}

// -- Operations -----------------------------------------------------------------------------------

static void nothing(void) {
}

static void do_close(void) {
    wasi_fd_close(-1);
}

static void do_clock(void) {
    now_ns();
}

static void start_yielder(void) {
    spawn("/bin/ops.wasm", "yielder", KWAST_NO_HANDLE, 0);
}

static void do_yield(void) {
    wasi_sched_yield(); // there and back: two switches
}

static void do_call(void) {
    struct kwast_call call;
    kwast_call_begin(&call, KWAST_FIRST_OPERATION);
    for (u32 i = 0; i < KWAST_WORDS; i++)
        call.words[i] = i + 1;
    kwast_scheme_call(root, &call, -1);
}

// The words are used as well.
static void do_call_64(void) {
    struct kwast_call call;
    kwast_call_begin_bytes(&call, KWAST_FIRST_OPERATION, buffer, 64);
    for (u32 i = 0; i < KWAST_WORDS; i++)
        call.words[i] = i + 1;
    kwast_scheme_call(root, &call, -1);
}

static void call_granting(u32 operation, u32 len) {
    struct kwast_grant grant = {(u32)buffer, len, KWAST_READ};
    struct kwast_call call = {.operation = operation, .grants = (u32)&grant, .grant_count = 1};
    kwast_scheme_call(root, &call, -1);
}

static void do_grant_4k(void) {
    call_granting(SERVE_READ, 4096);
}

static void do_grant_64k(void) {
    call_granting(SERVE_READ, 65536);
}

static void do_map_64k(void) {
    call_granting(SERVE_MAP, 65536);
}

static void do_copy_64k(void) {
    static u8 other[GRANT_MAX];
    memcpy(other, buffer, sizeof other);
    __asm__ volatile("" : : "r"(other) : "memory");
}

static void do_spawn(void) {
    // As Linux's twin has it: a path, and arguments that are known.
    static char args[] = "hello";
    static const struct kwast_given handles[] = {{.handle = 1, .number = 1, .rights = RIGHT_WRITE}};
    int module = open("/bin/hello.wasm", O_RDONLY);
    const struct kwast_spawn config = {
        .module = (u32)module,
        .name = (u32)args,
        .name_len = sizeof args - 1,
        .args = (u32)args,
        .args_len = sizeof args,
        .given = (u32)handles,
        .given_count = COUNT_OF(handles),
        .isolation = isolation,
    };
    kwast_handle child;
    u32 error = kwast_process_spawn(&config, &child);
    close(module);
    if (error != 0)
        fail("spawn", error);
    struct kwast_status status;
    error = kwast_process_wait(child, -1, &status);
    if (error != 0)
        fail("wait", error);
    close((int)child);
}

// Children in protection domains of their own.
static void spawn_apart(void) {
    isolation = KWAST_ISOLATION_DOMAIN;
}

static void serve_scheme_apart(void) {
    spawn_apart();
    serve_scheme();
}

// The channel is at hand: this is the child on CPU 0.
static void use_given(void) {
    root = GIVEN;
}

static const struct {
    const char *name;
    void (*prepare)(void);
    void (*run)(void);
} operations[] = {
    {"nothing", nothing, nothing},
    {"close", nothing, do_close},
    {"clock", nothing, do_clock},
    {"yield", start_yielder, do_yield},
    {"call", serve_scheme, do_call},
    {"call-64", serve_scheme, do_call_64},
    {"grant-4k", serve_scheme, do_grant_4k},
    {"grant-64k", serve_scheme, do_grant_64k},
    {"map-64k", serve_scheme, do_map_64k},
    {"copy-64k", nothing, do_copy_64k},
    {"spawn", nothing, do_spawn},
    {"call-domain", serve_scheme_apart, do_call},
    {"spawn-domain", spawn_apart, do_spawn},
    {"caller", use_given, do_call},
};

// The loop of whoever does something again and again: yielders do it both.
[[gnu::noinline]] static void repeat(void (*run)(void), u64 count) {
    for (u64 n = 0; n < count; n++)
        run();
}

[[noreturn]] static void measure(const char *name, usize operation, u64 count, u64 batches) {
    static u64 picoseconds[BATCHES_MAX];
    void (*run)(void) = operations[operation].run;
    if (count == 0 || batches > BATCHES_MAX)
        fail("counts", EINVAL);
    operations[operation].prepare();
    repeat(run, count); // warms up
    for (u64 batch = 0; batch < batches; batch++) {
        u64 began = now_ns();
        repeat(run, count);
        picoseconds[batch] = (now_ns() - began) * 1000 / count;
    }
    printf("\n%s", name);
    for (u64 batch = 0; batch < batches; batch++)
        printf(" %llu", (unsigned long long)picoseconds[batch]);
    printf(" done\n");
    fflush(stdout);
    exit(0); // with the children
}

static void fill(u64 mib) {
    usize before = __builtin_wasm_memory_grow(0, mib * MIB / WASM_PAGE);
    if (before == SIZE_MAX)
        fail("grow", ENOMEM);
    for (u64 at = 0; at < mib * MIB; at += KWAST_PAGE_BYTES)
        *(volatile u8 *)(before * WASM_PAGE + at) = 1;
    kwast_notification_signal(GIVEN, 1);
    kwast_notification_take(GIVEN, -1, &(u64){0}); // until it is killed
}

// How long the kill of a child takes until it is gone, by page.
static void teardown(const char *mib, u64 batches) {
    kwast_handle touched;
    kwast_notification_create(&touched);
    char role[64];
    snprintf(role, sizeof role, "filler %s", mib);
    printf("\nteardown");
    for (u64 batch = 0; batch < batches; batch++) {
        u64 bits;
        kwast_handle child =
            spawn("/bin/ops.wasm", role, touched, KWAST_RIGHT_SIGNAL | KWAST_RIGHT_WAIT);
        kwast_notification_take(touched, -1, &bits);
        u64 began = now_ns();
        struct kwast_status status;
        kwast_process_kill(child);
        kwast_process_wait(child, -1, &status);
        u64 pages = strtoull(mib, NULL, 10) * MIB / KWAST_PAGE_BYTES;
        printf(" %llu", (unsigned long long)((now_ns() - began) * 1000 / pages));
        close((int)child);
    }
    printf(" done\n");
}

// This process may run anywhere, and the two would come together on one CPU: so it calls nobody.
static void call_across(const char *count, const char *batches) {
    char role[64];
    struct kwast_status status;
    snprintf(role, sizeof role, "caller %s %s", count, batches);
    cpus = 1u << 1;
    serve_scheme();
    cpus = 1u << 0;
    kwast_process_wait(spawn("/bin/ops.wasm", role, root, KWAST_RIGHT_CALL), -1, &status);
}

static struct gaps gaps;

static void watch(void) {
    gaps_watch(&gaps, now_ns);
    gaps_print(stdout, "child", &gaps);
}

// The child prints first, so that lines stay whole.
static void preempt(void) {
    kwast_handle child = spawn("/bin/ops.wasm", "watcher", KWAST_NO_HANDLE, 0);
    gaps_watch(&gaps, now_ns);
    struct kwast_status status;
    kwast_process_wait(child, -1, &status);
    gaps_print(stdout, "parent", &gaps);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "watcher") == 0) {
        watch();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "preempt") == 0) {
        preempt();
        return 0;
    }
    if (argc >= 2 && strcmp(argv[1], "server") == 0)
        return (int)kwast_serve(GIVEN, serve, NULL);
    if (argc == 2 && strcmp(argv[1], "yielder") == 0) {
        for (;;)
            repeat(do_yield, UINT64_MAX);
    }
    if (argc == 4 && strcmp(argv[1], "call-across") == 0) {
        call_across(argv[2], argv[3]);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "filler") == 0)
        fill(strtoull(argv[2], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "teardown") == 0) {
        teardown(argv[2], strtoull(argv[3], NULL, 10));
        return 0;
    }
    for (usize i = 0; argc == 4 && i < COUNT_OF(operations); i++) {
        if (strcmp(argv[1], operations[i].name) == 0)
            measure(operations[i].name, i, strtoull(argv[2], NULL, 10),
                    strtoull(argv[3], NULL, 10));
    }
    fprintf(stderr, "usage: ops NAME COUNT BATCHES\n");
    return 2;
}
