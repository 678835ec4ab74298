#pragma once
// The framed link between a machine and who started it (`kwast run`): frames over a byte stream.
//
// Each frame is a header and `len` bytes of payload. Numbers are little-endian. Data towards the
// machine (stdin) is sent only against credit; data from the machine is limited by the stream
// itself. Either side ignores frame types that it does not know.

#include "base/types.h"

#define LINK_MAGIC       0x4b4c // "LK"
#define LINK_VERSION     1
#define LINK_PAYLOAD_MAX 65536u

enum link_type : u16 {
    // From the machine.
    LINK_HELLO = 1,        // payload: u32 LINK_VERSION; the first frame of all
    LINK_STDOUT = 2,       // bytes
    LINK_STDERR = 3,       // bytes
    LINK_LOG = 4,          // kernel log text
    LINK_STDIN_CREDIT = 5, // u32: how many more bytes of stdin the machine takes
    LINK_TIMES = 6,        // struct link_times
    LINK_EXIT = 7,         // struct link_exit; the last frame
    LINK_FILE_REQUEST = 8, // abi/kwast/file.h
    LINK_TRACE = 9,        // bytes: the trace (abi/kwast/trace.h), before LINK_EXIT

    // To the machine.
    LINK_STDIN = 32,     // bytes, within credit
    LINK_STDIN_END = 33, // end of file
    LINK_INTERRUPT = 34, // Ctrl-C: end the program
    LINK_FILE_REPLY = 35,
};

struct link_header {
    u16 magic;
    u16 type;
    u32 len;
} PACKED;

enum link_outcome : u32 {
    LINK_EXITED = 0,
    LINK_TRAPPED = 1,
    LINK_REFUSED = 2,
    LINK_INTERRUPTED = 3
};

// What became of the program. Trap reports and refusals have gone to LINK_STDERR as text before.
struct link_exit {
    u32 outcome; // enum link_outcome
    u32 status;  // 0-255 when LINK_EXITED
} PACKED;

struct link_times {
    u64 firmware_ns; // before the kernel was entered; 0: not known
    u64 started_ns;  // from then until the program's first instruction, with the next two
    u64 compile_ns;
    u64 instantiate_ns;
    u64 run_ns;
    u64 wasm_bytes;
    u64 code_bytes;
} PACKED;
