#pragma once
// The host module "spectest" that the specification's scripts import.

#include "engine/api/engine.h"

#define SPECTEST_FUNC_COUNT 7

// The functions, made once for an engine.
struct spectest_funcs {
    struct func_ref *funcs[SPECTEST_FUNC_COUNT];
};
MUST_USE enum status spectest_funcs_create(struct engine *engine, struct spectest_funcs *out);

// The other exports, made anew in each store.
struct spectest {
    const struct spectest_funcs *funcs;
    struct table *table;
    struct table *table64; // indexed by i64
    struct memory *memory;
    struct global *globals[4];
};
MUST_USE enum status spectest_create(struct store *store, const struct spectest_funcs *funcs,
                                     struct spectest *out);

// False when there is no such export.
MUST_USE bool spectest_export(const struct spectest *spectest, struct bytes name,
                              struct extern_ref *out);
