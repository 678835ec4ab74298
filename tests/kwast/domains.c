// Protection domains, and memories in one, until there are no more: that is an error to whoever
// wants one, all that there are run on, and when they have gone there is room again.
//
//   domains domains    copies of /bin/sleeper.wasm, each in a domain of its own
//   domains memories   all in one domain
//
// It says how many there were, and "all right".

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/sdk/start.h"

#define CHILDREN_MAX 3000u

static kwast_handle children[CHILDREN_MAX];
static kwast_handle module, runs, never;

[[noreturn]] static void fail(const char *what, u32 error) {
    printf("wrong: %s: %s\n", what, strerror((int)error));
    exit(1);
}

static void need(const char *what, u32 error) {
    if (error != 0)
        fail(what, error);
}

// A child that waits, in a domain of its own, or in that of `join`.
static u32 spawn(kwast_handle join, kwast_handle *out) {
    static struct start start; // large for a stack
    start_init(&start, "sleeper");
    start.limits.isolation =
        join == KWAST_NO_HANDLE ? KWAST_ISOLATION_DOMAIN : KWAST_ISOLATION_JOIN;
    start.limits.join = join;
    start.given[start.given_count++] = kwast_give(runs, 3, NULL);
    start.given[start.given_count++] = kwast_give(never, 4, NULL);
    u32 error = start_run_module(&start, module, out);
    start_fini(&start);
    return error;
}

// False: it ended, since it found no memory for a page that it touched first.
static bool comes_to_run(kwast_handle child) {
    struct kwast_status status = {.outcome = KWAST_RUNNING};
    u32 error = ETIMEDOUT;
    while (error == ETIMEDOUT && status.outcome == KWAST_RUNNING) {
        u64 bits;
        error = kwast_notification_take(runs, 10000000, &bits);
        need("status", kwast_process_status(child, &status));
    }
    return error == 0;
}

static u32 spawn_all(bool in_one) {
    u32 count = 0;
    u32 error = 0;
    while (count < CHILDREN_MAX && error == 0) {
        kwast_handle join = in_one && count != 0 ? children[0] : KWAST_NO_HANDLE;
        error = spawn(join, &children[count]);
        if (error == 0 && !comes_to_run(children[count++]))
            error = ENOMEM;
    }
    if (error != ENOMEM)
        fail("the last one", error);
    return count;
}

static void end_all(u32 count) {
    for (u32 i = 0; i < count; i++)
        need("kill", kwast_process_kill(children[i]));
    for (u32 i = 0; i < count; i++) {
        struct kwast_status status;
        need("wait", kwast_process_wait(children[i], -1, &status));
        if (status.outcome != KWAST_KILLED && i + 1 != count)
            fail("how it ended", EINVAL);
        close((int)children[i]);
    }
}

int main(int argc, char **argv) {
    bool in_one = argc == 2 && strcmp(argv[1], "memories") == 0;
    module = (kwast_handle)open("/bin/sleeper.wasm", O_RDONLY);
    need("notification", kwast_notification_create(&runs));
    need("notification", kwast_notification_create(&never));
    u32 first = spawn_all(in_one);
    end_all(first);
    u32 second = spawn_all(in_one);
    end_all(second);
    printf("domains: %u, then %u\n", first, second);
    printf("all right\n");
    return 0;
}
