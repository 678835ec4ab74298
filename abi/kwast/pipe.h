#pragma once
// What is asked of the service of pipes: calls (abi/kwast/calls.h). An answer is an enum status.
//
// An end of a pipe is a stream. Reading waits until there is something, and finds the end of the
// file when the other end is closed; writing waits until there is room, up to PIPE_ATOMIC bytes in
// one piece, and fails with EPIPE when the other end is closed.

#include "abi/kwast/calls.h"

enum pipe_op : u32 {
    PIPE_CREATE =
        KWAST_FIRST_OPERATION, // of the service; answers the handle of an end to read from
    PIPE_WRITER,               // of that end: answers the handle of its other end, once
};

#define PIPE_ATOMIC 4096u
