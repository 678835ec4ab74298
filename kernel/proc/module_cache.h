#pragma once
// Modules by content: what has been compiled once is not compiled again. The cache holds on to
// modules that no process uses any more, the least recently used ones going first when there are
// too many.

#include "engine/api/engine.h"

// The modules in the cache take at most this: their code, and what was declared.
#define MODULE_CACHE_BYTES (32 * MIB)

void module_cache_init(void);

// The module of these bytes, compiled now or before. The caller owns a reference. Thread context;
// takes as long as compiling does.
MUST_USE enum status module_cache_get(struct engine *engine, struct bytes wasm,
                                      struct module_error *error, struct module **out);

// Forgets all modules.
void module_cache_clear(void);
