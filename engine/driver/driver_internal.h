#pragma once
// Shared inside engine/driver.

#include "engine/runtime/runtime.h"

// -- image.c ------------------------------------------------------------------------------------

// Takes the object out of the registry and frees it; nothing runs in it. NULL is allowed.
void code_unpublish(struct engine *engine, struct code_object *object);

// -- thunks.c -----------------------------------------------------------------------------------

// Makes what is the same for all types: engine->cross_thunks and engine->direct_thunk.
MUST_USE enum status thunks_make_common(struct engine *engine);

// Makes the missing thunks of host functions of the given canonical types, in one code object,
// which has to live as long as the engine. *out is NULL when none was missing.
MUST_USE enum status thunks_make_host(struct engine *engine, const u32 *type_ids, u32 count,
                                      struct code_object **out);
