#pragma once
// A trace (abi/kwast/trace.h) as JSON for Perfetto and chrome://tracing.

#include <stdio.h>

#include "base/string.h"

struct trace_summary {
    u64 events;
    u64 lost;
};

// Writes `stream` as JSON. False when it is not a whole trace, with a static text in *why; then
// part may have been written.
MUST_USE bool trace_json_write(struct bytes stream, FILE *out, struct trace_summary *summary,
                               const char **why);

// Writes a file with it, and says what is wrong, or that events were lost. False when there is no
// such file then.
MUST_USE bool trace_json_save(struct bytes stream, const char *path);
