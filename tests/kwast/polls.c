// Polling what the services serve: the ends of a pipe, and the terminal. Prints what is wrong, or
// "all right" at the end.
//
//   polls PIPE    descriptor PIPE is the channel of the service of pipes; 0 is the terminal, at
//                 which the test types a line when it is asked to

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/pipe.h"
#include "abi/kwast/terminal.h"
#include "tests/kwast/check.h"
#include "user/sdk/kwast.h"

#define PIPE_BYTES 65536u

// What poll finds within `wait_ms`; -1 is for ever.
static int events_of(int fd, int wait_ms) {
    struct pollfd polled = {.fd = fd, .events = POLLRDNORM | POLLWRNORM};
    return poll(&polled, 1, wait_ms) == 0 ? 0 : polled.revents;
}

// How many bytes poll_oneoff says that a read would find.
static u64 available(int fd) {
    const __wasi_subscription_t subscription = {
        .u = {.tag = __WASI_EVENTTYPE_FD_READ, .u = {.fd_read = {.file_descriptor = fd}}}};
    __wasi_event_t event;
    __wasi_size_t count = 0;
    CHECK(__wasi_poll_oneoff(&subscription, &event, 1, &count) == 0 && count == 1);
    return event.fd_readwrite.nbytes;
}

static int ask(kwast_handle channel, u32 operation) {
    struct kwast_call call = {.operation = operation};
    CHECK(kwast_scheme_call(channel, &call, -1) == 0 && call.answer == 0);
    return (int)call.handle;
}

static void make_pipe(kwast_handle service, int ends[2]) {
    ends[0] = ask(service, PIPE_CREATE);
    CHECK(events_of(ends[0], 0) == 0); // it has no writer yet: that is not the end
    ends[1] = ask((kwast_handle)ends[0], PIPE_WRITER);
}

static void test_bytes(kwast_handle service) {
    static char bytes[PIPE_BYTES];
    int ends[2];
    make_pipe(service, ends);
    CHECK(events_of(ends[0], 0) == 0);
    CHECK(events_of(ends[1], 0) == POLLWRNORM);
    CHECK(write(ends[1], "hello", 5) == 5);
    CHECK(events_of(ends[0], 0) == POLLRDNORM && available(ends[0]) == 5);
    CHECK(read(ends[0], bytes, 2) == 2);
    CHECK(available(ends[0]) == 3);
    CHECK(read(ends[0], bytes, 9) == 3);
    CHECK(events_of(ends[0], 0) == 0);
    // Full is when a piece of PIPE_ATOMIC bytes would have to wait.
    CHECK(write(ends[1], bytes, PIPE_BYTES - PIPE_ATOMIC) == PIPE_BYTES - PIPE_ATOMIC);
    CHECK(events_of(ends[1], 0) == POLLWRNORM);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(events_of(ends[1], 0) == 0);
    CHECK(read(ends[0], bytes, 1) == 1);
    CHECK(events_of(ends[1], 0) == POLLWRNORM);
    close(ends[1]); // what was written stays, and then it is the end
    // The service hears of it soon.
    while (events_of(ends[0], -1) == POLLRDNORM)
        usleep(1000);
    CHECK(events_of(ends[0], -1) == (POLLRDNORM | POLLHUP));
    CHECK(available(ends[0]) == PIPE_BYTES - PIPE_ATOMIC);
    u32 rest = 0;
    for (ssize_t got; (got = read(ends[0], bytes, PIPE_BYTES)) > 0;)
        rest += (u32)got;
    CHECK(rest == PIPE_BYTES - PIPE_ATOMIC);
    CHECK(read(ends[0], bytes, 1) == 0 && read(ends[0], bytes, 1) == 0);
    close(ends[0]);
}

static void test_reader_goes(kwast_handle service) {
    static char bytes[PIPE_BYTES];
    int ends[2];
    make_pipe(service, ends);
    CHECK(write(ends[1], bytes, PIPE_BYTES) == PIPE_BYTES);
    CHECK(events_of(ends[1], 0) == 0);
    close(ends[0]);
    CHECK((events_of(ends[1], -1) & POLLHUP) != 0);
    CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE);
    close(ends[1]);
}

static void test_terminal(void) {
    char bytes[16];
    CHECK(events_of(0, 0) == POLLWRNORM);
    printf("type: ");
    fflush(stdout);
    struct pollfd polled = {.fd = 0, .events = POLLRDNORM};
    CHECK(poll(&polled, 1, -1) == 1 && polled.revents == POLLRDNORM);
    CHECK(available(0) == 6);
    CHECK(read(0, bytes, 2) == 2);
    CHECK(available(0) == 4);
    CHECK(read(0, bytes, sizeof bytes) == 4 && memcmp(bytes, "llo\n", 4) == 0);
    CHECK(events_of(0, 0) == POLLWRNORM);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    kwast_handle service = (kwast_handle)atoi(argv[1]);
    test_bytes(service);
    test_reader_goes(service);
    test_terminal();
    if (failures == 0)
        printf("all right\n");
    return failures == 0 ? 0 : 1;
}
