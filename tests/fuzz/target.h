#pragma once
// What the fuzzers run on each input.

#include "base/status.h"
#include "base/string.h"

// Takes `wasm` through everything that hostile bytes reach. Whether it was a module, and why not,
// is returned; a violated invariant ends the process. `features` are enum feature bits.
enum status fuzz_try(struct bytes wasm, u32 features);
