// Independent processes that compute: how long so many take together. The same for Kwast and Linux.
//
//   scale CHILDREN ROUNDS   spawns that many of itself, waits for all, prints "scale NANOSECONDS
//   done" scale child ROUNDS      one of them
//
// On Kwast the module is /bin/scale.wasm.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHILDREN_MAX 64
#define TABLE        1024

[[noreturn]] static void fail(const char *what) {
    fprintf(stderr, "scale: %s\n", what);
    exit(1);
}

// Arithmetic, and loads and stores that stay in the first cache.
static int compute(uint64_t rounds) {
    static uint32_t table[TABLE];
    uint32_t x = 1;
    for (uint64_t i = 0; i < rounds; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        table[x % TABLE] += x;
    }
    uint32_t sum = 0;
    for (int i = 0; i < TABLE; i++)
        sum = sum * 31 + table[i];
    return (int)(sum % 251); // so that the work is not optimised away
}

#ifdef __wasm__

#include <fcntl.h>

#include "user/sdk/kwast.h"

typedef kwast_handle child_id;

static child_id start(char *rounds) {
    static kwast_handle module;
    if (module == 0)
        module = (kwast_handle)open("/bin/scale.wasm", O_RDONLY);
    char args[64];
    int args_len = snprintf(args, sizeof args, "scale%cchild%c%s", 0, 0, rounds) + 1;
    const struct kwast_spawn config = {
        .module = module,
        .name = (u32) "scale",
        .name_len = 5,
        .args = (u32)args,
        .args_len = (u32)args_len,
    };
    kwast_handle child;
    if (kwast_process_spawn(&config, &child) != 0)
        fail("spawn");
    return child;
}

static int finish(child_id child) {
    struct kwast_status status;
    if (kwast_process_wait(child, -1, &status) != 0 || status.outcome != KWAST_EXITED)
        fail("wait");
    return (int)status.status;
}

#else

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

typedef pid_t child_id;

static child_id start(char *rounds) {
    extern char **environ;
    char *args[] = {"scale", "child", rounds, NULL};
    pid_t child;
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, args, environ) != 0)
        fail("posix_spawn");
    return child;
}

static int finish(child_id child) {
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        fail("waitpid");
    return WEXITSTATUS(status);
}

#endif

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 3)
        fail("usage: scale CHILDREN|child ROUNDS");
    if (strcmp(argv[1], "child") == 0)
        return compute(strtoull(argv[2], NULL, 10));
    int count = atoi(argv[1]);
    if (count < 1 || count > CHILDREN_MAX)
        fail("children");
    child_id children[CHILDREN_MAX];
    finish(start("1")); // compiled, and in memory
    long long began = now_ns();
    for (int i = 0; i < count; i++)
        children[i] = start(argv[2]);
    int result = finish(children[0]);
    for (int i = 1; i < count; i++) {
        if (finish(children[i]) != result)
            fail("different results");
    }
    printf("scale %lld done\n", now_ns() - began);
    return 0;
}
