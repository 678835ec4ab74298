// The engine itself and its host functions.

#include "engine/api/host.h"
#include "engine/driver/driver_internal.h"
#include "engine/runtime/entry.h"

static const char *const cpu_level_names[] = {
    [CPU_NATIVE] = "native", [CPU_AVX_ONLY] = "avx", [CPU_BASELINE] = "baseline"};

const char *cpu_level_name(enum cpu_level level) {
    ASSERT(level < COUNT_OF(cpu_level_names));
    return cpu_level_names[level];
}

bool cpu_level_named(struct bytes name, enum cpu_level *out) {
    for (u32 i = 0; i < COUNT_OF(cpu_level_names); i++) {
        if (bytes_equal_text(name, cpu_level_names[i])) {
            *out = (enum cpu_level)i;
            return true;
        }
    }
    return false;
}

// The enum cpu_feature bits that may be used.
static u32 cpu_mask(enum cpu_level level) {
    switch (level) {
    case CPU_NATIVE:
        return UINT32_MAX;
    case CPU_AVX_ONLY:
        return CPU_AVX;
    case CPU_BASELINE:
        return 0;
    case CPU_LEVEL_COUNT:
        break;
    }
    UNREACHABLE();
}

enum status engine_create(const struct engine_config *config, struct engine **out) {
    struct engine *engine = host_alloc(sizeof *engine);
    if (engine == NULL)
        return ERR_NO_MEMORY;
    engine->config = *config;
    engine->cpu = engine_cpu_features() & cpu_mask(config->cpu);
    type_registry_init(&engine->types);
    code_registry_init(&engine->codes);
    *out = engine;
    return OK;
}

void engine_destroy(struct engine *engine) {
    if (engine == NULL)
        return;
    while (engine->host_funcs != NULL) {
        struct host_func_entry *entry = engine->host_funcs;
        engine->host_funcs = entry->next;
        host_free(entry, sizeof *entry);
    }
    while (engine->thunks != NULL) {
        struct code_object *thunks = engine->thunks;
        engine->thunks = thunks->next;
        code_unpublish(engine, thunks);
    }
    code_registry_fini(&engine->codes);
    type_registry_fini(&engine->types);
    host_free(engine, sizeof *engine);
}

u32 engine_features(const struct engine *engine) {
    return __atomic_load_n(&engine->config.features, __ATOMIC_RELAXED);
}

void engine_set_features(struct engine *engine, u32 features) {
    ASSERT((features & ~(u32)FEATURES_ALL) == 0);
    __atomic_store_n(&engine->config.features, features, __ATOMIC_RELAXED); // a word of its own
}

enum status engine_host_func(struct engine *engine, const struct func_type *type, host_func code,
                             void *context, struct func_ref **out) {
    ASSERT(code != NULL);
    struct host_func_entry *entry = host_alloc(sizeof *entry);
    if (entry == NULL)
        return ERR_NO_MEMORY;
    u32 type_id;
    enum status status = type_registry_intern(&engine->types, type, &type_id);
    if (status != OK)
        goto fail;
    status = thunks_ensure(engine, THUNK_HOST, &type_id, 1);
    if (status != OK)
        goto fail;

    const void *thunk = type_registry_host_thunk(&engine->types, type_id);
    entry->ref = (struct func_ref){
        .code = thunk,
        .cross_code = thunk,
        .type_id = type_id,
        .func_index = NO_FUNC,
        .host_code = (const void *)code,
        .host_context = context,
    };
    host_registry_lock();
    entry->next = engine->host_funcs;
    engine->host_funcs = entry;
    host_registry_unlock();
    *out = &entry->ref;
    return OK;

fail:
    host_free(entry, sizeof *entry);
    return status;
}
