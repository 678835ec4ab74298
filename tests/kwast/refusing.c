// refusing: a service whose clients fill its handles refuses one call, and goes on.
//
//   refusing           says "all right", or what is wrong
//   refusing server    serves the scheme at descriptor 3: keeps what it is given, until it is told
//                      to let go of it

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/sdk/start.h"

#define OP_KEEP KWAST_FIRST_OPERATION
#define OP_DROP (KWAST_FIRST_OPERATION + 1)
#define LIMIT   32u

static struct {
    kwast_handle handles[LIMIT];
    u32 count;
} kept;

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)context;
    (void)bytes;
    for (u32 i = 0; i < request->handle_count; i++)
        kept.handles[kept.count++] = request->handles[i];
    while (request->operation == OP_DROP && kept.count != 0)
        close((int)kept.handles[--kept.count]);
    reply->words[0] = kept.count;
    return true;
}

static void check(bool is_fine, const char *what, u32 error) {
    if (is_fine)
        return;
    printf("wrong: %s: %s\n", what, strerror((int)error));
    exit(1);
}

static u32 call(kwast_handle root, u32 operation, u32 handles, u64 *count) {
    static const kwast_handle given[KWAST_HANDLES_MAX] = {1, 1, 1, 1};
    struct kwast_call call = {
        .operation = operation, .handles = (u32)(uptr)given, .handle_count = handles};
    u32 error = kwast_scheme_call(root, &call, -1);
    *count = call.words[0];
    return error;
}

int main(int argc, char **argv) {
    kwast_handle server, root, child;
    u64 count = 0;
    u32 refused = 0;
    if (argc == 2)
        return (int)kwast_serve(3, serve, NULL);
    check(kwast_scheme_create("refusing", 8, &server) == 0, "scheme", 0);
    check(kwast_scheme_root(server, KWAST_KIND_PLAIN, &root) == 0, "root", 0);
    struct start start;
    start_init(&start, "server");
    start.limits.handle_limit = LIMIT;
    start_argument(&start, argv[0]);
    start_argument(&start, "server");
    start_handle(&start, 1, 1);
    start_handle(&start, server, 3);
    u32 error = start_run(&start, "/bin/refusing.wasm", &child);
    start_fini(&start);
    check(error == 0, "start", error);
    close((int)server); // only the child serves

    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < LIMIT; i++) {
            error = call(root, OP_KEEP, 2, &count);
            refused += error == EMFILE;
            check(error == 0 || error == EMFILE, "keeping", error);
        }
        check(refused > round * LIMIT / 2, "nothing was refused", 0);
        error = call(root, OP_KEEP, 0, &count);
        check(error == 0 && count >= LIMIT / 2, "a call without handles", error);
        error = call(root, OP_DROP, 0, &count);
        check(error == 0 && count == 0, "letting go", error);
    }
    struct kwast_status status;
    check(kwast_process_wait(child, 0, &status) == ETIMEDOUT, "the service has ended", 0);
    kwast_process_kill(child);
    kwast_process_wait(child, -1, &status);
    puts("all right");
    return 0;
}
