#pragma once
// boot/run, taken apart (abi/kwast/boot.h).

#include "abi/kwast/file.h"
#include "kernel/proc/process.h"

#define RUN_PREOPENS_MAX FILE_ROOTS_MAX

struct run_preopen {
    struct bytes guest;
    struct bytes path; // in the archive, unless is_root or is_kernel
    bool is_root;
    bool is_kernel; // the kernel's own files
    u32 root;       // at the other end of the link
};

// Strings point into the records; the lists are the parser's own: run_records_fini frees them.
struct run_records {
    struct bytes program;
    struct string_list args;
    struct string_list env;
    struct run_preopen preopens[RUN_PREOPENS_MAX];
    u32 preopen_count;
    u64 memory_limit;   // 0: the default
    u32 cpu_share;      // 0: the default
    u32 trace_events;   // 0: no trace
    const char *invoke; // NULL: none
    bool in_domain;     // of its own
    bool wants_times;
    bool is_script;
};

// ERR_MALFORMED with a static text in *why, or ERR_NO_MEMORY, ERR_LIMIT. `out` is to be given to
// run_records_fini in any case.
MUST_USE enum status run_records_parse(struct bytes text, struct run_records *out,
                                       const char **why);
void run_records_fini(struct run_records *records);
