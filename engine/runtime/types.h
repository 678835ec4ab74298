#pragma once
// Canonical function types: two types are the same exactly when their numbers are. Engine-wide, so
// that a function reference from any module can be checked with one comparison. Each type has two
// thunks: for calls of host functions, and for calls from one instance into another.

#include "engine/api/engine.h"

struct type_entry {
    struct func_type type;   // own copy
    const void *host_thunk;  // code of host functions of this type; NULL until there is one
    const void *cross_thunk; // cross_code of WebAssembly functions of this type; likewise
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

// Copies of what an entry holds, read under the registry lock. `id` is a number that was handed
// out.
struct func_type type_registry_type(const struct type_registry *types, u32 id);
const void *type_registry_host_thunk(const struct type_registry *types, u32 id);
const void *type_registry_cross_thunk(const struct type_registry *types, u32 id);

// Sets a thunk, unless there is one already.
void type_registry_set_host_thunk(struct type_registry *types, u32 id, const void *thunk);
void type_registry_set_cross_thunk(struct type_registry *types, u32 id, const void *thunk);
