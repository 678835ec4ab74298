#pragma once
// What the tests that spawn copies of themselves share: random numbers that a seed repeats, what an
// answer may be, and spawning.

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/sdk/kwast.h"

#define GIVEN_MODULE     3 // the module itself, as a file
#define GIVEN_FIRST      4
#define GIVEN_MAX        8u
#define RIGHTS_ALL       UINT64_MAX // as many as the parent has

#define CHECK(condition) check(condition, #condition, __LINE__)

static struct {
    const char *role;
    u64 seed; // what this process began with
    u64 random;
    int failures;
} self;

static void check(bool is_right, const char *what, int line) {
    if (is_right)
        return;
    printf("wrong: line %d: %s (%s, seed %llu, errno %d)\n", line, what, self.role,
           (unsigned long long)self.seed, errno);
    fflush(stdout);
    self.failures++;
}

static void self_init(const char *role, u64 seed) {
    self.role = role;
    self.seed = seed;
    self.random = seed * 0x9e3779b97f4a7c15 + 1;
}

// xorshift64*.
static u32 below(u32 limit) {
    self.random ^= self.random >> 12;
    self.random ^= self.random << 25;
    self.random ^= self.random >> 27;
    return (u32)((self.random * 0x2545f4914f6cdd1d) >> 33) % limit;
}

static bool one_in(u32 n) {
    return below(n) == 0;
}

// Whether an error is one of those listed, which 0 ends; 0 itself is always allowed.
static bool is_one_of(u32 error, const u32 *list) {
    for (; error != *list; list++) {
        if (*list == 0)
            return false;
    }
    return true;
}

#define ALLOW(error, ...) check(is_one_of(error, (const u32[]){__VA_ARGS__, 0}), #error, __LINE__)

static void yield_some(u32 limit) {
    for (u32 i = below(limit + 1); i != 0; i--)
        sched_yield();
}

static struct kwast_given give(kwast_handle handle, u32 number) {
    return kwast_give(handle, number, NULL);
}

struct child_config {
    const char *role;
    u64 seed;
    u32 amount;                // a number for the role
    const kwast_handle *given; // become GIVEN_FIRST, and so on
    u32 given_count;
    u64 memory_limit;
    u32 handle_limit;
    u32 cpus; // a bit each; 0: the parent's
};

// Spawns this program with a role, sometimes in a domain of its own.
static u32 spawn_self(const struct child_config *config, kwast_handle *out) {
    char args[64];
    int args_len = snprintf(args, sizeof args, "chaos%c%s%c%llu%c%u", 0, config->role, 0,
                            (unsigned long long)config->seed, 0, config->amount) +
                   1;
    struct kwast_given given[GIVEN_MAX + 2] = {give(1, 1), give(GIVEN_MODULE, GIVEN_MODULE)};
    for (u32 i = 0; i < config->given_count; i++)
        given[i + 2] = give(config->given[i], GIVEN_FIRST + i);
    char reason[KWAST_REASON_BYTES] = "";
    const struct kwast_spawn spawn = {
        .module = GIVEN_MODULE,
        .name = (u32)config->role,
        .name_len = (u32)strlen(config->role),
        .args = (u32)args,
        .args_len = (u32)args_len,
        .given = (u32)given,
        .given_count = config->given_count + 2,
        .isolation = one_in(3) ? KWAST_ISOLATION_DOMAIN : KWAST_ISOLATION_SIP,
        .memory_limit = config->memory_limit,
        .handle_limit = config->handle_limit,
        .cpus = config->cpus,
        .reason = (u32)reason,
        .reason_len = sizeof reason,
    };
    u32 error = kwast_process_spawn(&spawn, out);
    if (error == ENOEXEC)
        printf("wrong: %s is refused: %s\n", config->role, reason);
    return error;
}

// Opens the module as GIVEN_MODULE, from the preopened directory, which that replaces.
static bool open_self(const char *path) {
    int module = open(path, O_RDONLY);
    if (module < 0) {
        perror(path);
        return false;
    }
    return module == GIVEN_MODULE || __wasi_fd_renumber(module, GIVEN_MODULE) == 0;
}
