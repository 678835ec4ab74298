#pragma once
// Serves the file protocol (abi/kwast/file.h) from directories of this machine.

#include "abi/kwast/file.h"
#include "base/string.h"

struct file_server {
    int handles[FILE_HANDLES_MAX]; // descriptors; -1: not open
    u32 root_count;
    u8 answer[sizeof(struct file_reply) + FILE_DATA_MAX];
    u32 answer_len;
};

void file_server_init(struct file_server *server);
void file_server_fini(struct file_server *server);

// Opens a directory as the next root. On failure returns an errno.
MUST_USE int file_server_add_root(struct file_server *server, const char *path);

enum file_served {
    FILE_SERVED_ANSWER, // `answer` and `answer_len`, until the next request
    FILE_SERVED_SILENT,
    FILE_SERVED_MALFORMED, // the client does not speak this protocol
};
MUST_USE enum file_served file_server_serve(struct file_server *server, struct bytes request);
