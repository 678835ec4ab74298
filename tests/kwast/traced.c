// Something of everything that a trace shows: a server that answers calls, a client, one that
// computes and is killed, one that traps, and a call that is taken back.
//
//   traced CALLS [SPINNERS [PAUSE_US]]   / has traced.wasm; a pause after four calls each
//   traced raw PATH                      copies a file to standard output
//   server, spinner, trap                the children

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/sdk/kwast.h"
#include "user/sdk/start.h"

#define GIVEN        3
#define SPINNERS_MAX 8
#define OP_ECHO      100
#define OP_HOLD      101

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)context;
    (void)bytes;
    reply->words[0] = request->words[0] + 1;
    return request->operation != OP_HOLD;
}

static kwast_handle child(const char *role, kwast_handle given) {
    struct start start;
    start_init(&start, role);
    start_argument(&start, "traced");
    start_argument(&start, role);
    if (given != KWAST_NO_HANDLE)
        start_handle(&start, given, GIVEN);
    kwast_handle process;
    u32 error = start_run(&start, "/traced.wasm", &process);
    if (error != 0) {
        printf("no %s: %u %s\n", role, (unsigned)error, start.reason);
        exit(1);
    }
    start_fini(&start);
    return process;
}

static u64 call(kwast_handle channel, u32 operation, u64 word, i64 timeout_ns) {
    struct kwast_call call = {.operation = operation, .words = {word}};
    return kwast_scheme_call(channel, &call, timeout_ns) == 0 ? call.words[0] : 0;
}

static int copy(const char *path) {
    char buffer[4096];
    int from = open(path, O_RDONLY);
    for (ssize_t got; (got = read(from, buffer, sizeof buffer)) > 0;)
        fwrite(buffer, 1, (usize)got, stdout);
    return from < 0;
}

static int child_main(const char *role, const char *argument) {
    if (strcmp(role, "raw") == 0)
        return copy(argument);
    if (strcmp(role, "server") == 0)
        return (int)kwast_serve(GIVEN, serve, NULL);
    if (strcmp(role, "trap") == 0)
        abort();
    for (volatile int spin = 1; spin != 0;)
        ;
    return 0;
}

int main(int argc, char **argv) {
    int calls = argc < 2 ? 0 : atoi(argv[1]);
    if (calls == 0)
        return child_main(argv[1], argv[2]);
    kwast_handle server;
    kwast_handle channel;
    if (kwast_scheme_create("echo", 4, &server) != 0 ||
        kwast_scheme_root(server, KWAST_KIND_PLAIN, &channel) != 0)
        return 1;
    struct kwast_status status;
    kwast_handle spinners[SPINNERS_MAX];
    int spinner_count = argc < 3 ? 1 : atoi(argv[2]);
    int pause_us = argc < 4 ? 0 : atoi(argv[3]);
    if (spinner_count > SPINNERS_MAX)
        return 1;
    for (int i = 0; i < spinner_count; i++)
        spinners[i] = child("spinner", KWAST_NO_HANDLE);
    kwast_handle echo = child("server", server);
    u64 sum = 0;
    for (int i = 0; i < calls; i++) {
        sum += call(channel, OP_ECHO, (u64)i, -1) == (u64)i + 1;
        if (pause_us != 0 && i % 4 == 3)
            usleep((unsigned)pause_us);
    }
    call(channel, OP_HOLD, 0, 1000000);
    kwast_process_wait(child("trap", KWAST_NO_HANDLE), -1, &status);
    for (int i = 0; i < spinner_count; i++) {
        kwast_process_kill(spinners[i]);
        kwast_process_wait(spinners[i], -1, &status);
    }
    kwast_process_kill(echo);
    kwast_process_wait(echo, -1, &status);
    printf("%llu calls\n", (unsigned long long)sum);
    return 0;
}
