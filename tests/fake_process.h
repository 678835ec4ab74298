#pragma once
// A process without an engine, on the fake machine, to call WASI functions as a program's thunk
// does: one memory of FAKE_MEMORY_BYTES, the arguments "prog" and "x y", descriptors 0 to 2 on a
// stream that the test feeds, and a preopened directory "/pre" of an archive:
//
//   file ("0123456789")  sub/deep ("deep")  link -> file  dangling -> gone  out -> ../secret

#include "kernel/proc/process.h"
#include "kernel/sched/wait.h"

#define FAKE_MEMORY_BYTES 65536u
#define FAKE_DIR_FD       3u

extern struct process fake_process;

struct fake_stream {
    struct object object;
    struct wait_queue queue;
    char text[256]; // read from, and written to the end of
    usize len;
    bool is_ready;      // what poll says
    enum status status; // what reading and writing say
};
extern struct fake_stream fake_stream;

// Makes machine and process, and runs `body` on the process's thread. Not on the stack of the test:
// a body CHECKs. Fails the test when the body does not end.
void fake_process_run(void (*body)(void));

// The program's memory. An address outside of it fails a CHECK.
void fake_poke(u64 at, const void *from, usize len);
void fake_peek(u64 at, void *to, usize len);
u32 fake_peek_u32(u64 at);
u64 fake_peek_u64(u64 at);
bool fake_memory_is(u64 at, const char *text);
