// hog: takes all the memory that it can get, and then sees whether others still work.
//
//   hog [objects]
//
// has pipes made, of which nobody has touched a
// page yet; takes all frames that are left for programs, with `objects` all of the kernel's too,
// and then has bytes go through each pipe. It says what it took, and what did not work.
//
// Memory is touched by a call, not by the program: a call says that there is none.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/sdk/start.h"

#define PIPES       4u
#define PIPE_BYTES  65536u // that a pipe holds
#define WASM_PAGE   65536u
#define GROW_PAGES  4096u // 256 MiB: more than the machine has
#define OBJECTS_MAX 1000000u

static kwast_handle readers[PIPES];
static kwast_handle writers[PIPES];
static u8 sent[PIPE_BYTES];
static u8 received[PIPE_BYTES];

static bool make_pipes(kwast_handle service) {
    for (u32 i = 0; i < PIPES; i++) {
        if (start_pipe(service, &readers[i], &writers[i]) != 0)
            return false;
    }
    return true;
}

// Returns how many frames that took.
static u32 take_frames(void) {
    usize first = __builtin_wasm_memory_grow(0, GROW_PAGES);
    u32 taken = 0;
    if (first == SIZE_MAX)
        return 0;
    u8 *start = (u8 *)(first * WASM_PAGE);
    for (u64 at = 0; at < (u64)GROW_PAGES * WASM_PAGE; at += KWAST_PAGE_BYTES, taken++) {
        if (__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1,
                                  (__wasi_timestamp_t *)(void *)(start + at)) != 0)
            break;
    }
    return taken;
}

static u32 take_objects(void) {
    u32 taken = 0;
    while (taken < OBJECTS_MAX && open("/kernel/processes", O_RDONLY) >= 0)
        taken++;
    return taken;
}

static bool pass(kwast_handle reader, kwast_handle writer) {
    memset(received, 0, sizeof received);
    usize got = 0;
    if (write((int)writer, sent, sizeof sent) != (ssize_t)sizeof sent)
        return false;
    while (got < sizeof received) {
        ssize_t more = read((int)reader, received + got, sizeof received - got);
        if (more <= 0)
            return false;
        got += (usize)more;
    }
    return memcmp(sent, received, sizeof sent) == 0;
}

int main(int argc, char **argv) {
    (void)argv;
    kwast_handle service = start_pipes();
    kwast_handle reader, writer;
    for (u32 i = 0; i < PIPE_BYTES; i++)
        sent[i] = (u8)(1 + i * 7 + i / 256);
    memset(received, 1, sizeof received);
    // What is done later has been done once.
    if (!make_pipes(service) || !pass(readers[0], writers[0])) {
        printf("hog: no pipes: %s\n", strerror(errno));
        return 1;
    }
    int file = open("/kernel/processes", O_RDONLY);
    printf("hog: begins\n"); // what that needs has been had, too
    if (file < 0 || close(file) != 0)
        return 1;
    u32 frames = take_frames();
    u32 objects = argc > 1 ? take_objects() : 0;
    u32 passed = 0;
    for (u32 i = 0; i < PIPES; i++)
        passed += pass(readers[i], writers[i]);
    u32 error = start_pipe(service, &reader, &writer);
    printf("hog: %u frames, %u objects; %u of %u pipes; another pipe: %s\n", frames, objects,
           passed, PIPES, strerror((int)error));
    return 0;
}
