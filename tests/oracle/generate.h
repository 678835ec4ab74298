#pragma once
// Random valid modules: every instruction that there is code for, in every context that the grammar
// allows, ending always, and with one meaning in every engine.

#include "engine/ops/ops.h"
#include "tests/oracle/entropy.h"
#include "tests/oracle/wasm_out.h"

#define GENERATED_MODULES 2

// One or two modules; the second imports from the first as "linked", both from "host". Each exports
// all it has, by the letter of the kind and the index; the first global, "g0", is the fuel, to be
// set before every call. out_fini() frees each.
struct generated {
    u32 count;
    struct wasm_out modules[GENERATED_MODULES];
};

// Uses the instructions of `features` (enum feature bits) only.
void generate(struct entropy *e, u32 features, struct generated *out);

#define GENERATED_FUEL 300

// How often this process has generated an instruction.
u64 generated_count(enum wasm_op op);
