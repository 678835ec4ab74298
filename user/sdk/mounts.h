#pragma once
// What a program sees: the directories that it was given, and what is behind them.

#include "abi/kwast/file.h"

#define MOUNT_PATH_BYTES 256u

struct mount {
    int fd;
    char path[MOUNT_PATH_BYTES];
    bool is_scheme; // a service's; otherwise the kernel's
    bool is_told;   // it says how it is; otherwise all below is 0
    struct file_system_stat stat;
};

// The mount number `index`, but for the working directory, which has no number; false: there are no
// more.
bool mount_get(u32 index, struct mount *out);

// The one that a path leads into; the path need not exist. False: none.
bool mount_of(const char *path, struct mount *out);

// Has ".." lead out of a mount's root in all that the program does by paths (paths.c).
void mounts_join(void);
