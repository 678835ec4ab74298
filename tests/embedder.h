#pragma once
// An embedder of the engine for unit tests: an engine, a thread and a store on the Linux host, and
// short ways to load modules and call their exports. What goes wrong fails the test.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/api/engine.h"
#include "tools/lib/host_linux.h"

struct embedder {
    struct engine *engine;
    struct store *store;
    struct thread_block thread;
    struct trap_report report;
    u64 live; // host_linux_live_count() before
};

static inline void embedder_init_config(struct embedder *e, u32 features, enum cpu_level cpu) {
    *e = (struct embedder){.live = host_linux_live_count()};
    struct engine_config config = {.segment = SEGMENT_GS, .features = features, .cpu = cpu};
    assert_int_equal(engine_create(&config, &e->engine), OK);
    assert_int_equal(store_create(e->engine, e, &e->store), OK);
    host_linux_engine(e->engine);
    host_linux_thread(&e->thread, HOST_LINUX_STACK_BYTES);
    e->thread.report = &e->report;
}

static inline void embedder_init_with(struct embedder *e, u32 features) {
    embedder_init_config(e, features, CPU_NATIVE);
}

static inline void embedder_init(struct embedder *e) {
    embedder_init_with(e, FEATURES_SUPPORTED);
}

// Checks that nothing is left allocated.
static inline void embedder_fini(struct embedder *e) {
    host_linux_engine(NULL);
    store_destroy(e->store);
    engine_destroy(e->engine);
    assert_int_equal(host_linux_live_count(), e->live);
    assert_int_equal(host_linux_charged(), 0);
}

// Compiles; the caller releases.
static inline struct module *embedder_module(struct embedder *e, struct bytes wasm) {
    struct module *module;
    struct module_error error;
    if (module_create(e->engine, wasm, &error, &module) != OK)
        fail_msg("%s (at 0x%x)", error.text, error.offset);
    return module;
}

// Compiles and instantiates. `imports` in order.
static inline struct instance *embedder_instance(struct embedder *e, struct bytes wasm,
                                                 const struct extern_ref *imports) {
    struct module *module = embedder_module(e, wasm);
    struct instance *instance;
    struct module_error error;
    enum trap trap;
    if (instance_create(e->store, module, imports, &error, &trap, &instance) != OK)
        fail_msg("%s", error.text);
    assert_int_equal(trap, TRAP_NONE);
    module_release(module);
    return instance;
}

static inline struct extern_ref embedder_export(struct instance *instance, const char *name) {
    struct extern_ref found;
    if (!instance_export(instance, bytes_of(name), &found))
        fail_msg("no export %s", name);
    return found;
}

// Calls an exported function; `values` as for func_call.
static inline enum trap embedder_call(struct embedder *e, struct instance *instance,
                                      const char *name, u64 *values) {
    struct extern_ref found = embedder_export(instance, name);
    assert_int_equal(found.kind, EXTERN_FUNC);
    host_linux_engine(e->engine); // the framework takes signals for itself before each test
    return func_call(e->engine, &e->thread, found.func, values);
}

// A host function, as an import.
static inline struct extern_ref embedder_host_func(struct embedder *e, const struct func_type *type,
                                                   host_func code, void *context) {
    struct extern_ref ref = {.kind = EXTERN_FUNC};
    assert_int_equal(engine_host_func(e->engine, type, code, context, &ref.func), OK);
    return ref;
}
