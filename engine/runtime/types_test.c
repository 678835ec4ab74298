// Canonical types: equal groups have one number for each member, different ones never share it; a
// number is used again only when nobody holds it; subtyping is what the declarations say; and
// running out of memory leaves the registry as it was.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/runtime/types.h"
#include "tools/lib/host_linux.h"

static const enum value_type i32s[4] = {VALUE_I32, VALUE_I32, VALUE_I32, VALUE_I32};
static const enum value_type mixed[4] = {VALUE_I32, VALUE_I64, VALUE_F32, VALUE_F64};

static const struct func_type different[] = {
    {0, 0, NULL},  {1, 0, i32s},  {0, 1, i32s},  {1, 1, i32s},  {2, 0, i32s}, {0, 2, i32s},
    {2, 2, mixed}, {1, 3, mixed}, {3, 1, mixed}, {4, 0, mixed}, {4, 0, i32s}, {1, 0, mixed + 1},
};

static struct type_registry types;
static u64 live;

static int setup(void **state) {
    (void)state;
    live = host_linux_live_count();
    type_registry_init(&types);
    return 0;
}

// Every reference has been given back.
static int teardown(void **state) {
    (void)state;
    assert_int_equal(types.count, 0);
    type_registry_fini(&types);
    assert_int_equal(host_linux_live_count(), live);
    return 0;
}

static u32 intern(const struct func_type *type) {
    u32 id;
    assert_int_equal(type_registry_intern(&types, type, &id), OK);
    return id;
}

static void intern_group(const struct type_def *defs, u32 count, u32 *numbers) {
    assert_int_equal(type_registry_intern_group(&types, defs, count, numbers), OK);
}

static void equal_types_have_one_number(void **state) {
    (void)state;
    u32 numbers[COUNT_OF(different)];
    for (u32 i = 0; i < COUNT_OF(different); i++)
        numbers[i] = intern(&different[i]);
    for (u32 i = 0; i < COUNT_OF(different); i++) {
        for (u32 j = 0; j < i; j++)
            assert_int_not_equal(numbers[i], numbers[j]);
        u32 again = intern(&different[i]);
        assert_int_equal(again, numbers[i]);
        struct func_type type = type_registry_type(&types, again);
        assert_int_equal(type.param_count, different[i].param_count);
        assert_int_equal(type.result_count, different[i].result_count);
        if (type.param_count + type.result_count != 0)
            assert_memory_equal(type.types, different[i].types,
                                type.param_count + type.result_count);
    }
    assert_int_equal(types.count, COUNT_OF(different));
    for (u32 i = 0; i < 2 * COUNT_OF(different); i++)
        type_registry_release(&types, numbers[i / 2]);
}

static void the_last_release_frees_the_number(void **state) {
    (void)state;
    u32 first = intern(&different[3]);
    u32 other = intern(&different[4]);
    assert_int_equal(intern(&different[3]), first);
    type_registry_release(&types, first);
    assert_int_equal(types.count, 2);
    u32 third = intern(&different[5]);
    assert_int_not_equal(third, first); // still held
    type_registry_release(&types, first);
    assert_int_equal(types.count, 2);
    assert_int_equal(intern(&different[6]), first); // not held any more
    type_registry_release(&types, first);
    type_registry_release(&types, other);
    type_registry_release(&types, third);
}

// The types of n parameters, each i32 or i64 by a bit of n: all different.
static struct func_type numbered_type(u32 number, enum value_type storage[16]) {
    for (u32 bit = 0; bit < 16; bit++)
        storage[bit] = (number >> bit & 1) != 0 ? VALUE_I64 : VALUE_I32;
    return (struct func_type){.param_count = 16, .types = storage};
}

static void numbers_survive_growth(void **state) {
    (void)state;
    enum value_type storage[16];
    for (u32 round = 0; round < 2; round++) {
        for (u32 i = 0; i < 3000; i++) {
            struct func_type type = numbered_type(i, storage);
            assert_int_equal(intern(&type), i);
        }
    }
    for (u32 i = 0; i < 2 * 3000; i++)
        type_registry_release(&types, i % 3000);
}

// Interns and releases at random, at most 500 types at a time: neither the count nor the arrays
// outgrow that.
static void a_storm_does_not_grow_the_registry(void **state) {
    (void)state;
    enum value_type storage[16];
    u32 held[500];
    u32 count = 0;
    u32 random = 1;
    for (u32 step = 0; step < 200000; step++) {
        random = random * 1664525 + 1013904223;
        if (count == COUNT_OF(held) || (count != 0 && random >> 31 != 0)) {
            u32 at = (random >> 8) % count;
            type_registry_release(&types, held[at]);
            held[at] = held[--count];
        } else {
            struct func_type type = numbered_type(random >> 8 & 0xffff, storage);
            held[count++] = intern(&type);
        }
        assert_in_range(types.count, count == 0 ? 0 : 1, count);
        assert_in_range(types.top, 0, COUNT_OF(held));
    }
    assert_in_range(types.capacity, 0, 512);
    while (count != 0)
        type_registry_release(&types, held[--count]);
}

static const struct type_def open_root = {.func = {0, 0, NULL}, .super = TYPE_NONE};

static void groups_are_equal_as_a_whole(void **state) {
    (void)state;
    // Twice the same type is not once, and the second is not the first.
    const struct type_def twice[2] = {open_root, open_root};
    u32 pair[2];
    u32 again[2];
    u32 alone;
    intern_group(twice, 2, pair);
    intern_group(&open_root, 1, &alone);
    intern_group(twice, 2, again);
    assert_int_not_equal(pair[0], pair[1]);
    assert_int_not_equal(pair[0], alone);
    assert_int_not_equal(pair[1], alone);
    assert_int_equal(pair[0], again[0]);
    assert_int_equal(pair[1], again[1]);

    // One that may have subtypes is another than one that may not.
    u32 final = intern(&open_root.func);
    assert_int_not_equal(final, alone);

    type_registry_release(&types, pair[0]);
    type_registry_release(&types, again[1]); // any member stands for the group
    type_registry_release(&types, alone);
    type_registry_release(&types, final);
}

static void relative_references_are_not_absolute_ones(void **state) {
    (void)state;
    u32 root;
    u32 below;
    u32 pair[2];
    u32 below_pair;
    intern_group(&open_root, 1, &root);
    const struct type_def sub = {.func = {0, 0, NULL}, .super = root, .is_final = true};
    intern_group(&sub, 1, &below);
    const struct type_def together[2] = {
        open_root, {.func = {0, 0, NULL}, .super = TYPE_RELATIVE | 0, .is_final = true}};
    intern_group(together, 2, pair);
    const struct type_def sub_pair = {.func = {0, 0, NULL}, .super = pair[0], .is_final = true};
    intern_group(&sub_pair, 1, &below_pair);
    assert_int_equal(types.count, 5);

    assert_true(type_registry_is_subtype(&types, below, root));
    assert_true(type_registry_is_subtype(&types, pair[1], pair[0]));
    assert_true(type_registry_is_subtype(&types, below_pair, pair[0]));
    assert_true(type_registry_is_subtype(&types, root, root));
    assert_false(type_registry_is_subtype(&types, root, below));
    assert_false(type_registry_is_subtype(&types, below, pair[0]));
    assert_false(type_registry_is_subtype(&types, pair[1], root));
    assert_false(type_registry_is_subtype(&types, below_pair, pair[1]));

    type_registry_release(&types, root);
    assert_int_equal(types.count, 5); // `below` holds it
    type_registry_release(&types, below);
    assert_int_equal(types.count, 3);
    type_registry_release(&types, pair[1]);
    type_registry_release(&types, below_pair);
}

static void a_chain_of_supertypes_is_bounded_and_freed(void **state) {
    (void)state;
    // Alone each.
    u32 ids[LIMIT_SUBTYPES + 1];
    struct type_def def = open_root;
    for (u32 i = 0; i < COUNT_OF(ids); i++) {
        intern_group(&def, 1, &ids[i]);
        def.super = ids[i];
    }
    u32 none;
    assert_int_equal(type_registry_intern_group(&types, &def, 1, &none), ERR_LIMIT);
    for (u32 i = 0; i < COUNT_OF(ids); i++) {
        for (u32 j = 0; j < COUNT_OF(ids); j++)
            assert_int_equal(type_registry_is_subtype(&types, ids[i], ids[j]), j <= i);
    }
    for (u32 i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(types.count, COUNT_OF(ids));
        type_registry_release(&types, ids[i]); // the last one takes all others along
    }
    assert_int_equal(types.count, 0);

    // In one group.
    struct type_def defs[LIMIT_SUBTYPES + 2];
    u32 numbers[COUNT_OF(defs)];
    for (u32 i = 0; i < COUNT_OF(defs); i++)
        defs[i] = (struct type_def){.super = i == 0 ? TYPE_NONE : TYPE_RELATIVE | (i - 1)};
    assert_int_equal(type_registry_intern_group(&types, defs, COUNT_OF(defs), numbers), ERR_LIMIT);
    intern_group(defs, COUNT_OF(defs) - 1, numbers);
    assert_true(type_registry_is_subtype(&types, numbers[LIMIT_SUBTYPES], numbers[0]));
    type_registry_release(&types, numbers[7]);
}

static void thunks_are_set_once(void **state) {
    (void)state;
    u32 number = intern(&different[1]);
    assert_null(type_registry_host_thunk(&types, number));
    type_registry_set_host_thunk(&types, number, &i32s[0]);
    type_registry_set_host_thunk(&types, number, &i32s[1]);
    assert_ptr_equal(type_registry_host_thunk(&types, number), &i32s[0]);
    type_registry_release(&types, number);
    assert_null(type_registry_host_thunk(&types, intern(&different[2]))); // the same number
    type_registry_release(&types, number);
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    bool failed = true;
    for (u64 nth = 1; failed; nth++) {
        host_linux_fail_nth(nth);
        enum value_type storage[16];
        u32 failures = 0;
        for (u32 i = 0; i < 100; i++) {
            struct func_type type = numbered_type(i, storage);
            u32 number;
            enum status status = type_registry_intern(&types, &type, &number);
            if (status != OK) {
                assert_int_equal(status, ERR_NO_MEMORY);
                failures++;
                number = intern(&type);
            }
            assert_int_equal(number, i);
        }
        failed = host_linux_has_failed();
        assert_int_equal(failures, failed);
        for (u32 i = 0; i < 100; i++)
            type_registry_release(&types, i);
        assert_int_equal(types.count, 0);
        type_registry_fini(&types);
        assert_int_equal(host_linux_live_count(), live);
    }
    host_linux_fail_nth(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(equal_types_have_one_number),
        TEST(the_last_release_frees_the_number),
        TEST(numbers_survive_growth),
        TEST(a_storm_does_not_grow_the_registry),
        TEST(groups_are_equal_as_a_whole),
        TEST(relative_references_are_not_absolute_ones),
        TEST(a_chain_of_supertypes_is_bounded_and_freed),
        TEST(thunks_are_set_once),
        TEST(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
