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

// Host functions that were made together.
struct host_batch {
    struct host_batch *next;
    struct code_object *thunks; // those of their types that nobody had made; may be NULL
    u32 count;
    u32 held; // how many hold their type
    struct func_ref funcs[];
};

static void batch_free(struct engine *engine, struct host_batch *batch) {
    code_unpublish(engine, batch->thunks);
    for (u32 i = 0; i < batch->held; i++)
        type_registry_release(&engine->types, batch->funcs[i].type_id);
    host_free(batch, sizeof *batch + batch->count * sizeof batch->funcs[0]);
}

enum status engine_create(const struct engine_config *config, struct engine **out) {
    struct engine *engine = host_alloc(sizeof *engine);
    if (engine == NULL)
        return ERR_NO_MEMORY;
    engine->config = *config;
    engine->cpu = engine_cpu_features() & cpu_mask(config->cpu);
    type_registry_init(&engine->types);
    code_registry_init(&engine->codes);
    enum status status = thunks_make_common(engine);
    if (status != OK) {
        engine_destroy(engine);
        return status;
    }
    *out = engine;
    return OK;
}

void engine_destroy(struct engine *engine) {
    if (engine == NULL)
        return;
    while (engine->host_batches != NULL) {
        struct host_batch *batch = engine->host_batches;
        engine->host_batches = batch->next;
        batch_free(engine, batch);
    }
    code_unpublish(engine, engine->common_code);
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

static bool can_be_direct(const struct func_type *type) {
    bool is_fit = type->param_count <= HOST_DIRECT_PARAMS && type->result_count == 1 &&
                  type->types[type->param_count] == VALUE_I32;
    for (u32 i = 0; is_fit && i < type->param_count; i++)
        is_fit = type->types[i] == VALUE_I32 || type->types[i] == VALUE_I64;
    return is_fit;
}

// Takes the types, and makes their thunks.
static enum status batch_make_thunks(struct engine *engine, struct host_batch *batch,
                                     const struct host_func_decl *decls) {
    u32 count = batch->count;
    u32 *type_ids = host_alloc(count * sizeof *type_ids);
    if (type_ids == NULL)
        return ERR_NO_MEMORY;
    enum status status = OK;
    u32 thunk_count = 0;
    for (u32 i = 0; i < count && status == OK; i++) {
        u32 *type_id = &batch->funcs[i].type_id;
        status = type_registry_intern(&engine->types, &decls[i].type, type_id);
        if (status != OK)
            break;
        batch->held++;
        if (decls[i].direct == NULL)
            type_ids[thunk_count++] = *type_id;
    }
    if (status == OK && thunk_count != 0)
        status = thunks_make_host(engine, type_ids, thunk_count, &batch->thunks);
    host_free(type_ids, count * sizeof *type_ids);
    return status;
}

enum status engine_host_funcs(struct engine *engine, const struct host_func_decl *decls, u32 count,
                              struct func_ref **out) {
    ASSERT(count != 0);
    struct host_batch *batch = host_alloc(sizeof *batch + count * sizeof batch->funcs[0]);
    if (batch == NULL)
        return ERR_NO_MEMORY;
    batch->count = count;
    enum status status = batch_make_thunks(engine, batch, decls);
    if (status != OK) {
        batch_free(engine, batch);
        return status;
    }
    for (u32 i = 0; i < count; i++) {
        bool is_direct = decls[i].direct != NULL;
        CHECK(is_direct ? can_be_direct(&decls[i].type) : decls[i].code != NULL);
        u32 type_id = batch->funcs[i].type_id;
        const void *thunk =
            is_direct ? engine->direct_thunk : type_registry_host_thunk(&engine->types, type_id);
        batch->funcs[i] = (struct func_ref){
            .code = thunk,
            .cross_code = thunk,
            .type_id = type_id,
            .func_index = NO_FUNC,
            .host_code = is_direct ? (const void *)decls[i].direct : (const void *)decls[i].code,
            .host_context = decls[i].context,
        };
        out[i] = &batch->funcs[i];
    }
    host_registry_lock();
    batch->next = engine->host_batches;
    engine->host_batches = batch;
    host_registry_unlock();
    return OK;
}

enum status engine_host_func(struct engine *engine, const struct func_type *type, host_func code,
                             void *context, struct func_ref **out) {
    const struct host_func_decl decl = {.type = *type, .code = code, .context = context};
    return engine_host_funcs(engine, &decl, 1, out);
}
