// Calls that may go the quick way (kernel/ipc/scheme_quick.h), at their edges: inline bytes and
// grants of every kind of length and place, and whatever ends such a call otherwise. A client and
// its servers on one CPU; each thing is done several times, for the first call of a kind goes the
// general way. Prints what is wrong, or at the end "all right".
//
//   quick          the test; a directory with quick.wasm is preopened as /bin
//   quick client   does it: descriptor 3 is the same directory
//   quick server   serves the scheme at descriptor 3
//   quick victim   calls the channel at descriptor 3, and is not answered

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/kwast/check.h"
#include "tests/kwast/isolation.h"
#include "user/sdk/kwast.h"

#define MODULE_PATH "/bin/quick.wasm"
#define GIVEN       3 // the descriptor of what a child is given
#define ROUNDS      4
#define GRANT_MAX   65536
#define FRESH_PAGES 16

enum operation {
    OP_BYTES = KWAST_FIRST_OPERATION, // bytes_len; sum of what was stored; whether no more was
    OP_ROOM,                          // from now on words[0] bytes fit
    OP_FRESH,                         // from now on they go to a page that was never touched
    OP_BAD_ROOM, // what waiting with each of several impossible places says; all must be EFAULT
    OP_SUM,      // of grant words[0]: error, sum
    OP_FILL,     // grant words[0] with words[1]: error
    OP_BEYOND,   // error of reading one byte behind grant 0, and far behind it
    OP_MAP,      // grant 0, and adds 1 to each byte there: error
    OP_OWN,      // the sum of the page over which OP_MAP maps
    OP_OLD,      // error of reading grant 0 of the call before
    OP_HOLD,     // is not answered
    OP_HELD,     // error of reading grant 0 of that; how many were taken back
    OP_DROP,     // answers the call that is held
    OP_EXIT,     // the server ends
};

// Tells apart what is in another order.
static u64 sum_of(const u8 *bytes, u64 len) {
    u64 sum = 0;
    for (u64 i = 0; i < len; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

// -- The server ----------------------------------------------------------------------------------

#define GUARD 0xa5

static u8 room[KWAST_BYTES_MAX + 8];
static _Alignas(KWAST_PAGE_BYTES) u8 fresh[FRESH_PAGES + 1][KWAST_PAGE_BYTES];
static _Alignas(KWAST_PAGE_BYTES) u8 window[KWAST_PAGE_BYTES];
static u8 copy[GRANT_MAX];

static struct {
    struct kwast_request request;
    struct kwast_reply reply;
    u8 *bytes;
    u32 bytes_room;
    u32 fresh_count;
    u64 held;
    u64 last;
    u32 cancelled;
} self = {.bytes = room, .bytes_room = KWAST_BYTES_MAX};

static void about_bytes(void) {
    u32 len = self.request.bytes_len;
    u32 stored = len < self.bytes_room ? len : self.bytes_room;
    self.reply.words[0] = len;
    self.reply.words[1] = sum_of(self.bytes, stored);
    self.reply.words[2] = self.bytes != room || self.bytes[stored] == GUARD;
    if (self.bytes == room)
        memset(room, GUARD, sizeof room);
}

static void bad_room(void) {
    u32 end = (u32)__builtin_wasm_memory_size(0) * 65536;
    u8 *in_vain[] = {(u8 *)(uptr)(end - 63), (u8 *)(uptr)end, (u8 *)UINT32_MAX};
    for (u32 i = 0; i < COUNT_OF(in_vain); i++) {
        u32 error =
            kwast_scheme_reply_receive(GIVEN, &self.reply, &self.request, in_vain[i], 64, -1);
        self.reply.answer |= error ^ EFAULT;
    }
    struct kwast_request *there = (struct kwast_request *)(uptr)(end - sizeof *there + 8);
    u32 error = kwast_scheme_reply_receive(GIVEN, &self.reply, there, room, 64, -1);
    self.reply.answer |= error ^ EFAULT;
}

static void map_and_add(void) {
    u64 number = self.request.number;
    self.reply.answer =
        kwast_grant_map(GIVEN, number, 0, 0, window, sizeof window, KWAST_READ | KWAST_WRITE);
    for (u32 i = 0; self.reply.answer == 0 && i < sizeof window; i++)
        window[i]++;
}

static bool about_held(void) {
    const struct kwast_reply reply = {.number = self.held, .handle = KWAST_NO_HANDLE};
    switch (self.request.operation) {
    case OP_HOLD:
        self.held = self.request.number;
        return false;
    case OP_HELD:
        self.reply.words[0] = kwast_grant_read(GIVEN, self.held, 0, 0, copy, 1);
        self.reply.words[1] = self.cancelled;
        return true;
    case OP_DROP:
        self.reply.answer = kwast_scheme_reply(GIVEN, &reply);
        return true;
    case KWAST_CANCELLED:
        self.cancelled++;
        return false;
    default:
        exit(0);
    }
}

static void about_grants(void) {
    const u64 *words = self.request.words;
    u64 number = self.request.number;
    u32 len = self.request.grants[words[0]].len;
    switch (self.request.operation) {
    case OP_SUM:
        memset(copy, 0, len);
        self.reply.answer = kwast_grant_read(GIVEN, number, (u32)words[0], 0, copy, len);
        self.reply.words[0] = sum_of(copy, len);
        break;
    case OP_FILL:
        memset(copy, (u8)words[1], len);
        self.reply.answer = kwast_grant_write(GIVEN, number, (u32)words[0], 0, copy, len);
        break;
    case OP_BEYOND:
        self.reply.words[0] = kwast_grant_read(GIVEN, number, 0, len, copy, 1);
        self.reply.words[1] = kwast_grant_read(GIVEN, number, 0, UINT64_MAX, copy, 1);
        self.reply.words[2] = kwast_grant_read(GIVEN, number, 1, 0, copy, 1);
        break;
    case OP_OLD:
        self.reply.answer = kwast_grant_read(GIVEN, self.last, 0, 0, copy, 1);
        break;
    default:
        map_and_add();
    }
}

// Whether there is an answer.
static bool serve(void) {
    switch (self.request.operation) {
    case OP_BYTES:
        about_bytes();
        return true;
    case OP_ROOM:
        self.bytes = room;
        self.bytes_room = (u32)self.request.words[0];
        memset(room, GUARD, sizeof room);
        return true;
    case OP_FRESH: // in the middle of one page, and over its end
        self.bytes = fresh[self.fresh_count % FRESH_PAGES] + KWAST_PAGE_BYTES - 32;
        self.bytes_room = 64;
        self.fresh_count += 2;
        return true;
    case OP_BAD_ROOM:
        bad_room();
        return true;
    case OP_OWN:
        self.reply.words[0] = sum_of(window, sizeof window);
        return true;
    case OP_SUM:
    case OP_FILL:
    case OP_BEYOND:
    case OP_OLD:
    case OP_MAP:
        about_grants();
        return true;
    default:
        return about_held();
    }
}

static u32 serve_all(void) {
    memset(room, GUARD, sizeof room);
    u32 error = kwast_scheme_receive(GIVEN, &self.request, self.bytes, self.bytes_room, -1);
    while (error == 0) {
        self.reply = (struct kwast_reply){.number = self.request.number, .handle = KWAST_NO_HANDLE};
        bool is_due = serve();
        self.last = self.request.number;
        error = is_due
                    ? kwast_scheme_reply_receive(GIVEN, &self.reply, &self.request, self.bytes,
                                                 self.bytes_room, -1)
                    : kwast_scheme_receive(GIVEN, &self.request, self.bytes, self.bytes_room, -1);
    }
    return error;
}

// -- The client ----------------------------------------------------------------------------------

static kwast_handle root, server, directory;
static u8 pattern[GRANT_MAX];

static kwast_handle spawn(const char *role, kwast_handle given, u64 rights, u64 inheriting) {
    char args[32];
    int args_len = snprintf(args, sizeof args, "quick%c%s", 0, role) + 1;
    int module = open(MODULE_PATH, O_RDONLY);
    char reason[KWAST_REASON_BYTES] = "";
    const struct kwast_given handles[] = {
        {.handle = 1, .number = 1, .rights = 1 << 6}, // fd_write
        {.handle = given, .number = GIVEN, .rights = rights, .inheriting = inheriting},
    };
    struct kwast_given with_name[2] = {handles[0], handles[1]};
    if (strcmp(role, "client") == 0) {
        with_name[1].name = (u32) "/bin";
        with_name[1].name_len = 4;
    }
    const struct kwast_spawn config = {
        .module = (u32)module,
        .name = (u32)role,
        .name_len = (u32)strlen(role),
        .args = (u32)args,
        .args_len = (u32)args_len,
        .given = (u32)with_name,
        .given_count = 2,
        .isolation = isolation_of_children(),
        .reason = (u32)reason,
        .reason_len = sizeof reason,
        .cpus = 1,
    };
    kwast_handle child = KWAST_NO_HANDLE;
    u32 error = kwast_process_spawn(&config, &child);
    close(module);
    if (error != 0) {
        printf("wrong: spawn %s: %u %s\n", role, error, reason);
        exit(1);
    }
    return child;
}

static void start_server(void) {
    spawn("server", server, KWAST_RIGHT_SERVE, 0);
}

static u32 call(struct kwast_call *call) {
    return kwast_scheme_call(root, call, -1);
}

// Words alone, one or two of them; the answer.
static struct kwast_call ask(u32 operation, u64 first, u64 second) {
    struct kwast_call asked;
    kwast_call_begin(&asked, operation);
    asked.words[0] = first;
    asked.words[1] = second;
    asked.words[2] = asked.words[3] = 0;
    asked.answer = asked.handle = 5;
    CHECK(call(&asked) == 0 && asked.handle == KWAST_NO_HANDLE);
    return asked;
}

static u32 send(const void *bytes, u32 len, u64 fits) {
    struct kwast_call sent;
    kwast_call_begin_bytes(&sent, OP_BYTES, bytes, len);
    sent.words[0] = sent.words[1] = sent.words[2] = sent.words[3] = 77;
    sent.answer = 5;
    u32 error = call(&sent);
    if (error == 0) {
        u64 stored = len < fits ? len : fits;
        CHECK(sent.answer == 0 && sent.words[0] == len && sent.words[2] == 1);
        CHECK(sent.words[1] == sum_of(bytes, stored) && sent.words[3] == 0);
        CHECK(sent.handle == KWAST_NO_HANDLE);
    }
    return error;
}

static void test_bytes(void) {
    static const u32 lens[] = {0, 1, 7, 8, 9, 63, 64, 65, 4095, 4096};
    static _Alignas(KWAST_PAGE_BYTES) u8 untouched[ROUNDS + 1][KWAST_PAGE_BYTES];
    u8 *end = (u8 *)(uptr)(__builtin_wasm_memory_size(0) * 65536);
    for (u32 round = 0; round < ROUNDS; round++) {
        for (u32 i = 0; i < COUNT_OF(lens); i++)
            CHECK(send(pattern + round + i, lens[i], KWAST_BYTES_MAX) == 0);
        CHECK(send(pattern, KWAST_BYTES_MAX + 1, 0) == EINVAL);
        CHECK(send(pattern, UINT32_MAX, 0) == EINVAL);
        CHECK(send(end - 64, 64, KWAST_BYTES_MAX) == 0);
        CHECK(send(end - 63, 64, 0) == EFAULT);
        CHECK(send(end, 1, 0) == EFAULT);
        CHECK(send((u8 *)UINT32_MAX, 64, 0) == EFAULT);
        // Over the border between two pages that are not there yet.
        CHECK(send(untouched[round + 1] - 31, 64, KWAST_BYTES_MAX) == 0);
    }
    for (u32 fits = 0; fits < 70; fits += fits < 8 ? 1 : 9) {
        ask(OP_ROOM, fits, 0);
        for (u32 round = 0; round < ROUNDS; round++)
            CHECK(send(pattern + round, 64, fits) == 0);
    }
    for (u32 i = 0; i < FRESH_PAGES; i++) {
        ask(OP_FRESH, 0, 0);
        for (u32 round = 0; round < ROUNDS; round++)
            CHECK(send(pattern + i, 64, 64) == 0);
    }
    ask(OP_ROOM, KWAST_BYTES_MAX, 0);
    for (u32 round = 0; round < ROUNDS; round++)
        CHECK(ask(OP_BAD_ROOM, 0, 0).answer == 0);
}

// Where a reply cannot be stored: at the end of the memory, and on pages for reading only.
static void test_places(void) {
    static _Alignas(KWAST_PAGE_BYTES) u8 page[2 * KWAST_PAGE_BYTES];
    u8 *end = (u8 *)(uptr)(__builtin_wasm_memory_size(0) * 65536);
    kwast_handle memory;
    CHECK(kwast_memory_create(KWAST_PAGE_BYTES, &memory) == 0);
    for (u32 round = 0; round < ROUNDS; round++) {
        struct kwast_call *last = (struct kwast_call *)(end - sizeof *last);
        kwast_call_begin(last, OP_ROOM);
        last->words[0] = KWAST_BYTES_MAX;
        CHECK(call(last) == 0 && last->answer == 0);
        CHECK(call((struct kwast_call *)(end - sizeof *last + 8)) == EFAULT);
        CHECK(call((struct kwast_call *)UINT32_MAX) == EFAULT);

        struct kwast_call *half = (struct kwast_call *)(page + KWAST_PAGE_BYTES - 32);
        kwast_call_begin(half, OP_ROOM);
        half->words[0] = KWAST_BYTES_MAX;
        CHECK(call(half) == 0);
        CHECK(kwast_memory_map(memory, 0, page + KWAST_PAGE_BYTES, KWAST_PAGE_BYTES, KWAST_READ) ==
              0);
        CHECK(call(half) == EACCES); // room for no bytes, as the page says
        CHECK(call(half) == EACCES);
        CHECK(kwast_memory_unmap(page + KWAST_PAGE_BYTES) == 0);
        ask(OP_ROOM, KWAST_BYTES_MAX, 0);
    }
    close((int)memory);
}

static struct kwast_call lend(const struct kwast_grant *grants, u32 count, u32 operation, u64 first,
                              u64 second) {
    struct kwast_call lent;
    kwast_call_begin(&lent, operation);
    lent.grants = (u32)grants;
    lent.grant_count = count;
    lent.words[0] = first;
    lent.words[1] = second;
    lent.words[2] = lent.words[3] = 0;
    return lent;
}

static void test_copies(void) {
    static const u32 lens[] = {0, 1, 63, 4096, 65536};
    static u8 filled[GRANT_MAX + 1];
    for (u32 i = 0; i < COUNT_OF(lens) * ROUNDS; i++) {
        u32 len = lens[i / ROUNDS];
        const struct kwast_grant grants[] = {
            {(u32)pattern, len, KWAST_READ},
            {(u32)filled, len, KWAST_WRITE},
            {(u32)(pattern + 1), len / 2, KWAST_READ | KWAST_WRITE},
            {(u32)filled, 1, KWAST_READ},
        };
        struct kwast_call sum = lend(grants, 1, OP_SUM, 0, 0);
        CHECK(call(&sum) == 0 && sum.answer == 0 && sum.words[0] == sum_of(pattern, len));
        sum = lend(grants, 4, OP_SUM, 2, 0);
        CHECK(call(&sum) == 0 && sum.words[0] == sum_of(pattern + 1, len / 2));
        filled[len] = 0xee;
        struct kwast_call fill = lend(grants, 2, OP_FILL, 1, i + 1);
        CHECK(call(&fill) == 0 && fill.answer == 0 && filled[len] == 0xee);
        CHECK(len == 0 || (filled[0] == i + 1 && filled[len - 1] == i + 1));
        fill = lend(grants, 1, OP_FILL, 0, 0);
        CHECK(call(&fill) == 0 && fill.answer == EACCES);
        sum = lend(grants, 2, OP_SUM, 1, 0);
        CHECK(call(&sum) == 0 && sum.answer == EACCES);
        struct kwast_call beyond = lend(grants, 1, OP_BEYOND, 0, 0);
        CHECK(call(&beyond) == 0 && beyond.words[0] == EINVAL && beyond.words[1] == EINVAL);
        CHECK(beyond.words[2] == EINVAL);
        CHECK(ask(OP_OLD, 0, 0).answer == EINVAL); // that call is over
    }
}

static void test_wrong_grants(void) {
    u32 end = (u32)__builtin_wasm_memory_size(0) * 65536;
    static const struct kwast_grant array[KWAST_GRANTS_MAX + 1] = {{0, 1, KWAST_READ}};
    const struct {
        struct kwast_grant grant;
        u32 error;
    } cases[] = {
        {{(u32)pattern, 1, 0}, EINVAL},        {{(u32)pattern, 1, 4}, EINVAL},
        {{(u32)pattern, 1, 7}, EINVAL},        {{end - 1, 2, KWAST_READ}, EFAULT},
        {{end + 1, 0, KWAST_READ}, EFAULT},    {{UINT32_MAX, 1, KWAST_READ}, EFAULT},
        {{2, UINT32_MAX, KWAST_READ}, EFAULT}, {{end, 0, KWAST_READ}, 0},
        {{end - 1, 1, KWAST_READ}, 0},
    };
    for (u32 i = 0; i < COUNT_OF(cases) * ROUNDS; i++) {
        const struct kwast_grant *grant = &cases[i / ROUNDS].grant;
        struct kwast_call lent = lend(grant, 1, OP_SUM, 0, 0);
        CHECK(call(&lent) == cases[i / ROUNDS].error);
    }
    for (u32 round = 0; round < ROUNDS; round++) {
        struct kwast_call lent = lend(array, KWAST_GRANTS_MAX + 1, OP_SUM, 0, 0);
        CHECK(call(&lent) == EINVAL);
        lent.grant_count = UINT32_MAX;
        CHECK(call(&lent) == EINVAL);
        lent = lend((const struct kwast_grant *)(uptr)(end - 8), 1, OP_SUM, 0, 0);
        CHECK(call(&lent) == EFAULT);
        lent = lend((const struct kwast_grant *)UINT32_MAX, 1, OP_SUM, 0, 0);
        CHECK(call(&lent) == EFAULT);
        u32 closed = 999;
        lent = lend(array, 1, OP_SUM, 0, 0);
        lent.handles = (u32)&closed;
        lent.handle_count = 1;
        CHECK(call(&lent) == EBADF);
        lent.handle_count = UINT32_MAX;
        CHECK(call(&lent) == EINVAL);
        CHECK(ask(OP_ROOM, KWAST_BYTES_MAX, 0).answer == 0);
    }
}

static void test_maps(void) {
    static _Alignas(KWAST_PAGE_BYTES) u8 page[KWAST_PAGE_BYTES];
    const struct kwast_grant grant = {(u32)page, sizeof page, KWAST_READ | KWAST_WRITE};
    u64 own = ask(OP_OWN, 0, 0).words[0];
    for (u32 round = 0; round < ROUNDS; round++) {
        struct kwast_call lent = lend(&grant, 1, OP_MAP, 0, 0);
        CHECK(call(&lent) == 0 && lent.answer == 0);
        CHECK(page[0] == round + 1 && page[sizeof page - 1] == round + 1);
        CHECK(ask(OP_OWN, 0, 0).words[0] == own); // the server sees its own page again
        lent = lend(&grant, 1, OP_SUM, 0, 0);
        CHECK(call(&lent) == 0 && lent.words[0] == sum_of(page, sizeof page));
    }
}

// The client goes while the server has its bytes and what it lent.
static void test_deaths_of_clients(void) {
    for (u32 round = 0; round < ROUNDS; round++) {
        kwast_handle victim = spawn("victim", root, KWAST_RIGHT_CALL, 0);
        while (ask(OP_HELD, 0, 0).words[0] != 0)
            sched_yield();
        CHECK(kwast_process_kill(victim) == 0);
        struct kwast_status status;
        CHECK(kwast_process_wait(victim, -1, &status) == 0 && status.outcome == KWAST_KILLED);
        while (ask(OP_HELD, 0, 0).words[1] != round + 1)
            sched_yield();
        CHECK(ask(OP_HELD, 0, 0).words[0] == ECANCELED);
        CHECK(send(pattern, 64, KWAST_BYTES_MAX) == 0);
        CHECK(ask(OP_DROP, 0, 0).answer == 0);
        CHECK(ask(OP_DROP, 0, 0).answer == EINVAL);
        close((int)victim);
    }
}

// The server goes while it has them.
static void test_deaths_of_servers(void) {
    const struct kwast_grant grant = {(u32)pattern, GRANT_MAX, KWAST_READ};
    for (u32 round = 0; round < ROUNDS; round++) {
        for (u32 i = 0; i < ROUNDS; i++)
            CHECK(send(pattern, 64, KWAST_BYTES_MAX) == 0);
        struct kwast_call lent = lend(&grant, 1, OP_EXIT, 0, 0);
        lent.bytes = (u32)pattern;
        lent.bytes_len = 64;
        CHECK(call(&lent) == EOWNERDEAD);
        start_server();
    }
}

static void victim(void) {
    static u8 bytes[64];
    const struct kwast_grant grant = {(u32)bytes, sizeof bytes, KWAST_READ};
    root = GIVEN;
    for (u32 i = 0; i < ROUNDS; i++)
        CHECK(send(bytes, sizeof bytes, KWAST_BYTES_MAX) == 0);
    struct kwast_call held = lend(&grant, 1, OP_HOLD, 0, 0);
    held.bytes = (u32)bytes;
    held.bytes_len = sizeof bytes;
    call(&held);
}

static void client(void) {
    for (u32 i = 0; i < sizeof pattern; i++)
        pattern[i] = (u8)(i * 7 + i / 256);
    CHECK(kwast_scheme_create("quick", 5, &server) == 0);
    CHECK(kwast_scheme_root(server, KWAST_KIND_PLAIN, &root) == 0);
    start_server();
    test_bytes();
    test_places();
    test_copies();
    test_wrong_grants();
    test_maps();
    test_deaths_of_clients();
    test_deaths_of_servers();
    test_bytes();
    if (failures == 0)
        puts("all right");
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "server") == 0)
        return (int)serve_all();
    if (argc == 2 && strcmp(argv[1], "victim") == 0) {
        victim();
        return failures != 0;
    }
    if (argc == 2 && strcmp(argv[1], "client") == 0) {
        client();
        return failures != 0;
    }
    directory = GIVEN;
    __wasi_fdstat_t stat;
    if (__wasi_fd_fdstat_get(GIVEN, &stat) != 0)
        return 2;
    kwast_handle child = spawn("client", directory, stat.fs_rights_base, stat.fs_rights_inheriting);
    struct kwast_status status;
    if (kwast_process_wait(child, -1, &status) != 0 || status.outcome != KWAST_EXITED)
        puts("wrong: the client did not end well");
    return (int)status.status;
}
