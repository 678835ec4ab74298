// Polling what a service serves: a pipe is made here of a scheme, and used as any descriptor. This
// program spawns itself as the service. Prints what is wrong, or at the end "all right".
//
//   ready          the test; a directory with ready.wasm is preopened as /bin
//   ready server   serves pipes on the scheme at descriptor 3

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "abi/kwast/file.h"
#include "base/status.h"
#include "tests/kwast/check.h"
#include "user/sdk/start.h"

#define MODULE_PATH "/bin/ready.wasm"
#define GIVEN       3
#define PIPE_BYTES  8u

enum operation {
    OP_OPEN = KWAST_FIRST_OPERATION, // a pipe, in the reply; what is written to it can be read
    OP_END,                          // of the pipe: nothing more is to come
    OP_TRAP,                         // the server ends
};

// -- The service: one pipe -----------------------------------------------------------------------

static struct {
    kwast_handle server;
    kwast_handle ready;
    char bytes[PIPE_BYTES];
    u32 len;
    bool has_ended;
    struct kwast_reply reader; // waits for bytes when its number is not 0
    u32 reader_len;
} a_pipe;

static void tell(void) {
    u32 events = a_pipe.len < PIPE_BYTES ? KWAST_WRITABLE : 0;
    events |= a_pipe.len != 0 || a_pipe.has_ended ? KWAST_READABLE : 0;
    events |= a_pipe.has_ended ? KWAST_HANGUP : 0;
    kwast_ready_set(a_pipe.ready, events, a_pipe.len);
}

static void take(u64 number, u32 len, struct kwast_reply *reply) {
    u32 got = len < a_pipe.len ? len : a_pipe.len;
    reply->answer = kwast_grant_write(a_pipe.server, number, 0, 0, a_pipe.bytes, got);
    reply->words[2] = got;
    a_pipe.len -= got;
    memmove(a_pipe.bytes, a_pipe.bytes + got, a_pipe.len);
    tell();
}

static bool read_pipe(const struct kwast_request *request, struct kwast_reply *reply) {
    if (a_pipe.len == 0 && !a_pipe.has_ended) { // answered when there is something
        a_pipe.reader = *reply;
        a_pipe.reader_len = request->grants[0].len;
        return false;
    }
    take(request->number, request->grants[0].len, reply);
    return true;
}

static void write_pipe(const struct kwast_request *request, struct kwast_reply *reply) {
    u32 room = PIPE_BYTES - a_pipe.len;
    u32 len = request->grants[0].len < room ? request->grants[0].len : room;
    reply->answer =
        kwast_grant_read(a_pipe.server, request->number, 0, 0, a_pipe.bytes + a_pipe.len, len);
    reply->words[0] = len;
    a_pipe.len += len;
    tell();
    if (a_pipe.reader.number == 0)
        return;
    take(a_pipe.reader.number, a_pipe.reader_len, &a_pipe.reader);
    kwast_scheme_reply(a_pipe.server, &a_pipe.reader);
    a_pipe.reader.number = 0;
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)context;
    (void)bytes;
    switch (request->operation) {
    case KWAST_CLOSED:
        close((int)a_pipe.ready);
        return false;
    case OP_OPEN:
        reply->answer = kwast_scheme_pollable(a_pipe.server, 1, KWAST_KIND_STREAM, &reply->handle,
                                              &a_pipe.ready);
        tell();
        return true;
    case OP_END:
        a_pipe.has_ended = true;
        tell();
        return true;
    case OP_TRAP:
        __builtin_trap();
    case KWAST_FILE_OPERATION + FILE_READ:
        return read_pipe(request, reply);
    case KWAST_FILE_OPERATION + FILE_WRITE:
        write_pipe(request, reply);
        return true;
    default:
        reply->answer = ERR_UNSUPPORTED;
        return true;
    }
}

// -- The test ------------------------------------------------------------------------------------

static kwast_handle root, child;

static u32 spawn_server(kwast_handle server) {
    struct start start;
    start_init(&start, "server");
    start_argument(&start, "ready");
    start_argument(&start, "server");
    start_handle(&start, 1, 1);
    start_handle_with(&start, server, GIVEN, KWAST_RIGHT_SERVE);
    u32 error = start_run(&start, MODULE_PATH, &child);
    start_fini(&start);
    return error;
}

static u32 ask(enum operation operation, kwast_handle *out) {
    struct kwast_call call = {.operation = operation};
    u32 error = kwast_scheme_call(root, &call, -1);
    if (out != NULL)
        *out = call.handle;
    return error != 0 ? error : call.answer;
}

// What poll finds, without waiting.
static int ready_events(int fd) {
    struct pollfd polled = {.fd = fd, .events = POLLRDNORM | POLLWRNORM};
    return poll(&polled, 1, 0) == 0 ? 0 : polled.revents;
}

// A service of its own tells the truth about its pipe whenever an answer has come.
static void test_events(int pipe) {
    char bytes[PIPE_BYTES];
    CHECK(ready_events(pipe) == POLLWRNORM);
    CHECK(write(pipe, "hello", 5) == 5);
    CHECK(ready_events(pipe) == (POLLRDNORM | POLLWRNORM));
    CHECK(write(pipe, "abcd", 4) == 3); // that is full
    CHECK(ready_events(pipe) == POLLRDNORM);
    CHECK(read(pipe, bytes, 6) == 6 && memcmp(bytes, "helloa", 6) == 0);
    CHECK(ready_events(pipe) == (POLLRDNORM | POLLWRNORM));
    CHECK(read(pipe, bytes, 6) == 2 && memcmp(bytes, "bc", 2) == 0);
    CHECK(ready_events(pipe) == POLLWRNORM);
}

// How many bytes poll_oneoff says there are; it waits for them among other things.
static u64 available(int fd) {
    const __wasi_subscription_t subscriptions[] = {
        {.userdata = 1,
         .u = {.tag = __WASI_EVENTTYPE_FD_READ, .u = {.fd_read = {.file_descriptor = fd}}}},
        {.userdata = 2,
         .u = {.tag = __WASI_EVENTTYPE_CLOCK,
               .u = {.clock = {.id = __WASI_CLOCKID_MONOTONIC, .timeout = 1000000000000}}}},
    };
    __wasi_event_t events[2];
    __wasi_size_t count = 0;
    CHECK(__wasi_poll_oneoff(subscriptions, events, 2, &count) == 0);
    CHECK(count == 1 && events[0].userdata == 1 && events[0].error == 0);
    return events[0].fd_readwrite.nbytes;
}

static void test_available(int pipe) {
    char bytes[PIPE_BYTES];
    CHECK(write(pipe, "1234567", 7) == 7);
    CHECK(available(pipe) == 7);
    CHECK(read(pipe, bytes, 3) == 3);
    CHECK(available(pipe) == 4);
    CHECK(read(pipe, bytes, 8) == 4);
}

// A poll that sleeps is woken by the server: its end is what comes last.
static void test_ends(int pipe) {
    char bytes[PIPE_BYTES];
    CHECK(ask(OP_END, NULL) == 0);
    CHECK((ready_events(pipe) & POLLHUP) != 0);
    CHECK(read(pipe, bytes, 1) == 0);
    CHECK(ask(OP_TRAP, NULL) == EOWNERDEAD);
    CHECK((ready_events(pipe) & POLLHUP) != 0);
    CHECK(read(pipe, bytes, 1) == -1 && errno == EOWNERDEAD);
}

int main(int argc, char **argv) {
    (void)argv;
    kwast_handle server, pipe;
    if (argc == 2) {
        a_pipe.server = GIVEN;
        return (int)kwast_serve(GIVEN, serve, NULL);
    }
    CHECK(kwast_scheme_create("pipes", 5, &server) == 0);
    CHECK(kwast_scheme_root(server, KWAST_KIND_PLAIN, &root) == 0);
    CHECK(kwast_ready_set(server, KWAST_READABLE, 0) == ENOTCAPABLE);
    CHECK(spawn_server(server) == 0);
    CHECK(ask(OP_OPEN, &pipe) == 0);
    test_events((int)pipe);
    test_available((int)pipe);
    test_ends((int)pipe);
    if (failures == 0)
        printf("all right\n");
    return failures == 0 ? 0 : 1;
}
