#pragma once
// Canonical function types: two types are the same exactly when their numbers are. Engine-wide, so
// that a function reference from any module can be checked with one comparison. Each type has two
// thunks: for calls of host functions, and for calls from one instance into another.

#include "engine/api/engine.h"

struct type_entry {
    struct func_type type; // own copy
    u32 area_slots;        // of the outgoing area (callconv_area_slots)
    u32 gpr_params;
    const void *host_thunk;  // cross_code of host functions of this type
    const void *cross_thunk; // cross_code of WebAssembly functions of this type
};

struct type_registry {
    u32 count;
    u32 capacity;
    struct type_entry *entries; // index = canonical number; moves when it grows
    u32 *buckets;               // hash table of 1 + number; size is a power of two
    u32 bucket_count;
};

void type_registry_init(struct type_registry *types);
void type_registry_fini(struct type_registry *types);

// Finds or adds a type. Takes the registry lock.
MUST_USE enum status type_registry_intern(struct type_registry *types, const struct func_type *type,
                                          u32 *out);
