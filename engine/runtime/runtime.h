#pragma once
// The run-time system's structures, shared by engine/runtime and engine/driver.

#include "engine/decode/layout.h"
#include "engine/decode/module.h"
#include "engine/runtime/code.h"
#include "engine/runtime/types.h"

// Entries of the thunks for calls of another instance's functions, in engine->common_code: `plain`
// for types that pass nothing on the stack, `stacked` for all others.
struct cross_thunks {
    const void *plain;
    const void *stacked;
};

struct engine {
    struct engine_config config;
    struct type_registry types;
    struct code_registry codes;
    u32 cpu; // enum cpu_feature bits

    struct code_object *common_code;
    struct cross_thunks cross_thunks;
    const void *direct_thunk; // likewise: of all host functions that are called directly

    struct host_batch *host_batches; // under the registry lock; freed with the engine
};

// Which of the two kinds a host function is.
static inline bool host_is_direct(const struct engine *engine, const struct func_ref *func) {
    return func->code == engine->direct_thunk;
}

// A compiled module. Immutable but for the count, and what the host keeps with it.
struct module {
    struct engine *engine;
    u32 ref_count;     // atomic
    struct bytes copy; // of the binary; empty where that was lent
    struct module_decl *decl;
    struct instance_layout layout;
    u32 *type_ids;            // canonical number of each type
    u32 type_id_count;        // how many of these are held
    bool keeps_accesses;      // engine_config.mapping_imports
    struct code_object *code; // NULL when the module has no own functions
    bool has_image;
    void *host_data; // atomic: set once
};

// Whether every instance's memory 0 starts with the same bytes (module_has_image).
bool module_find_image(const struct module *module);
