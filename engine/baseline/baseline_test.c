// The one-pass compiler, by running what it makes: the places where such compilers go wrong (see
// tests/wat/baseline.wat), and functions of extreme shapes.

#include <stdlib.h>

#include "tests/fixture.h"
#include "tests/function_build.h"

static const u8 baseline_wasm[] = {
#embed "wat/baseline.wasm"
};

static enum cpu_level level; // each test runs in two of them
static struct fixture f;

static int setup(void **state) {
    (void)state;
    return fixture_init_cpu(&f, level, baseline_wasm, sizeof baseline_wasm);
}

static int teardown(void **state) {
    (void)state;
    return fixture_fini(&f);
}

static u64 f64_bits(double x) {
    u64 bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static u64 f32_bits(float x) {
    u32 bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

#define BOUNDS TRAP_MEMORY_BOUNDS

static void i32_stays_zero_extended(void **state) {
    (void)state;
    u64 wide = 0xaaaaaaaa80000001;
    const struct call_case cases[] = {
        {"zx_wrap", {wide}, 0x80000001, 0},
        {"zx_wrap_local", {wide}, 0x80000001, 0},
        {"zx_spill", {wide}, 0x80000001, 0},
        {"zx_operand", {wide}, 0x80000001, 0},
        {"zx_call", {wide}, 0x80000001, 0},
        {"zx_select", {wide}, 0x80000001, 0},
        {"zx_select", {1}, 2, 0},
        {"zx_merge", {wide}, 0x80000001, 0},
        {"zx_merge", {0}, 0xffffffff, 0},
        {"zx_loop", {0xaaaaaaaa00000001}, 0xfffffffe, 0},
        {"zx_arith", {0xffffffff, 0xffffffff}, 0xfffffffe, 0},
        {"zx_index", {0xffffffff, 1}, 0, 0},
        {"zx_index", {0xffffffff, 0}, 0, BOUNDS},
        {"zx_sign", {0x80}, 0xffffff80, 0},
        {"zx_load", {65535}, 0, 0},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void shift_counts_are_masked(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"shl32", {3, 32}, 3, 0},
        {"shl32", {3, 33}, 6, 0},
        {"shl32", {3, 0xffffffff}, 0x80000000, 0},
        {"shr32", {0x80000000, 63}, 0xffffffff, 0},
        {"shl64", {3, 64}, 3, 0},
        {"shl64", {3, 127}, 0x8000000000000000, 0},
        {"shl32_32", {5}, 5, 0},
        {"shl32_33", {5}, 10, 0},
        {"shr64_65", {8}, 4, 0},
        {"shl_self", {4}, 64, 0},
        {"shl_self", {33}, 66, 0},
        {"shl_rcx", {2, 0, 0, 5}, (5 << 2) + (2 << 5), 0},
        {"rotl_mixed", {0x8000000000000001, 65}, 3 + 65, 0},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void division_traps_and_folds(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"div_s", {7, (u32)-2}, (u32)-3, 0},
        {"div_s", {7, (u32)-1}, (u32)-7, 0},
        {"div_s", {0x80000000, 0xffffffff}, 0, TRAP_INTEGER_OVERFLOW},
        {"div_s", {1, 0}, 0, TRAP_DIVIDE_BY_ZERO},
        {"rem_s", {(u32)-7, 3}, (u32)-1, 0},
        {"rem_s", {0x80000000, 0xffffffff}, 0, 0},
        {"rem_s", {1, 0}, 0, TRAP_DIVIDE_BY_ZERO},
        {"div_u64", {0xffffffffffffffff, 2}, 0x7fffffffffffffff, 0},
        {"div_u64", {1, 0}, 0, TRAP_DIVIDE_BY_ZERO},
        {"div_by_0", {1}, 0, TRAP_DIVIDE_BY_ZERO},
        {"div_by_m1", {5}, (u32)-5, 0},
        {"div_by_m1", {0x80000000}, 0, TRAP_INTEGER_OVERFLOW},
        {"rem_by_m1", {0x8000000000000000}, 0, 0},
        {"div_by_8", {0xffffffff}, 0x1fffffff, 0},
        {"rem_by_2_40", {0xffffff0123456789}, 0x0123456789, 0},
        {"div_self", {9}, 10, 0},
        {"div_rdx", {100, 0, 7, 4}, 100 / 7 + 7 % 4 + 11, 0},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void floats_keep_signs_and_nans(void **state) {
    (void)state;
    u64 nan = f64_bits(__builtin_nan(""));
    u64 zero = 0;
    u64 minus0 = f64_bits(-0.0);
    const struct call_case cases[] = {
        {"min", {zero, minus0}, minus0, 0},
        {"min", {minus0, zero}, minus0, 0},
        {"min", {f64_bits(1), f64_bits(-2)}, f64_bits(-2), 0},
        {"min", {nan, f64_bits(1)}, nan, 0},
        {"min", {f64_bits(1), nan}, nan, 0},
        {"max", {f32_bits(-0.f), 0}, 0, 0},
        {"max", {0, f32_bits(-0.f)}, 0, 0},
        {"max", {f32_bits(3), f32_bits(4)}, f32_bits(4), 0},
        {"const_nan", {0}, 0x7fa00001, 0},
        {"const_nan64", {0}, 0xfff4000000000001, 0},
        {"const_minus0", {0}, minus0, 0},
        {"select_f", {minus0, nan, 1}, minus0, 0},
        {"select_f", {minus0, nan, 0}, nan, 0},
        {"select_lt", {f64_bits(1), f64_bits(2)}, f64_bits(1), 0},
        {"select_lt", {f64_bits(2), f64_bits(1)}, f64_bits(1), 0},
        {"select_lt", {nan, f64_bits(1)}, f64_bits(1), 0},
        {"select_eq", {zero, minus0}, 1, 0},
        {"select_eq", {zero, f64_bits(1)}, 2, 0},
        {"select_eq", {nan, nan}, 2, 0},
        {"select_ne", {zero, minus0}, 2, 0},
        {"select_ne", {zero, f64_bits(1)}, 1, 0},
        {"select_ne", {nan, nan}, 1, 0},
        {"if_eq", {zero, minus0}, 1, 0},
        {"if_eq", {nan, nan}, 2, 0},
        {"if_eq", {zero, f64_bits(1)}, 2, 0},
        {"if_not_lt", {nan, nan}, 1, 0},
        {"if_not_lt", {zero, f64_bits(1)}, 2, 0},
        {"br_ne", {nan, nan}, 1, 0},
        {"br_ne", {zero, minus0}, 2, 0},
        {"copysign", {f32_bits(3), f32_bits(-0.f)}, f32_bits(-3), 0},
        {"copysign_self", {f64_bits(-4)}, f64_bits(4), 0},
        {"trunc", {f64_bits(-2147483648.9)}, 0x80000000, 0},
        {"trunc", {f64_bits(-2147483649.0)}, 0, TRAP_INTEGER_OVERFLOW},
        {"trunc", {f64_bits(2147483648.0)}, 0, TRAP_INTEGER_OVERFLOW},
        {"trunc", {nan}, 0, TRAP_INVALID_CONVERSION},
        {"trunc_u64", {f64_bits(-0.9)}, 0, 0},
        {"trunc_u64", {f64_bits(-1)}, 0, TRAP_INTEGER_OVERFLOW},
        {"trunc_u64", {f64_bits(18446744073709549568.0)}, 0xfffffffffffff800, 0},
        {"trunc_u64", {f64_bits(18446744073709551616.0)}, 0, TRAP_INTEGER_OVERFLOW},
        {"convert_u64", {0xffffffffffffffff}, f64_bits(18446744073709551616.0), 0},
        {"convert_u64", {0x8000000000000401}, f64_bits(9223372036854777856.0), 0},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void joins_agree_on_a_state(void **state) {
    (void)state;
    u64 swapped = f64_bits(7.0 * 100 - (3.0 - 5.0));
    u64 back = f64_bits(3.0 * 100 - (7.0 + 5.0));
    const struct call_case cases[] = {
        {"rotate3", {0, 1, 2, 3}, 321, 0},
        {"rotate3", {1, 1, 2, 3}, 132, 0},
        {"rotate3", {2, 1, 2, 3}, 213, 0},
        {"rotate3", {3, 1, 2, 3}, 321, 0},
        {"rotate_params", {1}, 132, 0},
        {"rotate_params", {2}, 213, 0},
        {"rotate_params", {3}, 321, 0},
        {"swap_floats", {1, f64_bits(3), f32_bits(5), f64_bits(7)}, swapped, 0},
        {"swap_floats", {2, f64_bits(3), f32_bits(5), f64_bits(7)}, back, 0},
        {"loop_from_home", {3, 2, 5, 2}, 8 + 7 * 5 + 3, 0},
        {"loop_from_home", {3, 2, 5, 9}, 8 + 7 * 5 + 3, 0},
        {"loop_preloads", {3, 2, 5}, 8 + 7 * 5 + 3 + 38, 0},
        {"loop_calls", {4, 11}, 44, 0},
        {"merge_dirty", {1, 2}, 7 * 3 + 7, 0},
        {"merge_dirty", {0, 2}, 9, 0},
        {"if_without_else", {5, 3}, 3005, 0},
        {"if_without_else", {25, 3}, 3025, 0},
        {"if_without_else", {15, 3}, 4015, 0},
        {"if_without_else", {16, 3}, 8016, 0},
        {"carry", {1}, 7, 0},
        {"carry", {2}, 2, 0},
        {"carry", {4}, 104, 0},
        {"carry_many", {0}, (u32)(60 * 0) + (u32)((50 - 60) * 150), 0},
        {"carry_many", {9}, (u32)((1 - 2) * 12), 0},
        {"carry_down", {1}, 1000 + 7 * 8, 0},
        {"carry_down", {0}, 1000 + 26, 0},
        {"flags_then_moves", {1, 2}, 3, 0},
        {"flags_then_moves", {2, 2}, 4, 0},
        {"flags_then_moves", {3, 2}, 115, 0},
        {"flags_then_moves", {6, 2}, 82, 0},
        {"table4", {0, 10}, 11, 0},
        {"table4", {1, 10}, 12, 0},
        {"table4", {2, 10}, 11, 0},
        {"table4", {3, 10}, 13, 0},
        {"table4", {4, 10}, 14, 0},
        {"table4", {0xffffffff, 10}, 14, 0},
        {"table_values", {0}, 1111, 0},
        {"table_values", {1}, 1011, 0},
        {"table_values", {2}, 11, 0},
        {"table_values", {4}, 1111, 0},
        {"table_values", {8}, 11, 0},
        {"table_values", {0x80000000}, 11, 0},
        {"dead", {5}, 5, 0},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void calls_pass_many_values(void **state) {
    (void)state;
    u64 sum = (u32)(5 + (u32)-1 + 5) + 0x100000000 * 1000 + (5 + 2);
    const struct call_case cases[] = {
        {"many_params", {5}, sum, 0},
        {"spilled_compare", {1, 2}, 1, 0},
        {"spilled_compare", {2, 1}, 0, 0},
        {"spilled_compare", {0x7fffffffffffffff, 0}, 1, 0},
        {"spilled_compare", {0, (u64)-5}, 0, 0},
    };
    fixture_run(&f, cases, COUNT_OF(cases));

    // x, 1.5, l, 2.5, -3: (1.5 + (l - 3)) * 2 truncated, added to x, less 2.5.
    double l = 0x123456789 - 3;
    double expected = 5 + (double)(i64)((1.5 + l) * 2) - 2.5;
    const struct call_case results[] = {{"many_results", {5}, f64_bits(expected), 0}};
    fixture_run(&f, results, 1);
}

// The memory is one page; what is beyond it, by whatever sum of index and offset, traps.
static void offsets_trap_out_of_bounds(void **state) {
    (void)state;
    static const char *const large[] = {"guard-17", "guard-16", "guard",
                                        "2^31-1",   "2^31",     "2^32-1"};
    static const u64 indices[] = {0, 1, 65535, 0x7fffffff, 0x80000000, 0xfc000000, 0xffffffff};
    for (usize i = 0; i < COUNT_OF(large); i++) {
        for (usize k = 0; k < COUNT_OF(indices); k++) {
            struct call_case c = {large[i], {indices[k]}, 0, BOUNDS};
            fixture_run(&f, &c, 1);
        }
    }
    static const struct call_case cases[] = {
        {"offset_0", {65535}, 0, 0},
        {"offset_0", {65536}, 0, BOUNDS},
        {"offset_0", {0xffffffff}, 0, BOUNDS},
        {"offset_1", {65534}, 0, 0},
        {"offset_1", {65535}, 0, BOUNDS},
        {"offset_1", {0xffffffff}, 0, BOUNDS},
        {"store_2^32-1", {0}, 0, BOUNDS},
        {"store_2^32-1", {1}, 0, BOUNDS},
        {"store_2^32-1", {0xffffffff}, 0, BOUNDS},
        {"const_index", {0}, 0, BOUNDS},
        {"const_over", {0}, 0, BOUNDS},
        {"const_low", {0}, 0x0203, 0},
        {"store_imm_narrow", {0}, 0xfffffffe1234fd90, 0},
        {"store_narrow", {0}, 0xabcd81, 0},
        {"store_imm64", {0}, (u64)-2 + 0x123456789abcdef0 + 0x8000000000000000 + 0x7fa00001, 0},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void copy_and_fill_check_first(void **state) {
    (void)state;
    u8 *memory = fixture_memory(&f, "memory");
    static const struct call_case cases[] = {
        {"copy", {65536, 0, 0}, 65536, 0},
        {"copy", {0, 65536, 0}, 0, 0},
        {"copy", {65537, 0, 0}, 0, BOUNDS},
        {"copy", {0, 65530, 7}, 0, BOUNDS},
        {"copy", {65530, 0, 7}, 0, BOUNDS},
        {"copy", {0xffffffff, 0xffffffff, 0xffffffff}, 0, BOUNDS},
        {"fill", {65530, '!', 7}, 0, BOUNDS},
        {"fill", {0, '!', 0xffffffff}, 0, BOUNDS},
        {"fill", {65536, '!', 0}, 65536, 0},
    };
    memset(memory, '.', 65536);
    fixture_run(&f, cases, COUNT_OF(cases));
    for (u32 i = 0; i < 65536; i++)
        assert_int_equal(memory[i], '.');

    static const struct call_case moves[] = {
        {"fill", {3, 0x341, 4}, 3, 0},
        {"copy", {100, 0, 10}, 100, 0},
    };
    fixture_run(&f, moves, COUNT_OF(moves));
    assert_memory_equal(memory, "...AAAA...", 10);
    assert_memory_equal(memory + 100, "...AAAA...", 10);

    // Overlapping, both ways, and in place.
    for (u32 to = 200; to <= 220; to++) {
        u8 expected[40];
        for (u32 i = 0; i < 40; i++)
            memory[200 + i] = expected[i] = (u8)('a' + i % 26);
        memmove(expected + (to - 200), expected + 10, 15);
        struct call_case c = {"copy", {to, 210, 15}, to, 0};
        fixture_run(&f, &c, 1);
        assert_memory_equal(memory + 200, expected, 40);
    }
    struct call_case keeps = {"copy_keeps", {300, 400, 5}, 600 + 300 + 400 + 5, 0};
    fixture_run(&f, &keeps, 1);
}

// -- Extreme shapes -----------------------------------------------------------------------------

// x + 0, x + 1, ... x + 199, all computed before the first is added up.
static void two_hundred_values_live(void **state) {
    (void)state;
    struct builder b = {0};
    put(&b, 0);
    for (u32 i = 0; i < 200; i++) {
        put_insn(&b, LOCAL_GET, 0);
        put_const(&b, i);
        put(&b, I32_ADD);
    }
    for (u32 i = 0; i < 199; i++)
        put(&b, I32_ADD);
    assert_int_equal(function_run(&f.e, &b, 7), 200 * 7 + 199 * 100);
}

// The same with constants and copies of a local between them.
static void deep_stack_of_mixed_values(void **state) {
    (void)state;
    struct builder b = {0};
    put(&b, 0);
    for (u32 i = 0; i < 20000; i++) {
        put_insn(&b, LOCAL_GET, 0);
        put_const(&b, i % 64);
        put_insn(&b, LOCAL_GET, 0);
        put_const(&b, 3);
        put(&b, I32_MUL);
    }
    for (u32 i = 0; i < 20000 * 3 - 1; i++)
        put(&b, I32_ADD);
    u32 sum = 0;
    for (u32 i = 0; i < 20000; i++)
        sum += 5 + i % 64 + 15;
    assert_int_equal(function_run(&f.e, &b, 5), sum);
}

// Loops in loops, each with a conditional way out, and values below each.
static void deep_loops_with_operands(void **state) {
    (void)state;
    u32 depth = 20000;
    struct builder b = {0};
    put(&b, 0);
    for (u32 i = 0; i < depth; i++) {
        put_insn(&b, LOCAL_GET, 0);
        put(&b, i % 2 != 0 ? LOOP : BLOCK);
        put(&b, I32);
    }
    put_insn(&b, LOCAL_GET, 0);
    for (u32 i = 0; i < depth; i++) {
        put(&b, END);
        put(&b, I32_ADD);
    }
    assert_int_equal(function_run(&f.e, &b, 2), 2 + 2 * depth);
}

// The frame is larger than the stack that is there at first.
static void frame_beyond_the_stack_traps(void **state) {
    (void)state;
    struct builder b = {0};
    put(&b, 1);
    put_leb(&b, 40000);
    put(&b, I32);
    put_insn(&b, LOCAL_GET, 0);
    put_insn(&b, IF, VOID);
    put_insn(&b, LOCAL_GET, 0);
    put_const(&b, 1);
    put(&b, 0x6b);
    put_insn(&b, 0x10, 0);
    put(&b, DROP);
    put(&b, END);
    put_insn(&b, LOCAL_GET, 0);

    // The same function calls itself: three frames of 320 KiB are more than 1 MiB less slack.
    static const u8 head[] = {0, 'a',  's', 'm', 1, 0, 0, 0, 1, 6, 1,   0x60, 1, 0x7f,
                              1, 0x7f, 3,   2,   1, 0, 7, 5, 1, 1, 'f', 0,    0, 10};
    put(&b, END);
    struct builder m = {0};
    put_bytes(&m, head, sizeof head);
    put_leb(&m, 2 + b.len);
    put(&m, 1);
    put_leb(&m, b.len);
    put_bytes(&m, b.bytes, b.len);
    struct instance *made = embedder_instance(&f.e, (struct bytes){m.bytes, m.len}, NULL);
    u64 one = 1;
    u64 many = 1000;
    assert_int_equal(embedder_call(&f.e, made, "f", &one), TRAP_NONE);
    assert_int_equal(embedder_call(&f.e, made, "f", &many), TRAP_STACK_OVERFLOW);
    free(m.bytes);
    free(b.bytes);
}

// Each allocation fails once: the module is refused, and nothing stays behind.
static void running_out_of_memory_is_refused(void **state) {
    (void)state;
    u32 refused = 0;
    for (u64 nth = 1;; nth++) {
        u64 live = host_linux_live_count();
        struct module *module = NULL;
        struct module_error error;
        host_linux_fail_nth(nth);
        enum status status = module_create(
            f.e.engine, (struct bytes){baseline_wasm, sizeof baseline_wasm}, &error, &module);
        bool failed = host_linux_has_failed();
        host_linux_fail_nth(0);
        if (!failed) {
            assert_int_equal(status, OK);
            module_release(module);
            break;
        }
        assert_int_equal(status, ERR_NO_MEMORY);
        assert_int_equal(host_linux_live_count(), live);
        refused++;
    }
    assert_true(refused > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i32_stays_zero_extended),
        cmocka_unit_test(shift_counts_are_masked),
        cmocka_unit_test(division_traps_and_folds),
        cmocka_unit_test(floats_keep_signs_and_nans),
        cmocka_unit_test(joins_agree_on_a_state),
        cmocka_unit_test(calls_pass_many_values),
        cmocka_unit_test(offsets_trap_out_of_bounds),
        cmocka_unit_test(copy_and_fill_check_first),
        cmocka_unit_test(two_hundred_values_live),
        cmocka_unit_test(deep_stack_of_mixed_values),
        cmocka_unit_test(deep_loops_with_operands),
        cmocka_unit_test(frame_beyond_the_stack_traps),
        cmocka_unit_test(running_out_of_memory_is_refused),
    };
    int failed = cmocka_run_group_tests_name("native", tests, setup, teardown);
    level = CPU_BASELINE;
    return failed + cmocka_run_group_tests_name("baseline", tests, setup, teardown);
}
