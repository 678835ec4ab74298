// Images of memories, and stores that are used again: what counts as an image, that it makes no
// difference how it gets there, and that nothing of one owner is left for the next.

#include <string.h>

#include "engine/driver/driver_internal.h"
#include "engine/runtime/store.h"
#include "tests/embedder.h"
#include "tests/wasm_build.h"

#define IMPORTS  2
#define MEMORIES 5
#define GLOBALS  6
#define DATAS    11

static const u8 reuse_wasm[] = {
#embed "wat/reuse.wasm"
};
static const struct bytes reuse = {reuse_wasm, sizeof reuse_wasm};

// What `sum` says of a new instance: 7, lane 2 of the vector, 1 and 1 through the table, one page,
// four elements, and the 'l' of "placed".
#define SUM (7 + 3 + 1 + 1 + 1 + 4 + 'l')

static enum trap give_five(struct instance *caller, u64 *values, void *context) {
    *(void **)context = instance_owner(caller);
    values[0] = 5;
    return TRAP_NONE;
}

struct fixture {
    struct embedder e;
    struct module *module;
    struct extern_ref imports[1];
    void *called_by;
};

static void begin(struct fixture *f) {
    static const enum value_type types[] = {VALUE_I32};
    embedder_init(&f->e);
    host_linux_images(true);
    f->module = embedder_module(&f->e, reuse);
    f->imports[0] = embedder_host_func(
        &f->e, &(struct func_type){.result_count = 1, .types = types}, give_five, &f->called_by);
}

static void end(struct fixture *f) {
    host_linux_images(false);
    module_release(f->module);
    embedder_fini(&f->e);
}

static struct instance *make(struct fixture *f, struct store *store) {
    struct module_error error;
    enum trap trap;
    struct instance *instance;
    assert_int_equal(instance_create(store, f->module, f->imports, &error, &trap, &instance), OK);
    assert_int_equal(trap, TRAP_NONE);
    return instance;
}

static u64 call(struct fixture *f, struct instance *instance, const char *name) {
    u64 values[4] = {0};
    assert_int_equal(embedder_call(&f->e, instance, name, values), TRAP_NONE);
    return values[0];
}

static void images_are_what_is_the_same_for_all(void **) {
    static const struct {
        struct wasm_part parts[4];
        bool has_image;
    } cases[] = {
        {{PART(MEMORIES, "\1\0\1"), PART(DATAS, "\1\0\x41\3\x0b\5first")}, true},
        {{PART(MEMORIES, "\1\0\1")}, true},                             // all zeros
        {{PART(MEMORIES, "\1\0\0")}, true},                             // nothing at all
        {{PART(DATAS, "\1\1\1x")}, false},                              // no memory
        {{PART(MEMORIES, "\1\0\1"), PART(DATAS, "\1\1\5first")}, true}, // passive
        // Apart and ascending, empty ones too; else not.
        {{PART(MEMORIES, "\1\0\1"), PART(DATAS, "\2\0\x41\0\x0b\2ab\0\x41\2\x0b\2cd")}, true},
        {{PART(MEMORIES, "\1\0\1"), PART(DATAS, "\2\0\x41\0\x0b\2ab\0\x41\1\x0b\2cd")}, false},
        {{PART(MEMORIES, "\1\0\1"), PART(DATAS, "\2\0\x41\2\x0b\2ab\0\x41\0\x0b\2cd")}, false},
        {{PART(MEMORIES, "\1\0\1"), PART(DATAS, "\2\0\x41\2\x0b\2ab\0\x41\0\x0b\0")}, false},
        // To the last byte, and over it.
        {{PART(MEMORIES, "\1\0\1"), PART(DATAS, "\1\0\x41\xfe\xff\3\x0b\2ab")}, true},
        {{PART(MEMORIES, "\1\0\1"), PART(DATAS, "\1\0\x41\xff\xff\3\x0b\2ab")}, false},
        {{PART(MEMORIES, "\1\0\1"), PART(DATAS, "\1\0\x41\x7f\x0b\0")}, false}, // 2^32 - 1
        // Of another memory; of an imported one; at an offset that an import decides.
        {{PART(MEMORIES, "\2\0\1\0\1"), PART(DATAS, "\1\2\1\x41\0\x0b\1x")}, false},
        {{PART(IMPORTS, "\1\1a\1b\2\0\1"), PART(DATAS, "\1\0\x41\0\x0b\1x")}, false},
        {{PART(IMPORTS, "\1\1a\1b\3\x7f\0"), PART(MEMORIES, "\1\0\1"),
          PART(DATAS, "\1\0\x23\0\x0b\1x")},
         false},
    };
    struct embedder e;
    embedder_init(&e);
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct wasm_build b;
        wasm_build_begin(&b);
        for (u32 part = 0; part < COUNT_OF(cases[i].parts) && cases[i].parts[part].id != 0; part++)
            wasm_build_section(&b, cases[i].parts[part]);
        struct module *module = embedder_module(&e, wasm_build_end(&b));
        if (module_has_image(module) != cases[i].has_image)
            fail_msg("case %zu", i);
        module_release(module);
    }
    embedder_fini(&e);
}

static void pieces_come_in_order_without_empty_ones(void **) {
    struct fixture f;
    begin(&f);
    struct image_piece piece;
    u32 cursor = 0;
    assert_true(module_image_next(f.module, &cursor, &piece));
    assert_int_equal(piece.offset, 16);
    assert_true(bytes_equal_text(piece.bytes, "placed"));
    assert_true(module_image_next(f.module, &cursor, &piece)); // past the passive one
    assert_int_equal(piece.offset, 4094);
    assert_true(bytes_equal_text(piece.bytes, "border"));
    assert_false(module_image_next(f.module, &cursor, &piece));
    assert_false(module_image_next(f.module, &cursor, &piece));
    end(&f);
}

static void it_makes_no_difference_who_writes_the_image(void **) {
    struct fixture f;
    begin(&f);
    struct instance *with = make(&f, f.e.store);
    host_linux_images(false);
    struct instance *without = make(&f, f.e.store);
    assert_int_equal(with->memory->bytes, without->memory->bytes);
    assert_memory_equal((const void *)with->memory_base, (const void *)without->memory_base,
                        with->memory->bytes);
    assert_memory_equal(with->state->data_dropped, without->state->data_dropped, 3);
    assert_int_equal(call(&f, with, "sum"), SUM);
    assert_int_equal(call(&f, without, "sum"), SUM);
    end(&f);
}

// Nothing is written where an element segment has trapped before.
static void a_trap_before_the_data_leaves_the_memory_empty(void **) {
    struct embedder e;
    embedder_init(&e);
    host_linux_images(true);
    struct wasm_build b;
    wasm_build_begin(&b);
    wasm_build_section(&b, (struct wasm_part)PART(4, "\1\x70\0\1"));
    wasm_build_section(&b, (struct wasm_part)PART(MEMORIES, "\1\0\1"));
    wasm_build_section(&b, (struct wasm_part)PART(9, "\1\4\x41\1\x0b\1\xd0\x70\x0b"));
    wasm_build_section(&b, (struct wasm_part)PART(DATAS, "\1\0\x41\0\x0b\1x"));
    struct module *module = embedder_module(&e, wasm_build_end(&b));
    struct module_error error;
    enum trap trap;
    struct instance *instance;
    assert_int_equal(instance_create(e.store, module, NULL, &error, &trap, &instance), OK);
    assert_int_equal(trap, TRAP_TABLE_BOUNDS);
    assert_int_equal(*(const u8 *)instance->memory_base, 0);
    assert_false(store_retire(e.store)); // it would trap again
    module_release(module);
    host_linux_images(false);
    embedder_fini(&e);
}

static void a_store_is_new_for_its_next_owner(void **) {
    struct fixture f;
    begin(&f);
    struct instance *fresh = make(&f, f.e.store); // to compare with
    struct store *store;
    int first = 1;
    int second = 2;
    assert_int_equal(store_create(f.e.engine, &first, &store), OK);
    u64 before = host_linux_charged();
    struct instance *instance = make(&f, store);
    u64 charged = host_linux_charged() - before;
    for (u32 round = 0; round < 3; round++) {
        assert_int_equal(call(&f, instance, "sum"), SUM);
        assert_int_equal(call(&f, instance, "host"), 5);
        assert_ptr_equal(f.called_by, round == 0 ? &first : &second);
        call(&f, instance, "change");
        assert_int_equal(call(&f, instance, "grow_memory"), 1);

        assert_true(store_retire(store));
        assert_int_equal(host_linux_charged(), before);
        assert_ptr_equal(instance_owner(instance), NULL);
        assert_int_equal(store_adopt(store, &second, &instance), OK);
        assert_ptr_equal(instance_owner(instance), &second);
        assert_int_equal(host_linux_charged(), before + charged);
        assert_int_equal(instance->memory->bytes, fresh->memory->bytes);
        assert_memory_equal((const void *)instance->memory_base, (const void *)fresh->memory_base,
                            fresh->memory->bytes);
        struct extern_ref table = embedder_export(instance, "t");
        assert_int_equal(table.table->size, 4);
        assert_int_equal(table.table->elements[3], 0);
    }
    store_destroy(store);
    assert_int_equal(host_linux_charged(), before);
    end(&f);
}

static void who_cannot_pay_gets_no_store(void **) {
    struct fixture f;
    begin(&f);
    struct store *store;
    int owner = 1;
    assert_int_equal(store_create(f.e.engine, &owner, &store), OK);
    struct instance *instance = make(&f, store);
    u64 needed = host_linux_charged();
    assert_true(store_retire(store));
    host_linux_charge_limit(needed - 1);
    assert_int_equal(store_adopt(store, &owner, &instance), ERR_LIMIT);
    assert_int_equal(host_linux_charged(), 0);
    host_linux_charge_limit(UINT64_MAX);
    host_linux_fail_nth(1); // the memory
    assert_int_equal(store_adopt(store, &owner, &instance), ERR_LIMIT);
    host_linux_fail_nth(0);
    assert_int_equal(host_linux_charged(), 0);
    store_destroy(store); // nobody's
    assert_int_equal(host_linux_charged(), 0);
    end(&f);
}

static void what_others_could_have_is_not_used_again(void **) {
    struct fixture f;
    begin(&f);
    // A table that has grown; a host that has no images; a second instance.
    int owner = 1;
    for (u32 i = 0; i < 3; i++) {
        struct store *store;
        assert_int_equal(store_create(f.e.engine, &owner, &store), OK);
        assert_false(store_retire(store)); // nothing in it
        struct instance *instance = make(&f, store);
        if (i == 0)
            assert_int_equal(call(&f, instance, "grow_table"), 4);
        if (i == 1)
            host_linux_images(false);
        if (i == 2)
            make(&f, store);
        assert_false(store_retire(store));
        assert_ptr_equal(instance_owner(instance), &owner);
        host_linux_images(true);
        store_destroy(store);
    }
    assert_int_equal(host_linux_charged(), 0);
    end(&f);
}

static void functions_of_other_instances_are_not_used_again(void **) {
    struct fixture f;
    begin(&f);
    struct instance *exporter = make(&f, f.e.store);
    struct store *store;
    int owner = 1;
    assert_int_equal(store_create(f.e.engine, &owner, &store), OK);
    struct extern_ref other[] = {embedder_export(exporter, "host")};
    struct module_error error;
    enum trap trap;
    struct instance *instance;
    assert_int_equal(instance_create(store, f.module, other, &error, &trap, &instance), OK);
    assert_false(store_retire(store));
    store_destroy(store);
    end(&f);
}

static void what_the_host_keeps_goes_with_the_module(void **) {
    struct fixture f;
    begin(&f);
    int one = 1;
    int two = 2;
    assert_ptr_equal(module_host_data(f.module), NULL);
    assert_ptr_equal(module_host_data_set(f.module, &one), &one);
    assert_ptr_equal(module_host_data_set(f.module, &two), &one); // somebody was first
    assert_ptr_equal(module_host_data(f.module), &one);
    make(&f, f.e.store);
    end(&f);
    assert_ptr_equal(host_linux_ended_data(), &one);
}

static void compiling_ends_when_its_thread_is_to(void **) {
    struct embedder e;
    embedder_init(&e);
    struct module *module;
    struct module_error error;
    module_release(embedder_module(&e, reuse)); // the registries are as large as they have to be
    u64 live = host_linux_live_count();
    host_linux_stop_nth(1);
    assert_int_equal(module_create(e.engine, reuse, &error, &module), ERR_KILLED);
    host_linux_stop_nth(0);
    assert_int_equal(error.status, ERR_KILLED);
    assert_int_equal(host_linux_live_count(), live);
    module_release(embedder_module(&e, reuse));
    embedder_fini(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_what_is_the_same_for_all),
        cmocka_unit_test(pieces_come_in_order_without_empty_ones),
        cmocka_unit_test(it_makes_no_difference_who_writes_the_image),
        cmocka_unit_test(a_trap_before_the_data_leaves_the_memory_empty),
        cmocka_unit_test(a_store_is_new_for_its_next_owner),
        cmocka_unit_test(who_cannot_pay_gets_no_store),
        cmocka_unit_test(what_others_could_have_is_not_used_again),
        cmocka_unit_test(functions_of_other_instances_are_not_used_again),
        cmocka_unit_test(what_the_host_keeps_goes_with_the_module),
        cmocka_unit_test(compiling_ends_when_its_thread_is_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
