// Memory objects and lent memory that is mapped, seen from programs: this one spawns itself as a
// server, as a client and as others, and checks what each side sees. Prints what is wrong, or at
// the end "all right".
//
//   map            the test; a directory with map.wasm is preopened as /bin; with ISOLATION=domain
//                  in the environment every child is in a protection domain of its own
//   map ROLE       what a child does: see `roles`

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kwast/check.h"
#include "user/sdk/kwast.h"

#define MODULE_PATH   "/bin/map.wasm"
#define GIVEN         3 // the descriptor of what a child is given
#define PAGE          KWAST_PAGE_BYTES
#define PAGES         40u
#define BOTH          (KWAST_READ | KWAST_WRITE)
#define SOON          20000000 // ns
#define RIGHT_READ    (1ull << 1)
#define RIGHT_WRITE   (1ull << 6)
#define RIGHTS_MEMORY (KWAST_RIGHT_MAP | RIGHT_READ | RIGHT_WRITE)
#define OWN_BYTE      0x5a // what a server's own pages hold
#define TRAP_STORE    16u  // "store to read-only memory"

enum operation {
    OP_MAP = KWAST_FIRST_OPERATION, // maps, see `map_grant`; stays mapped until the reply
    OP_SUM,                         // maps, and adds up what is there
    OP_FILL,                        // maps, and fills it with words[3]
    OP_UNMAP,                       // maps, unmaps, looks at its own pages
    OP_TWICE,                       // maps two parts, one of them over the other
    OP_OWN,                         // whether its own pages are what they were
    OP_HOLD,                        // maps, and answers only when told that the call is over
    OP_RACE,                        // maps, and writes until it finds its own pages
    OP_TRAP,                        // maps, and ends
    OP_LEND,                        // maps, and lends that to the server at words[3]
    OP_GIVE,                        // makes memory with words[0] in it, gives it away, and ends
};

static enum kwast_isolation isolation;
static _Alignas(PAGE) u8 window[PAGES * PAGE]; // where things are mapped
static _Alignas(PAGE) u8 lent[PAGES * PAGE];   // what is lent

// The compiler does not know that memory changes.
static u8 at(const u8 *address) {
    return *(const volatile u8 *)address;
}

static void put(u8 *address, u8 value) {
    *(volatile u8 *)address = value;
}

static bool is_all(const u8 *bytes, u32 len, u8 value) {
    for (u32 i = 0; i < len; i += 64) {
        if (at(bytes + i) != value)
            return false;
    }
    return at(bytes + len - 1) == value;
}

// -- The server ----------------------------------------------------------------------------------

// words: offset in the grant, length, access.
static u32 map_grant(const struct kwast_request *request, u8 *to) {
    return kwast_grant_map(GIVEN, request->number, 0, request->words[0], to,
                           (usize)request->words[1], (u32)request->words[2]);
}

static u64 sum(const u8 *bytes, u32 len) {
    u64 total = 0;
    for (u32 i = 0; i < len; i++)
        total += at(bytes + i);
    return total;
}

static u32 unmap_and_look(const struct kwast_request *request) {
    u32 error = map_grant(request, window);
    if (error != 0)
        return error;
    put(window, 1);
    error = kwast_memory_unmap(window);
    bool is_own = is_all(window, sizeof window, OWN_BYTE);
    return error != 0 ? error : is_own && kwast_memory_unmap(window) == EINVAL ? 0 : EIO;
}

static u32 map_twice(const struct kwast_request *request) {
    u32 error = map_grant(request, window);
    if (error == 0)
        error = map_grant(request, window + request->words[1]); // the same pages twice
    if (error != 0)
        return error;
    put(window, 77);
    if (at(window + request->words[1]) != 77)
        return EIO;
    return map_grant(request, window + PAGE) == EEXIST ? 0 : EIO;
}

static void race(const struct kwast_request *request, struct kwast_reply *reply) {
    reply->answer = map_grant(request, window);
    u8 n = 0;
    while (reply->answer == 0 && at(window + 8) != OWN_BYTE)
        put(window, ++n);
    put(window, OWN_BYTE); // where the last of these went
}

static u32 lend_on(const struct kwast_request *request) {
    u32 error = map_grant(request, window);
    struct kwast_grant grant = {(u32)window, PAGE, BOTH};
    struct kwast_call call = {
        .operation = OP_MAP, .words = {0, PAGE, BOTH}, .grants = (u32)&grant, .grant_count = 1};
    if (error == 0)
        error = kwast_scheme_call(request->handles[0], &call, -1);
    close((int)request->handles[0]);
    return error != 0 ? error : call.answer;
}

static u32 give_memory(const struct kwast_request *request, kwast_handle *out) {
    u32 error = kwast_memory_create(PAGE, out);
    if (error == 0)
        error = kwast_memory_map(*out, 0, lent, PAGE, BOTH);
    put(lent, (u8)request->words[0]);
    return error;
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)context;
    (void)bytes;
    switch (request->operation) {
    case KWAST_CANCELLED:
        put(window, OWN_BYTE); // OP_HOLD may have written to its own page
        return true;
    case OP_MAP:
        reply->answer = map_grant(request, window);
        return true;
    case OP_SUM:
        reply->answer = map_grant(request, window);
        reply->words[0] = sum(window, (u32)request->words[1]);
        return true;
    case OP_FILL:
        reply->answer = map_grant(request, window);
        memset(window, (int)request->words[3], (usize)request->words[1]);
        return true;
    case OP_UNMAP:
        reply->answer = unmap_and_look(request);
        return true;
    case OP_TWICE:
        reply->answer = map_twice(request);
        return true;
    case OP_OWN:
        reply->words[0] = is_all(window, sizeof window, OWN_BYTE);
        return true;
    case OP_HOLD:
        map_grant(request, window);
        put(window, 99);
        return false;
    case OP_RACE:
        race(request, reply);
        return true;
    case OP_TRAP:
        map_grant(request, window);
        put(window, 98);
        abort();
    case OP_LEND:
        reply->answer = lend_on(request);
        return true;
    case OP_GIVE:
        reply->answer = give_memory(request, &reply->handle);
        kwast_scheme_reply(GIVEN, reply);
        exit(0);
    default:
        reply->answer = ENOSYS;
        return true;
    }
}

// -- Other children ------------------------------------------------------------------------------

static int role_server(void) {
    memset(window, OWN_BYTE, sizeof window);
    return (int)kwast_serve(GIVEN, serve, NULL);
}

// Lends its memory in a call that nobody answers.
static int role_client(void) {
    struct kwast_grant grant = {(u32)lent, sizeof lent, BOTH};
    struct kwast_call call = {.operation = OP_HOLD,
                              .words = {0, sizeof lent, BOTH},
                              .grants = (u32)&grant,
                              .grant_count = 1};
    return (int)kwast_scheme_call(GIVEN, &call, -1);
}

#define PINGS 500u

// Adds one to the word whenever it is odd.
static int role_pong(void) {
    u32 error = kwast_memory_map(GIVEN, 0, window, PAGE, BOTH);
    volatile u32 *word = (volatile u32 *)window;
    u32 woken;
    while (error == 0 && *word < 2 * PINGS) {
        if (*word % 2 != 0) {
            ++*word;
            error = kwast_memory_wake(GIVEN, 0, 1, &woken);
        } else {
            error = kwast_memory_wait(GIVEN, 0, *word, -1);
        }
        error = error == EAGAIN ? 0 : error;
    }
    return (int)error;
}

static int role_waiter(void) {
    return (int)kwast_memory_wait(GIVEN, 8, 0, -1);
}

static int role_store(void) {
    u32 error = kwast_memory_map(GIVEN, 0, window, PAGE, KWAST_READ);
    if (error != 0 || at(window) != 7)
        return 1;
    put(window, 8);
    return 0;
}

static int role_limited(void) {
    kwast_handle memory;
    return (int)kwast_memory_create(8 << 20, &memory); // more than there is room for
}

static const struct {
    const char *name;
    int (*run)(void);
    u64 memory_limit;
} roles[] = {
    {"server", role_server, 0}, {"client", role_client, 0}, {"pong", role_pong, 0},
    {"waiter", role_waiter, 0}, {"store", role_store, 0},   {"limited", role_limited, 8 << 20},
};

static kwast_handle spawn(const char *name, kwast_handle given, u64 rights) {
    u64 limit = 0;
    for (u32 i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(roles[i].name, name) == 0)
            limit = roles[i].memory_limit;
    }
    char args[32];
    int args_len = snprintf(args, sizeof args, "map%c%s", 0, name) + 1;
    int module = open(MODULE_PATH, O_RDONLY);
    if (module < 0) {
        perror(MODULE_PATH);
        exit(1);
    }
    const struct kwast_given handles[] = {
        {.handle = 1, .number = 1, .rights = RIGHT_WRITE},
        {.handle = given, .number = GIVEN, .rights = rights},
    };
    const struct kwast_spawn config = {
        .module = (u32)module,
        .name = (u32)name,
        .name_len = (u32)strlen(name),
        .args = (u32)args,
        .args_len = (u32)args_len,
        .given = (u32)handles,
        .given_count = 2,
        .memory_limit = limit,
        .isolation = isolation,
    };
    kwast_handle child = KWAST_NO_HANDLE;
    CHECK(kwast_process_spawn(&config, &child) == 0);
    close(module);
    return child;
}

static struct kwast_status finish(kwast_handle child) {
    struct kwast_status status = {.outcome = KWAST_RUNNING};
    CHECK(kwast_process_wait(child, -1, &status) == 0);
    CHECK(close((int)child) == 0);
    return status;
}

static void kill_and_finish(kwast_handle child) {
    CHECK(kwast_process_kill(child) == 0);
    CHECK(finish(child).outcome == KWAST_KILLED);
}

// -- Memory objects ------------------------------------------------------------------------------

static void test_mapping_memory(void) {
    kwast_handle memory;
    CHECK(kwast_memory_create(4 * PAGE, &memory) == 0);
    struct stat stat;
    CHECK(fstat((int)memory, &stat) == 0 && stat.st_size == 4 * PAGE);
    put(window, 1);
    put(window + PAGE, 2);
    CHECK(kwast_memory_map(memory, PAGE, window, 2 * PAGE, BOTH) == 0);
    CHECK(is_all(window, 2 * PAGE, 0)); // it is cleared
    put(window + PAGE, 3);
    CHECK(kwast_memory_map(memory, 2 * PAGE, lent, PAGE, KWAST_READ) == 0);
    CHECK(at(lent) == 3); // the same page twice
    put(window + PAGE, 4);
    CHECK(at(lent) == 4);
    CHECK(kwast_memory_unmap(window) == 0);
    CHECK(at(window) == 1 && at(window + PAGE) == 2); // what they held before
    CHECK(close((int)memory) == 0);
    CHECK(at(lent) == 4); // a mapping keeps it
    CHECK(kwast_memory_unmap(lent) == 0);
    CHECK(at(lent) == 0);
}

static void test_refusals(void) {
    kwast_handle memory, narrow;
    CHECK(kwast_memory_create(0, &memory) == EINVAL);
    CHECK(kwast_memory_create(PAGE - 1, &memory) == EINVAL);
    CHECK(kwast_memory_create(1ull << 62, &memory) == EMFILE);
    CHECK(kwast_memory_create(4 * PAGE, (kwast_handle *)0xfffffff0) == EFAULT);
    CHECK(kwast_memory_create(4 * PAGE, &memory) == 0);
    CHECK(kwast_memory_map(memory, 0, window + 8, PAGE, BOTH) == EINVAL);
    CHECK(kwast_memory_map(memory, 0, window, PAGE + 8, BOTH) == EINVAL);
    CHECK(kwast_memory_map(memory, 8, window, PAGE, BOTH) == EINVAL);
    CHECK(kwast_memory_map(memory, 0, window, 0, BOTH) == EINVAL);
    CHECK(kwast_memory_map(memory, 0, window, PAGE, KWAST_WRITE) == EINVAL);
    CHECK(kwast_memory_map(memory, 0, window, PAGE, 8 | BOTH) == EINVAL);
    CHECK(kwast_memory_map(memory, 0, window, 5 * PAGE, BOTH) == EINVAL); // beyond its end
    CHECK(kwast_memory_map(memory, 4 * PAGE, window, PAGE, BOTH) == EINVAL);
    CHECK(kwast_memory_map(memory, ~0ull << 12, window, 2 * PAGE, BOTH) == EINVAL);
    CHECK(kwast_memory_map(1, 0, window, PAGE, BOTH) == ENOTCAPABLE);
    CHECK(kwast_memory_map(99, 0, window, PAGE, BOTH) == EBADF);
    CHECK(kwast_handle_duplicate(memory, KWAST_RIGHT_MAP | RIGHT_READ, 0, &narrow) == 0);
    CHECK(kwast_memory_map(narrow, 0, window, PAGE, BOTH) == ENOTCAPABLE);
    CHECK(kwast_memory_map(narrow, 0, window, PAGE, KWAST_READ) == 0);
    CHECK(kwast_memory_unmap(window) == 0);
    CHECK(close((int)narrow) == 0);
    CHECK(kwast_handle_duplicate(memory, RIGHT_READ | RIGHT_WRITE, 0, &narrow) == 0);
    CHECK(kwast_memory_map(narrow, 0, window, PAGE, KWAST_READ) == ENOTCAPABLE);
    CHECK(close((int)narrow) == 0);
    CHECK(kwast_memory_unmap(window) == EINVAL);
    CHECK(kwast_memory_unmap(window + 1) == EINVAL);

    CHECK(kwast_memory_map(memory, 0, window + PAGE, 2 * PAGE, BOTH) == 0);
    CHECK(kwast_memory_map(memory, 0, window, 2 * PAGE, BOTH) == EEXIST);
    CHECK(kwast_memory_map(memory, 0, window + 2 * PAGE, PAGE, BOTH) == EEXIST);
    CHECK(kwast_memory_map(memory, 0, window, 4 * PAGE, BOTH) == EEXIST);
    CHECK(kwast_memory_unmap(window + 2 * PAGE) == EINVAL); // not its beginning
    CHECK(kwast_memory_unmap(window + PAGE) == 0);

    // Beyond the memory, until it has grown as far.
    u32 end = (u32)__builtin_wasm_memory_size(0) << 16;
    CHECK(kwast_memory_map(memory, 0, (u8 *)end, PAGE, BOTH) == EFAULT);
    CHECK(kwast_memory_map(memory, 0, (u8 *)(end - PAGE), 2 * PAGE, BOTH) == EFAULT);
    CHECK(kwast_memory_map(memory, 0, (u8 *)0xfffff000, PAGE, BOTH) == EFAULT);
    CHECK(__builtin_wasm_memory_grow(0, 1) == end >> 16);
    CHECK(kwast_memory_map(memory, 0, (u8 *)end, PAGE, BOTH) == 0);
    put((u8 *)end, 5);
    CHECK(kwast_memory_unmap((u8 *)end) == 0);
    CHECK(at((u8 *)end) == 0);
    CHECK(close((int)memory) == 0);
    CHECK(finish(spawn("limited", 1, RIGHT_WRITE)).status == EMFILE);
}

static void test_reading_only(void) {
    kwast_handle memory;
    CHECK(kwast_memory_create(PAGE, &memory) == 0);
    CHECK(kwast_memory_map(memory, 0, window, PAGE, BOTH) == 0);
    put(window, 7);
    struct kwast_status status = finish(spawn("store", memory, RIGHTS_MEMORY));
    CHECK(status.outcome == KWAST_TRAPPED && status.status == TRAP_STORE);
    CHECK(at(window) == 7);
    CHECK(kwast_memory_unmap(window) == 0);
    CHECK(kwast_memory_map(memory, 0, window, PAGE, KWAST_READ) == 0);
    // Nor does the kernel write to it for the program; reading from it is nothing special.
    CHECK(kwast_handle_duplicate(memory, 0, 0, (kwast_handle *)window) == EACCES);
    struct kwast_call call = {.operation = OP_OWN, .bytes = (u32)window, .bytes_len = 16};
    CHECK(kwast_scheme_call(memory, &call, 0) == ENOTCAPABLE);
    CHECK(at(window) == 7);
    CHECK(kwast_memory_unmap(window) == 0);
    CHECK(close((int)memory) == 0);
}

static void test_waiting(void) {
    kwast_handle memory;
    u32 woken = 9;
    CHECK(kwast_memory_create(PAGE, &memory) == 0);
    CHECK(kwast_memory_wait(memory, 0, 1, -1) == EAGAIN);
    CHECK(kwast_memory_wait(memory, 0, 0, 0) == ETIMEDOUT);
    CHECK(kwast_memory_wait(memory, 4, 0, 1000000) == ETIMEDOUT);
    CHECK(kwast_memory_wait(memory, 2, 0, 0) == EINVAL);
    CHECK(kwast_memory_wait(memory, PAGE, 0, 0) == EINVAL);
    CHECK(kwast_memory_wait(memory, ~0ull - 3, 0, 0) == EINVAL);
    CHECK(kwast_memory_wake(memory, 0, 9, &woken) == 0 && woken == 0);
    CHECK(kwast_memory_wake(memory, 0, 9, (u32 *)0xfffffffe) == EFAULT);

    kwast_handle waiter = spawn("waiter", memory, RIGHTS_MEMORY);
    while (kwast_memory_wake(memory, 8, 9, &woken) == 0 && woken == 0)
        ;
    CHECK(woken == 1);
    struct kwast_status status = finish(waiter);
    CHECK(status.outcome == KWAST_EXITED && status.status == 0);

    // One that is killed is no waiter any more.
    waiter = spawn("waiter", memory, RIGHTS_MEMORY);
    CHECK(kwast_process_wait(waiter, SOON, &status) == ETIMEDOUT);
    kill_and_finish(waiter);
    CHECK(kwast_memory_wake(memory, 8, 9, &woken) == 0 && woken == 0);
    CHECK(close((int)memory) == 0);
}

static void test_two_processes(void) {
    kwast_handle memory;
    CHECK(kwast_memory_create(PAGE, &memory) == 0);
    CHECK(kwast_memory_map(memory, 0, window, PAGE, BOTH) == 0);
    kwast_handle pong = spawn("pong", memory, RIGHTS_MEMORY);
    volatile u32 *word = (volatile u32 *)window;
    u32 woken;
    while (*word < 2 * PINGS) {
        u32 seen = *word;
        if (seen % 2 == 0) {
            ++*word;
            CHECK(kwast_memory_wake(memory, 0, 1, &woken) == 0);
        } else {
            u32 error = kwast_memory_wait(memory, 0, seen, -1);
            CHECK(error == 0 || error == EAGAIN);
        }
    }
    struct kwast_status status = finish(pong);
    CHECK(status.outcome == KWAST_EXITED && status.status == 0);
    CHECK(kwast_memory_unmap(window) == 0);
    CHECK(close((int)memory) == 0);
}

// -- Grants --------------------------------------------------------------------------------------

static kwast_handle server, root;

// Calls with a part of `lent`; returns the error, or the server's answer.
static u32 lend(enum operation operation, u32 offset, u32 len, u32 access) {
    struct kwast_grant grant = {(u32)lent, sizeof lent, BOTH};
    struct kwast_call call = {.operation = operation,
                              .words = {offset, len, access, 66},
                              .grants = (u32)&grant,
                              .grant_count = 1};
    u32 error = kwast_scheme_call(root, &call, -1);
    if (error == 0 && operation == OP_SUM && call.answer == 0)
        CHECK(call.words[0] == sum(lent + offset, len));
    return error != 0 ? error : call.answer;
}

static bool servers_pages_are_back(void) {
    struct kwast_call own = {.operation = OP_OWN};
    return kwast_scheme_call(root, &own, -1) == 0 && own.words[0] == 1;
}

// Until the server has mapped what the client lends.
static void wait_until_it_holds(void) {
    while (servers_pages_are_back())
        sched_yield();
}

static void test_lending(void) {
    for (u32 i = 0; i < sizeof lent; i++)
        put(lent + i, (u8)(i * 7 + i / PAGE));
    CHECK(lend(OP_SUM, 0, sizeof lent, KWAST_READ) == 0);
    CHECK(servers_pages_are_back());
    CHECK(lend(OP_SUM, 3 * PAGE, 2 * PAGE, BOTH) == 0);
    CHECK(lend(OP_FILL, PAGE, 17 * PAGE, BOTH) == 0);
    CHECK(is_all(lent + PAGE, 17 * PAGE, 66));
    CHECK(at(lent + PAGE - 1) == (u8)((PAGE - 1) * 7));
    CHECK(at(lent + 18 * PAGE) == (u8)(18 * PAGE * 7 + 18));
    CHECK(servers_pages_are_back());
    CHECK(lend(OP_UNMAP, 0, 2 * PAGE, BOTH) == 0);
    CHECK(lend(OP_TWICE, 0, 2 * PAGE, BOTH) == 0 && at(lent) == 77);
    CHECK(servers_pages_are_back());

    CHECK(lend(OP_MAP, 1, PAGE, BOTH) == EINVAL);
    CHECK(lend(OP_MAP, 0, PAGE - 1, BOTH) == EINVAL);
    CHECK(lend(OP_MAP, 0, 0, BOTH) == EINVAL);
    CHECK(lend(OP_MAP, 0, PAGE, KWAST_WRITE) == EINVAL);
    CHECK(lend(OP_MAP, sizeof lent, PAGE, BOTH) == EINVAL);
    CHECK(lend(OP_MAP, PAGE, sizeof lent, BOTH) == EINVAL);
    CHECK(lend(OP_MAP, 0, 0xfffff000, BOTH) == EFAULT); // beyond the server's memory

    // Not for what it was not lent for, and not what is no whole page here.
    struct kwast_grant grant = {(u32)lent, 2 * PAGE, KWAST_READ};
    struct kwast_call map = {.operation = OP_MAP, .grants = (u32)&grant, .grant_count = 1};
    map.words[1] = PAGE;
    map.words[2] = BOTH;
    CHECK(kwast_scheme_call(root, &map, -1) == 0 && map.answer == EACCES);
    grant.address += 8;
    map.words[0] = 0;
    map.words[1] = PAGE;
    map.words[2] = KWAST_READ;
    CHECK(kwast_scheme_call(root, &map, -1) == 0 && map.answer == EINVAL);
    map.words[0] = PAGE - 8; // a whole page again
    map.words[1] = PAGE;
    map.words[2] = KWAST_READ;
    CHECK(kwast_scheme_call(root, &map, -1) == 0 && map.answer == 0);
    CHECK(servers_pages_are_back());
}

// What a client has mapped itself: memory objects can be lent, what is borrowed cannot.
static void test_lending_what_is_mapped(void) {
    kwast_handle memory;
    CHECK(kwast_memory_create(4 * PAGE, &memory) == 0);
    CHECK(kwast_memory_map(memory, PAGE, lent + PAGE, 2 * PAGE, BOTH) == 0);
    CHECK(lend(OP_FILL, PAGE, 2 * PAGE, BOTH) == 0);
    CHECK(is_all(lent + PAGE, 2 * PAGE, 66));
    CHECK(lend(OP_MAP, 0, 2 * PAGE, BOTH) == EACCES); // in part
    CHECK(kwast_memory_unmap(lent + PAGE) == 0);
    CHECK(kwast_memory_map(memory, PAGE, lent + PAGE, PAGE, KWAST_READ) == 0);
    CHECK(lend(OP_MAP, PAGE, PAGE, BOTH) == EACCES);
    CHECK(lend(OP_SUM, PAGE, PAGE, KWAST_READ) == 0);
    CHECK(kwast_memory_unmap(lent + PAGE) == 0);
    CHECK(close((int)memory) == 0);

    kwast_handle other, channel;
    CHECK(kwast_scheme_create("second", 6, &other) == 0);
    CHECK(kwast_scheme_root(other, KWAST_KIND_PLAIN, &channel) == 0);
    kwast_handle child = spawn("server", other, KWAST_RIGHT_SERVE);
    struct kwast_grant grant = {(u32)lent, PAGE, BOTH};
    struct kwast_call call = {.operation = OP_LEND,
                              .words = {0, PAGE, BOTH},
                              .grants = (u32)&grant,
                              .grant_count = 1,
                              .handles = (u32)&channel,
                              .handle_count = 1};
    CHECK(kwast_scheme_call(root, &call, -1) == 0 && call.answer == EACCES);
    kill_and_finish(child);
    CHECK(close((int)other) == 0 && close((int)channel) == 0);
    CHECK(servers_pages_are_back());
}

static void test_end_of_a_call(void) {
    // Taken back: the server's writes do not reach the client any more, nor are its own pages gone.
    struct kwast_grant grant = {(u32)lent, sizeof lent, BOTH};
    struct kwast_call hold = {.operation = OP_HOLD,
                              .words = {0, sizeof lent, BOTH},
                              .grants = (u32)&grant,
                              .grant_count = 1};
    put(lent, 1);
    CHECK(kwast_scheme_call(root, &hold, SOON) == ETIMEDOUT);
    put(lent, 1);
    CHECK(servers_pages_are_back() && at(lent) == 1);

    kwast_handle client = spawn("client", root, KWAST_RIGHT_CALL);
    struct kwast_status status;
    wait_until_it_holds();
    CHECK(kwast_process_wait(client, 0, &status) == ETIMEDOUT);
    kill_and_finish(client);
    CHECK(servers_pages_are_back());
}

// A server on another CPU that writes all the time: once the call has returned, nothing of what it
// writes reaches the client.
#define RACES 60

static void test_race_with_a_writer(void) {
    struct kwast_grant grant = {(u32)lent, PAGE, BOTH};
    for (u32 i = 0; i < RACES; i++) {
        struct kwast_call call = {.operation = OP_RACE,
                                  .words = {0, PAGE, BOTH},
                                  .grants = (u32)&grant,
                                  .grant_count = 1};
        memset(lent, 0, PAGE);
        u32 error = kwast_scheme_call(root, &call, 1000000 + i * 10000);
        u8 last = at(lent);
        bool is_same = true;
        for (u32 k = 0; k < 20000; k++)
            is_same &= at(lent) == last;
        CHECK(error == ETIMEDOUT && is_same);
    }
    CHECK(servers_pages_are_back());
}

static void test_memory_outlives_its_maker(kwast_handle *child) {
    struct kwast_call give = {.operation = OP_GIVE, .words = {42}};
    CHECK(kwast_scheme_call(root, &give, -1) == 0 && give.answer == 0);
    CHECK(finish(*child).outcome == KWAST_EXITED);
    CHECK(kwast_memory_map(give.handle, 0, window, PAGE, BOTH) == 0);
    CHECK(at(window) == 42);
    CHECK(close((int)give.handle) == 0);
    CHECK(kwast_memory_unmap(window) == 0);
    *child = spawn("server", server, KWAST_RIGHT_SERVE);
}

static void test_death_of_a_server(kwast_handle child) {
    put(lent + PAGE, 3);
    CHECK(lend(OP_TRAP, 0, sizeof lent, BOTH) == EOWNERDEAD);
    CHECK(finish(child).outcome == KWAST_TRAPPED);
    CHECK(at(lent) == 98 && at(lent + PAGE) == 3);

    // Killed while it has mapped what its client waits for.
    child = spawn("server", server, KWAST_RIGHT_SERVE);
    kwast_handle client = spawn("client", root, KWAST_RIGHT_CALL);
    struct kwast_status status;
    wait_until_it_holds();
    CHECK(kwast_process_wait(client, 0, &status) == ETIMEDOUT);
    kill_and_finish(child);
    status = finish(client);
    CHECK(status.outcome == KWAST_EXITED && status.status == EOWNERDEAD);
}

int main(int argc, char **argv) {
    for (u32 i = 0; argc == 2 && i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(roles[i].name, argv[1]) == 0)
            return roles[i].run();
    }
    if (getenv("ISOLATION") != NULL)
        isolation = KWAST_ISOLATION_DOMAIN;
    test_mapping_memory();
    test_refusals();
    test_reading_only();
    test_waiting();
    test_two_processes();
    CHECK(kwast_scheme_create("map test", 8, &server) == 0);
    CHECK(kwast_scheme_root(server, KWAST_KIND_PLAIN, &root) == 0);
    kwast_handle child = spawn("server", server, KWAST_RIGHT_SERVE);
    test_lending();
    test_lending_what_is_mapped();
    test_end_of_a_call();
    test_race_with_a_writer();
    test_memory_outlives_its_maker(&child);
    test_death_of_a_server(child);
    puts(failures == 0 ? "all right" : "something is wrong");
    return failures != 0;
}
