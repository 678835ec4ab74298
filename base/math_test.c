// Arithmetic at its edges.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"

#define MAX UINT64_MAX

static void sums_and_products_overflow_visibly(void **) {
    static const struct {
        u64 a, b;
        bool sum_fits, product_fits;
    } cases[] = {
        {0, 0, true, true},
        {MAX, 0, true, true},
        {MAX, 1, false, true},
        {MAX - 1, 1, true, true},
        {1ull << 32, 1ull << 32, true, false},
        {1ull << 32, (1ull << 32) - 1, true, true},
        {1ull << 63, 1ull << 63, false, false},
        {MAX, MAX, false, false},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        u64 out;
        assert_int_equal(add_u64(cases[i].a, cases[i].b, &out), cases[i].sum_fits);
        if (cases[i].sum_fits)
            assert_int_equal(out, cases[i].a + cases[i].b);
        assert_int_equal(mul_u64(cases[i].a, cases[i].b, &out), cases[i].product_fits);
        if (cases[i].product_fits)
            assert_int_equal(out, cases[i].a * cases[i].b);
    }
}

static void ranges_fit_or_not(void **) {
    static const struct {
        u64 offset, len, size;
        bool fits;
    } cases[] = {
        {0, 0, 0, true},     {1, 0, 0, false},       {0, 1, 0, false},    {5, 5, 10, true},
        {5, 6, 10, false},   {10, 0, 10, true},      {11, 0, 10, false},  {MAX, 1, 10, false},
        {1, MAX, 10, false}, {MAX, MAX, MAX, false}, {0, MAX, MAX, true}, {MAX, 0, MAX, true},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(range_fits(cases[i].offset, cases[i].len, cases[i].size), cases[i].fits);
}

static void alignment_rounds_to_powers_of_two(void **) {
    assert_int_equal(align_up(0, 4096), 0);
    assert_int_equal(align_up(1, 4096), 4096);
    assert_int_equal(align_up(4096, 4096), 4096);
    assert_int_equal(align_down(4095, 4096), 0);
    assert_int_equal(align_down(MAX, 4096), MAX - 4095);
    assert_int_equal(align_up(MAX - 4095, 4096), MAX - 4095);
    assert_true(is_aligned(0, 1ull << 63));
    assert_false(is_aligned(8, 16));
    assert_false(is_power_of_two(0));
    assert_true(is_power_of_two(1));
    assert_true(is_power_of_two(1ull << 63));
    assert_false(is_power_of_two(MAX));
}

static void logarithms_round_both_ways(void **) {
    static const struct {
        u64 value;
        u32 floor, ceil;
    } cases[] = {
        {1, 0, 0},      {2, 1, 1},      {3, 1, 2},
        {4, 2, 2},      {5, 2, 3},      {4095, 11, 12},
        {4096, 12, 12}, {4097, 12, 13}, {1ull << 63, 63, 63},
        {MAX, 63, 64},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(log2_floor(cases[i].value), cases[i].floor);
        assert_int_equal(log2_ceil(cases[i].value), cases[i].ceil);
    }
    assert_int_equal(min_u64(MAX, 1), 1);
    assert_int_equal(max_u64(MAX, 1), MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_and_products_overflow_visibly),
        cmocka_unit_test(ranges_fit_or_not),
        cmocka_unit_test(alignment_rounds_to_powers_of_two),
        cmocka_unit_test(logarithms_round_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
