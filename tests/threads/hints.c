// What the kernel remembers of a process with one thread (kernel/ipc/handle.h, hints) is not what
// it found while there were two: a thread closes the channel on which the first one waits, and
// leaves; the answer comes afterwards. Then the number names nothing. Prints what is wrong, or at
// the end "all right".
//
//   hints            the client; a directory with hints.wasm is preopened as /bin
//   hints serve      the server, a process of its own

#include "tests/threads/thread.h"
#include "user/sdk/kwast.h"

#define BIN          3
#define GIVEN_SERVER 3
#define GIVEN_COME   4 // notification: a call has come
#define RIGHT_READ   (1u << 1)
#define DEPTH        1000u
#define A_WHILE_NS   50000000 // enough for a thread to leave, mostly: the test fails less without

static struct thread closer;
static kwast_handle server, channel, come;

static void say(const char *text, u32 len) {
    const struct wasi_iovec part = {(u32)text, len};
    u32 written;
    wasi_fd_write(1, &part, 1, &written);
}

#define SAY(text) say(text, sizeof(text) - 1)
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            SAY("wrong: " #condition "\n");                                                        \
            wasi_proc_exit(1);                                                                     \
        }                                                                                          \
    } while (false)

// Answers every call, the first one late.
static void serve(void) {
    struct kwast_request request;
    kwast_handle never;
    u64 bits;
    EXPECT(kwast_notification_create(&never) == 0);
    u32 error = kwast_scheme_receive(GIVEN_SERVER, &request, NULL, 0, -1);
    EXPECT(kwast_notification_signal(GIVEN_COME, 1) == 0);
    EXPECT(kwast_notification_take(never, A_WHILE_NS, &bits) == WASI_ETIMEDOUT);
    while (error == 0) {
        const struct kwast_reply reply = {.number = request.number, .handle = KWAST_NO_HANDLE};
        error = kwast_scheme_reply_receive(GIVEN_SERVER, &reply, &request, NULL, 0, -1);
    }
}

static u32 descend(u32 depth);
static u32 (*volatile next)(u32 depth) = descend;

static u32 descend(u32 depth) {
    return depth == 0 ? 0 : next(depth - 1) + 1;
}

// A thread with so large a stack is not kept for the next one.
static void close_channel(struct thread *self) {
    (void)self;
    u64 bits;
    EXPECT(descend(DEPTH) == DEPTH);
    EXPECT(kwast_notification_take(come, -1, &bits) == 0);
    EXPECT(wasi_fd_close(channel) == 0);
}

static void start_server(void) {
    u32 module;
    kwast_handle child;
    EXPECT(wasi_path_open(BIN, 0, "hints.wasm", 10, 0, RIGHT_READ, 0, 0, &module) == 0);
    const struct kwast_given given[] = {
        {.handle = 1, .number = 1, .rights = 1u << 6},
        {.handle = server, .number = GIVEN_SERVER, .rights = KWAST_RIGHT_SERVE},
        {.handle = come, .number = GIVEN_COME, .rights = KWAST_RIGHT_SIGNAL},
    };
    static const char args[] = "hints\0serve";
    const struct kwast_spawn spawn = {
        .module = module,
        .name = (u32) "hints",
        .name_len = 5,
        .args = (u32)args,
        .args_len = sizeof args,
        .given = (u32)given,
        .given_count = 3,
    };
    EXPECT(kwast_process_spawn(&spawn, &child) == 0);
}

static u32 call(void) {
    struct kwast_call call;
    kwast_call_begin(&call, KWAST_FIRST_OPERATION);
    return kwast_scheme_call(channel, &call, -1);
}

static void be_client(void) {
    EXPECT(kwast_scheme_create("hints", 5, &server) == 0);
    EXPECT(kwast_scheme_root(server, KWAST_KIND_PLAIN, &channel) == 0);
    EXPECT(kwast_notification_create(&come) == 0);
    start_server();
    EXPECT(thread_start(&closer, close_channel) > 0);
    EXPECT(call() == 0);
    thread_join(&closer); // on a slow machine it may only be about to close
    EXPECT(call() == WASI_EBADF);
    SAY("all right\n");
}

void _start(void) {
    u32 count, bytes;
    EXPECT(wasi_args_sizes_get(&count, &bytes) == 0);
    if (count == 1)
        be_client();
    else
        serve();
}
