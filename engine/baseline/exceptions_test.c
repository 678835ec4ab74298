// Exceptions in the older form, by running them: tests/wat/exceptions.wat, instantiated several
// times so that they go from instance to instance too.

#include "tests/embedder.h"

#include <string.h>

static const u8 exceptions_wasm[] = {
#embed "wat/exceptions.wasm"
};

static struct embedder e;
static struct tag *shared_tag;

// What each calls as its "next" is in setup.
enum { A, B, C, D, E, F, INSTANCES };
static struct instance *instances[INSTANCES];

#define WORD(instance) (11ull * ((instance) + 1)) // in the instance's memory

static enum trap negate(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    (void)context;
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

static int setup(void **state) {
    (void)state;
    static const enum value_type step[] = {VALUE_I32, VALUE_I32};
    static const struct {
        u32 next;
        const char *name;
    } nexts[] = {[B] = {A, "throw"},
                 [C] = {B, "pass"},
                 [D] = {B, "pass_tail"},
                 [E] = {A, "throw_own"},
                 [F] = {B, "throw_own"}};
    embedder_init(&e);
    assert_int_equal(store_tag(e.store, &(struct func_type){1, 0, step}, &shared_tag), OK);
    struct extern_ref imports[3] = {
        {.kind = EXTERN_TAG, .tag = shared_tag},
        embedder_host_func(&e, &(struct func_type){1, 1, step}, negate, NULL),
        {.kind = EXTERN_TABLE},
    };
    struct table_type type = {.element = VALUE_FUNCREF, .limits = {.min = 8}};
    assert_int_equal(store_table(e.store, type, &imports[2].table), OK);
    for (u32 i = 0; i < INSTANCES; i++) {
        if (i != A)
            imports[1] = embedder_export(instances[nexts[i].next], nexts[i].name);
        instances[i] =
            embedder_instance(&e, (struct bytes){exceptions_wasm, sizeof exceptions_wasm}, imports);
        run(instances[i], "poke", WORD(i), 0);
    }
    u64 *elements = imports[2].table->elements;
    elements[0] = (u64)embedder_export(instances[A], "throw").func;
    elements[1] = (u64)embedder_export(instances[B], "throw").func;
    elements[2] = (u64)embedder_export(instances[C], "pass").func;
    elements[3] = (u64)embedder_export(instances[D], "catch").func;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    embedder_fini(&e);
    return 0;
}

static const struct exception_case {
    const char *name;
    u64 argument;
    u64 second;
    u32 instance;
    enum trap trap;
    u64 result;
} cases[] = {
    // The payload and, with the instance's memory, its own word.
    {"catch", 7, 0, B, TRAP_NONE, 7000 + WORD(B)},
    {"catch", 7, 0, C, TRAP_NONE, 7000 + WORD(C)},
    {"catch", 7, 0, D, TRAP_NONE, 7000 + WORD(D)},
    {"catch", 7, 0, A, TRAP_NONE, (u32)-7},
    {"catch", 13, 0, A, TRAP_EXIT, 0},
    {"indirect", 7, 0, A, TRAP_NONE, 7000 + WORD(A)},
    {"indirect", 7, 1, A, TRAP_NONE, 7000 + WORD(A)},
    {"indirect", 7, 2, A, TRAP_NONE, 7000 + WORD(A)}, // A, C, B, and A again throws
    {"indirect", 7, 3, A, TRAP_NONE, 7000 + WORD(D)},
    {"indirect", 7, 7, A, TRAP_UNINITIALIZED_ELEMENT, 0},
    // A tag of the same type and name, but another instance's.
    {"catch_own", 5, 0, E, TRAP_NONE, (u32)-1},
    {"catch", 5, 0, F, TRAP_EXCEPTION, 0},
    {"throw", 5, 0, A, TRAP_EXCEPTION, 0},

    {"many", 2, 0, A, TRAP_NONE, 14},
    {"many", 1000000, 0, A, TRAP_NONE, 7000000},
    {"locals", 0, 0, A, TRAP_NONE, 2216},
    {"locals", 1, 0, A, TRAP_NONE, 1118},
    {"wide", 0, 0, A, TRAP_NONE, 80},
    {"wide", 1, 0, A, TRAP_NONE, 80},
    {"which", 0, 0, A, TRAP_NONE, 101},
    {"which", 1, 0, A, TRAP_NONE, 202},
    {"which", 2, 0, A, TRAP_NONE, 300},
    {"which", 3, 0, A, TRAP_NONE, 40},
    {"leave", 0, 0, A, TRAP_EXCEPTION, 0},
    {"leave", 1, 0, A, TRAP_NONE, 2},
    {"leave", 2, 0, A, TRAP_NONE, 3},
    {"catch_leave", 5, 0, A, TRAP_NONE, 55},
    {"rethrow", 0, 0, A, TRAP_NONE, 12},
    {"rethrow", 1, 0, A, TRAP_NONE, 32},
    {"rethrow", 2, 0, A, TRAP_NONE, 21},
    {"delegate", 1, 0, A, TRAP_EXCEPTION, 0},
    {"catch_delegate", 0, 0, A, TRAP_NONE, 106},
    {"catch_delegate", 1, 0, A, TRAP_NONE, 1005},
    {"catch_delegate", 2, 0, A, TRAP_NONE, 200},
    {"catch_delegate", 3, 0, A, TRAP_NONE, 105},
    {"deep", 0, 0, A, TRAP_NONE, 12},
    {"deep", 10000, 0, A, TRAP_NONE, 10012},
    {"deep", 100000000, 0, A, TRAP_STACK_OVERFLOW, 0},
    {"trap", 0, 0, A, TRAP_DIVIDE_BY_ZERO, 0},
    {"trap", 1, 0, A, TRAP_NONE, 1},
    {"quiet", 4, 0, A, TRAP_NONE, 5},
};

static void every_way_to_catch(void **state) {
    (void)state;
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        const struct exception_case *c = &cases[i];
        u64 values[2] = {c->argument, c->second};
        enum trap trap = embedder_call(&e, instances[c->instance], c->name, values);
        if (trap != c->trap || (trap == TRAP_NONE && values[0] != c->result))
            fail_msg("%s(%lu): %s, %ld", c->name, (unsigned long)c->argument, trap_text(trap),
                     (long)values[0]);
    }
}

// The report is of the throwing function, through all instances.
static void what_is_not_caught_is_a_trap_where_it_was_thrown(void **state) {
    (void)state;
    u64 value = 5;
    assert_int_equal(embedder_call(&e, instances[C], "pass", &value), TRAP_EXCEPTION);
    static const char *const names[] = {"throw", "pass", "pass"};
    assert_int_equal(e.report.trap, TRAP_EXCEPTION);
    struct bytes tag = module_tag_name(e.report.frames[0].module, e.report.tag);
    assert_true(bytes_equal_text(tag, "tag"));
    assert_int_equal(e.report.frames_total, COUNT_OF(names));
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        const struct trap_frame *frame = &e.report.frames[i];
        struct bytes name = module_func_name(frame->module, frame->func);
        assert_int_equal(name.len, strlen(names[i]));
        assert_memory_equal(name.data, names[i], name.len);
        assert_int_not_equal(frame->wasm_offset, 0);
    }
}

// Each time around makes an exception that a rethrow needs: the memory for them does not grow.
static void a_loop_runs_in_constant_memory(void **state) {
    (void)state;
    run(instances[A], "churn", 1000, 0);
    u64 charged = host_linux_charged();
    u64 live = host_linux_live_count();
    assert_int_equal(run(instances[A], "churn", 1000000, 0), 1001000);
    assert_int_equal(host_linux_charged(), charged);
    assert_int_equal(host_linux_live_count(), live);
}

// So is what the start function throws.
static void a_start_function_may_throw(void **state) {
    (void)state;
    static const u8 wasm[] = "\0asm\1\0\0\0"
                             "\1\4\1\x60\0\0"
                             "\3\2\1\0"
                             "\x0d\3\1\0\0"
                             "\7\4\1\0\4\0" // export "" of the tag
                             "\x08\1\0"
                             "\x0a\6\1\4\0\x08\0\x0b";
    struct instance *instance = embedder_instance(&e, (struct bytes){wasm, sizeof wasm - 1}, NULL);
    u64 none[1];
    host_linux_engine(e.engine); // the framework takes signals for itself before each test
    struct func_ref *start = instance_start_func(instance);
    assert_non_null(start);
    assert_int_equal(func_call(e.engine, &e.thread, start, none), TRAP_EXCEPTION);
    assert_int_equal(e.report.tag, 0);
}

static void without_memory_it_is_not_compiled(void **state) {
    (void)state;
    struct bytes wasm = {exceptions_wasm, sizeof exceptions_wasm};
    for (u64 nth = 1;; nth++) {
        u64 live = host_linux_live_count();
        struct module *module = NULL;
        struct module_error error;
        host_linux_fail_nth(nth);
        enum status status = module_create(e.engine, wasm, &error, &module);
        bool has_failed = host_linux_has_failed();
        host_linux_fail_nth(0);
        if (status == OK)
            module_release(module);
        assert_int_equal(host_linux_live_count(), live);
        if (!has_failed)
            break;
        assert_int_equal(status, ERR_NO_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_catch),
        cmocka_unit_test(what_is_not_caught_is_a_trap_where_it_was_thrown),
        cmocka_unit_test(without_memory_it_is_not_compiled),
        cmocka_unit_test(a_start_function_may_throw),
        cmocka_unit_test(a_loop_runs_in_constant_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
