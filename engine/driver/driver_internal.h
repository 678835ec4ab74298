#pragma once
// Shared inside engine/driver.

#include "engine/runtime/runtime.h"

// A host function, in the engine's list.
struct host_func_entry {
    struct func_ref ref;
    struct host_func_entry *next;
};

// -- image.c ------------------------------------------------------------------------------------

// Takes the object out of the registry and frees it; nothing runs in it. NULL is allowed.
void code_unpublish(struct engine *engine, struct code_object *object);

// -- thunks.c -----------------------------------------------------------------------------------

enum thunk_kind : u8 {
    THUNK_HOST,  // for calls of host functions
    THUNK_CROSS, // for calls of another instance's functions
};

// Makes the missing thunks of `kind` for the given canonical types, in one code object that lives
// as long as the engine.
MUST_USE enum status thunks_ensure(struct engine *engine, enum thunk_kind kind, const u32 *type_ids,
                                   u32 count);
