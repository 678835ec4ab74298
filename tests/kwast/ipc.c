// Calls between processes, seen from programs: this one spawns itself as a server and as a client,
// and checks what each side is told. Prints what is wrong, or at the end "all right".
//
//   ipc            the test; a directory with ipc.wasm is preopened as /bin
//   ipc server     serves the scheme at descriptor 3
//   ipc client     calls the channel at descriptor 3 once, for ever if need be

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/kwast/check.h"
#include "tests/kwast/isolation.h"
#include "user/sdk/kwast.h"

#define MODULE_PATH "/bin/ipc.wasm"
#define GIVEN       3 // the descriptor of what a child is given

enum operation {
    OP_ADD = KWAST_FIRST_OPERATION, // words[0] + words[1]
    OP_REVERSE,                     // grant 0 becomes its own reverse, through grant 1
    OP_LENGTH,                      // of the inline bytes
    OP_OPEN,                        // a channel with value words[0], in the reply
    OP_VALUE,                       // the value of the channel
    OP_PIPE,                        // writes to the handle that comes with the call
    OP_HOLD,                        // is never answered
    OP_TRAP,                        // the server ends
    OP_CLOSED_COUNT,                // how many channels the server was told of
};

// -- The server ----------------------------------------------------------------------------------

static u32 closed_count;

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)bytes;
    kwast_handle server = *(kwast_handle *)context;
    u8 buffer[256];
    switch (request->operation) {
    case KWAST_CLOSED:
        closed_count++;
        return false;
    case KWAST_CANCELLED:
        return true;
    case OP_ADD:
        reply->words[0] = request->words[0] + request->words[1];
        return true;
    case OP_REVERSE: {
        u32 len = request->grants[0].len;
        reply->answer = kwast_grant_read(server, request->number, 0, 0, buffer, len);
        for (u32 i = 0; i < len / 2; i++) {
            u8 byte = buffer[i];
            buffer[i] = buffer[len - 1 - i];
            buffer[len - 1 - i] = byte;
        }
        if (reply->answer == 0)
            reply->answer = kwast_grant_write(server, request->number, 1, 0, buffer, len);
        return true;
    }
    case OP_LENGTH:
        reply->words[0] = request->bytes_len;
        reply->words[1] = request->bytes_len == 0 ? 0 : ((const u8 *)bytes)[request->bytes_len - 1];
        return true;
    case OP_OPEN:
        reply->answer =
            kwast_scheme_channel(server, request->words[0], KWAST_KIND_FILE, &reply->handle);
        return true;
    case OP_VALUE:
        reply->words[0] = request->value;
        return true;
    case OP_PIPE: {
        u32 out = request->handles[0];
        reply->words[0] = (u64)write((int)out, "from the server\n", 16);
        close((int)out);
        return true;
    }
    case OP_HOLD:
        return false;
    case OP_TRAP:
        abort();
    case OP_CLOSED_COUNT:
        reply->words[0] = closed_count;
        return true;
    default:
        reply->answer = ENOSYS;
        return true;
    }
}

// -- The test ------------------------------------------------------------------------------------

static u32 spawn(const char *role, kwast_handle given, u64 rights, kwast_handle *out) {
    char args[32];
    int args_len = snprintf(args, sizeof args, "ipc%c%s", 0, role) + 1;
    int module = open(MODULE_PATH, O_RDONLY);
    if (module < 0) {
        perror(MODULE_PATH);
        exit(1);
    }
    char reason[KWAST_REASON_BYTES] = "";
    const struct kwast_given handles[] = {
        {.handle = 1, .number = 1, .rights = 1 << 6}, // fd_write
        {.handle = given, .number = GIVEN, .rights = rights},
    };
    const struct kwast_spawn config = {
        .module = (u32)module,
        .name = (u32)role,
        .name_len = (u32)strlen(role),
        .args = (u32)args,
        .args_len = (u32)args_len,
        .given = (u32)handles,
        .given_count = 2,
        .isolation = isolation_of_children(),
        .reason = (u32)reason,
        .reason_len = sizeof reason,
    };
    u32 error = kwast_process_spawn(&config, out);
    close(module);
    if (error != 0)
        printf("spawn %s: %u %s\n", role, error, reason);
    return error;
}

static u32 call(kwast_handle channel, struct kwast_call *call) {
    return kwast_scheme_call(channel, call, -1);
}

static void test_words_and_bytes(kwast_handle root) {
    struct kwast_call add = {.operation = OP_ADD, .words = {40, 2}};
    CHECK(call(root, &add) == 0 && add.answer == 0 && add.words[0] == 42);
    CHECK(add.handle == KWAST_NO_HANDLE);
    static u8 bytes[KWAST_BYTES_MAX];
    bytes[sizeof bytes - 1] = 7;
    struct kwast_call length = {
        .operation = OP_LENGTH, .bytes = (u32)bytes, .bytes_len = sizeof bytes};
    CHECK(call(root, &length) == 0);
    CHECK(length.words[0] == sizeof bytes && length.words[1] == 7);
    length.bytes_len = sizeof bytes + 1;
    CHECK(call(root, &length) == EINVAL);
    struct kwast_call unknown = {.operation = 999};
    CHECK(call(root, &unknown) == 0 && unknown.answer == ENOSYS);

    // The kernel's own operations cannot be forged: a server believes what is in them.
    for (u32 operation = 0; operation < KWAST_FIRST_OPERATION; operation++) {
        struct kwast_call forged = {.operation = operation};
        CHECK(call(root, &forged) == EINVAL);
    }
}

// Many calls of words alone, which take the quick way, and what ends that in between.
static void test_words_over_and_over(kwast_handle root) {
    static _Alignas(KWAST_PAGE_BYTES) u8 pages[4 * KWAST_PAGE_BYTES]; // not touched before
    kwast_handle second;
    CHECK(kwast_handle_duplicate(root, KWAST_RIGHT_CALL, 0, &second) == 0);
    for (u32 i = 0; i < 2000; i++) {
        // Across pages that are missing the first time.
        struct kwast_call *add = (struct kwast_call *)(pages + i % 4 * 2048 + 2040);
        kwast_call_begin(add, OP_ADD);
        add->words[0] = (u64)i << 32;
        add->words[1] = i;
        add->answer = add->handle = 5;
        CHECK(call(i % 100 == 99 ? root : second, add) == 0 && add->answer == 0);
        CHECK(add->words[0] == ((u64)i << 32 | i) && add->words[1] == 0);
        CHECK(add->handle == KWAST_NO_HANDLE);
        if (i % 50 == 0) {
            struct kwast_call length = {.operation = OP_LENGTH, .bytes = (u32)&i, .bytes_len = 1};
            CHECK(call(second, &length) == 0 && length.words[0] == 1);
        }
        if (i % 500 == 0) {
            struct kwast_call unknown = {.operation = 999};
            CHECK(call(second, &unknown) == 0 && unknown.answer == ENOSYS);
        }
    }
    u32 end = (u32)__builtin_wasm_memory_size(0) * 65536;
    CHECK(call(second, (struct kwast_call *)(end - 64)) == EFAULT);
    CHECK(call(second, (struct kwast_call *)UINT32_MAX) == EFAULT);
    struct kwast_call forged = {.operation = KWAST_FIRST_OPERATION - 1};
    CHECK(call(second, &forged) == EINVAL);
    // What the number names is looked up anew once it may be something else.
    struct kwast_call add = {.operation = OP_ADD, .words = {1, 2}};
    CHECK(call(second, &add) == 0 && add.words[0] == 3);
    CHECK(close((int)second) == 0);
    CHECK(call(second, &add) == EBADF);
    CHECK(kwast_handle_duplicate(root, 0, 0, &second) == 0);
    CHECK(call(second, &add) == ENOTCAPABLE);
    CHECK(close((int)second) == 0);
    CHECK(kwast_handle_duplicate(root, KWAST_RIGHT_CALL, 0, &second) == 0);
    CHECK(call(second, &add) == 0 && add.words[0] == 3);
    CHECK(__wasi_fd_fdstat_set_rights((int)second, 0, 0) == 0);
    CHECK(call(second, &add) == ENOTCAPABLE);
    CHECK(close((int)second) == 0);
}

static void test_grants(kwast_handle root) {
    char text[] = "stressed", back[sizeof text] = "";
    struct kwast_grant grants[2] = {{(u32)text, 8, KWAST_READ}, {(u32)back, 8, KWAST_WRITE}};
    struct kwast_call reverse = {.operation = OP_REVERSE, .grants = (u32)grants, .grant_count = 2};
    CHECK(call(root, &reverse) == 0 && reverse.answer == 0);
    CHECK(strcmp(back, "desserts") == 0);

    grants[1].access = KWAST_READ; // the server cannot write what was lent for reading
    CHECK(call(root, &reverse) == 0 && reverse.answer != 0);
    grants[1] = (struct kwast_grant){(u32)back, 7, KWAST_WRITE}; // nor beyond its end
    CHECK(call(root, &reverse) == 0 && reverse.answer == EINVAL);
    grants[1] = (struct kwast_grant){0xfffffff0, 0x20, KWAST_WRITE};
    CHECK(call(root, &reverse) == EFAULT);
    grants[1].access = 4;
    CHECK(call(root, &reverse) == EINVAL);
}

static void test_channels(kwast_handle root) {
    struct kwast_call opened = {.operation = OP_OPEN, .words = {1234567890123}};
    CHECK(call(root, &opened) == 0 && opened.answer == 0 && opened.handle != KWAST_NO_HANDLE);
    struct kwast_call value = {.operation = OP_VALUE};
    CHECK(call(opened.handle, &value) == 0 && value.words[0] == 1234567890123);
    value.operation = OP_VALUE;
    CHECK(call(root, &value) == 0 && value.words[0] == 0);
    CHECK(close((int)opened.handle) == 0);
    struct kwast_call count = {.operation = OP_CLOSED_COUNT};
    CHECK(call(root, &count) == 0 && count.words[0] == 1);
}

// The number of the next handle.
static kwast_handle next_number(kwast_handle of) {
    kwast_handle next;
    CHECK(kwast_handle_duplicate(of, 0, 0, &next) == 0);
    CHECK(close((int)next) == 0);
    return next;
}

// Nobody would know of the handle that came with it.
static void test_reply_that_cannot_be_stored(kwast_handle root) {
    static _Alignas(KWAST_PAGE_BYTES) u8 page[KWAST_PAGE_BYTES];
    struct kwast_call *call = (struct kwast_call *)(void *)page;
    kwast_handle memory;
    CHECK(kwast_memory_create(sizeof page, &memory) == 0);
    CHECK(kwast_memory_map(memory, 0, page, sizeof page, KWAST_READ | KWAST_WRITE) == 0);
    *call = (struct kwast_call){.operation = OP_OPEN};
    CHECK(kwast_memory_unmap(page) == 0);
    CHECK(kwast_memory_map(memory, 0, page, sizeof page, KWAST_READ) == 0);
    kwast_handle before = next_number(root);
    CHECK(kwast_scheme_call(root, call, -1) == EACCES);
    CHECK(next_number(root) == before);
    CHECK(kwast_memory_unmap(page) == 0);
    CHECK(close((int)memory) == 0);
}

static void test_handles(kwast_handle root) {
    kwast_handle out = 1;
    fflush(stdout);
    struct kwast_call pipe = {.operation = OP_PIPE, .handles = (u32)&out, .handle_count = 1};
    CHECK(call(root, &pipe) == 0 && pipe.words[0] == 16);
    CHECK(printf("and from here\n") == 14); // it was a copy that the server closed
    out = 77;
    CHECK(call(root, &pipe) == EBADF);
    kwast_handle narrow;
    CHECK(kwast_handle_duplicate(root, 0, 0, &narrow) == 0);
    struct kwast_call add = {.operation = OP_ADD};
    CHECK(call(narrow, &add) == ENOTCAPABLE);
    CHECK(kwast_handle_duplicate(narrow, KWAST_RIGHT_CALL, 0, &narrow) == ENOTCAPABLE);
    CHECK(call(1, &add) == ENOTCAPABLE);
    CHECK(close((int)narrow) == 0);
}

static void test_timeout_and_death_of_a_client(kwast_handle root) {
    struct kwast_call hold = {.operation = OP_HOLD};
    CHECK(kwast_scheme_call(root, &hold, 1000000) == ETIMEDOUT);
    kwast_handle client;
    CHECK(spawn("client", root, KWAST_RIGHT_CALL, &client) == 0);
    struct kwast_status status;
    CHECK(kwast_process_wait(client, 50000000, &status) == ETIMEDOUT);
    CHECK(kwast_process_status(client, &status) == 0 && status.outcome == KWAST_RUNNING);
    CHECK(kwast_process_kill(client) == 0);
    CHECK(kwast_process_wait(client, -1, &status) == 0 && status.outcome == KWAST_KILLED);
    CHECK(close((int)client) == 0);
    struct kwast_call add = {.operation = OP_ADD, .words = {1, 1}};
    CHECK(call(root, &add) == 0 && add.words[0] == 2); // the server has noticed nothing
}

static void test_death_of_the_server(kwast_handle server, kwast_handle root, kwast_handle child) {
    struct kwast_call opened = {.operation = OP_OPEN, .words = {5}};
    CHECK(call(root, &opened) == 0 && opened.answer == 0);
    struct kwast_call trap = {.operation = OP_TRAP};
    CHECK(call(root, &trap) == EOWNERDEAD);
    struct kwast_status status;
    CHECK(kwast_process_wait(child, -1, &status) == 0 && status.outcome == KWAST_TRAPPED);
    struct kwast_call value = {.operation = OP_VALUE};
    CHECK(call(opened.handle, &value) == EOWNERDEAD);

    // The next server finds the root's callers.
    kwast_handle next;
    CHECK(spawn("server", server, KWAST_RIGHT_SERVE, &next) == 0);
    struct kwast_call add = {.operation = OP_ADD, .words = {2, 3}};
    CHECK(call(root, &add) == 0 && add.words[0] == 5);
    CHECK(call(opened.handle, &value) == EOWNERDEAD);

    // Without a server end there is no service.
    CHECK(close((int)server) == 0);
    CHECK(kwast_process_kill(next) == 0);
    CHECK(kwast_process_wait(next, -1, &status) == 0);
    CHECK(call(root, &add) == EPIPE);
}

static void test_notification(void) {
    kwast_handle notification;
    u64 bits = 0;
    CHECK(kwast_notification_create(&notification) == 0);
    CHECK(kwast_notification_take(notification, 0, &bits) == ETIMEDOUT);
    CHECK(kwast_notification_signal(notification, 5) == 0);
    CHECK(kwast_notification_signal(notification, 1ull << 63) == 0);
    struct pollfd readable = {.fd = (int)notification, .events = POLLRDNORM};
    CHECK(poll(&readable, 1, -1) == 1);
    CHECK(kwast_notification_take(notification, -1, &bits) == 0 && bits == (1ull << 63 | 5));
    CHECK(kwast_notification_take(notification, 0, &bits) == ETIMEDOUT);
    CHECK(close((int)notification) == 0);
}

int main(int argc, char **argv) {
    kwast_handle server, root, child;
    if (argc == 2 && strcmp(argv[1], "server") == 0) {
        server = GIVEN;
        return (int)kwast_serve(server, serve, &server);
    }
    if (argc == 2) {
        struct kwast_call hold = {.operation = OP_HOLD};
        return (int)call(GIVEN, &hold);
    }
    CHECK(kwast_scheme_create("ipc test", 8, &server) == 0);
    CHECK(kwast_scheme_root(server, KWAST_KIND_PLAIN, &root) == 0);
    CHECK(spawn("server", server, KWAST_RIGHT_SERVE, &child) == 0);
    test_words_and_bytes(root);
    test_words_over_and_over(root);
    test_grants(root);
    test_channels(root);
    test_reply_that_cannot_be_stored(root);
    test_handles(root);
    test_timeout_and_death_of_a_client(root);
    test_notification();
    test_death_of_the_server(server, root, child);
    if (failures == 0)
        printf("all right\n");
    return failures != 0;
}
