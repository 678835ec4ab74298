// The classes of bug that WebAssembly engines are known for, one test each, named after the class:
// main() is the list. The functions are in tests/wat/known_bugs.wat, in the same order; what has to
// be large is put together here. Each of these tests has been seen to fail with the bug put in.

#include <pthread.h>
#include <stdio.h>

#include "base/math.h"
#include "engine/decode/module.h"
#include "tests/fixture.h"
#include "tests/function_build.h"

static const u8 known_bugs_wasm[] = {
#embed "wat/known_bugs.wasm"
};

static struct fixture f;

#define PAGE   65536u
#define BIG    (32769ull * PAGE) // of "memory"
#define BOUNDS TRAP_MEMORY_BOUNDS

static int setup(void **state) {
    (void)state;
    host_linux_neighbours(8 * GIB);
    return fixture_init(&f, known_bugs_wasm, sizeof known_bugs_wasm);
}

static int teardown(void **state) {
    (void)state;
    return fixture_fini(&f);
}

#define RUN(cases) fixture_run(&f, cases, COUNT_OF(cases))

// -- Addresses ------------------------------------------------------------------------------------

static void address_extension_lost_across_a_spill(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        // Were the upper half kept, the address would be outside.
        {"spilled_local", {0xdeadbeef00000010, 77}, 77, 0},
        {"spilled_operand", {0xdeadbeef00000020, 78}, 78, 0},
        {"spilled_sum", {0xdeadbeef00000030, 79}, 79, 0},
        {"spilled_checked", {0xdeadbeef00000040, 80}, 80, 0},
        // Were it sign-extended, likewise: this is in bounds.
        {"spilled_local", {0x80000000, 81}, 81, 0},
        {"spilled_operand", {0xffffffff80000004, 82}, 82, 0},
        {"spilled_sum", {0x80000018, 83}, 83, 0},
        {"spilled_checked", {0x80000000, 84}, 0, BOUNDS},
        {"spilled_checked", {0xffffffffffffffff, 84}, 0, BOUNDS},
        {"spilled_extension", {0x1234567880000000}, 0, 0},
        {"spilled_extension", {0xffffffff00000001}, 2, 0},
    };
    RUN(cases);
}

static void address_folding_that_does_not_wrap(void **state) {
    (void)state;
    fixture_memory(&f, "memory")[0x15] = 0x77;
    fixture_memory(&f, "small")[0x15] = 0x78;
    static const struct call_case cases[] = {
        {"folded_sum", {0xfffffff5, 0x20}, 0x77, 0},
        {"folded_sum", {0x80000000, 0x80000015}, 0x77, 0},
        {"folded_sum_offset", {0xfffffff2, 0x20}, 0x77, 0},
        {"folded_constant", {0x80000025}, 0x77, 0},
        {"folded_scale", {0x5, 0xe0000002}, 0x77, 0},
        {"folded_scale", {0xfffffffd, 3}, 0x77, 0},
        {"folded_scale_2", {0x4, 0xc0000003}, 0x77, 0},
        {"folded_store", {0x5, 0x80000008, 0x79}, 0x5, 0},
        {"folded_sum", {0x15, 0}, 0x79, 0},
        {"folded_checked", {0x5, 0xe0000002}, 0x78, 0},
        // In 64 bits these would be within reach.
        {"folded_sum", {0xffffffff, 0xfffffffe}, 0, BOUNDS},
        {"folded_sum_offset", {0x80000000, 0x7fffffff}, 0, BOUNDS},
        {"folded_scale", {0xffffffff, 0}, 0, BOUNDS},
    };
    RUN(cases);
    fixture_memory(&f, "memory")[0x15] = 0;
}

// Every offset is tried around the end of the memory and where the sum passes 2^32.
static void effective_address_overflow_with_a_large_static_offset(void **state) {
    (void)state;
    static const struct {
        const char *load;
        const char *store;
        u64 offset;
    } accesses[] = {
        {"at_0x3ffffff", "set_0x3ffffff", 0x3ffffff},
        {"at_0x3fffff0", "set_0x3fffff0", 0x3fffff0},
        {"at_0x4000000", "set_0x4000000", 0x4000000},
        {"at_0x10000000", "set_0x10000000", 0x10000000},
        {"at_0x7fffffff", "set_0x7fffffff", 0x7fffffff},
        {"at_0x80000000", "set_0x80000000", 0x80000000},
        {"at_0xfffffffe", "set_0xfffffffe", 0xfffffffe},
        {"at_0xffffffff", "set_0xffffffff", 0xffffffff},
    };
    static const u64 sums[] = {BIG - 2,     BIG - 1,     BIG,         BIG + 1,
                               0xffffffff,  0x100000000, 0x100000001, 0x100000000 + BIG - 1,
                               0x10fffffff, 0x17ffffffe, 0x17fffffff, 0x1fffffffe};
    u8 *memory = fixture_memory(&f, "memory");
    for (usize i = 0; i < COUNT_OF(accesses); i++) {
        for (usize k = 0; k < COUNT_OF(sums); k++) {
            u64 index = sums[k] - accesses[i].offset;
            if (index > UINT32_MAX)
                continue;
            bool inside = sums[k] < BIG;
            struct call_case cases[] = {
                {accesses[i].store, {index, 0x5a}, index, inside ? TRAP_NONE : BOUNDS},
                {accesses[i].load, {index}, 0x5a, inside ? TRAP_NONE : BOUNDS},
            };
            RUN(cases);
            if (inside) {
                assert_int_equal(memory[sums[k]], 0x5a);
                memory[sums[k]] = 0;
            }
        }
    }
    static const struct call_case wraps[] = {
        {"constant_wraps", {0}, 0, BOUNDS},         {"checked_wraps", {1}, 0, BOUNDS},
        {"checked_wraps", {0xffffffff}, 0, BOUNDS}, {"wide_wraps", {0xffffffff00000001}, 0, BOUNDS},
        {"wide_wraps", {UINT64_MAX}, 0, BOUNDS},    {"atomic_wraps", {1}, 0, BOUNDS},
        {"vector_wraps", {0x10}, 0, BOUNDS},        {"vector_wraps", {0xffffffff}, 0, BOUNDS},
    };
    RUN(wraps);
}

// -- Numbers --------------------------------------------------------------------------------------

static void shifts_by_the_width_or_more(void **state) {
    (void)state;
    static const u32 counts[] = {0, 1, 31, 32, 33, 63, 64, 65, 0x80000000, 0xffffffff};
    u32 x = 0x80000005;
    u64 y = 0x8000000000000005;
    for (usize i = 0; i < COUNT_OF(counts); i++) {
        u32 n = counts[i] % 32, m = counts[i] % 64;
        struct call_case cases[] = {
            {"i32_shl", {x, counts[i]}, x << n, 0},
            {"i32_shr_s", {x, counts[i]}, (u32)((i32)x >> n), 0},
            {"i32_shr_u", {x, counts[i]}, x >> n, 0},
            {"i32_rotl", {x, counts[i]}, x << n | (u32)((u64)x >> (32 - n)), 0},
            {"i32_rotr", {x, counts[i]}, (u32)((((u64)x << 32) | x) >> n), 0},
            {"i64_shl", {y, counts[i]}, y << m, 0},
            {"i64_shr_s", {y, counts[i]}, (u64)((i64)y >> m), 0},
            {"i64_shr_u", {y, counts[i]}, y >> m, 0},
            {"i64_rotl", {y, counts[i]}, m == 0 ? y : y << m | y >> (64 - m), 0},
            {"i64_rotr", {y, counts[i]}, m == 0 ? y : y >> m | y << (64 - m), 0},
        };
        RUN(cases);
    }
    static const struct call_case constants[] = {
        {"i32_shl_32", {0x80000005}, 0x80000005, 0},
        {"i32_shl_33", {0x80000005}, 0xa, 0},
        {"i32_shr_s_32", {0x80000005}, 0x80000005, 0},
        {"i32_shr_s_33", {0x80000005}, 0xc0000002, 0},
        {"i32_shr_u_33", {0x80000005}, 0x40000002, 0},
        {"i32_rotl_33", {0x80000005}, 0xb, 0},
        {"i32_rotr_33", {0x80000005}, 0xc0000002, 0},
        {"i64_shl_64", {5}, 5, 0},
        {"i64_shl_65", {5}, 10, 0},
        {"i64_shr_s_65", {0x8000000000000004}, 0xc000000000000002, 0},
        {"i64_shr_u_64", {0x8000000000000004}, 0x8000000000000004, 0},
        {"i64_rotl_65", {0x8000000000000004}, 9, 0},
        {"i64_rotr_65", {5}, 0x8000000000000002, 0},
        {"i8x16_shl", {0x0102030405060708, 8}, 0x0102030405060708, 0},
        {"i8x16_shl", {0x0102030405060708, 9}, 0x020406080a0c0e10, 0},
        {"i8x16_shr_s", {0x80ff020304050607, 0xfffffff9}, 0xc0ff010102020303, 0},
        {"i8x16_shr_u_c", {0x80ff020304050607}, 0x407f010102020303, 0},
        {"i16x8_shl", {0x0001000200030004, 17}, 0x0002000400060008, 0},
        {"i16x8_shr_s_c", {0x8000000200030004}, 0xc000000100010002, 0},
        {"i32x4_shl_c", {0x0000000180000003}, 0x0000000200000006, 0},
        {"i32x4_shr_s", {0x8000000000000002, 33}, 0xc000000000000001, 0},
        {"i64x2_shl", {3, 64}, 3, 0},
        {"i64x2_shr_s", {0x8000000000000000, 65}, 0xc000000000000000, 0},
        {"i64x2_shr_u_c", {0x8000000000000000}, 0x4000000000000000, 0},
    };
    RUN(constants);
}

static void constant_folding_of_nan_and_minus_zero(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"neg_nan", {0}, 0xffa00001, 0},
        {"abs_nan", {0}, 0x7fa00001, 0},
        {"copysign_nan", {0}, 0xffa00001, 0},
        {"same_nan", {0}, 0xffa00001, 0},
        {"neg_zero", {0}, 0x80000000, 0},
        {"add_zeros", {0}, 0x80000000, 0},
        {"add_mixed", {0}, 0, 0},
        {"sub_zeros", {0}, 0x80000000, 0},
        {"mul_zeros", {0}, 0x80000000, 0},
        {"min_zeros", {0}, 0x80000000, 0},
        {"max_zeros", {0}, 0, 0},
        {"ceil_half", {0}, 0x80000000, 0},
        {"nearest_half", {0}, 0x80000000, 0},
        {"sqrt_zero", {0}, 0x80000000, 0},
        {"eq_zeros", {0}, 1, 0},
        {"lt_zeros", {0}, 0, 0},
        {"eq_nan", {0}, 0, 0},
        {"ne_nan", {0}, 1, 0},
        {"lt_nan", {0}, 0, 0},
        {"not_ge_nan", {0}, 1, 0},
        {"wide_neg_zero", {0}, 0x80000000, 0},
        {"wide_same_nan", {0}, 3, 0},
        {"wide_ne_nan", {0}, 1, 0},
        {"branch_nan", {0}, 0, 0},
        {"branch_not_nan", {0}, 1, 0},
    };
    RUN(cases);
}

static void select_and_br_table_with_many_targets(void **state) {
    (void)state;
    for (u32 i = 0; i < 302; i++) {
        struct call_case c = {"table300", {i}, 100 + (i < 300 ? i * 7 % 20 : 19), 0};
        fixture_run(&f, &c, 1);
    }
    static const struct call_case cases[] = {
        {"table300", {0x80000000}, 119, 0},
        {"table300", {0xffffffff}, 119, 0},
        {"table_of_sums", {5, 7, 0}, 12, 0},
        {"table_of_sums", {5, 7, 1}, 1012, 0},
        {"table_of_sums", {5, 7, 2}, 12, 0},
        {"table_of_sums", {5, 7, 15}, 1012, 0},
        {"select_flags", {0xffffffff, 0}, 10, 0},
        {"select_flags", {0, 0}, 20, 0},
        {"select_same", {5}, 5, 0},
        {"select_same", {0}, 0, 0},
        {"select_spilled", {1, 0xaaaaaaaabbbbbbbb, 2}, 0xaaaaaaaabbbbbbbb, 0},
        {"select_spilled", {0, 1, 0xaaaaaaaabbbbbbbb}, 0xaaaaaaaabbbbbbbb, 0},
        {"select_vector", {1, 0xaaaaaaaabbbbbbbb, 2}, 0xaaaaaaaabbbbbbbb, 0},
        {"select_vector", {0, 1, 0xaaaaaaaabbbbbbbb}, 0xaaaaaaaabbbbbbbb, 0},
        {"select_float", {4, 0x3ff0000000000000, 0x4000000000000000}, 0x3ff0000000000000, 0},
        {"select_float", {3, 0x3ff0000000000000, 0x4000000000000000}, 0x4000000000000000, 0},
    };
    RUN(cases);
}

// -- Values in their places -----------------------------------------------------------------------

static void stack_arguments_beyond_the_register_ones(void **state) {
    (void)state;
    // What tests/wat/known_bugs.wat has $fifty compute: digits to the base of 31.
    u64 expected = 0;
    for (u64 i = 0; i < 50; i++)
        expected = 31 * expected + (i % 5 == 4 ? 2 * (100 + i) + 3 - 100 : 100 + i);
    u64 sums[11] = {31 * (31 * (1000 + 2000) + 1000) + 2000};
    for (u64 i = 1; i < COUNT_OF(sums); i++)
        sums[i] = 31 * sums[i - 1] + (1000 ^ i);
    u64 results = 7; // ((7 + 0) - ((7 + 1) - (... - (7 + 39))))
    for (u64 i = 40; i-- > 1;)
        results = i == 39 ? 7 + i : 7 + i - results;
    results = 7 - results;
    const struct call_case cases[] = {
        {"fifty_direct", {100}, expected, 0}, {"fifty_indirect", {100}, expected, 0},
        {"fifty_tail", {100}, expected, 0},   {"ten_tail", {50000}, 50000 - 10 - (200 - 3000), 0},
        {"forty_results", {7}, results, 0},
    };
    RUN(cases);
}

static const u8 lanes[16] = {0x80, 1, 0x82, 3,  0x84, 5,  0x86, 7,
                             0x88, 9, 0x8a, 11, 0x8c, 13, 0x8e, 15};

static void put_vector(struct builder *b, const u8 *bytes) {
    put(b, 0xfd);
    put_leb(b, 12);
    put_bytes(b, bytes, 16);
}

static void put_lane(struct builder *b, u32 op, u32 lane) {
    put(b, 0xfd);
    put_leb(b, op);
    put(b, (u8)lane);
}

// Every lane of the extractions that give an i32, and of the replacements that take one.
static void simd_lane_immediates(void **state) {
    (void)state;
    static const struct {
        u32 extract, replace, bytes;
        bool sign;
    } ops[] = {{21, 23, 1, true},
               {22, 23, 1, false},
               {24, 26, 2, true},
               {25, 26, 2, false},
               {27, 28, 4, false}};
    for (usize i = 0; i < COUNT_OF(ops); i++) {
        u32 bytes = ops[i].bytes;
        for (u32 lane = 0; lane < 16 / bytes; lane++) {
            u32 value = 0;
            memcpy(&value, lanes + lane * bytes, bytes);
            if (ops[i].sign)
                value = bytes == 1 ? (u32)(i8)value : (u32)(i16)value;
            struct builder b = {0};
            put(&b, 0);
            put_vector(&b, lanes);
            put_lane(&b, ops[i].extract, lane);
            assert_int_equal(function_run(&f.e, &b, 0), value);

            // Replaced here, and read back there and in the next lane.
            for (u32 from = 0; from < 16 / bytes; from++) {
                u32 expected = 0;
                memcpy(&expected, lanes + from * bytes, bytes);
                u32 mask = bytes == 4 ? UINT32_MAX : (1u << 8 * bytes) - 1;
                expected = from == lane ? 0x12345678 & mask : expected;
                if (ops[i].sign)
                    expected = bytes == 1 ? (u32)(i8)expected : (u32)(i16)expected;
                b = (struct builder){0};
                put(&b, 0);
                put_vector(&b, lanes);
                put_insn(&b, LOCAL_GET, 0);
                put_lane(&b, ops[i].replace, lane);
                put_lane(&b, ops[i].extract, from);
                assert_int_equal(function_run(&f.e, &b, 0x12345678), expected);
            }
        }
    }
    // Shuffles: one lane from each of 32.
    for (u32 from = 0; from < 32; from++) {
        struct builder b = {0};
        u8 other[16];
        for (u32 i = 0; i < 16; i++)
            other[i] = (u8)(0x40 + i);
        put(&b, 0);
        put_vector(&b, lanes);
        put_vector(&b, other);
        put(&b, 0xfd);
        put_leb(&b, 13);
        for (u32 i = 0; i < 16; i++)
            put(&b, (u8)((from + i) % 32));
        put_lane(&b, 22, 0);
        assert_int_equal(function_run(&f.e, &b, 0), from < 16 ? lanes[from] : other[from - 16]);
    }
}

static void i64_compare_against_spilled_values(void **state) {
    (void)state;
    static const u64 values[] = {0,
                                 1,
                                 0x80000000,
                                 0xffffffff,
                                 0x100000000,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 0x8000000000000001,
                                 UINT64_MAX};
    for (usize i = 0; i < COUNT_OF(values); i++) {
        for (usize k = 0; k < COUNT_OF(values); k++) {
            u64 a = values[i], b = values[k];
            i64 sa = (i64)a, sb = (i64)b;
            const struct {
                const char *name;
                bool result;
            } ops[] = {{"eq", a == b},     {"ne", a != b},  {"lt_s", sa < sb},  {"lt_u", a < b},
                       {"gt_s", sa > sb},  {"gt_u", a > b}, {"le_s", sa <= sb}, {"le_u", a <= b},
                       {"ge_s", sa >= sb}, {"ge_u", a >= b}};
            for (usize o = 0; o < COUNT_OF(ops); o++) {
                static const char *const places[] = {"left", "right", "both", "branch"};
                for (usize p = 0; p < COUNT_OF(places); p++) {
                    char name[16];
                    snprintf(name, sizeof name, "%s_%s", ops[o].name, places[p]);
                    struct call_case c = {name, {a, b}, ops[o].result, 0};
                    fixture_run(&f, &c, 1);
                }
            }
        }
    }
}

static void call_indirect_to_null_or_out_of_range_or_wrong_type(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"indirect", {1}, 7, 0},
        {"indirect", {0}, 0, TRAP_UNINITIALIZED_ELEMENT},
        {"indirect", {2}, 0, TRAP_INDIRECT_TYPE},
        {"indirect", {5}, 0, TRAP_UNINITIALIZED_ELEMENT},
        {"indirect", {6}, 0, TRAP_UNDEFINED_ELEMENT},
        {"indirect", {0x80000001}, 0, TRAP_UNDEFINED_ELEMENT},
        {"indirect", {0xffffffff}, 0, TRAP_UNDEFINED_ELEMENT},
        {"indirect_tail", {1}, 7, 0},
        {"indirect_tail", {3}, 0, TRAP_UNINITIALIZED_ELEMENT},
        {"indirect_tail", {4}, 0, TRAP_INDIRECT_TYPE},
        {"indirect_tail", {6}, 0, TRAP_UNDEFINED_ELEMENT},
        {"indirect_garbage", {0xdeadbeef00000001}, 7, 0},
    };
    RUN(cases);
}

// -- State ----------------------------------------------------------------------------------------

static void memory_grow_while_a_pointer_is_live(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"grow_then_store", {PAGE - 2, 0}, 0, BOUNDS},
        {"grow_then_store", {PAGE - 2, 1}, 51, 0}, // in bounds because of the operand behind
        {"grow_then_store", {2 * PAGE - 3, 0}, 0, BOUNDS},
        {"grow_then_fill", {3 * PAGE - 3, 1}, 7, 0},
        {"grow_then_store", {3 * PAGE - 4, 2}, 49, 0}, // to more than the maximum: -1
        {"size_around_grow", {1}, UINT32_MAX, 0},
        {"grow_wide_then_store", {PAGE - 2, 0}, 0, BOUNDS},
        {"grow_wide_then_store", {PAGE - 2, 1}, 51, 0},
        {"grow_wide_then_store", {2 * PAGE - 8, UINT64_MAX}, 49, 0},
        {"grow_wide_then_store", {2 * PAGE - 7, 0x100000000}, 0, BOUNDS},
    };
    RUN(cases);
}

static void atomics_misaligned(void **state) {
    (void)state;
    static const struct {
        const char *name;
        u32 bytes;
    } loads[] = {{"load_i32_2", 2},       {"load_small_i32_2", 2}, {"load_i32_4", 4},
                 {"load_small_i32_4", 4}, {"load_i64_4", 4},       {"load_small_i64_4", 4},
                 {"load_i64_8", 8},       {"load_small_i64_8", 8}};
    for (usize i = 0; i < COUNT_OF(loads); i++) {
        for (u32 at = 64; at < 80; at++) { // the offset is 4
            bool aligned = (at + 4) % loads[i].bytes == 0;
            struct call_case c = {
                loads[i].name, {at}, 0, aligned ? TRAP_NONE : TRAP_UNALIGNED_ATOMIC};
            fixture_run(&f, &c, 1);
        }
    }
    static const struct call_case changes[] = {
        {"rmw_misaligned", {64}, 0, TRAP_UNALIGNED_ATOMIC},
        {"rmw_misaligned", {63}, 0, 0},
        {"rmw_misaligned", {64}, 0, TRAP_UNALIGNED_ATOMIC},
        {"cmpxchg_misaligned", {73}, 0, TRAP_UNALIGNED_ATOMIC},
        {"store_misaligned", {74, 0xffffffff}, 0, TRAP_UNALIGNED_ATOMIC},
        {"plain", {64}, 1, 0},
        {"plain", {72}, 0, 0},
    };
    RUN(changes);
}

static void data_and_elem_dropped_twice(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"data_init", {0, 4}, 0, 0},
        {"data_drop", {0}, 0, 0},
        {"data_init", {0, 1}, 0, BOUNDS},
        {"data_drop", {0}, 0, 0},
        {"data_init", {0, 0}, 0, 0},
        {"data_init", {1, 0}, 0, BOUNDS},
        {"active_init", {0, 1}, 0, BOUNDS},
        {"active_drop", {0}, 0, 0},
        {"active_init", {0, 0}, 0, 0},
        {"elem_init", {0, 1}, 0, 0},
        {"elem_drop", {0}, 0, 0},
        {"elem_init", {0, 1}, 0, TRAP_TABLE_BOUNDS},
        {"elem_drop", {0}, 0, 0},
        {"elem_init", {0, 0}, 0, 0},
        {"elem_active_init", {0, 1}, 0, TRAP_TABLE_BOUNDS},
        {"elem_active_init", {0, 0}, 0, 0},
    };
    RUN(cases);
}

static void table_growth_to_the_limit(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"limited_grow", {8, 5}, 2, 0},
        {"limited_grow", {0, 6}, 10, 0},
        {"limited_grow", {1, 6}, UINT32_MAX, 0},
        {"limited_grow", {0xffffffff, 6}, UINT32_MAX, 0},
        {"limited_get", {1}, 0, 0},
        {"limited_get", {9}, 5, 0},
        {"limited_get", {10}, 0, TRAP_TABLE_BOUNDS},
        {"endless_grow", {LIMIT_TABLE_SIZE + 1, 3}, UINT32_MAX, 0},
        {"endless_grow", {LIMIT_TABLE_SIZE - 1, 3}, 0, 0},
        {"endless_grow", {2, 4}, UINT32_MAX, 0},
        {"endless_grow", {1, 4}, LIMIT_TABLE_SIZE - 1, 0},
        {"endless_grow", {1, 4}, UINT32_MAX, 0},
        {"endless_get", {0}, 3, 0},
        {"endless_get", {LIMIT_TABLE_SIZE - 2}, 3, 0},
        {"endless_get", {LIMIT_TABLE_SIZE - 1}, 4, 0},
        {"endless_get", {LIMIT_TABLE_SIZE}, 0, TRAP_TABLE_BOUNDS},
        {"endless_size", {0}, LIMIT_TABLE_SIZE, 0},
    };
    RUN(cases);
}

// The handler of a try_table branches to a block that is further out, whose results lie where other
// operands lie for the code behind the try_table. Found by tests/oracle.
static void a_catch_that_leaves_operands_behind(void **state) {
    (void)state;
    static const u8 wasm[] = {
        0,    'a',  's',  'm',  1,    0,    0,    0, // types: 0 (i32) -> i32, 1 () -> ()
        1,    9,    2,    0x60, 1,    0x7f, 1,    0x7f, 0x60, 0, 0, 3, 2, 1, 0, // a function
        13,   3,    1,    0,    1,                                              // a tag
        7,    5,    1,    1,    'f',  0,    0,                                  // (export "f")
        10,   37,   1,    35,   0,                                              // no locals
        0x02, 0x69,                               // block (result exnref)
        0x43, 0,    0,    0xc0, 0x3f,             //   f32.const 1.5
        0x43, 0,    0,    0x20, 0x40,             //   f32.const 2.5
        0x1f, 0x40, 1,    3,    0,                //   try_table (catch_all_ref 0)
        0x20, 0,    0x04, 0x40, 0x08, 0,    0x0b, //     (if (local.get 0) (throw 0))
        0x0b,                                     //   end
        0x1a, 0x8c, 0xbc, 0x0f,                   //   drop; f32.neg; as i32; return
        0x0b, 0x1a, 0x41, 0x7f, 0x0b,             // end; drop; i32.const -1
    };
    struct instance *made = embedder_instance(&f.e, (struct bytes){wasm, sizeof wasm}, NULL);
    for (u32 thrown = 0; thrown < 2; thrown++) {
        u64 value = thrown;
        assert_int_equal(embedder_call(&f.e, made, "f", &value), TRAP_NONE);
        assert_int_equal(value, thrown != 0 ? UINT32_MAX : 0xbfc00000);
    }
}

// -- Size -----------------------------------------------------------------------------------------

// Compiles `module` and frees it: `status` comes of it.
static void comes_to(struct builder module, enum status status) {
    struct module_error error;
    struct module *made;
    enum status is =
        module_create(f.e.engine, (struct bytes){module.bytes, module.len}, &error, &made);
    if (is == OK)
        module_release(made);
    free(module.bytes);
    assert_int_equal(is, status);
}

// `depth` blocks of type i32; from the innermost a branch to each, by br_table.
static u64 run_nest(u32 depth, u32 argument) {
    struct builder b = {0};
    put(&b, 0);
    for (u32 i = 0; i < depth; i++) {
        put(&b, BLOCK);
        put(&b, I32);
    }
    put_const(&b, 1);
    put_insn(&b, LOCAL_GET, 0);
    put(&b, BR_TABLE);
    put_leb(&b, depth);
    for (u32 i = 0; i < depth; i++)
        put_leb(&b, i);
    put_leb(&b, 0);
    for (u32 i = 0; i < depth; i++) {
        put(&b, END);
        put_const(&b, 1);
        put(&b, I32_ADD);
    }
    return function_run(&f.e, &b, argument);
}
// Everything below runs on a stack on which no recursion of that depth has room.
#define SMALL_STACK (256 * KIB)

static void *nest_on_a_small_stack(void *) {
    struct builder b = {0};
    put(&b, 0);
    for (u32 i = 0; i < LIMIT_BLOCK_DEPTH; i++) {
        put(&b, i % 3 == 0 ? LOOP : BLOCK);
        put(&b, VOID);
    }
    for (u32 i = 0; i < LIMIT_BLOCK_DEPTH; i++)
        put(&b, END);
    put_const(&b, 1);
    comes_to(function_module(&b), ERR_LIMIT);
    b = (struct builder){0};
    put(&b, 0);
    for (u32 i = 0; i < LIMIT_BLOCK_DEPTH - 1; i++) {
        put_const(&b, 1);
        put(&b, IF);
        put(&b, VOID);
    }
    for (u32 i = 0; i < LIMIT_BLOCK_DEPTH - 1; i++)
        put(&b, END);
    put_const(&b, 1);
    comes_to(function_module(&b), OK);
    return NULL;
}

static void deeply_nested_blocks(void **state) {
    (void)state;
    u32 depth = 49999;
    assert_int_equal(run_nest(depth, 0), 1 + depth);
    assert_int_equal(run_nest(depth, depth - 1), 2);
    assert_int_equal(run_nest(depth, 30000), 1 + depth - 30000);
    assert_int_equal(run_nest(depth, 0xffffffff), 1 + depth);

    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, SMALL_STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, nest_on_a_small_stack, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
}

// Each local is set from the one before, and every 100th in a branch.
static void fifty_thousand_locals(void **state) {
    (void)state;
    struct builder b = {0};
    u32 count = 49999;
    put(&b, 1);
    put_leb(&b, count);
    put(&b, I32);
    for (u32 i = 1; i <= count; i++) {
        put_insn(&b, LOCAL_GET, i - 1);
        put_insn(&b, LOCAL_GET, i); // still zero
        put(&b, I32_ADD);
        put_const(&b, 1);
        put(&b, I32_ADD);
        put_insn(&b, LOCAL_SET, i);
        if (i % 100 == 0) {
            put_insn(&b, LOCAL_GET, i);
            put(&b, IF);
            put(&b, VOID);
            put_insn(&b, LOCAL_GET, i);
            put_const(&b, 1);
            put(&b, I32_ADD);
            put_insn(&b, LOCAL_SET, i);
            put(&b, END);
        }
    }
    put_insn(&b, LOCAL_GET, count);
    assert_int_equal(function_run(&f.e, &b, 3), 3 + count + count / 100);

    // That was the limit, with the parameter.
    b = (struct builder){0};
    put(&b, 1);
    put_leb(&b, LIMIT_LOCALS);
    put(&b, I32);
    put_insn(&b, LOCAL_GET, 0);
    comes_to(function_module(&b), ERR_LIMIT);
}

static void put_section(struct builder *b, u8 id, struct builder *content) {
    put(b, id);
    put_leb(b, content->len);
    put_bytes(b, content->bytes, content->len);
    free(content->bytes);
}

// `count` functions, each of which gives its argument; the last is exported as "f".
static struct builder many_functions(u32 count) {
    struct builder b = {0}, funcs = {0}, exports = {0}, code = {0};
    put_bytes(&b, "\0asm\1\0\0\0\1\6\1\x60\1\x7f\1\x7f", 16);
    put_leb(&funcs, count);
    put_leb(&code, count);
    for (u32 i = 0; i < count; i++) {
        put(&funcs, 0);
        put_bytes(&code, "\4\0\x20\0\x0b", 5);
    }
    put_bytes(&exports, "\1\1f\0", 4);
    put_leb(&exports, count - 1);
    put_section(&b, 3, &funcs);
    put_section(&b, 7, &exports);
    put_section(&b, 10, &code);
    return b;
}

static void a_million_functions(void **state) {
    (void)state;
    comes_to(many_functions(LIMIT_FUNCTIONS + 1), ERR_LIMIT);
    struct builder b = many_functions(LIMIT_FUNCTIONS);
    struct instance *made = embedder_instance(&f.e, (struct bytes){b.bytes, b.len}, NULL);
    free(b.bytes);
    u64 value = 12345;
    assert_int_equal(embedder_call(&f.e, made, "f", &value), TRAP_NONE);
    assert_int_equal(value, 12345);
}

// A br_table in one block only: all entries alike.
static void giant_br_table(void **state) {
    (void)state;
    struct builder b = {0};
    put(&b, 0);
    put(&b, BLOCK);
    put(&b, VOID);
    put(&b, BLOCK);
    put(&b, VOID);
    put_insn(&b, LOCAL_GET, 0);
    put(&b, BR_TABLE);
    put_leb(&b, 1000000);
    for (u32 i = 0; i < 1000000; i++)
        put_leb(&b, i % 2);
    put_leb(&b, 1);
    put(&b, END);
    put_const(&b, 40);
    put_insn(&b, BR, 1);
    put(&b, END);
    put_const(&b, 50);
    assert_int_equal(function_run(&f.e, &b, 999998), 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_extension_lost_across_a_spill),
        cmocka_unit_test(address_folding_that_does_not_wrap),
        cmocka_unit_test(effective_address_overflow_with_a_large_static_offset),
        cmocka_unit_test(shifts_by_the_width_or_more),
        cmocka_unit_test(constant_folding_of_nan_and_minus_zero),
        cmocka_unit_test(select_and_br_table_with_many_targets),
        cmocka_unit_test(stack_arguments_beyond_the_register_ones),
        cmocka_unit_test(simd_lane_immediates),
        cmocka_unit_test(i64_compare_against_spilled_values),
        cmocka_unit_test(call_indirect_to_null_or_out_of_range_or_wrong_type),
        cmocka_unit_test(memory_grow_while_a_pointer_is_live),
        cmocka_unit_test(atomics_misaligned),
        cmocka_unit_test(data_and_elem_dropped_twice),
        cmocka_unit_test(table_growth_to_the_limit),
        cmocka_unit_test(a_catch_that_leaves_operands_behind),
        cmocka_unit_test(deeply_nested_blocks),
        cmocka_unit_test(fifty_thousand_locals),
        cmocka_unit_test(a_million_functions),
        cmocka_unit_test(giant_br_table),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
