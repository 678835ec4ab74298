#pragma once
// Writes a ustar archive to a file descriptor, entry by entry.
//
// Errors stick: after the first one nothing is written any more and tar_finish returns false;
// `what` and `why` tell the story.

#include "base/types.h"

struct tar {
    int fd;
    u64 bytes;     // written so far
    u64 bytes_max; // more is an error
    bool failed;
    char what[256];
    char why[128];
};

void tar_init(struct tar *tar, int fd, u64 bytes_max);

// Names have at most 100 bytes.
void tar_add_data(struct tar *tar, const char *name, const void *data, usize len);

// Adds the regular file at `path`, as it is now, under `name`.
void tar_add_file(struct tar *tar, const char *name, const char *path);

// Ends the archive. Whether all of it was written.
MUST_USE bool tar_finish(struct tar *tar);
