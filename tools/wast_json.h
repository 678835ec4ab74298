#pragma once
// Converted specification scripts (the JSON that wabt and wasm-tools write, with .wasm files
// beside it) into the binary form of tests/spec/script.h.

#include <stdio.h>

#include "base/types.h"

// Appends the script in `path` to `out`. On failure says why on stderr and returns false.
MUST_USE bool wast_json_convert(const char *path, FILE *out);
