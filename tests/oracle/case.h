#pragma once
// One case of the comparison: modules, linked in order, whose exports are called. It runs here, and
// all that another engine needs to do the same, with what came out, is written as one line of JSON
// (peer.mjs reads it).

#include <stdio.h>

#include "engine/api/engine.h"

#define CASE_MODULES 2

struct case_input {
    u32 module_count;
    struct bytes modules[CASE_MODULES];
    u64 number;        // for the line
    const char *label; // likewise: where it is from
    enum cpu_level cpu;
    u32 vectors; // how often each export is called
};

// Tallies, for the report.
struct case_stats {
    u64 modules;
    u64 refused; // by this engine
    u64 calls;
    u64 traps[TRAP_COUNT];
};

void case_run(const struct case_input *input, FILE *out, struct case_stats *stats);
