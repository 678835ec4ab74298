// Sets of physical ranges stay sorted and disjoint, and never hold what was removed.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/arch/x86_64/ranges.h"

static void check_set(const struct range_set *set) {
    for (u32 i = 0; i < set->count; i++) {
        assert_true(set->ranges[i].bytes != 0);
        if (i > 0)
            assert_true(set->ranges[i - 1].start.value + set->ranges[i - 1].bytes <
                        set->ranges[i].start.value);
    }
}

static void expect(const struct range_set *set, u32 count, const u64 (*ranges)[2]) {
    check_set(set);
    assert_int_equal(set->count, count);
    for (u32 i = 0; i < count; i++) {
        assert_int_equal(set->ranges[i].start.value, ranges[i][0]);
        assert_int_equal(set->ranges[i].start.value + set->ranges[i].bytes, ranges[i][1]);
    }
}

static void adding_merges_what_touches(UNUSED void **state) {
    struct range_set set = {};
    range_set_add(&set, 0x3000, 0x4000);
    range_set_add(&set, 0x1000, 0x2000);
    range_set_add(&set, 0x8000, 0x8000); // empty
    range_set_add(&set, 0x9000, 0x8000); // backwards
    expect(&set, 2, (const u64[][2]){{0x1000, 0x2000}, {0x3000, 0x4000}});
    range_set_add(&set, 0x2000, 0x3000);
    expect(&set, 1, (const u64[][2]){{0x1000, 0x4000}});
    range_set_add(&set, 0x0000, 0x9000);
    expect(&set, 1, (const u64[][2]){{0x0000, 0x9000}});
    range_set_add(&set, 0x2000, 0x3000);
    expect(&set, 1, (const u64[][2]){{0x0000, 0x9000}});
}

static void removing_splits(UNUSED void **state) {
    struct range_set set = {};
    range_set_add(&set, 0x1000, 0x9000);
    range_set_remove(&set, 0x3000, 0x4000);
    range_set_remove(&set, 0x4000, 0x4000);
    expect(&set, 2, (const u64[][2]){{0x1000, 0x3000}, {0x4000, 0x9000}});
    range_set_remove(&set, 0x0000, 0x2000);
    range_set_remove(&set, 0x8000, 0xf000);
    expect(&set, 2, (const u64[][2]){{0x2000, 0x3000}, {0x4000, 0x8000}});
    range_set_remove(&set, 0x2000, 0x5000);
    expect(&set, 1, (const u64[][2]){{0x5000, 0x8000}});
    range_set_remove(&set, 0, UINT64_MAX);
    expect(&set, 0, NULL);
}

static void a_full_set_forgets_the_smallest(UNUSED void **state) {
    struct range_set set = {};
    for (u64 i = 0; i < BOOT_RANGES_MAX; i++)
        range_set_add(&set, i * 0x10000, i * 0x10000 + 0x2000);
    range_set_add(&set, 0x1000000, 0x1001000); // smaller than all
    assert_int_equal(set.count, BOOT_RANGES_MAX);
    assert_int_equal(range_set_bytes(&set), BOOT_RANGES_MAX * 0x2000);
    range_set_add(&set, 0x1000000, 0x1008000);
    assert_int_equal(range_set_bytes(&set), (BOOT_RANGES_MAX - 1) * 0x2000 + 0x8000);
    range_set_remove(&set, 0x1003000, 0x1004000); // the split has no room for both parts
    check_set(&set);
    assert_int_equal(set.count, BOOT_RANGES_MAX);
}

static void taking_is_from_the_lowest_that_fits(UNUSED void **state) {
    struct range_set set = {};
    u64 got = 0;
    range_set_add(&set, 0x1000, 0x2000);
    range_set_add(&set, 0x5000, 0x9000);
    assert_true(range_set_take(&set, 0x2000, UINT64_MAX, &got));
    assert_int_equal(got, 0x5000);
    assert_true(range_set_take(&set, 0x1000, UINT64_MAX, &got));
    assert_int_equal(got, 0x1000);
    assert_false(range_set_take(&set, 0x1000, 0x7800, &got)); // [0x7000, 0x8000) crosses the limit
    assert_true(range_set_take(&set, 0x1000, 0x8000, &got));
    assert_false(range_set_take(&set, 0x2000, UINT64_MAX, &got));
    expect(&set, 1, (const u64[][2]){{0x8000, 0x9000}});
}

static void trimming_keeps_the_lowest_bytes(UNUSED void **state) {
    struct range_set set = {};
    range_set_add(&set, 0x1000, 0x3000);
    range_set_add(&set, 0x5000, 0x9000);
    range_set_trim(&set, 0x100000);
    assert_int_equal(range_set_bytes(&set), 0x6000);
    range_set_trim(&set, 0x3800); // whole pages only
    expect(&set, 2, (const u64[][2]){{0x1000, 0x3000}, {0x5000, 0x6000}});
    range_set_trim(&set, 0x2000);
    expect(&set, 1, (const u64[][2]){{0x1000, 0x3000}});
    range_set_trim(&set, 0);
    expect(&set, 0, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adding_merges_what_touches),
        cmocka_unit_test(removing_splits),
        cmocka_unit_test(a_full_set_forgets_the_smallest),
        cmocka_unit_test(taking_is_from_the_lowest_that_fits),
        cmocka_unit_test(trimming_keeps_the_lowest_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
