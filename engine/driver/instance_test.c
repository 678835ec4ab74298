// Instances of modules without code: memories, tables, globals and tags, what initialises them, and
// that what is exported is what is imported.

#include <string.h>

#include "engine/driver/driver_internal.h"
#include "engine/runtime/store.h"
#include "tests/embedder.h"
#include "tests/wasm_build.h"

#define TYPES    1
#define IMPORTS  2
#define TABLES   4
#define MEMORIES 5
#define GLOBALS  6
#define EXPORTS  7
#define ELEMS    9
#define DATAS    11
#define TAGS     13

static struct instance *make(struct embedder *e, const struct wasm_part *parts, usize count,
                             const struct extern_ref *imports) {
    struct wasm_build b;
    wasm_build_begin(&b);
    for (usize i = 0; i < count; i++)
        wasm_build_section(&b, parts[i]);
    return embedder_instance(e, wasm_build_end(&b), imports);
}

static void each_memory_has_its_own_data(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    static const struct wasm_part parts[] = {
        PART(MEMORIES, "\3\0\1\5\1\2\0\0"),
        PART(EXPORTS, "\3\1a\2\0\1b\2\1\1c\2\2"),
        // "first" at 3 of memory 0, "second" at 5 of memory 1
        PART(DATAS, "\2\0\x41\3\x0b\5first\2\1\x42\5\x0b\6second"),
    };
    struct instance *instance = make(&e, parts, COUNT_OF(parts), NULL);
    struct memory *a = embedder_export(instance, "a").memory;
    struct memory *b = embedder_export(instance, "b").memory;
    struct memory *c = embedder_export(instance, "c").memory;
    assert_ptr_equal(instance->memory, a);
    assert_int_equal(instance->memory_base, a->base);
    assert_memory_equal((const u8 *)a->base + 3, "first", 5);
    assert_memory_equal((const u8 *)b->base + 5, "second", 6);
    assert_int_equal(*(const u8 *)a->base, 0);
    assert_true(!a->is64 && b->is64 && b->has_max && !c->has_max);
    assert_int_equal(b->max_pages, 2);
    assert_int_equal(c->bytes, 0);

    // What generated code finds in the instance, and what importers get.
    const struct instance_layout *layout = &instance->module->layout;
    struct memory **memories = (struct memory **)((uptr)instance + layout->memories);
    assert_ptr_equal(memories[0], a);
    assert_ptr_equal(memories[1], b);
    assert_ptr_equal(memories[2], c);
    static const struct wasm_part importer[] = {
        PART(IMPORTS, "\2\0\1b\2\4\1\0\1a\2\0\1"),
        PART(MEMORIES, "\1\0\1"),
        PART(EXPORTS, "\2\1x\2\1\1y\2\2"),
    };
    struct extern_ref imports[] = {embedder_export(instance, "b"), embedder_export(instance, "a")};
    struct instance *other = make(&e, importer, COUNT_OF(importer), imports);
    assert_ptr_equal(other->memory, b);
    assert_int_equal(other->memory_base, b->base);
    assert_ptr_equal(embedder_export(other, "x").memory, a);
    assert_ptr_not_equal(embedder_export(other, "y").memory, b);
    embedder_fini(&e);
}

static void data_beyond_a_memory_is_a_trap(void **state) {
    (void)state;
    static const struct {
        struct wasm_part data;
        enum trap trap;
    } cases[] = {
        {PART(DATAS, "\1\2\1\x42\xff\xff\3\x0b\1x"), TRAP_NONE}, // 65535
        {PART(DATAS, "\1\2\1\x42\x80\x80\4\x0b\1x"), TRAP_MEMORY_BOUNDS},
        {PART(DATAS, "\1\2\1\x42\x80\x80\4\x0b\0"), TRAP_NONE},
        {PART(DATAS, "\1\2\1\x42\x80\x80\x80\x80\x10\x0b\1x"), TRAP_MEMORY_BOUNDS}, // 2^32
        {PART(DATAS, "\1\2\1\x42\x7f\x0b\1x"), TRAP_MEMORY_BOUNDS},                 // 2^64 - 1
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct embedder e;
        embedder_init_with(&e, FEATURES_ALL);
        struct wasm_build b;
        wasm_build_begin(&b);
        wasm_build_section(&b, (struct wasm_part)PART(MEMORIES, "\2\0\2\4\1"));
        wasm_build_section(&b, cases[i].data);
        struct module *module = embedder_module(&e, wasm_build_end(&b));
        struct module_error error;
        struct instance *instance;
        enum trap trap;
        assert_int_equal(instance_create(e.store, module, NULL, &error, &trap, &instance), OK);
        assert_int_equal(trap, cases[i].trap);
        module_release(module);
        embedder_fini(&e);
    }
}

// Before bulk memory operations nothing was written unless every segment fitted.
static void segments_fit_or_nothing_is_written_in_the_first_version(void **state) {
    (void)state;
    static const struct {
        struct wasm_part elems;
        struct wasm_part datas;
        const char *text; // NULL: all fit
    } cases[] = {
        {PART(ELEMS, "\1\0\x41\3\x0b\0"), PART(DATAS, "\1\0\x41\xff\xff\3\x0b\1x"), NULL},
        {PART(ELEMS, "\1\0\x41\4\x0b\0"), PART(DATAS, "\2\0\x41\0\x0b\1x\0\x41\x80\x80\4\x0b\1x"),
         "data segment does not fit"},
        {PART(ELEMS, "\1\0\x41\5\x0b\0"), PART(DATAS, "\1\0\x41\0\x0b\1x"),
         "elements segment does not fit"},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct embedder e;
        embedder_init_with(&e, FEATURE_MUTABLE_GLOBALS);
        struct memory *memory;
        struct table *table;
        struct memory_type memory_type = {.limits = {.min = 1}};
        struct table_type table_type = {.element = VALUE_FUNCREF, .limits = {.min = 4}};
        assert_int_equal(store_memory(e.store, memory_type, &memory), OK);
        assert_int_equal(store_table(e.store, table_type, &table), OK);
        struct wasm_build b;
        wasm_build_begin(&b);
        wasm_build_section(&b, (struct wasm_part)PART(IMPORTS, "\2\0\0\1\x70\0\0\0\0\2\0\0"));
        wasm_build_section(&b, cases[i].elems);
        wasm_build_section(&b, cases[i].datas);
        struct module *module = embedder_module(&e, wasm_build_end(&b));
        const struct extern_ref imports[] = {{.kind = EXTERN_TABLE, .table = table},
                                             {.kind = EXTERN_MEMORY, .memory = memory}};
        u64 before = host_linux_live_count();
        struct module_error error;
        struct instance *instance;
        enum trap trap;
        enum status status = instance_create(e.store, module, imports, &error, &trap, &instance);
        assert_int_equal(status, cases[i].text == NULL ? OK : ERR_UNLINKABLE);
        if (status != OK) {
            assert_string_equal(error.text, cases[i].text);
            assert_int_equal(*(const u8 *)memory->base, 0);
            assert_int_equal(host_linux_live_count(), before);
        }
        module_release(module);
        embedder_fini(&e);
    }
}

// What is narrowed is what new modules may use.
static void features_are_those_of_new_modules(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_SUPPORTED);
    assert_int_equal(engine_features(e.engine), FEATURES_SUPPORTED);
    struct wasm_build b;
    wasm_build_begin(&b);
    wasm_build_section(&b, (struct wasm_part)PART(MEMORIES, "\2\0\0\0\0"));
    struct bytes wasm = wasm_build_end(&b);
    struct module_error error;
    assert_int_equal(module_validate(e.engine, wasm, &error), OK);
    engine_set_features(e.engine, FEATURES_SUPPORTED & ~(u32)FEATURE_MULTI_MEMORY);
    assert_int_equal(module_validate(e.engine, wasm, &error), ERR_INVALID);
    assert_string_equal(feature_name(FEATURE_MULTI_MEMORY), "multi-memory");
    embedder_fini(&e);
}

static void extended_constants_are_computed(void **state) {
    (void)state;
    static const struct {
        struct wasm_part globals; // one, exported as "g"
        u64 expected;
    } cases[] = {
        {PART(GLOBALS, "\1\x7f\0\x41\5\x41\7\x6a\x0b"), 12},
        {PART(GLOBALS, "\1\x7f\0\x41\5\x41\7\x6b\x0b"), (u32)-2},
        {PART(GLOBALS, "\1\x7e\0\x42\5\x42\7\x7d\x0b"), (u64)-2},
        {PART(GLOBALS, "\1\x7f\0\x41\x80\x80\4\x41\x80\x80\4\x6c\x0b"), 0}, // 2^16 * 2^16
        {PART(GLOBALS, "\1\x7e\0\x42\x80\x80\4\x42\x80\x80\4\x7e\x0b"), 1ull << 32},
        {PART(GLOBALS, "\1\x7f\0\x41\x7f\x41\1\x6a\x0b"), 0},
        // (2 - 3) * (4 + 5)
        {PART(GLOBALS, "\1\x7e\0\x42\2\x42\3\x7d\x42\4\x42\5\x7c\x7e\x0b"), (u64)-9},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct embedder e;
        embedder_init_with(&e, FEATURES_ALL);
        struct wasm_part parts[] = {cases[i].globals, PART(EXPORTS, "\1\1g\3\0")};
        struct instance *instance = make(&e, parts, COUNT_OF(parts), NULL);
        assert_int_equal(*embedder_export(instance, "g").global->cell, cases[i].expected);
        embedder_fini(&e);
    }
}

static void constants_use_globals_before_them(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    // Global 0 is imported (5); 1 = 0 * 2, 2 = 1 + 1; data and elements lie at 2.
    static const struct wasm_part parts[] = {
        PART(IMPORTS, "\1\0\1g\3\x7f\0"),
        PART(TABLES, "\1\x6f\0\x20"),
        PART(MEMORIES, "\1\0\1"),
        PART(GLOBALS, "\2\x7f\0\x23\0\x41\2\x6c\x0b\x7f\0\x23\1\x23\1\x6a\x0b"),
        PART(EXPORTS, "\2\1m\2\0\1g\3\2"),
        PART(ELEMS, "\1\6\0\x23\2\x0b\x6f\1\xd0\x6f\x0b"),
        PART(DATAS, "\1\0\x23\2\x41\1\x6b\x0b\2hi"),
    };
    struct extern_ref import = {.kind = EXTERN_GLOBAL};
    struct global_type type = {VALUE_I32, false};
    assert_int_equal(store_global(e.store, type, 5, &import.global), OK);
    struct instance *instance = make(&e, parts, COUNT_OF(parts), &import);
    assert_int_equal(*embedder_export(instance, "g").global->cell, 20);
    const struct memory *memory = embedder_export(instance, "m").memory;
    assert_memory_equal((const u8 *)memory->base + 18, "\0hi", 4);
    embedder_fini(&e);
}

static void globals_hold_vectors(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    static const struct wasm_part parts[] = {
        PART(GLOBALS, "\2\x7b\0\xfd\x0c\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x0b"
                      "\x7b\1\x23\0\x0b"),
        PART(EXPORTS, "\2\1a\3\0\1b\3\1"),
    };
    struct instance *instance = make(&e, parts, COUNT_OF(parts), NULL);
    static const char *const names[] = {"a", "b"};
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        const struct global *global = embedder_export(instance, names[i]).global;
        assert_int_equal(global->type.type, VALUE_V128);
        assert_int_equal((uptr)global->cell % 16, 0);
        assert_true(global->cell[0] == 0x0807060504030201);
        assert_true(global->cell[1] == 0x100f0e0d0c0b0a09);
    }
    embedder_fini(&e);
}

// Two tags of one type are two; an imported one is the exporter's.
static void tags_are_known_by_where_they_are(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    static const struct wasm_part parts[] = {
        PART(TYPES, "\1\x60\1\x7f\0"),
        PART(TAGS, "\2\0\0\0\0"),
        PART(EXPORTS, "\3\1a\4\0\1b\4\1\1c\4\0"),
    };
    struct instance *instance = make(&e, parts, COUNT_OF(parts), NULL);
    struct extern_ref a = embedder_export(instance, "a");
    struct extern_ref b = embedder_export(instance, "b");
    assert_int_equal(a.kind, EXTERN_TAG);
    assert_ptr_not_equal(a.tag, b.tag);
    assert_int_equal(a.tag->type_id, b.tag->type_id);
    assert_ptr_equal(embedder_export(instance, "c").tag, a.tag);

    static const struct wasm_part importer[] = {
        PART(TYPES, "\2\x60\0\0\x60\1\x7f\0"),
        PART(IMPORTS, "\1\0\1t\4\0\1"),
        PART(TAGS, "\1\0\0"),
        PART(EXPORTS, "\2\1t\4\0\1u\4\1"),
    };
    struct instance *other = make(&e, importer, COUNT_OF(importer), &b);
    assert_ptr_equal(embedder_export(other, "t").tag, b.tag);
    assert_int_not_equal(embedder_export(other, "u").tag->type_id, b.tag->type_id);
    struct tag **tags = (struct tag **)((uptr)other + other->module->layout.tags);
    assert_ptr_equal(tags[0], b.tag);
    embedder_fini(&e);
}

// A type may ask for more than there is: that shows when it is instantiated.
static void what_cannot_be_given_is_a_limit(void **state) {
    (void)state;
    static const struct wasm_part cases[] = {
        PART(MEMORIES, "\1\4\x81\x80\4"),                       // 2^16 + 1 pages
        PART(TABLES, "\1\x70\0\x81\xad\xe2\4"),                 // 10000001 elements
        PART(TABLES, "\1\x70\4\x80\x80\x80\x80\x80\x80\x80\1"), // 2^49
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct embedder e;
        embedder_init_with(&e, FEATURES_ALL);
        struct wasm_build b;
        wasm_build_begin(&b);
        wasm_build_section(&b, cases[i]);
        struct module *module = embedder_module(&e, wasm_build_end(&b));
        struct module_error error;
        struct instance *instance;
        enum trap trap;
        assert_int_equal(instance_create(e.store, module, NULL, &error, &trap, &instance),
                         ERR_LIMIT);
        module_release(module);
        embedder_fini(&e);
    }
}

static void running_out_of_memory_undoes_everything(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    static const struct wasm_part parts[] = {
        PART(TYPES, "\1\x60\1\x7f\0"),
        PART(TABLES, "\1\x70\4\3"),
        PART(MEMORIES, "\2\0\1\4\1"),
        PART(TAGS, "\2\0\0\0\0"),
        PART(GLOBALS, "\1\x7f\0\x41\5\x41\7\x6a\x0b"),
    };
    struct wasm_build b;
    wasm_build_begin(&b);
    for (usize i = 0; i < COUNT_OF(parts); i++)
        wasm_build_section(&b, parts[i]);
    struct module *module = embedder_module(&e, wasm_build_end(&b));
    u64 before = host_linux_live_count();
    enum status status = ERR_NO_MEMORY;
    for (u32 nth = 1; status != OK; nth++) {
        struct module_error error;
        struct instance *instance;
        enum trap trap;
        host_linux_fail_nth(nth);
        status = instance_create(e.store, module, NULL, &error, &trap, &instance);
        host_linux_fail_nth(0);
        assert_true(status == OK || (status == ERR_NO_MEMORY && host_linux_live_count() == before));
        assert_true(nth < 100);
    }
    module_release(module);
    embedder_fini(&e);
}

// A used instance becomes what a new one is; what it imports stays.
static void resetting_makes_an_instance_anew(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    static const struct wasm_part parts[] = {
        PART(IMPORTS, "\1\1m\0\2\0\1"),         PART(TABLES, "\1\x70\0\2"),
        PART(GLOBALS, "\1\x7f\1\x41\7\x0b"),    PART(EXPORTS, "\2\1t\1\0\1g\3\0"),
        PART(DATAS, "\2\0\x41\3\x0b\2hi\1\1?"),
    };
    struct extern_ref memory = {.kind = EXTERN_MEMORY};
    const struct memory_type type = {.limits = {.min = 1}};
    assert_int_equal(store_memory(e.store, type, &memory.memory), OK);
    struct instance *instance = make(&e, parts, COUNT_OF(parts), &memory);
    assert_true(instance_can_reset(instance));
    u8 *bytes = (u8 *)memory.memory->base;
    struct table *table = embedder_export(instance, "t").table;
    u64 *cell = embedder_export(instance, "g").global->cell;
    assert_true(instance->state->data_dropped[0]);

    bytes[3] = bytes[9] = 'x';
    *cell = 8;
    table->elements[1] = 5;
    assert_true(table_grow(table, 30, 6));
    instance->state->data_dropped[1] = true;
    assert_int_equal(instance_reset(instance), TRAP_NONE);
    assert_int_equal(*cell, 7);
    assert_int_equal(table->size, 2);
    assert_int_equal(table->elements[0] | table->elements[1], 0);
    assert_memory_equal(bytes + 3, "hi", 2); // active segments are written again
    assert_int_equal(bytes[9], 'x');
    assert_true(instance->state->data_dropped[0] && !instance->state->data_dropped[1]);
    assert_true(table_grow(table, 30, 0));
    assert_int_equal(table->elements[31], 0);
    embedder_fini(&e);
}

static void an_own_memory_cannot_be_reset(void **state) {
    (void)state;
    struct embedder e;
    embedder_init_with(&e, FEATURES_ALL);
    static const struct wasm_part parts[] = {PART(MEMORIES, "\1\0\1")};
    assert_false(instance_can_reset(make(&e, parts, COUNT_OF(parts), NULL)));
    embedder_fini(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_memory_has_its_own_data),
        cmocka_unit_test(data_beyond_a_memory_is_a_trap),
        cmocka_unit_test(segments_fit_or_nothing_is_written_in_the_first_version),
        cmocka_unit_test(features_are_those_of_new_modules),
        cmocka_unit_test(extended_constants_are_computed),
        cmocka_unit_test(constants_use_globals_before_them),
        cmocka_unit_test(globals_hold_vectors),
        cmocka_unit_test(tags_are_known_by_where_they_are),
        cmocka_unit_test(what_cannot_be_given_is_a_limit),
        cmocka_unit_test(running_out_of_memory_undoes_everything),
        cmocka_unit_test(resetting_makes_an_instance_anew),
        cmocka_unit_test(an_own_memory_cannot_be_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
