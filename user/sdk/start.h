#pragma once
// Starting programs, with what they shall have, a piece at a time.
//
//   struct start start;
//   start_init(&start, "cat");
//   start_argument(&start, "cat");
//   start_handle(&start, 0, 0); ...       standard streams
//   start_directory(&start, fd, "/tmp");  numbered from 3 on
//   error = start_run(&start, "/boot/bin/cat.wasm", &child);
//   start_fini(&start);
//
// What goes wrong on the way (no memory, too many handles) is told by start_run. Errors are those
// of WASI.

#include "user/sdk/kwast.h"

struct start_text {
    char *data;
    u32 len;
    u32 size;
};

struct start {
    const char *name;
    struct start_text args;
    struct start_text env;
    struct kwast_given given[KWAST_GIVEN_MAX];
    u32 given_count;
    u32 next_number;                 // from which on there may be room for a directory
    u64 streams;                     // a bit for each number that start_stream has taken
    int here;                        // opened by start_here; -1: it was not
    struct kwast_spawn limits;       // only limits and isolation of it are used
    u32 error;                       // the first thing that went wrong
    char reason[KWAST_REASON_BYTES]; // why the module was refused; or empty
};

void start_init(struct start *start, const char *name);
void start_fini(struct start *start);
void start_argument(struct start *start, const char *text);
void start_variable(struct start *start, const char *text); // NAME=VALUE

// A copy of one of our handles, with all its rights, as descriptor `number`.
void start_handle(struct start *start, kwast_handle handle, u32 number);

// The same for one whose rights are no WASI rights, or shall be fewer.
void start_handle_with(struct start *start, kwast_handle handle, u32 number, u64 rights);

// The same for a stream: above 2 it is found by its number, and directories take the other ones.
// Before any directory. start_our_streams gives all that we have, by their numbers.
void start_stream(struct start *start, kwast_handle handle, u32 number);
void start_our_streams(struct start *start);

// A preopened directory, at the next number: programs find those alone that have no gap before
// them. `name` stays the caller's, and is needed until start_run.
void start_directory(struct start *start, kwast_handle handle, const char *name);

// The same, where what is opened below it shall not be written.
void start_directory_to_read(struct start *start, kwast_handle handle, const char *name);

// All directories that we were given, but for one called ".": a program's idea of where it is.
void start_our_directories(struct start *start);

// The working directory as ".", for programs that do not know PWD.
void start_here(struct start *start);

// A channel behind the directories; no directory can be added after it. Returns its number.
u32 start_channel(struct start *start, kwast_handle handle);

// The service of pipes, which the child finds as start_pipes does, by this variable.
#define START_PIPES "KWAST_PIPES"
void start_give_pipes(struct start *start, kwast_handle pipes);

// The service of pipes that we were given; KWAST_NO_HANDLE: none.
kwast_handle start_pipes(void);

// A pipe of that service: *reader is read from, *writer is written to.
u32 start_pipe(kwast_handle pipes, kwast_handle *reader, kwast_handle *writer);

// For a program when it begins: goes to the directory that PWD names. "/" becomes the directory of
// that name, if there is one, and not the one called ".", which WASI's libc takes for the same.
// From then on ".." leads out of mounts (mounts.h).
void start_where_told(void);

// Compiles and starts it.
u32 start_run(struct start *start, const char *path, kwast_handle *child);
u32 start_run_module(struct start *start, kwast_handle module, kwast_handle *child);
