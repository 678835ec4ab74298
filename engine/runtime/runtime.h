#pragma once
// The run-time system's structures, shared by engine/runtime and engine/driver.

#include "engine/decode/layout.h"
#include "engine/decode/module.h"
#include "engine/runtime/code.h"
#include "engine/runtime/types.h"

struct engine {
    struct engine_config config;
    struct type_registry types;
    struct code_registry codes;
    u32 cpu; // enum cpu_feature bits

    // Under the registry lock; freed with the engine:
    struct host_func_entry *host_funcs;
    struct code_object *thunks;
};

// A compiled module. Immutable but for the count.
struct module {
    struct engine *engine;
    u32 ref_count;     // atomic
    struct bytes copy; // of the binary; empty where that was lent
    struct module_decl *decl;
    struct instance_layout layout;
    u32 *type_ids;            // canonical number of each type
    struct code_object *code; // NULL when the module has no own functions
};
