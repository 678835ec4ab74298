#pragma once
// The options of `kwast run`, parsed and checked.

#include "base/types.h"
#include "tools/lib/machine.h"

#define MEMORY_DEFAULT GIB

struct directory {
    char *host;
    const char *guest;
};

struct run_options {
    enum machine_kind machine;
    const char *program;
    const char *argv0; // what the program sees as its name; never NULL
    u32 arg_count;     // args after argv[0]
    char **args;
    u32 env_count;
    char **env; // NAME=VALUE
    u32 directory_count;
    struct directory *directories;
    u64 memory_bytes; // the process's limit
    u32 cpus;
    enum cpu_level cpu;
    const char *invoke;       // NULL: _start
    u64 timeout_ns;           // 0: none
    const char *symbols;      // perf, gdb or NULL
    const char *kernel_files; // the guest's name for them; NULL: not given
    const char *trace;        // where the trace goes; NULL: none
    u32 cpu_share;            // 0: the usual one
    bool in_domain;           // of its own
    bool show_times;
    bool verbose;
};

// Parses the command line from `run` (argv[0]) on. On success returns true; the strings of `argv`
// must outlive `out`. Otherwise *exit_code says how to end: help was asked for and given, or the
// usage was wrong and said so.
MUST_USE bool run_options_parse(int argc, char **argv, struct run_options *out, int *exit_code);
void run_options_fini(struct run_options *options);

// Parses a size: decimal digits and one of no suffix, K, M, G (powers of 1024; "MiB" and the like
// too). False when it is none, or over 64 bits.
MUST_USE bool size_parse(const char *text, u64 *bytes);

// Parses a non-negative decimal number of seconds, with a fraction to nanoseconds.
MUST_USE bool seconds_parse(const char *text, u64 *ns);
