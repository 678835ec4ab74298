#pragma once
// A server of files: answers the messages of the file protocol (abi/kwast/file.h) for a file
// system.

#include "user/sdk/file_system.h"
#include "user/sdk/kwast.h"

// Serves `fs` as the scheme whose server end this is, for ever; returns only with an error number.
u32 files_serve(kwast_handle server, struct file_system *fs);

// Answers one request, for a service that waits for other things as well. As kwast_serve_func.
struct files {
    struct file_system *fs;
    kwast_handle server;
    struct open_file *open; // by value; 0 is the root, which is not among them
    u32 open_size;
    u32 open_free; // the first of the free ones, linked by `next_free`; 0: none
};
void files_init(struct files *files, kwast_handle server, struct file_system *fs);
bool files_answer(struct files *files, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply);
