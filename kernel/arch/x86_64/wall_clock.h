#pragma once
// The battery-backed clock.

#include "base/types.h"

// Seconds since 1970 (the clock is taken to run in UTC); 0 when it was never set.
u64 wall_clock_s(void);
