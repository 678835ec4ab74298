// Running out: every allocation on the way from bytes to a running instance fails in turn, and
// each time nothing is left and the next attempt works.

#include "tests/embedder.h"

#include "engine/driver/driver_internal.h"

static const u8 helpers_wasm[] = {
#embed "wat/helpers.wasm"
};
static const u8 exporter_wasm[] = {
#embed "wat/exporter.wasm"
};

static const struct bytes modules[] = {
    {helpers_wasm, sizeof helpers_wasm},
    {exporter_wasm, sizeof exporter_wasm},
};

static void a_module_is_made_whole_or_not_at_all(void **state) {
    (void)state;
    for (u32 i = 0; i < COUNT_OF(modules); i++) {
        bool failed = true;
        for (u64 nth = 1; failed; nth++) {
            struct embedder e;
            embedder_init(&e);
            struct module *module;
            struct module_error error;
            host_linux_fail_nth(nth);
            enum status status = module_create(e.engine, modules[i], &error, &module);
            failed = host_linux_has_failed();
            host_linux_fail_nth(0);
            assert_int_equal(status, failed ? ERR_NO_MEMORY : OK);
            if (failed) {
                assert_int_equal(error.status, ERR_NO_MEMORY);
                assert_string_equal(error.text, "out of memory");
                assert_int_equal(module_create(e.engine, modules[i], &error, &module), OK);
            }
            module_release(module);
            embedder_fini(&e); // checks that nothing is left
        }
    }
}

static void a_failed_module_leaves_nothing(void **state) {
    (void)state;
    struct embedder e;
    embedder_init(&e);
    // Once the registries are as large as they have to be.
    module_release(embedder_module(&e, modules[1]));
    u64 live = host_linux_live_count();
    bool failed = true;
    for (u64 nth = 1; failed; nth++) {
        struct module *module;
        struct module_error error;
        host_linux_fail_nth(nth);
        enum status status = module_create(e.engine, modules[1], &error, &module);
        failed = host_linux_has_failed();
        if (status == OK)
            module_release(module);
        assert_int_equal(host_linux_live_count(), live);
        assert_int_equal(e.engine->types.count, 0);
    }
    host_linux_fail_nth(0);
    embedder_fini(&e);
}

static void an_instance_is_made_whole_or_not_at_all(void **state) {
    (void)state;
    struct embedder e;
    embedder_init(&e);
    for (u32 i = 0; i < COUNT_OF(modules); i++) {
        struct module *module = embedder_module(&e, modules[i]);
        bool failed = true;
        for (u64 nth = 1; failed; nth++) {
            u64 live = host_linux_live_count();
            struct module_error error;
            enum trap trap;
            struct instance *instance;
            host_linux_fail_nth(nth);
            enum status status = instance_create(e.store, module, NULL, &error, &trap, &instance);
            failed = host_linux_has_failed();
            assert_int_equal(status, failed ? ERR_NO_MEMORY : OK);
            if (failed)
                assert_int_equal(host_linux_live_count(), live);
        }
        host_linux_fail_nth(0);
        module_release(module);
    }
    embedder_fini(&e);
}

static void what_an_instance_takes_is_charged(void **state) {
    (void)state;
    struct embedder e;
    embedder_init(&e);
    struct module *module = embedder_module(&e, modules[0]);
    struct module_error error;
    enum trap trap;
    struct instance *instance;
    u64 charged = 0;
    enum status status = ERR_LIMIT;
    for (u64 limit = 0; status == ERR_LIMIT; limit += 8) {
        host_linux_charge_limit(limit);
        status = instance_create(e.store, module, NULL, &error, &trap, &instance);
        if (status == ERR_LIMIT)
            assert_int_equal(host_linux_charged(), charged);
    }
    host_linux_charge_limit(UINT64_MAX);
    assert_int_equal(status, OK);
    // The instance, and two tables of ten and five.
    assert_int_equal(host_linux_charged(), module->layout.size + 15 * sizeof(u64));
    module_release(module);
    embedder_fini(&e);
}

static enum trap do_nothing(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    (void)values;
    (void)context;
    return TRAP_NONE;
}

static void an_engine_with_host_functions_too(void **state) {
    (void)state;
    static const enum value_type types[2] = {VALUE_I64, VALUE_F32};
    static const struct host_func_decl decls[] = {
        {.type = {1, 1, types}, .code = do_nothing},
        {.type = {2, 0, types}, .code = do_nothing},
        {.type = {1, 1, types}, .code = do_nothing},
    };
    u64 live = host_linux_live_count();
    bool failed = true;
    for (u64 nth = 1; failed; nth++) {
        struct engine_config config = {.segment = SEGMENT_GS, .features = FEATURES_SUPPORTED};
        struct engine *engine = NULL;
        struct store *store = NULL;
        struct func_ref *funcs[COUNT_OF(decls)];
        host_linux_fail_nth(nth);
        enum status status = engine_create(&config, &engine);
        if (status == OK)
            status = engine_host_funcs(engine, decls, COUNT_OF(decls), funcs);
        if (status == OK)
            status = store_create(engine, NULL, &store);
        failed = host_linux_has_failed();
        assert_int_equal(status, failed ? ERR_NO_MEMORY : OK);
        store_destroy(store);
        engine_destroy(engine);
        assert_int_equal(host_linux_live_count(), live);
    }
    host_linux_fail_nth(0);
}

static void a_call_that_needs_a_large_area_can_fail(void **state) {
    (void)state;
    // (func (export "f") (param i64 x 60) (result i64) local.get 59)
    u8 wasm[128] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 65, 1, 0x60, 60};
    u8 *at = wasm + 13;
    memset(at, VALUE_I64, 60);
    at += 60;
    static const u8 rest[] = {1, VALUE_I64, 3,  2, 1, 0, 7, 5,    1,  1,   'f',
                              0, 0,         10, 6, 1, 4, 0, 0x20, 59, 0x0b};
    memcpy(at, rest, sizeof rest);
    at += sizeof rest;

    struct embedder e;
    embedder_init(&e);
    struct instance *instance =
        embedder_instance(&e, (struct bytes){wasm, (usize)(at - wasm)}, NULL);
    u64 values[60];
    for (u32 i = 0; i < 60; i++)
        values[i] = 1000 + i;
    host_linux_fail_nth(1);
    assert_int_equal(embedder_call(&e, instance, "f", values), TRAP_OUT_OF_MEMORY);
    assert_int_equal(e.report.trap, TRAP_OUT_OF_MEMORY);
    assert_int_equal(embedder_call(&e, instance, "f", values), TRAP_NONE);
    assert_int_equal(values[0], 1059);
    embedder_fini(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_is_made_whole_or_not_at_all),
        cmocka_unit_test(a_failed_module_leaves_nothing),
        cmocka_unit_test(an_instance_is_made_whole_or_not_at_all),
        cmocka_unit_test(what_an_instance_takes_is_charged),
        cmocka_unit_test(an_engine_with_host_functions_too),
        cmocka_unit_test(a_call_that_needs_a_large_area_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
