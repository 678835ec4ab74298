// The kill storm: spawns and kills many processes, in every state that a process can be in. What
// the kernel has in use afterwards is what it had in use before; storm_test.py compares.
//
//   storm COUNT [SEED]     with itself as /bin/storm.wasm
//   storm ROLE SEED N      a child

#include "tests/kwast/chaos.h"

#define BATCH  12u // processes at a time
#define SHARED 65536u

// What every child is given.
enum given {
    GIVEN_READY =
        GIVEN_FIRST, // a notification, signalled when the child is where it is to be killed
    GIVEN_NEVER,     // one that nobody signals
    GIVEN_SERVER,    // the end of a scheme that some of the children serve
    GIVEN_ROOT,
    GIVEN_COUNT = 4,
};

static u8 buffer[SHARED];

static void ready(void) {
    CHECK(kwast_notification_signal(GIVEN_READY, 1) == 0);
}

// -- Children ------------------------------------------------------------------------------------

static void compute(void) {
    ready();
    for (volatile u32 n = 1; n != 0; n |= 1)
        n++;
}

static void call_host(void) {
    ready();
    for (;;)
        sched_yield();
}

static void wait_for_notification(void) {
    u64 bits;
    ready();
    CHECK(kwast_notification_take(GIVEN_NEVER, -1, &bits) == 0);
}

static void sleep_long(void) {
    ready();
    sleep(1000000);
}

// Calls, lending memory and a handle, whoever serves.
static void call_for_ever(void) {
    const struct kwast_grant grants[] = {
        {.address = (u32)buffer, .len = sizeof buffer, .access = KWAST_READ | KWAST_WRITE}};
    u32 handle = GIVEN_NEVER;
    ready();
    for (;;) {
        struct kwast_call call = {
            .operation = KWAST_FIRST_OPERATION,
            .bytes = (u32)buffer,
            .bytes_len = KWAST_BYTES_MAX,
            .grants = (u32)grants,
            .grant_count = 1,
            .handles = (u32)&handle,
            .handle_count = 1,
        };
        ALLOW(kwast_scheme_call(GIVEN_ROOT, &call, -1), EOWNERDEAD, EMFILE, ENOMEM);
    }
}

static void receive_for_ever(void) {
    struct kwast_request request;
    ready();
    for (;;)
        ALLOW(kwast_scheme_receive(GIVEN_SERVER, &request, buffer, sizeof buffer, -1), EMFILE);
}

// Copies from and to what it was lent for as long as that lasts, then replies.
static void copy_for_ever(void) {
    struct kwast_request request;
    ready();
    for (;;) {
        u32 error = kwast_scheme_receive(GIVEN_SERVER, &request, buffer, sizeof buffer, -1);
        ALLOW(error, EMFILE);
        if (error != 0 || request.number == 0)
            continue;
        for (u32 i = 0; i < request.handle_count; i++)
            CHECK(close((int)request.handles[i]) == 0);
        for (u32 i = below(50); i != 0 && error == 0; i--) {
            error = kwast_grant_read(GIVEN_SERVER, request.number, 0, 0, buffer, sizeof buffer);
            if (error == 0)
                error =
                    kwast_grant_write(GIVEN_SERVER, request.number, 0, 0, buffer, sizeof buffer);
        }
        ALLOW(error, ECANCELED, EINVAL); // news of a call that was taken back has no grants
        const struct kwast_reply reply = {.number = request.number, .handle = KWAST_NO_HANDLE};
        CHECK(kwast_scheme_reply(GIVEN_SERVER, &reply) == 0);
    }
}

static void make_handles(void) {
    ready();
    for (;;) {
        kwast_handle server, root, notification;
        ALLOW(kwast_scheme_create("storm", 5, &server), EMFILE);
        ALLOW(kwast_scheme_root(server, KWAST_KIND_FILE, &root), EMFILE, EBADF, ENOTCAPABLE);
        ALLOW(kwast_notification_create(&notification), EMFILE);
    }
}

static void grow_memory(void) {
    ready();
    for (;;) {
        usize page = __builtin_wasm_memory_grow(0, 1);
        if (page != SIZE_MAX)
            *(volatile u8 *)(page << 16) = 1;
    }
}

static void end_at_once(void) {
    ready();
    if (one_in(2))
        abort();
}

// A module of many functions, the last of which is invalid: so all are compiled, each time anew.
#define FUNCTIONS      500u
#define FUNCTION_CODES 30u // of three bytes each

static u8 *put_leb(u8 *to, u32 value) {
    for (u32 i = 0; i < 4; i++, value >>= 7)
        *to++ = (u8)(value | 0x80);
    *to++ = (u8)value;
    return to;
}

static u8 *put_section(u8 *to, u8 id, u32 bytes, u32 count) {
    *to++ = id;
    return put_leb(put_leb(to, bytes + 5), count);
}

static u32 make_module(u8 *module) {
    static const u8 start[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0};
    static const u8 push_and_drop[] = {0x41, 1, 0x1a};
    const u32 body = 1 + FUNCTION_CODES * sizeof push_and_drop + 1;
    u8 *to = module;
    memcpy(to, start, sizeof start);
    to = put_section(to + sizeof start, 3, FUNCTIONS, FUNCTIONS);
    memset(to, 0, FUNCTIONS);
    to = put_section(to + FUNCTIONS, 10, FUNCTIONS * (1 + body), FUNCTIONS);
    for (u32 i = 0; i < FUNCTIONS; i++) {
        *to++ = (u8)body;
        *to++ = 0; // locals
        for (u32 k = 0; k < FUNCTION_CODES; k++, to += sizeof push_and_drop)
            memcpy(to, push_and_drop, sizeof push_and_drop);
        *to++ = 0x0b;
    }
    to[-2] = 0x6a; // i32.add
    return (u32)(to - module);
}

static void compile(void) {
    const struct kwast_spawn spawn = {
        .module = KWAST_NO_HANDLE,
        .bytes = (u32)buffer,
        .bytes_len = make_module(buffer),
        .name = (u32) "refused",
        .name_len = 7,
    };
    ready();
    for (;;) {
        kwast_handle child;
        ALLOW(kwast_process_spawn(&spawn, &child), ENOEXEC);
    }
}

static const struct role {
    const char *name;
    void (*run)(void);
} roles[] = {
    {"compute", compute},      {"host", call_host},     {"wait", wait_for_notification},
    {"sleep", sleep_long},     {"call", call_for_ever}, {"receive", receive_for_ever},
    {"copy", copy_for_ever},   {"copy", copy_for_ever}, {"call", call_for_ever},
    {"handles", make_handles}, {"memory", grow_memory}, {"end", end_at_once},
    {"compile", compile},
};

// -- The storm -----------------------------------------------------------------------------------

static void batch(const kwast_handle *given, u32 count) {
    kwast_handle children[BATCH];
    u64 bits;
    u32 spawned = 0;
    for (u32 i = 0; i < count; i++) {
        const struct child_config config = {
            .role = roles[below(COUNT_OF(roles))].name,
            .seed = below(1u << 30),
            .given = given,
            .given_count = GIVEN_COUNT,
            .memory_limit = 4 << 20,
            .handle_limit = 64,
        };
        u32 error = spawn_self(&config, &children[spawned]);
        CHECK(error == 0);
        spawned += error == 0;
        if (one_in(4)) // most are killed before they get anywhere
            ALLOW(kwast_notification_take(given[0], 1000000000, &bits), ETIMEDOUT);
    }
    yield_some(10);
    for (u32 i = 0; i < spawned; i++)
        CHECK(kwast_process_kill(children[(i + spawned / 2) % spawned]) == 0);
    for (u32 i = 0; i < spawned; i++) {
        struct kwast_status status = {.outcome = KWAST_RUNNING};
        CHECK(kwast_process_wait(children[i], -1, &status) == 0);
        CHECK(status.outcome != KWAST_RUNNING);
        CHECK(status.outcome != KWAST_EXITED || status.status == 0);
        CHECK(close((int)children[i]) == 0);
    }
}

int main(int argc, char **argv) {
    self_init(argv[1], argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
    if (argc > 3) {
        for (u32 i = 0; i < COUNT_OF(roles); i++) {
            if (strcmp(roles[i].name, argv[1]) == 0) {
                roles[i].run();
                return self.failures;
            }
        }
        return 100;
    }
    kwast_handle given[GIVEN_COUNT];
    if (argc < 2 || !open_self("/bin/storm.wasm"))
        return 1;
    CHECK(kwast_notification_create(&given[0]) == 0);
    CHECK(kwast_notification_create(&given[1]) == 0);
    CHECK(kwast_scheme_create("storm", 5, &given[2]) == 0);
    CHECK(kwast_scheme_root(given[2], KWAST_KIND_PLAIN, &given[3]) == 0);
    u32 left = (u32)strtoul(argv[1], NULL, 10);
    while (left != 0 && self.failures == 0) {
        u32 count = 1 + below(BATCH);
        count = count < left ? count : left;
        batch(given, count);
        left -= count;
    }
    printf(self.failures == 0 ? "all right\n" : "seed %llu\n", (unsigned long long)self.seed);
    return self.failures != 0;
}
