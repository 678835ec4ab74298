// Canonical types: equal types have one number, different ones never share it, and running out of
// memory leaves the registry as it was.

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

static void equal_types_have_one_number(void **state) {
    (void)state;
    struct type_registry types;
    type_registry_init(&types);
    u32 numbers[COUNT_OF(different)];
    for (u32 i = 0; i < COUNT_OF(different); i++)
        assert_int_equal(type_registry_intern(&types, &different[i], &numbers[i]), OK);
    for (u32 i = 0; i < COUNT_OF(different); i++) {
        for (u32 j = 0; j < i; j++)
            assert_int_not_equal(numbers[i], numbers[j]);
        u32 again;
        assert_int_equal(type_registry_intern(&types, &different[i], &again), OK);
        assert_int_equal(again, numbers[i]);
        struct func_type type = type_registry_type(&types, again);
        assert_int_equal(type.param_count, different[i].param_count);
        assert_int_equal(type.result_count, different[i].result_count);
    }
    assert_int_equal(types.count, COUNT_OF(different));
    type_registry_fini(&types);
}

// The types of n parameters, each i32 or i64 by a bit of n: all different.
static struct func_type numbered_type(u32 number, enum value_type storage[16]) {
    for (u32 bit = 0; bit < 16; bit++)
        storage[bit] = (number >> bit & 1) != 0 ? VALUE_I64 : VALUE_I32;
    return (struct func_type){.param_count = 16, .types = storage};
}

static void numbers_survive_growth(void **state) {
    (void)state;
    struct type_registry types;
    type_registry_init(&types);
    enum value_type storage[16];
    for (u32 round = 0; round < 2; round++) {
        for (u32 i = 0; i < 3000; i++) {
            struct func_type type = numbered_type(i, storage);
            u32 number;
            assert_int_equal(type_registry_intern(&types, &type, &number), OK);
            assert_int_equal(number, i);
        }
    }
    type_registry_fini(&types);
}

static void thunks_are_set_once(void **state) {
    (void)state;
    struct type_registry types;
    type_registry_init(&types);
    u32 number;
    assert_int_equal(type_registry_intern(&types, &different[1], &number), OK);
    assert_null(type_registry_host_thunk(&types, number));
    type_registry_set_host_thunk(&types, number, &i32s[0]);
    type_registry_set_host_thunk(&types, number, &i32s[1]);
    assert_ptr_equal(type_registry_host_thunk(&types, number), &i32s[0]);
    assert_null(type_registry_cross_thunk(&types, number));
    type_registry_set_cross_thunk(&types, number, &i32s[2]);
    type_registry_set_cross_thunk(&types, number, &i32s[3]);
    assert_ptr_equal(type_registry_cross_thunk(&types, number), &i32s[2]);
    type_registry_fini(&types);
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    u64 live = host_linux_live_count();
    for (u64 nth = 1;; nth++) {
        struct type_registry types;
        type_registry_init(&types);
        host_linux_fail_nth(nth);
        enum value_type storage[16];
        u32 failures = 0;
        for (u32 i = 0; i < 100; i++) {
            struct func_type type = numbered_type(i, storage);
            u32 number;
            enum status status = type_registry_intern(&types, &type, &number);
            if (status == OK)
                continue;
            assert_int_equal(status, ERR_NO_MEMORY);
            failures++;
            assert_int_equal(type_registry_intern(&types, &type, &number), OK);
            assert_int_equal(number, i);
        }
        bool failed = host_linux_has_failed();
        assert_int_equal(failures, failed);
        type_registry_fini(&types);
        assert_int_equal(host_linux_live_count(), live);
        if (!failed)
            break;
    }
    host_linux_fail_nth(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_types_have_one_number),
        cmocka_unit_test(numbers_survive_growth),
        cmocka_unit_test(thunks_are_set_once),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
