// What the compiler leaves for later, by running it: tests/wat/lazy.wat. Each function is computed
// here in C as well, over operands at the edges.

#include "tests/embedder.h"

#include <string.h>

static const u8 lazy_wasm[] = {
#embed "wat/lazy.wasm"
};

static struct embedder e;
static struct instance *instance;

static int setup(void **state) {
    (void)state;
    embedder_init(&e);
    instance = embedder_instance(&e, (struct bytes){lazy_wasm, sizeof lazy_wasm}, NULL);
    u64 values[2];
    assert_int_equal(embedder_call(&e, instance, "fill", values), TRAP_NONE);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    embedder_fini(&e);
    return 0;
}

static enum trap run(const char *name, u32 a, u32 b, u64 *result) {
    u64 values[2] = {a, b};
    enum trap trap = embedder_call(&e, instance, name, values);
    *result = values[0];
    return trap;
}

static void check(const char *name, u32 a, u32 b, u64 expected) {
    u64 result;
    enum trap trap = run(name, a, b, &result);
    if (trap != TRAP_NONE || result != expected)
        fail_msg("%s(%u, %u): %s, %lx and not %lx", name, a, b, trap_text(trap), result, expected);
}

// What a load of a byte at `address`, computed without wrapping, is to give.
static void check_load(const char *name, u32 a, u32 b, u64 address) {
    u64 result;
    enum trap trap = run(name, a, b, &result);
    enum trap wanted = address < WASM_PAGE_BYTES ? TRAP_NONE : TRAP_MEMORY_BOUNDS;
    u64 byte = address < 1024 ? (u8)(address * 7) : 0;
    if (trap != wanted || (trap == TRAP_NONE && result != byte))
        fail_msg("%s(%u, %u): %s, %lu", name, a, b, trap_text(trap), result);
}

static u64 load(u64 address, u32 bytes) {
    u64 value = 0;
    for (u32 i = 0; i < bytes; i++)
        value |= (u64)(address + i < 1024 ? (u8)((address + i) * 7) : 0) << 8 * i;
    return value;
}

static double double_of(u64 bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static u64 bits_of(double value) {
    u64 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// It traps exactly when the access of `bytes` is out of bounds.
static void check_fold(const char *name, const u32 *ab, u64 at, u32 bytes, u64 expected) {
    u64 result;
    enum trap trap = run(name, ab[0], ab[1], &result);
    enum trap wanted = at + bytes <= WASM_PAGE_BYTES ? TRAP_NONE : TRAP_MEMORY_BOUNDS;
    if (trap != wanted || (trap == TRAP_NONE && result != expected))
        fail_msg("%s(%u, %u): %s, %lx and not %lx", name, ab[0], ab[1], trap_text(trap), result,
                 expected);
}

static const u32 edges[] = {0,          1,          2,          3,          8,
                            31,         32,         100,        0xffff,     0x10000,
                            0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffc, 0xffffffff};

#define FOR_EDGES(a, b)                                                                            \
    for (u32 i_ = 0, a, b;                                                                         \
         i_ < COUNT_OF(edges) * COUNT_OF(edges) &&                                                 \
         (a = edges[i_ / COUNT_OF(edges)], b = edges[i_ % COUNT_OF(edges)], true);                 \
         i_++)

static void addresses_wrap_around(void **state) {
    (void)state;
    FOR_EDGES(a, b) {
        check_load("plain", a, b, (u32)(a + b));
        check_load("constant", a, b, (u32)(a - 8));
        check_load("scaled", a, b, (u32)(a + 4 * b + 9));
        check_load("scaled_alone", a, b, (u32)(8 * (b + 1) + 16));
        check_load("offset", a, b, (u64)(u32)(a + b) + 1);
        check_load("twice", a, b, (u32)(2 * a));
        check_load("four_terms", a, b, (u32)(9 * a + 3 * b));
        check_load("across_shift", a, b, (u32)(a + 4 * b + (a << (b & 31))));
    }
}

static void values(void **state) {
    (void)state;
    FOR_EDGES(a, b) {
        check("value", a, b, (u32)(8 * b + a - 1));
        check("carried", a, b, b != 0 ? (u32)(a + 5) : (u32)(a + 6));
        check("argument", a, b, (u32)(a + b + a - 1));
        check("selected", a, b, (i32)a < (i32)b ? (u32)(a + 10) : (u32)(b + 20));
        check("in_table", a, b, b == 1 ? (u32)(a + 1) : (u32)(a + 101));
        check("local_changes", a, b, (u32)(a + b + 1000 + b + 2000));
        check("across_call", a, b, a);
        if (b != 0)
            check("across_division", a, b, (u32)(a + 7 + a + b + a / b + a % b));
        check("pressure", a, b,
              (u32)((a + b) ^ (3 * a + 1) ^ (5 * a + b) ^ (7 * a + 44 * a) ^ (13 * a + 2) ^
                    (36 * a) ^ (23 * a + 3) ^ (60 * a) ^ (31 * a + 4) ^ (11 * a + 5) ^ (a * b) ^
                    (15 * a * a) ^ (77 * a * a) ^ (221 * a * a)));
    }
}

static void flags(void **state) {
    (void)state;
    check("count_down", 1, 0, 2);
    check("count_down", 1000, 5, 2005);
    FOR_EDGES(a, b) {
        check("flag_of_and", a, b, (a & b) == 0 ? 1 : 2);
        check("flag_of_shift", a, b, a >> 4 != 0);
        check("flag_of_rotate", a, b, a == 0);
        check("flag_of_other", a, b, b != 0 ? a == 0 : (a & 1) == 0);
        check("flag_of_i64", a, b, a == b);
    }
}

static void branches_back(void **state) {
    (void)state;
    FOR_EDGES(a, b) {
        u32 x = a;
        u32 y = b;
        u32 last = 0;
        for (u32 i = 0; i < 5; i++) {
            u32 t = x;
            last = 3 * x;
            x = y + 1;
            y = t;
        }
        check("rotate", a, b, (u32)(100 * x - y));
        check("rotate_above", a, b, (u32)(a * b + last + 100 * x - y));
    }
}

// Byte 36 is 252, byte 1 is 7, and what lies at 2048 is zero.
static void loads_are_folded(void **state) {
    (void)state;
    static const u32 places[] = {0,         1, 36, 100, 2048, WASM_PAGE_BYTES - 4, WASM_PAGE_BYTES,
                                 UINT32_MAX};
    for (u32 i = 0; i < COUNT_OF(places) * COUNT_OF(edges); i++) {
        u32 a = places[i % COUNT_OF(places)];
        u32 b = edges[i / COUNT_OF(places)];
        u32 ab[2] = {a, b};
        check_fold("fold_add", ab, a, 4, (u32)(b + load(a, 4)));
        check_fold("fold_add_sum", ab, a, 4, (u32)(a + b + load(a, 4)));
        check_fold("fold_sub", ab, (u64)a + 1, 4, (u32)(b - load((u64)a + 1, 4)));
        check_fold("fold_sub_const", ab, a, 4, (u32)(5 - load(a, 4)));
        check_fold("fold_mul", ab, a + 4, 4, (u32)(b * load(a + 4, 4)));
        check_fold("fold_xor_tee", ab, a, 4, (u32)(2 * (b ^ load(a, 4))));
        check_fold("fold_less", ab, a, 4, (i32)b < (i32)load(a, 4));
        check_fold("fold_compare_const", ab, a, 4, load(a, 4) > 0x38312a00);
        check_fold("fold_byte_equal", ab, a, 1, load(a, 1) == 252);
        check_fold("fold_byte_small", ab, a, 1, load(a, 1) != 7);
        check_fold("fold_byte_signed", ab, a, 1, 0);
        check_fold("fold_byte_large", ab, a, 1, 0);
        check_fold("fold_eqz", ab, a, 2, load(a, 2) == 0);
        check_fold("fold_if", ab, a, 1, load(a, 1) != 0 ? b : (u32)-1);
        check_fold("fold_branch", ab, a, 4, load(a, 4) != 0 ? b : (u32)-1);
        check_fold("fold_i64", ab, a, 8, b + load(a, 8));
        check_fold("fold_i64_eqz", ab, a, 4, load(a, 4) == 0);
        double left = b;
        double right = double_of(load(a, 8));
        check_fold("fold_f64", ab, a, 8, bits_of(left - right));
        check_fold("fold_f64_const", ab, 0, 1, bits_of(0.5 * (left - 0.25)));
        check_fold("fold_f64_less", ab, a, 8, (left < right) + 2 * (left >= right));
    }
}

static void check_dirty(const char *name, u32 a, u32 b, u64 expected) {
    u64 values[] = {0x1234567890abcdef};
    assert_int_equal(embedder_call(&e, instance, "dirty", values), TRAP_NONE);
    check(name, a, b, expected);
}

static void locals_are_zero_until_set(void **state) {
    (void)state;
    check_dirty("unset", 1, 2, 0);
    check_dirty("unset_tee", 7, 0, 14);
    check_dirty("set_in_then", 1, 9, 9);
    check_dirty("set_in_then", 0, 9, 0);
    check_dirty("set_in_else", 1, 9, 0);
    check_dirty("set_in_else", 0, 9, 9);
    check_dirty("set_in_both", 1, 9, 1);
    check_dirty("set_in_both", 0, 9, 9);
    check_dirty("set_behind_branch", 1, 9, 0);
    check_dirty("set_behind_branch", 0, 9, 9);
    check_dirty("set_before_branch", 1, 9, 9);
    check_dirty("set_before_branch", 0, 9, 10);
    check_dirty("set_behind_table", 0, 9, 9);
    check_dirty("set_behind_table", 1, 9, 0);
    check_dirty("set_in_loop", 0x100, 9, 9);
    check_dirty("set_in_loop", 0x10000, 9, 18);
    check_dirty("set_in_loop", 0, 9, 0);
    check_dirty("set_behind_exit", 0, 9, 0);
    check_dirty("set_behind_exit", 1, 9, 9);
    check_dirty("set_far_away", 0, 0, 3);
    check_dirty("unset_vector", 0, 0, 0);
}

static void loops_have_temporaries(void **state) {
    (void)state;
    for (u32 n = 1; n < 40; n++) {
        for (u32 b = 0; b < 5; b++) {
            check("temporary", n, b, 3 * (n * (n + 1) / 2) + 3 * b);
            u32 x = n;
            u32 t = 0;
            u32 s = 0;
            u32 a = 0;
            u32 last = 0;
            do {
                t = 5 * x;
                a = last;
                last = t + s;
                s ^= a;
            } while (--x != 0);
            check("temporary_moved", n, b, s + last + a + t * b);
            check("temporary_exit_after", n, b, (n < 3 ? n : 2 - n % 2) + b);
            check("exit_before", n, b, 1 + b);
            check("exit_by_table", n, b, 1 + b);

            u32 y = b;
            t = b;
            for (x = n; x != 0; x--) {
                if (x % 2 == 0)
                    t = x + y;
                y = t + 1;
            }
            check("set_in_block", n, b, y);

            y = b;
            for (x = n; x != 0; x--)
                y = (y + 7) ^ x;
            check("two_loops", n, b, 1 + b + y);

            i32 z = (i32)n;
            t = s = 0;
            bool again = true;
            while (again) {
                s += t;
                do {
                    t = (u32)z-- + b;
                    again = (z & 3) == 1;
                } while (!again && z > 0);
            }
            check("to_outer_loop", n, b, 10 * s + t);
        }
    }
    check("exit_before", 0, 9, 9);
    check("exit_by_table", 0, 9, 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_wrap_around),
        cmocka_unit_test(values),
        cmocka_unit_test(flags),
        cmocka_unit_test(branches_back),
        cmocka_unit_test(loads_are_folded),
        cmocka_unit_test(locals_are_zero_until_set),
        cmocka_unit_test(loops_have_temporaries),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
