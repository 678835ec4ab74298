// Import matching: what fits, what does not, and what the refusal says.

#include "tests/embedder.h"

#include "engine/driver/driver_internal.h"

// A module with one import "m" "n" whose description is `desc`. Type 0 is (i32) -> (i32), type 1
// (i32) -> ().
static struct bytes importer(const u8 *desc, u8 len, u8 storage[64]) {
    static const u8 head[] = {0, 'a', 's', 'm',  1, 0,    0, 0,                      //
                              1, 10,  2,   0x60, 1, 0x7f, 1, 0x7f, 0x60, 1, 0x7f, 0, // types
                              2};                                                    // imports
    u8 *at = storage;
    for (u32 i = 0; i < sizeof head; i++)
        *at++ = head[i];
    *at++ = (u8)(5 + len);
    *at++ = 1;
    *at++ = 1;
    *at++ = 'm';
    *at++ = 1;
    *at++ = 'n';
    for (u32 i = 0; i < len; i++)
        *at++ = desc[i];
    return (struct bytes){storage, (usize)(at - storage)};
}

enum given {
    FUNC_I32_I32,
    FUNC_NOTHING,
    TABLE_10_20,
    TABLE64_10_20,
    MEMORY_1_2,
    MEMORY_1,
    MEMORY64_1,
    MEMORY64_1_LARGE,
    SHARED_1_2,
    CONST_I32,
    VAR_I64,
    TAG_I32,
    TAG_NOTHING,
};

static struct extern_ref give(struct embedder *e, enum given given);

static enum trap do_nothing(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    (void)values;
    (void)context;
    return TRAP_NONE;
}

static struct extern_ref give(struct embedder *e, enum given given) {
    static const enum value_type i32s[2] = {VALUE_I32, VALUE_I32};
    struct extern_ref ref = {0};
    enum status status = OK;
    switch (given) {
    case FUNC_I32_I32:
        return embedder_host_func(e, &(struct func_type){1, 1, i32s}, do_nothing, NULL);
    case FUNC_NOTHING:
        return embedder_host_func(e, &(struct func_type){0, 0, i32s}, do_nothing, NULL);
    case TABLE_10_20:
    case TABLE64_10_20: {
        struct table_type type = {
            VALUE_FUNCREF, {.min = 10, .max = 20, .has_max = true}, given == TABLE64_10_20};
        ref.kind = EXTERN_TABLE;
        status = store_table(e->store, type, &ref.table);
        break;
    }
    case MEMORY_1_2:
    case MEMORY_1:
    case MEMORY64_1:
    case MEMORY64_1_LARGE:
    case SHARED_1_2: {
        struct memory_type type = {
            .limits = {.min = 1, .max = 2, .has_max = given == MEMORY_1_2 || given == SHARED_1_2},
            .is_shared = given == SHARED_1_2,
            .is64 = given == MEMORY64_1 || given == MEMORY64_1_LARGE,
        };
        if (given == MEMORY64_1_LARGE)
            type.limits = (struct limits){.min = 1, .max = 1ull << 40, .has_max = true};
        ref.kind = EXTERN_MEMORY;
        status = store_memory(e->store, type, &ref.memory);
        break;
    }
    case TAG_I32:
    case TAG_NOTHING:
        ref.kind = EXTERN_TAG;
        status = store_tag(e->store, &(struct func_type){given == TAG_I32, 0, i32s}, &ref.tag);
        break;
    case CONST_I32:
    case VAR_I64: {
        struct global_type type = {given == CONST_I32 ? VALUE_I32 : VALUE_I64, given == VAR_I64};
        ref.kind = EXTERN_GLOBAL;
        status = store_global(e->store, type, 5, &ref.global);
        break;
    }
    }
    assert_int_equal(status, OK);
    return ref;
}

#define DESC(...) .desc = {__VA_ARGS__}, .len = sizeof((u8[]){__VA_ARGS__})

static const struct {
    const char *name;
    u8 desc[10];
    u8 len;
    enum given given;
    bool fits;
} cases[] = {
    {"same function type", DESC(0, 0), FUNC_I32_I32, true},
    {"other function type", DESC(0, 0), FUNC_NOTHING, false},
    {"memory for function", DESC(0, 0), MEMORY_1, false},
    {"same table", DESC(1, 0x70, 1, 10, 20), TABLE_10_20, true},
    {"smaller table asked", DESC(1, 0x70, 1, 0, 30), TABLE_10_20, true},
    {"no maximum asked", DESC(1, 0x70, 0, 10), TABLE_10_20, true},
    {"larger minimum asked", DESC(1, 0x70, 0, 11), TABLE_10_20, false},
    {"smaller maximum asked", DESC(1, 0x70, 1, 10, 19), TABLE_10_20, false},
    {"other element type", DESC(1, 0x6f, 0, 10), TABLE_10_20, false},
    {"same memory", DESC(2, 1, 1, 2), MEMORY_1_2, true},
    {"larger maximum asked", DESC(2, 1, 0, 3), MEMORY_1_2, true},
    {"no maximum given", DESC(2, 1, 1, 2), MEMORY_1, false},
    {"no maximum at all", DESC(2, 0, 1), MEMORY_1, true},
    {"larger memory asked", DESC(2, 0, 2), MEMORY_1, false},
    {"function for memory", DESC(2, 0, 0), FUNC_NOTHING, false},
    {"same constant", DESC(3, 0x7f, 0), CONST_I32, true},
    {"variable asked", DESC(3, 0x7f, 1), CONST_I32, false},
    {"other constant type", DESC(3, 0x7e, 0), CONST_I32, false},
    {"same variable", DESC(3, 0x7e, 1), VAR_I64, true},
    {"constant asked", DESC(3, 0x7e, 0), VAR_I64, false},
    {"same table of 64 bits", DESC(1, 0x70, 5, 10, 20), TABLE64_10_20, true},
    {"table of 64 bits asked", DESC(1, 0x70, 5, 10, 20), TABLE_10_20, false},
    {"table of 32 bits asked", DESC(1, 0x70, 1, 10, 20), TABLE64_10_20, false},
    {"same memory of 64 bits", DESC(2, 4, 1), MEMORY64_1, true},
    {"memory of 64 bits asked", DESC(2, 4, 1), MEMORY_1, false},
    {"memory of 32 bits asked", DESC(2, 0, 1), MEMORY64_1, false},
    {"maximum of 2^40", DESC(2, 5, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20), MEMORY64_1_LARGE, true},
    {"maximum of 2^39", DESC(2, 5, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10), MEMORY64_1_LARGE, false},
    {"same shared memory", DESC(2, 3, 1, 2), SHARED_1_2, true},
    {"smaller shared memory asked", DESC(2, 3, 0, 3), SHARED_1_2, true},
    {"shared memory asked", DESC(2, 3, 1, 2), MEMORY_1_2, false},
    {"memory that is not shared asked", DESC(2, 1, 1, 2), SHARED_1_2, false},
    {"same tag", DESC(4, 0, 1), TAG_I32, true},
    {"other tag type", DESC(4, 0, 1), TAG_NOTHING, false},
    {"function for tag", DESC(4, 0, 1), FUNC_NOTHING, false},
};

static void imports_match_by_the_specification(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u8 storage[64];
        struct module *module = embedder_module(&e, importer(cases[i].desc, cases[i].len, storage));
        struct extern_ref import = give(&e, cases[i].given);
        struct module_error error;
        enum trap trap;
        struct instance *instance;
        enum status status = instance_create(e.store, module, &import, &error, &trap, &instance);
        if ((status == OK) != cases[i].fits)
            fail_msg("%s: %s", cases[i].name, status_text(status));
        if (!cases[i].fits) {
            assert_int_equal(status, ERR_UNLINKABLE);
            assert_string_equal(error.text, "incompatible import type: \"m\" \"n\"");
        }
        module_release(module);
    }
    embedder_fini(&e);
}

static void a_missing_import_is_unknown(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    for (u8 kind = 0; kind < 5; kind++) {
        static const u8 descs[5][3] = {{0, 0}, {1, 0x70, 0}, {2, 0, 1}, {3, 0x7f, 0}, {4, 0, 1}};
        u8 desc[4] = {descs[kind][0], descs[kind][1], descs[kind][2], 0};
        u8 storage[64];
        u8 len = kind == 0 ? 2 : kind == 1 ? 4 : 3;
        struct module *module = embedder_module(&e, importer(desc, len, storage));
        struct extern_ref import = {.kind = (enum extern_kind)kind};
        struct module_error error;
        enum trap trap;
        struct instance *instance;
        assert_int_equal(instance_create(e.store, module, &import, &error, &trap, &instance),
                         ERR_UNLINKABLE);
        assert_string_equal(error.text, "unknown import: \"m\" \"n\"");
        module_release(module);
    }
    embedder_fini(&e);
}

static void limits_are_those_of_now(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    struct extern_ref memory = give(&e, MEMORY_1);
    memory.memory->bytes = 0; // as if it had been made with no page
    u8 storage[64];
    struct module *module = embedder_module(&e, importer((u8[]){2, 0, 1}, 3, storage));
    struct module_error error;
    enum trap trap;
    struct instance *instance;
    assert_int_equal(instance_create(e.store, module, &memory, &error, &trap, &instance),
                     ERR_UNLINKABLE);
    memory.memory->bytes = WASM_PAGE_BYTES;
    assert_int_equal(instance_create(e.store, module, &memory, &error, &trap, &instance), OK);
    assert_ptr_equal(instance_memory(instance), memory.memory);
    assert_int_equal(instance->memory_base, memory.memory->base);
    module_release(module);
    embedder_fini(&e);
}

// Which modules have their accesses to memory left as they are.
static void modules_that_map_are_known(void **state) {
    (void)state;
    static const struct import_name names[] = {{"m", "x"}, {"m", "n"}};
    static const struct {
        const struct import_name *names;
        u32 count;
        bool keeps;
    } cases[] = {{names, 2, true}, {names + 1, 1, true}, {names, 1, false}, {NULL, 0, false}};
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        const struct engine_config config = {.segment = SEGMENT_GS,
                                             .features = FEATURES_SUPPORTED,
                                             .mapping_imports = cases[i].names,
                                             .mapping_import_count = cases[i].count};
        struct engine *engine;
        struct module *module;
        struct module_error error;
        u8 storage[64];
        assert_int_equal(engine_create(&config, &engine), OK);
        assert_int_equal(module_create(engine, importer((u8[]){0, 0}, 2, storage), &error, &module),
                         OK);
        assert_int_equal(module_keeps_accesses(module), cases[i].keeps);
        module_release(module);
        engine_destroy(engine);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_match_by_the_specification),
        cmocka_unit_test(a_missing_import_is_unknown),
        cmocka_unit_test(limits_are_those_of_now),
        cmocka_unit_test(modules_that_map_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
