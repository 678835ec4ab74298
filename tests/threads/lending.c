// Threads of one process that serve each other and map what they lend: clients call, give up, and
// use their memory at once when a call has returned; servants map what comes with a call, write
// there, lend on what they have mapped, unmap, and answer calls that another one has received. All
// of it at random. Prints what is wrong, or at the end "all right".
//
//   lending SEED     by SEED: to the end, or exits in the middle of it
//
// What is checked: nobody writes to what was lent once the call has returned; errors are those of
// abi/kwast/calls.h; and the kernel checks itself, for this also runs under ThreadSanitizer.

#include "tests/threads/thread.h"
#include "user/sdk/kwast.h"

#define SERVANTS 3u
#define CLIENTS  3u
#define CALLS    60u
#define PAGES    4u
#define PAGE     KWAST_PAGE_BYTES
#define BOTH     (KWAST_READ | KWAST_WRITE)
#define DEPTH    1u // of calls that servants make

static struct thread threads[SERVANTS + CLIENTS];
static alignas(PAGE) u8 lent[CLIENTS][PAGES * PAGE];
static alignas(PAGE) u8 windows[SERVANTS][PAGES * PAGE];
static kwast_handle server, root;
static u64 recent; // atomic: a call that somebody has received, for others to answer
static i32 clients_left = CLIENTS;
static i32 failures;
static u32 seed;

static u32 length(const char *text) {
    u32 len = 0;
    while (text[len] != 0)
        len++;
    return len;
}

static void say(const char *text) {
    const struct wasi_iovec part = {(u32)text, length(text)};
    u32 written;
    wasi_fd_write(1, &part, 1, &written);
}

static void expect(bool is_right, const char *what) {
    if (is_right)
        return;
    __atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
    say("wrong: ");
    say(what);
    say("\n");
}

#define EXPECT(condition) expect(condition, #condition)

static u32 below(u32 *random, u32 bound) {
    *random = *random * 1664525u + 1013904223u;
    return (u32)((u64)(*random >> 4) * bound >> 28);
}

static i64 random_timeout(u32 *random) {
    static const i64 timeouts[] = {0, 20000, 2000000, -1};
    return timeouts[below(random, 4)];
}

// -- Clients -------------------------------------------------------------------------------------

static void fill(u8 *at, u8 value) {
    for (u32 i = 0; i < PAGES * PAGE; i += 64)
        *(volatile u8 *)(at + i) = value;
}

static bool is_all(const u8 *at, u8 value) {
    for (u32 i = 0; i < PAGES * PAGE; i += 64) {
        if (*(const volatile u8 *)(at + i) != value)
            return false;
    }
    return true;
}

static u32 call(u8 *memory, u32 depth, i64 timeout) {
    const struct kwast_grant grant = {(u32)memory, PAGES * PAGE, BOTH};
    struct kwast_call call = {.operation = KWAST_FIRST_OPERATION,
                              .words = {depth},
                              .grants = (u32)&grant,
                              .grant_count = 1};
    return kwast_scheme_call(root, &call, timeout);
}

static void be_client(struct thread *self) {
    u32 random = seed * 64 + self->number;
    u8 *memory = lent[self->number];
    for (u32 i = 0; i < CALLS; i++) {
        u32 error = call(memory, 0, random_timeout(&random));
        EXPECT(error == 0 || error == WASI_ETIMEDOUT);
        fill(memory, (u8)i);
        for (u32 j = below(&random, 3); j != 0; j--)
            wasi_sched_yield();
        EXPECT(is_all(memory, (u8)i));
    }
    __atomic_fetch_sub(&clients_left, 1, __ATOMIC_SEQ_CST);
}

// -- Servants ------------------------------------------------------------------------------------

// What may become of a mapping, when others answer the call, or its caller gives up.
static bool is_map_error(u32 error) {
    return error == 0 || error == WASI_EINVAL || error == WASI_ECANCELED || error == WASI_EACCES ||
           error == WASI_EEXIST;
}

static void use_grant(const struct kwast_request *request, u8 *window, u32 *random) {
    u32 first = below(random, PAGES);
    u32 count = 1 + below(random, PAGES - first);
    u32 error = kwast_grant_map(server, request->number, 0, first * PAGE, window + first * PAGE,
                                count * PAGE, below(random, 2) == 0 ? KWAST_READ : BOTH);
    EXPECT(is_map_error(error));
    if (below(random, 2) == 0)
        error = kwast_grant_write(server, request->number, 0, 0, "lent", 4);
    if (below(random, 3) == 0 && request->words[0] < DEPTH) // another servant may find no mapping
        error = call(window, (u32)request->words[0] + 1, below(random, 2) * 200000);
    if (below(random, 3) == 0)
        error = kwast_memory_unmap(window + first * PAGE);
}

static void answer(u64 number) {
    const struct kwast_reply reply = {.number = number, .handle = KWAST_NO_HANDLE};
    u32 error = kwast_scheme_reply(server, &reply);
    EXPECT(error == 0 || error == WASI_EINVAL);
}

static void be_servant(struct thread *self) {
    u32 random = seed * 64 + CLIENTS + self->number;
    while (__atomic_load_n(&clients_left, __ATOMIC_SEQ_CST) != 0) {
        struct kwast_request request;
        u32 error = kwast_scheme_receive(server, &request, NULL, 0, 1000000);
        EXPECT(error == 0 || error == WASI_ETIMEDOUT);
        if (error != 0)
            continue;
        for (u32 i = below(&random, 3); request.operation != KWAST_CANCELLED && i != 0; i--)
            use_grant(&request, windows[below(&random, SERVANTS)], &random);
        u64 other = __atomic_exchange_n(&recent, request.number, __ATOMIC_SEQ_CST);
        if (other != 0 && below(&random, 2) == 0)
            answer(other); // perhaps for the second time
        answer(request.number);
    }
}

// -- The program ---------------------------------------------------------------------------------

static void read_seed(void) {
    static char *arguments[4];
    static char strings[128];
    wasi_args_get(arguments, strings);
    for (const char *at = arguments[1]; at != NULL && *at != 0; at++)
        seed = seed * 10 + (u32)(*at - '0');
}

void _start(void) {
    read_seed();
    EXPECT(kwast_scheme_create("lending", 7, &server) == 0);
    EXPECT(kwast_scheme_root(server, KWAST_KIND_PLAIN, &root) == 0);
    for (u32 i = 0; i < SERVANTS + CLIENTS; i++) {
        bool is_client = i < CLIENTS;
        threads[i].number = is_client ? i : i - CLIENTS;
        EXPECT(thread_start(&threads[i], is_client ? be_client : be_servant) > 0);
    }
    for (u32 i = 0; i < CLIENTS && seed % 2 == 0; i++)
        thread_join(&threads[i]);
    for (u32 i = 0; i < seed % 16 && seed % 2 != 0; i++)
        wasi_sched_yield();
    for (u32 i = CLIENTS; i < SERVANTS + CLIENTS && seed % 2 == 0; i++)
        thread_join(&threads[i]);
    if (__atomic_load_n(&failures, __ATOMIC_SEQ_CST) == 0)
        say("all right\n");
    wasi_proc_exit(0);
}
