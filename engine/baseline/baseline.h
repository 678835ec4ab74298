#pragma once
// The baseline compiler: one pass over a body, validating and generating code together.

#include "engine/decode/layout.h"
#include "engine/validate/validate.h"
#include "engine/x64/code.h"

// What code generation depends on besides the module; part of a code cache's key.
struct compile_target {
    enum memory_segment segment;
    const u32 *type_ids; // canonical number of each of the module's types
    bool has_lzcnt;      // LZCNT
    bool has_bmi1;       // TZCNT
    bool has_avx;        // every float and vector instruction in its AVX form; else none
    bool has_avx2;       // with has_avx only: broadcasts
    bool has_fma;        // with has_avx only: relaxed multiplication and addition

    // Every access to memory is to be left as written (engine_config.mapping_imports). This
    // compiler emits each where it stands, of its own width and just once, whether or not that is
    // set.
    bool keeps_accesses;
};

// Scratch memory that is reused from function to function.
struct baseline;

// NULL when out of memory.
struct baseline *baseline_create(const struct module_decl *decl,
                                 const struct instance_layout *layout,
                                 const struct compile_target *target);
void baseline_destroy(struct baseline *baseline); // NULL is allowed

// Validates and compiles own function `func` into `unit`, which is emptied first; its entry is the
// first byte. On failure the unit's content is unspecified and *error is filled in.
MUST_USE enum status baseline_compile(struct baseline *baseline, u32 func, struct code_unit *unit,
                                      struct module_error *error);
