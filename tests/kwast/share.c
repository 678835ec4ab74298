// Two children that compute, with the shares of the CPU that the arguments say. Prints the share
// and the CPU time, in microseconds, of each as /kernel/processes tells them, once both have been
// seen to have computed for LIMIT_US together.
//
//   share SHARE SHARE     / has bin/share.wasm, /kernel the kernel's files
//   share                 the child

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/kwast/columns.h"
#include "user/sdk/kwast.h"

#define LIMIT_US 2000000ull

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

int main(int argc, char **argv) {
    for (volatile int spin = argc < 3; spin != 0;)
        ;
    kwast_handle children[2];
    u32 ids[2];
    unsigned long long used_us[2] = {0};
    for (int i = 0; i < 2; i++) {
        children[i] = child_with((unsigned)atoi(argv[1 + i]));
        ids[i] = id_of(children[i]);
    }
    while (used_us[0] + used_us[1] < LIMIT_US) {
        usleep(20000);
        for (int i = 0; i < 2; i++)
            used_us[i] = look(ids[i], "cpu_us");
    }
    for (int i = 0; i < 2; i++)
        printf("share %llu cpu_us %llu\n", look(ids[i], "share"), used_us[i]);
    for (int i = 0; i < 2; i++)
        kwast_process_kill(children[i]);
    return 0;
}
