// The libFuzzer target for what runs: the input is the decisions of the generator (tests/oracle),
// so that every input is valid modules, linked, called, trapping.
//
// Besides not crashing it states: what the generator makes is accepted; linking anything with
// anything either works or is refused as unlinkable; running out of memory at any step is refused;
// nothing is left allocated, and running the same twice gives the same.

#include <stdlib.h>

#include "base/assert.h"
#include "tests/oracle/case.h"
#include "tests/oracle/generate.h"
#include "tools/lib/host_linux.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

#define POOL 64

// Everything that can be offered for import.
struct pool {
    u32 count;
    struct extern_ref refs[POOL];
};

static void pool_add(struct pool *pool, struct extern_ref ref) {
    if (pool->count < POOL)
        pool->refs[pool->count++] = ref;
}

static void pool_add_exports(struct pool *pool, struct instance *instance, struct module *module) {
    for (u32 i = 0; i < module_export_count(module); i++) {
        struct export_info info;
        struct extern_ref ref;
        module_export(module, i, &info);
        CHECK(instance_export(instance, info.name, &ref));
        pool_add(pool, ref);
    }
}

static enum trap host(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    (void)values;
    (void)context;
    return TRAP_UNREACHABLE;
}

// Provides what `import` asks for, exactly.
static bool provide(struct engine *engine, struct store *store, const struct import_info *import,
                    struct extern_ref *out) {
    out->kind = import->kind;
    switch (import->kind) {
    case EXTERN_FUNC:
        return engine_host_func(engine, &import->func, host, NULL, &out->func) == OK;
    case EXTERN_TABLE:
        return store_table(store, import->table, &out->table) == OK;
    case EXTERN_MEMORY:
        return store_memory(store, import->memory, &out->memory) == OK;
    case EXTERN_GLOBAL:
        return store_global(store, import->global, 0, &out->global) == OK;
    case EXTERN_TAG:
        return store_tag(store, &import->tag, &out->tag) == OK;
    }
    return false;
}

// Links `module` with what it asks for and, where the entropy says so, with something else.
static void link(struct entropy *e, struct engine *engine, struct store *store,
                 struct module *module, struct pool *pool) {
    u32 count = module_import_count(module);
    struct extern_ref *imports = calloc(count + 1, sizeof *imports);
    CHECK(imports != NULL);
    for (u32 i = 0; i < count; i++) {
        struct import_info info;
        module_import(module, i, &info);
        if (pool->count != 0 && entropy_one_in(e, 3))
            imports[i] = pool->refs[entropy_below(e, pool->count)];
        else if (!entropy_one_in(e, 20) && provide(engine, store, &info, &imports[i]))
            pool_add(pool, imports[i]);
    }
    if (entropy_one_in(e, 4))
        host_linux_fail_nth(1 + entropy_below(e, 20));
    struct module_error error;
    struct instance *instance;
    enum trap trap;
    enum status status = instance_create(store, module, imports, &error, &trap, &instance);
    host_linux_fail_nth(0);
    CHECK(status == OK || status == ERR_UNLINKABLE || status == ERR_NO_MEMORY);
    CHECK(status == OK || error.text[0] != 0);
    if (status == OK)
        pool_add_exports(pool, instance, module);
    free(imports);
}

static void link_in_any_way(struct entropy *e, const struct generated *made) {
    struct engine_config config = {.segment = SEGMENT_GS, .features = FEATURES_SUPPORTED};
    struct engine *engine;
    struct store *store;
    struct module *modules[GENERATED_MODULES];
    struct pool pool = {0};
    CHECK(engine_create(&config, &engine) == OK);
    CHECK(store_create(engine, NULL, &store) == OK);
    for (u32 i = 0; i < made->count; i++) {
        struct module_error error;
        struct bytes wasm = {made->modules[i].data, made->modules[i].len};
        CHECK(module_create(engine, wasm, &error, &modules[i]) == OK);
    }
    for (u32 i = 0; i < 4; i++)
        link(e, engine, store, modules[entropy_below(e, made->count)], &pool);
    store_destroy(store);
    for (u32 i = 0; i < made->count; i++)
        module_release(modules[i]);
    engine_destroy(engine);
}

// Runs the case; what it wrote, in *text, is the caller's.
static usize run(const struct generated *made, char **text) {
    struct case_input input = {.module_count = made->count, .label = "fuzz", .vectors = 1};
    struct case_stats stats = {0};
    usize len = 0;
    for (u32 i = 0; i < made->count; i++)
        input.modules[i] = (struct bytes){made->modules[i].data, made->modules[i].len};
    FILE *out = open_memstream(text, &len);
    CHECK(out != NULL);
    case_run(&input, out, &stats);
    fclose(out);
    CHECK(stats.refused == 0);
    return len;
}

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    u64 before = host_linux_live_count();
    struct entropy e = entropy_of_bytes(data, len);
    struct generated made;
    generate(&e, FEATURES_SUPPORTED, &made);

    char *first, *second;
    usize first_len = run(&made, &first);
    CHECK(run(&made, &second) == first_len && memcmp(first, second, first_len) == 0);
    free(first);
    free(second);
    link_in_any_way(&e, &made);
    for (u32 i = 0; i < made.count; i++)
        out_fini(&made.modules[i]);
    CHECK(host_linux_live_count() == before);
    CHECK(host_linux_charged() == 0);
    return 0;
}
