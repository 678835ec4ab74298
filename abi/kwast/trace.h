#pragma once
// The trace of a machine, as /kernel/trace has it and `kwast trace` reads it: what each CPU did, as
// far as its buffer goes back.
//
// The stream is a struct trace_header, and for each CPU a struct trace_cpu and its events, the
// oldest first. Numbers are little-endian; times are those of the machine's clock, which all CPUs
// share. A reader goes by the sizes in the header, which may grow, and leaves out types that it
// does not know.

#include "base/types.h"

#define TRACE_MAGIC      0x314352545453574bull // "KWSTTRC1"
#define TRACE_NAME_BYTES 24u
#define TRACE_CPUS_MAX   1024u

struct trace_header {
    u64 magic;
    u32 header_bytes; // of this structure
    u32 cpu_bytes;    // of struct trace_cpu
    u32 event_bytes;  // of struct trace_event
    u32 cpu_count;    // that have a part
    u64 began_ns;     // when tracing began
    u64 ended_ns;     // when it ended, or the stream was made
};

struct trace_cpu {
    u32 cpu;
    u32 padding;
    u64 lost;  // events since tracing began that are not here any more
    u64 count; // of the events that follow
};

enum trace_type : u16 {
    // `thread` runs from now on, in place of `other`, which words[0] (enum trace_left) says why.
    TRACE_SWITCH = 1,
    // `other` has been made ready, on CPU words[0].
    TRACE_WAKE = 2,

    // A call between processes. Who calls does nothing else meanwhile, so `other` of the server's
    // events, the thread that called, says which call it is.
    TRACE_CALL = 3,    // words[0]: the operation
    TRACE_RECEIVE = 4, // by the server; words[0]: the operation
    TRACE_REPLY = 5,   // by the server
    TRACE_RETURN = 6,  // words[0]: enum status, 0 for a reply
    TRACE_CANCEL = 7,  // by who called: it was killed, or its time was over

    TRACE_SPAWN = 8, // other: the new process; words[0]: its first thread
    TRACE_EXIT = 9,  // the process has ended; words[0]: enum trace_end, words[1]: status or trap
    TRACE_KILL = 10, // other: the process that is to end

    TRACE_FAULT = 11,     // words[0]: the address; words[1]: 1 when it was in a system call
    TRACE_TRAP = 12,      // words[0]: the trap's number, as in struct kwast_status
    TRACE_INTERRUPT = 13, // words[0]: enum trace_interrupt
};

enum trace_left : u32 { TRACE_LEFT_READY, TRACE_LEFT_BLOCKED, TRACE_LEFT_DEAD };
enum trace_end : u32 { TRACE_EXITED, TRACE_TRAPPED, TRACE_KILLED };
enum trace_interrupt : u32 { TRACE_TIMER, TRACE_LINK, TRACE_CONSOLE, TRACE_DEVICE };

struct trace_event {
    u64 time_ns;
    enum trace_type type;
    u16 padding;
    u32 thread;  // that runs; 0: the CPU idles
    u32 process; // its; 0: the kernel
    u32 other;
    u64 words[2];
    char name[TRACE_NAME_BYTES]; // of the thread, cut; filled up with zero bytes
};
