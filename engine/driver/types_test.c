// Types of modules: equal ones are one across modules, they and their code are gone when nobody
// needs them, and calls between instances work for types of every shape.

#include "tests/embedder.h"

#include "engine/driver/driver_internal.h"

static const u8 shapes_wasm[] = {
#embed "wat/shapes.wasm"
};
static const u8 caller_wasm[] = {
#embed "wat/shapes_caller.wasm"
};

static const struct call_case {
    const char *name;
    enum trap trap;
    u64 result;
} call_cases[] = {
    {"params", TRAP_NONE, 5000 + 900 + 70 + 1},
    {"results", TRAP_NONE, 91234},
    {"both", TRAP_NONE, 98715},
    {"many_results", TRAP_NONE, 23457 + 1 + 9},
    {"none", TRAP_NONE, 5007},
    {"indirect", TRAP_NONE, 91234 + 7},
    {"wrong_type", TRAP_INDIRECT_TYPE, 0},
};

static void calls_of_every_shape(void **state) {
    (void)state;
    static const char *const imports[] = {"seen", "params",       "results",
                                          "both", "many_results", "none"};
    struct embedder e;
    embedder_init(&e);
    struct instance *shapes =
        embedder_instance(&e, (struct bytes){shapes_wasm, sizeof shapes_wasm}, NULL);
    struct extern_ref refs[COUNT_OF(imports)];
    for (u32 i = 0; i < COUNT_OF(imports); i++)
        refs[i] = embedder_export(shapes, imports[i]);
    struct instance *caller =
        embedder_instance(&e, (struct bytes){caller_wasm, sizeof caller_wasm}, refs);
    for (u32 i = 0; i < COUNT_OF(call_cases); i++) {
        const struct call_case *c = &call_cases[i];
        u64 values[1] = {0};
        assert_int_equal(embedder_call(&e, caller, c->name, values), c->trap);
        if (c->trap == TRAP_NONE)
            assert_int_equal(values[0], c->result);
    }
    embedder_fini(&e);
}

// -- Modules with types at random ----------------------------------------------------------------

#define TYPES_MAX  8u
#define VALUES_MAX 12u

static u32 random_state = 1;

static u32 random_below(u32 limit) {
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % limit;
}

static u8 *put_values(u8 *at, u32 count) {
    static const u8 values[] = {VALUE_I32, VALUE_I64, VALUE_F32, VALUE_F64, VALUE_FUNCREF};
    *at++ = (u8)count;
    for (u32 i = 0; i < count; i++)
        *at++ = values[random_below(COUNT_OF(values))];
    return at;
}

static u8 *put_section(u8 *at, u8 id, const u8 *content, usize len) {
    *at++ = id;
    *at++ = (u8)(0x80 | (len & 0x7f));
    *at++ = (u8)(len >> 7);
    memcpy(at, content, len);
    return at + len;
}

// A module of some function types, with an exported function of each that does nothing but
// `unreachable`.
static struct bytes random_module(u8 wasm[1024]) {
    static const u8 head[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    u32 count = 1 + random_below(TYPES_MAX);
    u8 types[1 + TYPES_MAX * (3 + 2 * VALUES_MAX)];
    u8 funcs[1 + TYPES_MAX];
    u8 exports[1 + TYPES_MAX * 4];
    u8 code[1 + TYPES_MAX * 4];
    u8 *type = types;
    *type++ = funcs[0] = exports[0] = code[0] = (u8)count;
    for (u8 i = 0; i < count; i++) {
        *type++ = 0x60;
        type = put_values(type, random_below(VALUES_MAX));
        type = put_values(type, random_below(VALUES_MAX));
        funcs[1 + i] = i;
        memcpy(exports + 1 + i * 4, (const u8[]){1, (u8)('a' + i), EXTERN_FUNC, i}, 4);
        memcpy(code + 1 + i * 4, (const u8[]){3, 0, 0x00, 0x0b}, 4);
    }
    memcpy(wasm, head, sizeof head);
    u8 *at = put_section(wasm + sizeof head, 1, types, (usize)(type - types));
    at = put_section(at, 3, funcs, 1 + count);
    at = put_section(at, 7, exports, 1 + 4 * count);
    at = put_section(at, 10, code, 1 + 4 * count);
    return (struct bytes){wasm, (usize)(at - wasm)};
}

// Whatever came and went, as much is allocated as after the first few, and there are no types but
// those of the modules that are.
static void ten_thousand_modules_leave_nothing(void **state) {
    (void)state;
    struct embedder e;
    embedder_init(&e);
    struct module *alive[16] = {0};
    u8 wasm[1024];
    u64 live = 0;
    u64 objects = e.engine->codes.count;
    for (u32 i = 0; i < 10000; i++) {
        struct module **at = &alive[random_below(COUNT_OF(alive))];
        module_release(*at);
        *at = embedder_module(&e, random_module(wasm));
        assert_in_range(e.engine->types.count, 1, COUNT_OF(alive) * TYPES_MAX);
        assert_in_range(e.engine->types.top, 1, COUNT_OF(alive) * TYPES_MAX);
        if (i % 1000 != 999)
            continue;
        for (u32 j = 0; j < COUNT_OF(alive); j++) {
            module_release(alive[j]);
            alive[j] = NULL;
        }
        assert_int_equal(e.engine->types.count, 0);
        assert_int_equal(e.engine->codes.count, objects);
        if (i < 1000)
            live = host_linux_live_count();
        assert_int_equal(host_linux_live_count(), live);
    }
    embedder_fini(&e);
}

static void equal_types_of_two_modules_are_one(void **state) {
    (void)state;
    struct embedder e;
    embedder_init(&e);
    for (u32 i = 0; i < 100; i++) {
        u8 wasm[1024];
        struct bytes binary = random_module(wasm);
        struct module *one = embedder_module(&e, binary);
        u8 others[1024];
        struct module *other = embedder_module(&e, random_module(others));
        struct module *two = embedder_module(&e, binary);
        assert_memory_equal(one->type_ids, two->type_ids,
                            one->decl->type_count * sizeof *one->type_ids);
        module_release(one);
        struct module *three = embedder_module(&e, binary);
        assert_memory_equal(two->type_ids, three->type_ids,
                            two->decl->type_count * sizeof *two->type_ids);
        module_release(two);
        module_release(three);
        module_release(other);
    }
    embedder_fini(&e);
}

// A tag of the embedder keeps its type as long as the store.
static void a_tag_holds_its_type(void **state) {
    (void)state;
    static const enum value_type i32 = VALUE_I32;
    struct embedder e;
    embedder_init(&e);
    struct tag *tag;
    assert_int_equal(store_tag(e.store, &(struct func_type){1, 0, &i32}, &tag), OK);
    assert_int_equal(e.engine->types.count, 1);
    store_destroy(e.store);
    e.store = NULL;
    assert_int_equal(e.engine->types.count, 0);
    embedder_fini(&e);
}

static enum trap do_nothing(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    (void)values;
    (void)context;
    return TRAP_NONE;
}

// Those that are made together share their pages, and code is made for new types only.
static void host_functions_share_code(void **state) {
    (void)state;
    static const enum value_type values[4] = {VALUE_I32, VALUE_I64, VALUE_F32, VALUE_F64};
    static const struct host_func_decl decls[] = {
        {.type = {1, 1, values}, .code = do_nothing},
        {.type = {2, 0, values}, .code = do_nothing},
        {.type = {1, 1, values}, .code = do_nothing},
        {.type = {4, 0, values}, .code = do_nothing},
    };
    struct embedder e;
    embedder_init(&e);
    u32 objects = e.engine->codes.count;
    struct func_ref *funcs[COUNT_OF(decls)];
    assert_int_equal(engine_host_funcs(e.engine, decls, COUNT_OF(decls), funcs), OK);
    assert_int_equal(e.engine->codes.count, objects + 1);
    assert_ptr_equal(funcs[0]->code, funcs[2]->code);
    assert_ptr_not_equal(funcs[0], funcs[2]);
    assert_ptr_not_equal(funcs[0]->code, funcs[1]->code);
    assert_int_equal(e.engine->types.count, 3);
    struct func_ref *again[COUNT_OF(decls)];
    assert_int_equal(engine_host_funcs(e.engine, decls, COUNT_OF(decls), again), OK);
    assert_int_equal(e.engine->codes.count, objects + 1);
    assert_ptr_equal(again[3]->code, funcs[3]->code);
    embedder_fini(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_every_shape),
        cmocka_unit_test(ten_thousand_modules_leave_nothing),
        cmocka_unit_test(equal_types_of_two_modules_are_one),
        cmocka_unit_test(a_tag_holds_its_type),
        cmocka_unit_test(host_functions_share_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
