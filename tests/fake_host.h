#pragma once
// The heap that unit tests give the engine: it can run out on demand, and knows what is left.

#include "base/types.h"

// The n-th allocation from now on fails, once (0: none does).
void fake_host_fail_nth(u64 n);

// Whether the failure that was asked for has happened.
bool fake_host_failed(void);

// Bytes allocated and not yet freed: back at its old value when a test has cleaned up.
u64 fake_host_bytes(void);

// The most that was allocated at one time since the last reset.
u64 fake_host_peak(void);
void fake_host_peak_reset(void);
