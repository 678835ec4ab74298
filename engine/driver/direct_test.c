// Host functions that are called directly: arguments, result and trap arrive by every way into one.

#include "tests/embedder.h"

#include "engine/driver/driver_internal.h"

static const u8 direct_wasm[] = {
#embed "wat/direct.wasm"
};

static const enum value_type types[] = {
    VALUE_I32, VALUE_I64, VALUE_I32, VALUE_I64, VALUE_I32, VALUE_I64, VALUE_I32,
};
static const struct func_type six = {6, 1, types};
static const struct func_type none = {0, 1, types};

static struct embedder e;
static struct instance *instance;
static u64 seen[HOST_DIRECT_PARAMS];
static enum trap outcome;

// With dirt above the i32.
static struct helper_result host_six(u64 a, u64 b, u64 c, u64 d, u64 last, u64 f) {
    const u64 all[] = {a, b, c, d, last, f};
    memcpy(seen, all, sizeof seen);
    return (struct helper_result){0xdeadbeef80000001, outcome};
}

static struct helper_result host_none(u64, u64, u64, u64, u64, u64) {
    return (struct helper_result){77, TRAP_NONE};
}

static int setup(void **state) {
    (void)state;
    embedder_init(&e);
    outcome = TRAP_NONE;
    const struct host_func_decl decls[] = {
        {.type = six, .direct = host_six},
        {.type = none, .direct = host_none},
    };
    struct func_ref *funcs[COUNT_OF(decls)];
    assert_int_equal(engine_host_funcs(e.engine, decls, COUNT_OF(decls), funcs), OK);
    struct extern_ref imports[COUNT_OF(decls)];
    for (u32 i = 0; i < COUNT_OF(decls); i++)
        imports[i] = (struct extern_ref){.kind = EXTERN_FUNC, .func = funcs[i]};
    instance = embedder_instance(&e, (struct bytes){direct_wasm, sizeof direct_wasm}, imports);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    embedder_fini(&e);
    return 0;
}

// An i32 of all ones is no i64 of all ones; nor is the result, of which the module tells the half
// above.
static void check_call(const char *name) {
    u64 values[HOST_DIRECT_PARAMS] = {UINT32_MAX, UINT64_MAX, 3, 4, 0x80000000, 6};
    memset(seen, 0, sizeof seen);
    assert_int_equal(embedder_call(&e, instance, name, values), TRAP_NONE);
    const u64 expected[] = {UINT32_MAX, UINT64_MAX, 3, 4, 0x80000000, 6};
    assert_memory_equal(seen, expected, sizeof seen);
    assert_int_equal(values[0], 0x80000001);
}

static void arguments_and_results_arrive(void **state) {
    (void)state;
    check_call("call");
    check_call("call_indirect");
    check_call("imported"); // from C
    u64 values[1];
    assert_int_equal(embedder_call(&e, instance, "none", values), TRAP_NONE);
    assert_int_equal(values[0], 77);
}

static void traps_arrive(void **state) {
    (void)state;
    outcome = TRAP_KILLED;
    static const char *const names[] = {"call", "call_indirect", "imported"};
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        u64 values[HOST_DIRECT_PARAMS] = {0};
        assert_int_equal(embedder_call(&e, instance, names[i], values), TRAP_KILLED);
    }
}

// There is one thunk for all of them, made with the engine.
static void no_code_is_made(void **state) {
    (void)state;
    const struct host_func_decl decl = {.type = none, .direct = host_none};
    struct func_ref *func;
    u32 objects = e.engine->codes.count;
    assert_int_equal(engine_host_funcs(e.engine, &decl, 1, &func), OK);
    assert_int_equal(e.engine->codes.count, objects);
    assert_ptr_equal(func->code, e.engine->direct_thunk);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(arguments_and_results_arrive),
        TEST(traps_arrive),
        TEST(no_code_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
