// Children that compute, with the shares of the CPU that the arguments say. Prints the share of
// each, and its CPU time in microseconds, as /kernel/processes tells them, from when all had begun
// to when they had computed for LIMIT_US each on average.
//
//   share SHARE...        / has bin/share.wasm, /kernel the kernel's files
//   share                 a child

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/kwast/columns.h"
#include "user/sdk/kwast.h"

#define CHILDREN_MAX 8
#define LIMIT_US     1000000ull

static kwast_handle child_with(unsigned share) {
    int module = open("/bin/share.wasm", O_RDONLY);
    const struct kwast_spawn config = {
        .module = (u32)module,
        .name = (u32) "sharer",
        .name_len = 6,
        .args = (u32) "share",
        .args_len = 6,
        .cpu_share = share,
    };
    kwast_handle child;
    u32 error = kwast_process_spawn(&config, &child);
    if (error != 0) {
        printf("no child: error %u\n", (unsigned)error);
        exit(1);
    }
    close(module);
    return child;
}

static u32 id_of(kwast_handle child) {
    struct kwast_status status = {.id = 0};
    return kwast_process_status(child, &status) == 0 ? status.id : 0;
}

static unsigned long long look(u32 id, const char *column) {
    return column_of("/kernel/processes", id, column);
}

static int count;
static kwast_handle children[CHILDREN_MAX];
static u32 ids[CHILDREN_MAX];

// Sums up; the least is what the child that has computed least has.
static unsigned long long look_at_all(unsigned long long *used_us, unsigned long long *least_us) {
    unsigned long long sum_us = 0;
    *least_us = -1ull;
    for (int i = 0; i < count; i++) {
        used_us[i] = look(ids[i], "cpu_us");
        sum_us += used_us[i];
        *least_us = used_us[i] < *least_us ? used_us[i] : *least_us;
    }
    return sum_us;
}

int main(int argc, char **argv) {
    for (volatile int spin = argc < 2; spin != 0;)
        ;
    unsigned long long before_us[CHILDREN_MAX], used_us[CHILDREN_MAX], least_us = 0;
    count = argc - 1 < CHILDREN_MAX ? argc - 1 : CHILDREN_MAX;
    for (int i = 0; i < count; i++) {
        children[i] = child_with((unsigned)atoi(argv[1 + i]));
        ids[i] = id_of(children[i]);
    }
    unsigned long long sum_us = 0;
    while (least_us == 0) {
        usleep(1000);
        sum_us = look_at_all(before_us, &least_us);
    }
    unsigned long long limit_us = sum_us + LIMIT_US * (unsigned)count;
    while (look_at_all(used_us, &least_us) < limit_us)
        usleep(20000);
    for (int i = 0; i < count; i++)
        printf("share %llu cpu_us %llu\n", look(ids[i], "share"), used_us[i] - before_us[i]);
    for (int i = 0; i < count; i++)
        kwast_process_kill(children[i]);
    return 0;
}
