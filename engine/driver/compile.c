// From bytes to a module: decode, lay out, intern types, compile each function, resolve calls,
// publish.

#include "engine/api/host.h"
#include "engine/baseline/baseline.h"
#include "engine/driver/driver_internal.h"
#include "engine/driver/image.h"
#include "engine/runtime/entry.h"
#include "engine/validate/validate.h"

static u32 own_func_count(const struct module_decl *decl) {
    return decl->func_count - decl->func_import_count;
}

// Arrays of count zero are allocated all the same, so that NULL means out of memory.
static usize array_bytes(u32 count, usize size) {
    return count == 0 ? size : count * size;
}

static enum status fail(struct module_error *error, enum status status) {
    *error = (struct module_error){.status = status, .func = NO_FUNC};
    const char *text = status_text(status);
    usize len = strlen(text);
    ASSERT(len < sizeof error->text);
    memcpy(error->text, text, len);
    return status;
}

static enum status intern_types(struct module *module) {
    const struct module_decl *decl = module->decl;
    for (u32 i = 0; i < decl->type_count; i++) {
        enum status status =
            type_registry_intern(&module->engine->types, &decl->types[i], &module->type_ids[i]);
        if (status != OK)
            return status;
        module->type_id_count++;
    }
    return OK;
}

static enum status compile_funcs(struct module *module, const struct compile_target *target,
                                 struct code_image *image, struct module_error *error) {
    const struct module_decl *decl = module->decl;
    struct baseline *baseline = baseline_create(decl, &module->layout, target);
    if (baseline == NULL)
        return fail(error, ERR_NO_MEMORY);
    struct code_unit unit;
    code_unit_init(&unit);
    enum status status = OK;
    for (u32 i = decl->func_import_count; i < decl->func_count && status == OK; i++) {
        // What nobody waits for any more is not worth the time.
        if (host_is_stopping()) {
            status = fail(error, ERR_KILLED);
            break;
        }
        status = baseline_compile(baseline, i, &unit, error);
        if (status != OK)
            break;
        status = image_add(image, &unit, decl->func_import_count);
        if (status != OK)
            fail(error, status);
    }
    code_unit_fini(&unit);
    baseline_destroy(baseline);
    return status;
}

// Compiles and publishes all own functions; there is at least one.
static enum status make_code(struct module *module, struct module_error *error) {
    struct engine *engine = module->engine;
    const struct module_decl *decl = module->decl;
    struct compile_target target = {
        .segment = engine->config.segment,
        .type_ids = module->type_ids,
        .has_lzcnt = (engine->cpu & CPU_LZCNT) != 0,
        .has_bmi1 = (engine->cpu & CPU_BMI1) != 0,
        .has_avx = (engine->cpu & CPU_AVX) != 0,
        .has_avx2 = (engine->cpu & CPU_AVX2) != 0,
        .has_fma = (engine->cpu & CPU_FMA) != 0,
        .keeps_accesses = module->keeps_accesses,
    };
    struct code_image image;
    enum status status = image_init(&image, own_func_count(decl));
    if (status != OK)
        fail(error, status);
    else
        status = compile_funcs(module, &target, &image, error);
    if (status != OK) {
        image_fini(&image);
        return status;
    }
    status = image_publish(&image, engine, &module->code);
    if (status != OK)
        return fail(error, status);
    module->code->first_func = decl->func_import_count;
    module->code->module = module; // nothing runs in it yet
    return OK;
}

static void module_destroy(struct module *module) {
    void *data = module_host_data(module);
    if (data != NULL)
        host_module_end(data);
    code_unpublish(module->engine, module->code);
    for (u32 i = 0; i < module->type_id_count; i++)
        type_registry_release(&module->engine->types, module->type_ids[i]);
    if (module->type_ids != NULL)
        host_free(module->type_ids, array_bytes(module->decl->type_count, sizeof(u32)));
    module_decl_destroy(module->decl);
    host_free((void *)module->copy.data, module->copy.len);
    host_free(module, sizeof *module);
}

static bool is_mapping_import(const struct engine_config *config,
                              const struct import_decl *import) {
    for (u32 i = 0; i < config->mapping_import_count; i++) {
        const struct import_name *name = &config->mapping_imports[i];
        if (bytes_equal_text(import->module, name->module) &&
            bytes_equal_text(import->name, name->name))
            return true;
    }
    return false;
}

static bool imports_mapping(const struct module *module) {
    for (u32 i = 0; i < module->decl->import_count; i++) {
        if (is_mapping_import(&module->engine->config, &module->decl->imports[i]))
            return true;
    }
    return false;
}

// Everything behind decoding; on failure `error` is filled in and the module still to be destroyed.
static enum status module_build(struct module *module, struct module_error *error) {
    const struct module_decl *decl = module->decl;
    module->keeps_accesses = imports_mapping(module);
    enum status status = layout_compute(decl, &module->layout);
    if (status != OK)
        return fail(error, status);
    module->has_image = module_find_image(module);
    module->type_ids = host_alloc(array_bytes(decl->type_count, sizeof(u32)));
    if (module->type_ids == NULL)
        return fail(error, ERR_NO_MEMORY);
    status = intern_types(module);
    if (status != OK)
        return fail(error, status);
    return own_func_count(decl) == 0 ? OK : make_code(module, error);
}

// Decodes and compiles `wasm`, which stays as it is. Ends the module on failure.
static enum status module_finish(struct module *module, struct bytes wasm,
                                 struct module_error *error) {
    enum status status = module_decode(wasm, engine_features(module->engine), error, &module->decl);
    if (status == OK)
        status = module_build(module, error);
    if (status != OK)
        module_destroy(module);
    // No place in the module is to blame for that.
    return status == ERR_NO_MEMORY ? fail(error, status) : status;
}

static struct module *module_begin(struct engine *engine) {
    struct module *module = host_alloc(sizeof *module);
    if (module == NULL)
        return NULL;
    module->engine = engine;
    module->ref_count = 1;
    return module;
}

enum status module_create(struct engine *engine, struct bytes wasm, struct module_error *error,
                          struct module **out) {
    struct module *module = module_begin(engine);
    if (module == NULL)
        return fail(error, ERR_NO_MEMORY);
    struct bytes own = wasm;
    if (wasm.len != 0 && wasm.len <= LIMIT_MODULE_BYTES) { // else it will be refused
        u8 *copy = host_alloc(wasm.len);
        if (copy == NULL) {
            module_destroy(module);
            return fail(error, ERR_NO_MEMORY);
        }
        memcpy(copy, wasm.data, wasm.len);
        own = module->copy = (struct bytes){copy, wasm.len};
    }
    enum status status = module_finish(module, own, error);
    if (status == OK)
        *out = module;
    return status;
}

enum status module_create_lent(struct engine *engine, struct bytes wasm, struct module_error *error,
                               struct module **out) {
    struct module *module = module_begin(engine);
    if (module == NULL)
        return fail(error, ERR_NO_MEMORY);
    enum status status = module_finish(module, wasm, error);
    if (status == OK)
        *out = module;
    return status;
}

enum status module_validate(struct engine *engine, struct bytes wasm, struct module_error *error) {
    struct module_decl *decl;
    enum status status = module_decode(wasm, engine_features(engine), error, &decl);
    if (status != OK)
        return status;
    status = validate_module(decl, error);
    module_decl_destroy(decl);
    return status;
}

void module_retain(struct module *module) {
    __atomic_fetch_add(&module->ref_count, 1, __ATOMIC_RELAXED); // the caller has a reference
}

void module_release(struct module *module) {
    if (module == NULL)
        return;
    u32 before = __atomic_fetch_sub(&module->ref_count, 1, __ATOMIC_ACQ_REL); // pairs with itself
    ASSERT(before != 0);
    if (before == 1)
        module_destroy(module);
}
