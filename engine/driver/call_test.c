// Calls that leave an instance: every parameter and result arrives, whatever carries it, and each
// function runs with its own instance's memory.

#include "tests/embedder.h"

#include "engine/driver/driver_internal.h"

static const u8 exporter_wasm[] = {
#embed "wat/exporter.wasm"
};
static const u8 importer_wasm[] = {
#embed "wat/importer.wasm"
};

// The type of "many": twelve integers, ten floats, five results.
static const enum value_type many_types[27] = {
    VALUE_I32, VALUE_I64, VALUE_I32, VALUE_I64, VALUE_I32, VALUE_I64, VALUE_I32,
    VALUE_I64, VALUE_I32, VALUE_I64, VALUE_I32, VALUE_I64, VALUE_F32, VALUE_F64,
    VALUE_F32, VALUE_F64, VALUE_F32, VALUE_F64, VALUE_F32, VALUE_F64, VALUE_F32,
    VALUE_F64, VALUE_I64, VALUE_F64, VALUE_I32, VALUE_F32, VALUE_I64,
};
static const struct func_type many_type = {22, 5, many_types};

static struct embedder e;
static struct instance *exporter;
static struct instance *importer;

static u64 bits_of_f32(float value) {
    u32 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static u64 bits_of_f64(double value) {
    u64 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// The arguments that importer.wat passes.
static void many_arguments(u64 values[22]) {
    for (u32 i = 0; i < 12; i++)
        values[i] = i + 1;
    for (u32 i = 12; i < 22; i++)
        values[i] =
            i % 2 == 0 ? bits_of_f32((float)(i - 11) + 0.5f) : bits_of_f64((double)(i - 11) + 0.5);
}

// What exporter.wat's "many" makes of them.
static void check_many(const u64 *results) {
    assert_int_equal(results[0], 12001);
    assert_int_equal(results[1], bits_of_f64(10501.5));
    assert_int_equal(results[2], 9011);
    assert_int_equal(results[3], bits_of_f32(8509.5f));
    assert_int_equal(results[4], 8010);
}

// Sees the arguments as they are, gives results of its own, with dirt above the i32.
static enum trap host_many(struct instance *caller, u64 *values, void *context) {
    u64 expected[22];
    many_arguments(expected);
    for (u32 i = 0; i < 22; i++)
        assert_int_equal(values[i], expected[i]);
    *(struct instance **)context = caller;
    values[0] = 0x1122334455667788;
    values[1] = bits_of_f64(2.25);
    values[2] = 0xdeadbeef00000033;
    values[3] = bits_of_f32(4.25f);
    values[4] = 0x8877665544332211;
    return TRAP_NONE;
}

static void check_host_many(const u64 *results) {
    assert_int_equal(results[0], 0x1122334455667788);
    assert_int_equal(results[1], bits_of_f64(2.25));
    assert_int_equal(results[2], 0x33);
    assert_int_equal(results[3], bits_of_f32(4.25f));
    assert_int_equal(results[4], 0x8877665544332211);
}

static struct instance *host_caller;

static int setup(void **state) {
    (void)state;
    embedder_init(&e);
    exporter = embedder_instance(&e, (struct bytes){exporter_wasm, sizeof exporter_wasm}, NULL);
    struct extern_ref imports[] = {
        embedder_export(exporter, "peek"),
        embedder_export(exporter, "many"),
        embedder_export(exporter, "fail"),
        embedder_host_func(&e, &many_type, host_many, &host_caller),
    };
    importer = embedder_instance(&e, (struct bytes){importer_wasm, sizeof importer_wasm}, imports);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    embedder_fini(&e);
    return 0;
}

static void each_function_sees_its_own_memory(void **state) {
    (void)state;
    u64 values[1];
    for (u32 round = 0; round < 2; round++) {
        assert_int_equal(embedder_call(&e, importer, "both", values), TRAP_NONE);
        assert_int_equal(values[0], 4207);
        assert_int_equal(embedder_call(&e, importer, "both_indirect", values), TRAP_NONE);
        assert_int_equal(values[0], 4207);
    }
    assert_int_equal(embedder_call(&e, exporter, "calls", values), TRAP_NONE);
    assert_int_equal(values[0], 4);
}

static void every_argument_and_result_arrives(void **state) {
    (void)state;
    u64 values[22];
    many_arguments(values);
    assert_int_equal(embedder_call(&e, exporter, "many", values), TRAP_NONE);
    check_many(values);
    assert_int_equal(embedder_call(&e, importer, "pass_direct", values), TRAP_NONE);
    check_many(values);
    values[0] = 1;
    assert_int_equal(embedder_call(&e, importer, "pass", values), TRAP_NONE);
    check_many(values);
}

static void host_functions_get_and_give_them_too(void **state) {
    (void)state;
    u64 values[22] = {2};
    host_caller = NULL;
    assert_int_equal(embedder_call(&e, importer, "pass", values), TRAP_NONE);
    check_host_many(values);
    assert_ptr_equal(host_caller, importer);
}

static void an_exported_import_has_a_caller(void **state) {
    (void)state;
    u64 values[22];
    many_arguments(values);
    values[0] |= 0xabcd000000000000; // above an i32
    host_caller = NULL;
    assert_int_equal(embedder_call(&e, importer, "host_many", values), TRAP_NONE);
    assert_ptr_equal(host_caller, importer);
}

static void a_trap_next_door_shows_both(void **state) {
    (void)state;
    u64 values[1];
    assert_int_equal(embedder_call(&e, importer, "fail", values), TRAP_UNREACHABLE);
    assert_int_equal(e.report.frame_count, 2);
    assert_ptr_equal(e.report.frames[0].module, exporter->module);
    assert_ptr_equal(e.report.frames[1].module, importer->module);
    assert_true(
        bytes_equal_text(module_func_name(importer->module, e.report.frames[1].func), "fail_here"));
    // The segment base was the other's when it trapped.
    assert_int_equal(embedder_call(&e, importer, "own", values), TRAP_NONE);
    assert_int_equal(values[0], 7);
}

static void a_small_stack_is_an_overflow(void **state) {
    (void)state;
    u64 values[22];
    many_arguments(values);
    u64 limit = e.thread.stack_limit;
    e.thread.stack_limit = (u64)__builtin_frame_address(0) + 4096;
    assert_int_equal(embedder_call(&e, exporter, "many", values), TRAP_STACK_OVERFLOW);
    assert_int_equal(e.report.trap, TRAP_STACK_OVERFLOW);
    e.thread.stack_limit = limit;
    assert_int_equal(embedder_call(&e, exporter, "many", values), TRAP_NONE);
}

static void thunks_are_shared_by_type(void **state) {
    (void)state;
    struct extern_ref other = embedder_host_func(&e, &many_type, host_many, NULL);
    const struct func_ref *exported = embedder_export(importer, "host_many").func;
    assert_ptr_equal(other.func->cross_code, exported->cross_code);
    assert_int_equal(other.func->type_id, exported->type_id);
    struct func_type type;
    func_ref_type(e.engine, other.func, &type);
    assert_int_equal(type.param_count, 22);
    assert_int_equal(type.result_count, 5);
    assert_memory_equal(type.types, many_types, sizeof many_types);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_function_sees_its_own_memory),
        TEST(every_argument_and_result_arrives),
        TEST(host_functions_get_and_give_them_too),
        TEST(an_exported_import_has_a_caller),
        TEST(a_trap_next_door_shows_both),
        TEST(a_small_stack_is_an_overflow),
        TEST(thunks_are_shared_by_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
