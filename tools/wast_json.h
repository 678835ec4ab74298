#pragma once
// Converted specification scripts (the JSON that wabt and wasm-tools write, with .wasm files
// beside it) into the binary form of tests/spec/script.h.

#include <stdio.h>

#include "tools/wast_find.h"

// Appends the script to `out`. On failure says why on stderr and returns false.
MUST_USE bool wast_json_convert(const struct wast_script *script, FILE *out);
