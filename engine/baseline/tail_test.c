// Tail calls, by running them: tests/wat/tail.wat, instantiated twice so that tail calls go from
// instance to instance too. Depths are such that any growth of the stack would overflow it.

#include "tests/embedder.h"

#include <string.h>

static const u8 tail_wasm[] = {
#embed "wat/tail.wasm"
};

#define DEEP 10000000u

static struct embedder e;
static struct instance *first;
static struct instance *second; // imports the first's functions, and so back
static struct instance *host_caller;

static enum trap negate(struct instance *caller, u64 *values, void *context) {
    (void)context;
    host_caller = caller;
    if (values[0] == 13)
        return TRAP_EXIT;
    values[0] = -values[0];
    return TRAP_NONE;
}

static u64 run(struct instance *instance, const char *name, u64 a, u64 b) {
    u64 values[4] = {a, b};
    enum trap trap = embedder_call(&e, instance, name, values);
    if (trap != TRAP_NONE)
        fail_msg("%s: %s", name, trap_text(trap));
    return values[0];
}

static void share(struct table *table, u32 at, struct instance *instance, const char *name) {
    table->elements[at] = (u64)embedder_export(instance, name).func;
}

static int setup(void **state) {
    (void)state;
    static const enum value_type step[] = {VALUE_I64, VALUE_I64};
    static const enum value_type many[] = {VALUE_I64, VALUE_I64, VALUE_I64, VALUE_I64,
                                           VALUE_I64, VALUE_I64, VALUE_I64, VALUE_I64,
                                           VALUE_I64, VALUE_F64, VALUE_I64};
    embedder_init(&e);
    struct extern_ref imports[4] = {
        embedder_host_func(&e, &(struct func_type){1, 1, step}, negate, NULL),
        embedder_host_func(&e, &(struct func_type){10, 1, many}, negate, NULL),
        {.kind = EXTERN_TABLE},
        embedder_host_func(&e, &(struct func_type){1, 1, step}, negate, NULL),
    };
    struct table_type type = {.element = VALUE_FUNCREF, .limits = {.min = 8}};
    struct table *shared;
    assert_int_equal(store_table(e.store, type, &shared), OK);
    imports[2].table = shared;
    struct bytes wasm = {tail_wasm, sizeof tail_wasm};
    first = embedder_instance(&e, wasm, imports);
    imports[0] = embedder_export(first, "bounce");
    imports[1] = embedder_export(first, "many");
    second = embedder_instance(&e, wasm, imports);

    for (u32 i = 0; i < 4; i++)
        share(shared, i, i % 2 == 0 ? first : second, "hop");
    share(shared, 4, second, "down");
    share(shared, 5, second, "few");
    share(shared, 6, second, "few");
    run(first, "poke", 11, 0);
    run(second, "poke", 22, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    embedder_fini(&e);
    return 0;
}

static void depth_is_free(void **state) {
    (void)state;
    assert_int_equal(run(first, "even", DEEP, 0), 1);
    assert_int_equal(run(first, "even", DEEP + 1, 0), 0);
    assert_int_equal(run(first, "indirect", DEEP, 2), 0);
    assert_int_equal(run(first, "indirect", DEEP + 1, 2), 1);
}

// One more on each third step: `one` adds it, the others hand it on.
static void stack_parameters_of_any_size(void **state) {
    (void)state;
    static const u64 depths[] = {0, 1, 2, 3, 4, 5, 6, 100, DEEP, DEEP + 1, DEEP + 2};
    for (u32 i = 0; i < COUNT_OF(depths); i++) {
        u64 n = depths[i];
        assert_int_equal(run(first, "sizes", n, 0), 1000 * ((n + 2) / 3) + 3 + 2 - 3 + 4);
    }
}

static void parameters_change_places(void **state) {
    (void)state;
    // Of eight values the first, and the last three.
    assert_int_equal(run(first, "rotate", 0, 0), 1678);
    assert_int_equal(run(first, "rotate", 1, 0), 8567);
    assert_int_equal(run(first, "rotate", 3, 0), 6345);
    assert_int_equal(run(first, "rotate", 8 * 1000000 + 7, 0), 2781);
}

static void references_are_checked(void **state) {
    (void)state;
    assert_int_equal(run(first, "indirect", 4, 0), 1);
    assert_int_equal(run(first, "indirect_wide", 1234, 0), 1234);
    static const struct {
        u64 at;
        enum trap trap;
    } cases[] = {
        {4, TRAP_INDIRECT_TYPE},
        {5, TRAP_UNINITIALIZED_ELEMENT},
        {8, TRAP_UNDEFINED_ELEMENT},
        {0xffffffff, TRAP_UNDEFINED_ELEMENT},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u64 values[2] = {1, cases[i].at};
        assert_int_equal(embedder_call(&e, first, "indirect", values), cases[i].trap);
        assert_int_equal(e.report.frames_total, 1);
    }
}

static void host_functions_know_their_caller(void **state) {
    (void)state;
    assert_int_equal(run(first, "host", 5, 0), -5ull);
    assert_ptr_equal(host_caller, first);
    assert_int_equal(run(second, "host", 6, 0), -6ull);
    assert_ptr_equal(host_caller, second);
    assert_int_equal(run(second, "indirect", 7, 3), -7ull);
    assert_ptr_equal(host_caller, second);
    u64 value = 13;
    assert_int_equal(embedder_call(&e, first, "host", &value), TRAP_EXIT);
}

static void instances_take_turns(void **state) {
    (void)state;
    static const u64 depths[] = {0, 1, 2, 3, 1000, DEEP};
    for (u32 i = 0; i < COUNT_OF(depths); i++) {
        u64 n = depths[i];
        assert_int_equal(run(second, "ping", n, 0), 77);
        // The first instance's memory keeps what `bounce` wrote last.
        assert_int_equal(run(first, "ping_table", n, 0), i == 0 ? 77 : 77 + 100 * 1000);
    }
}

// n counts down; at 1 the index is 1, the second instance's.
static void references_of_either_instance(void **state) {
    (void)state;
    assert_int_equal(run(first, "hop_and_back", 0, 0), 11011);
    assert_int_equal(run(second, "hop_and_back", 0, 0), 22022);
    for (u64 n = 1; n < 6; n++) {
        assert_int_equal(run(first, "hop_and_back", n, 0), 22011);
        assert_int_equal(run(second, "hop_and_back", n, 0), 22022);
    }
    assert_int_equal(run(first, "hop_and_back", DEEP, 0), 22011);
    assert_int_equal(run(second, "hop_and_back", DEEP, 0), 22022);
}

static void instances_with_stack_parameters(void **state) {
    (void)state;
    assert_int_equal(run(second, "ping_many", 0, 0), 99 + 22);
    assert_int_equal(run(second, "ping_many", 1, 0), 99 + 22);
    assert_int_equal(run(second, "ping_many", DEEP, 0), 99 + 22);
}

// What made the tail call is gone from the report.
static void a_report_leaves_out_tail_callers(void **state) {
    (void)state;
    u64 value = 0;
    assert_int_equal(embedder_call(&e, first, "trap", &value), TRAP_UNREACHABLE);
    static const char *const names[] = {"trap", "caught"};
    assert_int_equal(e.report.frames_total, COUNT_OF(names));
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        const struct trap_frame *frame = &e.report.frames[i];
        struct bytes name = module_func_name(frame->module, frame->func);
        assert_int_equal(name.len, strlen(names[i]));
        assert_memory_equal(name.data, names[i], name.len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_is_free),
        cmocka_unit_test(stack_parameters_of_any_size),
        cmocka_unit_test(parameters_change_places),
        cmocka_unit_test(references_are_checked),
        cmocka_unit_test(host_functions_know_their_caller),
        cmocka_unit_test(instances_take_turns),
        cmocka_unit_test(references_of_either_instance),
        cmocka_unit_test(instances_with_stack_parameters),
        cmocka_unit_test(a_report_leaves_out_tail_callers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
