// The whole engine on one input: compile, and where nothing is imported make an instance.
//
// Besides not crashing it states: validator and compiler judge alike; a refusal says why and where;
// every export is there and of its kind; nothing is left allocated.

#include "tests/fuzz/target.h"

#include "base/assert.h"
#include "engine/api/engine.h"
#include "tools/lib/host_linux.h"

// Memory and tables may be as large as the limits allow; then running out is right.
static void instantiate(struct engine *engine, struct module *module) {
    struct store *store;
    CHECK(store_create(engine, NULL, &store) == OK);
    struct module_error error;
    enum trap trap;
    struct instance *instance;
    enum status status = instance_create(store, module, NULL, &error, &trap, &instance);
    CHECK(status == OK || status == ERR_NO_MEMORY || status == ERR_LIMIT);
    for (u32 i = 0; status == OK && i < module_export_count(module); i++) {
        struct export_info info;
        struct extern_ref found;
        module_export(module, i, &info);
        CHECK(instance_export(instance, info.name, &found));
        CHECK(found.kind == info.kind && found.func != NULL);
    }
    store_destroy(store);
}

enum status fuzz_try(struct bytes wasm, u32 features) {
    u64 before = host_linux_live_count();
    struct engine_config config = {.segment = SEGMENT_GS,
                                   .features = features & FEATURES_SUPPORTED};
    struct engine *engine;
    CHECK(engine_create(&config, &engine) == OK);

    struct module_error error = {};
    struct module *module;
    enum status validated = module_validate(engine, wasm, &error);
    enum status status = module_create(engine, wasm, &error, &module);
    CHECK(status == validated);
    if (status == OK) {
        if (module_import_count(module) == 0)
            instantiate(engine, module);
        module_release(module);
    } else {
        CHECK(error.status == status);
        CHECK(error.text[0] != 0);
        CHECK(error.offset <= wasm.len);
    }
    engine_destroy(engine);
    CHECK(host_linux_live_count() == before);
    return status;
}
