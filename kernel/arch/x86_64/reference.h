#pragma once
// Counters of known frequency, against which the CPU's own clocks are measured.

#include "base/types.h"

struct reference {
    const char *name;
    u64 hz;
    u64 mask; // the counter wraps behind this value
    u64 (*read)(void);
};

// The TSC where its frequency is told, the HPET, the ACPI PM timer and the PIT, best first. False
// when the machine has no such counter; the PIT is taken to be there.
#define REFERENCE_COUNT 4
MUST_USE bool reference_open(u32 index, struct reference *out);

// Waits until the counter shows another value, so that a sample begins at an edge. False when it
// stands still.
MUST_USE bool reference_edge(const struct reference *reference, u64 *value);
