// Handle tables: lowest free number, limits, renumbering, references.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/ipc/handle.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

static u32 destroyed;

static void count_destroy(struct object *object) {
    destroyed++;
    kfree(object, sizeof *object);
}

static enum status no_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type};
    return OK;
}

static const struct object_ops ops = {.destroy = count_destroy, .stat = no_stat};
static struct handle_table table;

static void start(u32 limit) {
    fake_machine_start_simple(16 * MIB);
    destroyed = 0;
    assert_int_equal(handle_table_init(&table, limit), OK);
}

static struct handle make_handle(void) {
    struct object *object = kmalloc(sizeof *object);
    object_init(object, &ops, OBJECT_FILE);
    return (struct handle){.object = object, .rights = 0xff, .rights_inheriting = 0x0f};
}

static u32 insert(void) {
    struct handle handle = make_handle();
    u32 number = UINT32_MAX;
    assert_int_equal(handle_insert(&table, &handle, &number), OK);
    return number;
}

static void finish(u32 expected_destroyed) {
    handle_table_fini(&table);
    assert_int_equal(destroyed, expected_destroyed);
    struct heap_stats stats;
    heap_stats(&stats);
    assert_int_equal(stats.bytes_used, 0);
}

// What all CPUs have opened and not closed, in all tables.
static u64 open_by_cpus(void) {
    u64 open = 0;
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++) {
        struct handle_cpu_stats counts = handle_cpu_stats(cpu);
        open += counts.opened - counts.closed;
    }
    return open;
}

static void cpus_count_what_they_open_and_close(void **) {
    start(100);
    u64 before = open_by_cpus();
    u64 opened = handle_cpu_stats(2).opened;
    fake_cpu_set(2);
    for (u32 i = 0; i < 9; i++)
        insert();
    assert_int_equal(handle_cpu_stats(2).opened - opened, 9);
    fake_cpu_set(1);
    u64 closed = handle_cpu_stats(1).closed;
    assert_int_equal(handle_close(&table, 3), OK);
    assert_int_equal(handle_close(&table, 3), ERR_BAD_HANDLE);
    assert_int_equal(handle_renumber(&table, 4, 4), OK);
    assert_int_equal(handle_renumber(&table, 4, 5), OK);
    assert_int_equal(handle_cpu_stats(1).closed - closed, 2);
    struct handle handle = make_handle();
    assert_int_equal(handle_insert_at(&table, &handle, 5), ERR_EXISTS);
    assert_int_equal(open_by_cpus() - before, handle_count(&table));
    assert_int_equal(handle_insert_at(&table, &handle, 50), OK);
    assert_int_equal(open_by_cpus() - before, handle_count(&table));
    finish(10);
    assert_int_equal(open_by_cpus(), before);
    struct handle given[3] = {make_handle(), {.object = NULL}, make_handle()};
    assert_int_equal(handle_table_init(&table, 100), OK);
    assert_int_equal(handle_table_fill(&table, given, COUNT_OF(given)), OK);
    assert_int_equal(open_by_cpus() - before, 2);
    finish(12);
    assert_int_equal(open_by_cpus(), before);
    fake_cpu_set(0);
}

static void the_lowest_free_number_is_given(void **) {
    start(100);
    for (u32 i = 0; i < 20; i++)
        assert_int_equal(insert(), i);
    assert_int_equal(handle_close(&table, 7), OK);
    assert_int_equal(handle_close(&table, 3), OK);
    assert_int_equal(insert(), 3);
    assert_int_equal(insert(), 7);
    assert_int_equal(insert(), 20);
    finish(23);
}

static void the_limit_is_kept(void **) {
    static const u32 limits[] = {0, 1, 8, 9, 100};
    for (u32 i = 0; i < COUNT_OF(limits); i++) {
        start(limits[i]);
        for (u32 n = 0; n < limits[i]; n++)
            assert_int_equal(insert(), n);
        struct handle handle = make_handle();
        u32 number = 77;
        assert_int_equal(handle_insert(&table, &handle, &number), ERR_LIMIT);
        assert_int_equal(number, 77);
        object_release(handle.object); // it stayed ours
        finish(limits[i] + 1);
    }
}

static void closed_and_wild_numbers_are_refused(void **) {
    static const u32 numbers[] = {1, 7, 8, 100, UINT32_MAX};
    start(100);
    insert();
    for (u32 i = 0; i < COUNT_OF(numbers); i++) {
        struct handle handle;
        assert_int_equal(handle_get(&table, numbers[i], &handle), ERR_BAD_HANDLE);
        assert_int_equal(handle_close(&table, numbers[i]), ERR_BAD_HANDLE);
        assert_int_equal(handle_renumber(&table, 0, numbers[i]), ERR_BAD_HANDLE);
        assert_int_equal(handle_renumber(&table, numbers[i], 0), ERR_BAD_HANDLE);
        assert_int_equal(handle_renumber(&table, numbers[i], numbers[i]), ERR_BAD_HANDLE);
        struct open_file *file;
        assert_int_equal(handle_copy(&table, numbers[i], &handle), ERR_BAD_HANDLE);
        assert_int_equal(handle_file(&table, numbers[i], NULL, &file), ERR_BAD_HANDLE);
        assert_int_equal(handle_set_flags(&table, numbers[i], 1), ERR_BAD_HANDLE);
        assert_int_equal(handle_set_rights(&table, numbers[i], 0, 0), ERR_BAD_HANDLE);
    }
    assert_int_equal(handle_close(&table, 0), OK);
    assert_int_equal(handle_close(&table, 0), ERR_BAD_HANDLE);
    finish(1);
}

static void renumbering_moves_and_closes(void **) {
    struct handle first;
    struct handle handle;
    start(100);
    insert();
    insert();
    assert_int_equal(handle_get(&table, 0, &first), OK);
    object_release(first.object);

    assert_int_equal(handle_renumber(&table, 0, 0), OK); // nothing happens
    assert_int_equal(destroyed, 0);
    assert_int_equal(handle_renumber(&table, 0, 1), OK);
    assert_int_equal(destroyed, 1);
    assert_int_equal(handle_get(&table, 0, &handle), ERR_BAD_HANDLE);
    assert_int_equal(handle_get(&table, 1, &handle), OK);
    assert_ptr_equal(handle.object, first.object);
    object_release(handle.object);
    finish(2);
}

static void a_copy_keeps_the_object_alive(void **) {
    struct handle handle;
    start(10);
    insert();
    assert_int_equal(handle_get(&table, 0, &handle), OK);
    assert_int_equal(handle_close(&table, 0), OK);
    assert_int_equal(destroyed, 0);
    object_release(handle.object);
    assert_int_equal(destroyed, 1);
    finish(1);
}

static void state_is_kept_and_rights_only_shrink(void **) {
    struct handle handle;
    start(10);
    insert();
    assert_int_equal(handle_set_flags(&table, 0, 5), OK);
    assert_int_equal(handle_set_rights(&table, 0, 0x100, 0), ERR_DENIED);
    assert_int_equal(handle_set_rights(&table, 0, 0, 0x10), ERR_DENIED);
    assert_int_equal(handle_set_rights(&table, 0, 0xf0, 0x03), OK);
    assert_int_equal(handle_set_rights(&table, 0, 0xff, 0x03), ERR_DENIED); // not back
    assert_int_equal(handle_get(&table, 0, &handle), OK);
    assert_int_equal(handle.flags, 5);
    assert_int_equal(handle.rights, 0xf0);
    assert_int_equal(handle.rights_inheriting, 0x03);
    object_release(handle.object);
    finish(1);
}

// Moves the position of a handle by `by`; what it was.
static u64 move(struct handle_table *in, u32 number, u64 by) {
    struct open_file *file;
    u64 position = 0;
    assert_int_equal(handle_file(in, number, in->slots[number].object, &file), OK);
    assert_int_equal(open_file_take(file, &position), OK);
    open_file_put_back(file, position + by);
    open_file_release(file);
    return position;
}

static u64 position_of(struct handle_table *in, u32 number) {
    return handle_position(in, number, in->slots[number].object);
}

static void a_position_is_of_the_handle_that_it_was_taken_from(void **) {
    struct open_file *file;
    u64 position;
    start(10);
    insert();
    insert();
    const struct object *first = table.slots[0].object;
    const struct object *second = table.slots[1].object;
    assert_int_equal(move(&table, 0, 1234), 0);
    assert_int_equal(move(&table, 1, 5), 0);
    assert_int_equal(position_of(&table, 0), 1234);
    assert_int_equal(position_of(&table, 1), 5);
    assert_int_equal(move(&table, 0, 1), 1234); // and can be taken again
    // Of another object: it was closed meanwhile, and something else opened.
    assert_int_equal(handle_file(&table, 0, second, &file), ERR_BAD_HANDLE);
    assert_int_equal(handle_position(&table, 0, second), 0);
    // Renumbered while it was taken: it is where the handle is now.
    assert_int_equal(handle_file(&table, 0, first, &file), OK);
    assert_int_equal(open_file_take(file, &position), OK);
    assert_int_equal(handle_renumber(&table, 0, 1), OK);
    open_file_put_back(file, position + 1);
    assert_int_equal(position_of(&table, 1), 1236);
    // Closed while it was taken: nobody's, until it is put back.
    assert_int_equal(open_file_take(file, &position), OK);
    assert_int_equal(handle_close(&table, 1), OK);
    open_file_put_back(file, 0);
    open_file_release(file);
    finish(2);
}

static void copies_share_position_and_flags(void **) {
    struct handle_table other;
    struct handle copy;
    struct handle seen;
    u32 number;
    start(10);
    assert_int_equal(handle_table_init(&other, 10), OK);
    insert();
    assert_int_equal(handle_set_flags(&table, 0, 1), OK); // before there is anything to share
    move(&table, 0, 7);
    assert_int_equal(handle_copy(&table, 0, &copy), OK);
    copy.rights = 1;
    assert_int_equal(handle_insert(&other, &copy, &number), OK);
    assert_int_equal(handle_copy(&other, 0, &copy), OK); // of the copy
    assert_int_equal(handle_insert(&table, &copy, &number), OK);
    assert_int_equal(number, 1);
    assert_int_equal(move(&other, 0, 10), 7);
    assert_int_equal(move(&table, 1, 100), 17);
    assert_int_equal(position_of(&table, 0), 117);
    assert_int_equal(handle_get(&other, 0, &seen), OK);
    assert_int_equal(seen.flags, 1);
    assert_int_equal(seen.rights, 1); // which are each one's own
    object_release(seen.object);
    assert_int_equal(handle_set_flags(&other, 0, 5), OK);
    assert_int_equal(handle_get(&table, 0, &seen), OK);
    assert_int_equal(seen.flags, 5);
    object_release(seen.object);
    // The position stays as long as one of them.
    assert_int_equal(handle_close(&table, 0), OK);
    handle_table_fini(&other);
    assert_int_equal(position_of(&table, 1), 117);
    finish(1);
}

static void what_is_opened_twice_has_two_positions(void **) {
    start(10);
    insert();
    struct handle again = {.object = table.slots[0].object};
    u32 number;
    object_retain(again.object);
    assert_int_equal(handle_insert(&table, &again, &number), OK);
    move(&table, 0, 3);
    assert_int_equal(position_of(&table, 1), 0);
    finish(1);
}

static void streams_share_nothing(void **) {
    struct handle copy;
    struct open_file *file;
    u32 number;
    start(10);
    insert();
    table.slots[0].object->type = OBJECT_STREAM;
    assert_int_equal(handle_set_flags(&table, 0, 4), OK);
    assert_int_equal(handle_copy(&table, 0, &copy), OK);
    assert_null(copy.file);
    assert_int_equal(copy.flags, 4);
    assert_int_equal(handle_insert(&table, &copy, &number), OK);
    assert_int_equal(handle_set_flags(&table, 1, 0), OK);
    assert_int_equal(handle_get(&table, 0, &copy), OK);
    assert_int_equal(copy.flags, 4);
    object_release(copy.object);
    assert_int_equal(handle_file(&table, 0, table.slots[0].object, &file), ERR_BAD_HANDLE);
    finish(1);
}

static void no_memory_for_a_position_is_told(void **) {
    struct handle copy;
    struct open_file *file;
    start(10);
    insert();
    heap_fail_nth(1);
    assert_int_equal(handle_copy(&table, 0, &copy), ERR_NO_MEMORY);
    heap_fail_nth(1);
    assert_int_equal(handle_file(&table, 0, table.slots[0].object, &file), ERR_NO_MEMORY);
    assert_int_equal(handle_copy(&table, 0, &copy), OK);
    handle_drop(&copy);
    finish(1);
}

static void preopen_names_go_with_their_handle(void **) {
    start(10);
    struct handle handle = make_handle();
    u8 *name = kmalloc(4);
    memcpy(name, "/dir", 4);
    handle.preopen = (struct bytes){name, 4};
    u32 number;
    assert_int_equal(handle_insert(&table, &handle, &number), OK);
    insert();

    // A copy of the handle outlives the slot, so it does not show the slot's memory.
    struct handle copy;
    assert_int_equal(handle_get(&table, 0, &copy), OK);
    assert_null(copy.preopen.data);
    object_release(copy.object);

    char text[8] = "-------";
    usize len;
    assert_int_equal(handle_preopen_name(&table, 0, text, sizeof text, &len), OK);
    assert_int_equal(len, 4);
    assert_memory_equal(text, "/dir---", 8);
    assert_int_equal(handle_preopen_name(&table, 0, text, 2, &len), OK);
    assert_int_equal(len, 4);
    assert_int_equal(handle_preopen_name(&table, 1, text, sizeof text, &len), ERR_BAD_HANDLE);
    assert_int_equal(handle_preopen_name(&table, 9, text, sizeof text, &len), ERR_BAD_HANDLE);

    assert_int_equal(handle_renumber(&table, 1, 0), OK); // over the preopen
    assert_int_equal(handle_preopen_name(&table, 0, text, sizeof text, &len), ERR_BAD_HANDLE);
    finish(2);
}

static void what_is_known_by_its_number_has_no_name(void **) {
    start(10);
    struct handle handle = make_handle();
    handle.preopen = HANDLE_NUMBERED;
    u32 number;
    assert_int_equal(handle_insert(&table, &handle, &number), OK);
    insert();
    char text[8];
    usize len;
    assert_true(handle_is_numbered(&table, 0));
    assert_false(handle_is_numbered(&table, 1));
    assert_false(handle_is_numbered(&table, 9));
    assert_int_equal(handle_preopen_name(&table, 0, text, sizeof text, &len), ERR_BAD_HANDLE);

    struct handle copy;
    assert_int_equal(handle_copy(&table, 0, &copy), OK);
    assert_int_equal(handle_insert(&table, &copy, &number), OK);
    assert_false(handle_is_numbered(&table, number)); // a copy is what its owner makes of it
    assert_int_equal(handle_renumber(&table, 1, 0), OK);
    assert_false(handle_is_numbered(&table, 0));
    finish(2);
}

static void a_new_table_is_filled_by_numbers(void **) {
    static const struct {
        u32 limit;
        u32 count;
        enum status status;
    } cases[] = {{100, 0, OK}, {100, 1, OK},      {100, 8, OK},      {100, 9, OK},
                 {9, 9, OK},   {8, 9, ERR_LIMIT}, {0, 1, ERR_LIMIT}, {100, 64, OK}};
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        struct handle handles[66] = {0}; // the last ones are none, and need no room
        start(cases[i].limit);
        for (u32 n = 0; n < cases[i].count; n += 2)
            handles[n] = make_handle();
        if (cases[i].count != 0 && handles[cases[i].count - 1].object == NULL)
            handles[cases[i].count - 1] = make_handle();
        enum status status = handle_table_fill(&table, handles, cases[i].count + 2);
        assert_int_equal(status, cases[i].status);
        u32 filled = 0;
        for (u32 n = 0; n < cases[i].count; n++) {
            struct handle found;
            bool is_there = handle_get(&table, n, &found) == OK;
            assert_int_equal(is_there, status == OK && handles[n].object != NULL);
            if (is_there)
                assert_ptr_equal(found.object, handles[n].object);
            if (is_there)
                object_release(found.object);
            filled += handles[n].object != NULL;
            if (status != OK)
                object_release(handles[n].object); // the caller's still
        }
        finish(filled);
    }
}

static u32 seen_at_the_end;

static void look_destroy(struct object *object) {
    seen_at_the_end += handle_count(&table);
    count_destroy(object);
}

// Who lists processes looks at the tables of those that end, too.
static void a_table_that_goes_is_empty_to_who_looks(void **) {
    static const struct object_ops look_ops = {.destroy = look_destroy, .stat = no_stat};
    start(100);
    for (u32 i = 0; i < 3; i++) {
        struct handle handle = make_handle();
        handle.object->ops = &look_ops;
        u32 number;
        assert_int_equal(handle_insert(&table, &handle, &number), OK);
    }
    assert_int_equal(handle_count(&table), 3);
    seen_at_the_end = 0;
    finish(3);
    assert_int_equal(seen_at_the_end, 0);
    assert_int_equal(handle_count(&table), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpus_count_what_they_open_and_close),
        cmocka_unit_test(the_lowest_free_number_is_given),
        cmocka_unit_test(the_limit_is_kept),
        cmocka_unit_test(closed_and_wild_numbers_are_refused),
        cmocka_unit_test(renumbering_moves_and_closes),
        cmocka_unit_test(a_copy_keeps_the_object_alive),
        cmocka_unit_test(state_is_kept_and_rights_only_shrink),
        cmocka_unit_test(a_position_is_of_the_handle_that_it_was_taken_from),
        cmocka_unit_test(copies_share_position_and_flags),
        cmocka_unit_test(what_is_opened_twice_has_two_positions),
        cmocka_unit_test(streams_share_nothing),
        cmocka_unit_test(no_memory_for_a_position_is_told),
        cmocka_unit_test(preopen_names_go_with_their_handle),
        cmocka_unit_test(what_is_known_by_its_number_has_no_name),
        cmocka_unit_test(a_new_table_is_filled_by_numbers),
        cmocka_unit_test(a_table_that_goes_is_empty_to_who_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
