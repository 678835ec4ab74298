// Vectors in the one-pass compiler, by running tests/wat/simd.wat. What each instruction computes
// the specification's suite tests; here is where vectors live, and how far accesses reach.

#include "tests/embedder.h"

#include <stdio.h>

#include "base/string.h"

static const u8 simd_wasm[] = {
#embed "wat/simd.wasm"
};

static const enum value_type swap_types[] = {VALUE_I32,  VALUE_V128, VALUE_F64, VALUE_V128,
                                             VALUE_V128, VALUE_I32,  VALUE_V128};
static const struct func_type swap_type = {4, 3, swap_types};
static const enum value_type many_types[] = {
    VALUE_F32,  VALUE_F32, VALUE_F32,  VALUE_F32, VALUE_F32,  VALUE_F32, VALUE_F32,
    VALUE_V128, VALUE_I32, VALUE_V128, VALUE_F32, VALUE_V128, VALUE_V128};
static const struct func_type many_type = {12, 1, many_types};

#define F32_ONE 0x3f800000u
#define F64_TWO 0x4000000000000000u

static enum cpu_level level; // each test runs in all of them
static struct embedder e;
static struct instance *instance; // its imports are the host's
static struct instance *outer;    // its imports are the first one's exports

static enum trap host_swap(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    (void)context;
    assert_int_equal(values[3], F64_TWO);
    u64 x[] = {values[1], values[2]};
    u64 i = values[0];
    memcpy(values, values + 4, 16);
    values[2] = 0xdead00000000 | (u32)(i + 1); // dirt that the thunk removes
    memcpy(values + 3, x, 16);
    return TRAP_NONE;
}

static enum trap host_many(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    (void)context;
    for (u32 i = 0; i < 7; i++)
        assert_int_equal(values[i], 0);
    u64 sum = (u32)(values[9] + values[12]);
    values[0] = values[7] ^ values[10] ^ values[13];
    values[1] = values[8] ^ values[11] ^ (values[14] + sum);
    return TRAP_NONE;
}

static int setup(void **) {
    embedder_init_config(&e, FEATURES_SUPPORTED, level);
    const struct extern_ref host[] = {
        embedder_host_func(&e, &swap_type, host_swap, NULL),
        embedder_host_func(&e, &many_type, host_many, NULL),
    };
    struct bytes wasm = {simd_wasm, sizeof simd_wasm};
    instance = embedder_instance(&e, wasm, host);
    const struct extern_ref inner[] = {
        embedder_export(instance, "swap"),
        embedder_export(instance, "many"),
    };
    outer = embedder_instance(&e, wasm, inner);
    return 0;
}

static int teardown(void **) {
    embedder_fini(&e);
    return 0;
}

static void call(const char *name, u64 *values) {
    enum trap trap = embedder_call(&e, instance, name, values);
    if (trap != TRAP_NONE)
        fail_msg("%s: trap %s", name, trap_text(trap));
}

// -- Accesses -----------------------------------------------------------------------------------

static const struct access {
    const char *name;
    u32 bytes;
    bool stores;
} accesses[] = {
    {"v128.load", 16, false},        {"folded", 16, false},
    {"v128.load8x8_s", 8, false},    {"v128.load8x8_u", 8, false},
    {"v128.load16x4_s", 8, false},   {"v128.load16x4_u", 8, false},
    {"v128.load32x2_s", 8, false},   {"v128.load32x2_u", 8, false},
    {"v128.load8_splat", 1, false},  {"v128.load16_splat", 2, false},
    {"v128.load32_splat", 4, false}, {"v128.load64_splat", 8, false},
    {"v128.load32_zero", 4, false},  {"v128.load64_zero", 8, false},
    {"v128.load8_lane", 1, false},   {"v128.load16_lane", 2, false},
    {"v128.load32_lane", 4, false},  {"v128.load64_lane", 8, false},
    {"v128.store8_lane", 1, true},   {"v128.store16_lane", 2, true},
    {"v128.store32_lane", 4, true},  {"v128.store64_lane", 8, true},
    {"v128.store", 16, true},
};

static u8 byte_at(u32 address) {
    u64 values[1] = {address};
    call("byte", values);
    return (u8)values[0];
}

static void fill(u32 address, u8 byte) {
    call("fill", (u64[]){address, byte});
}

static enum trap access_at(const char *name, u32 offset, u32 address) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, offset == 5 ? "+5" : "");
    u64 values[2] = {address - offset};
    return embedder_call(&e, instance, full, values);
}

// The last address in bounds works, and touches the last bytes only; the next one traps and changes
// nothing.
static void check_edge(const struct access *a, u32 offset) {
    u32 last = WASM_PAGE_BYTES - a->bytes;
    fill(WASM_PAGE_BYTES - 64, 0x55);
    if (access_at(a->name, offset, last) != TRAP_NONE)
        fail_msg("%s+%u traps at the last address", a->name, offset);
    for (u32 i = WASM_PAGE_BYTES - 64; i < WASM_PAGE_BYTES; i++)
        assert_int_equal(byte_at(i), a->stores && i >= last ? 0xff : 0x55);

    fill(WASM_PAGE_BYTES - 64, 0x55);
    for (u32 past = 1; past <= a->bytes; past++) {
        if (access_at(a->name, offset, last + past) != TRAP_MEMORY_BOUNDS)
            fail_msg("%s+%u does not trap %u past the last address", a->name, offset, past);
    }
    for (u32 i = WASM_PAGE_BYTES - 64; i < WASM_PAGE_BYTES; i++)
        assert_int_equal(byte_at(i), 0x55);
}

static void accesses_reach_exactly_as_far_as_they_say(void **) {
    for (usize i = 0; i < COUNT_OF(accesses); i++) {
        check_edge(&accesses[i], 0);
        check_edge(&accesses[i], 5);
        assert_int_equal(access_at(accesses[i].name, 0, UINT32_MAX), TRAP_MEMORY_BOUNDS);
    }
    u64 values[2] = {0};
    assert_int_equal(embedder_call(&e, instance, "const_last", values), TRAP_NONE);
    assert_int_equal(embedder_call(&e, instance, "const_past", values), TRAP_MEMORY_BOUNDS);
    for (u32 address = 0; address < 32; address += 8) { // the sum passes 4 GiB
        values[0] = address;
        assert_int_equal(embedder_call(&e, instance, "past_guard", values), TRAP_MEMORY_BOUNDS);
    }
}

// -- Where values are ---------------------------------------------------------------------------

struct vec_case {
    const char *name;
    u64 args[6]; // slots
    u64 low;
    u64 high;
};

static void run_cases(const struct vec_case *cases, usize count) {
    for (usize i = 0; i < count; i++) {
        const struct vec_case *c = &cases[i];
        u64 values[8] = {0};
        memcpy(values, c->args, sizeof c->args);
        call(c->name, values);
        if (values[0] != c->low || values[1] != c->high)
            fail_msg("%s (case %zu): 0x%llx 0x%llx, expected 0x%llx 0x%llx", c->name, i,
                     (unsigned long long)values[0], (unsigned long long)values[1],
                     (unsigned long long)c->low, (unsigned long long)c->high);
    }
}

#define NAN_AND_ONE 0x7fc000003f800000
#define ZEROS       0x8000000000000000 // -0, +0 as f32; -0 as f64

static void operands_may_share_a_register(void **) {
    const struct vec_case cases[] = {
        {"sub_self", {1, 2}, 0, 0},
        {"mul_self", {0x100000001, (u64)-3}, 0x200000001, 9},
        {"sub_into_b", {10, 20, 3, 4}, 17, 36},
        {"select_bits_self", {0xf0f0, 1, 0xff00, 3}, 0xf0f0 ^ 0xf000, 0},
        {"mask_is_set", {0xaaaa, 1, 0x5555, 2, 0xff00, 0}, 0xaa55, 2},
        {"min_self", {NAN_AND_ONE, ZEROS}, 0xffc000003f800000, ZEROS},
        {"swizzle_self",
         {0x0706050403020100, 0x800f100d0c0b0a09},
         0x0706050403020100,
         0x008000100d0c0b0a},
        {"shuffle_self", {0x0123456789abcdef, 42}, 0x0123456789abcdef, 42},
        {"pmin", {ZEROS, 0x7ff8000000000000, 0, F64_TWO}, ZEROS, 0x7ff8000000000000},
        {"pmin", {0, F64_TWO, ZEROS, 0x7ff8000000000000}, 0, F64_TWO},
    };
    run_cases(cases, COUNT_OF(cases));

    u64 values[3] = {F64_TWO, 5};
    call("lane_of_local", values);
    assert_int_equal(values[0], F64_TWO);
    assert_int_equal(values[1] | values[2], 0);
}

static void vectors_keep_their_homes(void **) {
    const struct vec_case cases[] = {
        {"globals", {10, 20}, 18, 30},
        {"globals", {1, 2}, 19, 32},
        {"zero_locals", {0}, 0, 0},
        {"across_call",
         {2, 100, 200, F64_TWO, 7, 9},
         100 - (F64_TWO - (7 - 0x200000002)),
         200 - (F64_TWO - (9 - 0x200000002))},
        // 1 - (2 - (... - 30)) = 1 - 2 + 3 - ... - 30
        {"many_live", {1, (u64)-1}, (u64)-15, 15},
        // r = x - (x + y), s = y - (10, 20), t = x + y, i = 7
        {"stack_arguments", {5, 6, 50, 60}, 0 - 50 + 40 + 55 + 7ull, 0 - 60 + 40 + 66 + 7ull},
        {"join", {0, 7, 9}, 100 - 7 - (0 - 7 - 3ull), 100 - 9 - (0 - 9 - 3ull)},
        {"join", {1, 7, 9}, 1 - 7 - (4 - 3ull), 2 - 9 - (5 - 3ull)},
        {"loop", {1, 10, 20}, 0, 1},
        {"loop", {3, 10, 20}, 20, 41},
        {"select", {0, 1, 2, 3, 4}, 1, 2},
        {"select", {9, 1, 2, 3, 4}, 3, 4},
    };
    run_cases(cases, COUNT_OF(cases));
}

static void truth_is_told_of_every_lane(void **) {
    const struct {
        u64 x[2];
        u32 truth;
    } cases[] = {{{0, 0}, 4},
                 {{1, 0}, 5},
                 {{0, 1ull << 63}, 5},
                 {{1, 1}, 1},
                 {{0x0101010101010101, 0x0101010101010101}, 3},
                 {{0x0101010101010101, 0x0101010001010101}, 1}};
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        u64 values[2] = {cases[i].x[0], cases[i].x[1]};
        call("truth", values);
        assert_int_equal(values[0], cases[i].truth);
    }
}

// Many frames of vector locals; the last one that there is no stack for is told from a fault.
static void frames_of_vectors_are_checked(void **) {
    u64 values[3] = {3, (u64)-5, 1000};
    call("deep", values);
    assert_int_equal(values[0], 3 * 1001);
    assert_true(values[1] == (u64)(-5 * 1001));
    values[2] = UINT32_MAX;
    assert_int_equal(embedder_call(&e, instance, "deep", values), TRAP_STACK_OVERFLOW);
}

static void check_calls(struct instance *caller) {
    u64 values[15] = {1, 2, 3, 4};
    assert_int_equal(embedder_call(&e, caller, "call_swap", values), TRAP_NONE);
    assert_memory_equal(values, ((u64[]){3, 4, 0xfffffff8, 1, 2}), 40);
    u64 x[] = {0x1111, 0x2222};
    u64 y[] = {0x30, 0x400};
    memcpy(values, x, 16);
    memcpy(values + 2, y, 16);
    assert_int_equal(embedder_call(&e, caller, "call_many", values), TRAP_NONE);
    assert_int_equal(values[0], x[0] ^ y[0] ^ (x[0] + y[0]));
    assert_int_equal(values[1], x[1] ^ y[1] ^ (x[1] + y[1] + 7 + F32_ONE));
}

static void vectors_pass_to_the_host(void **) {
    check_calls(instance);
}

static void vectors_pass_between_instances(void **) {
    check_calls(outer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accesses_reach_exactly_as_far_as_they_say),
        cmocka_unit_test(operands_may_share_a_register),
        cmocka_unit_test(vectors_keep_their_homes),
        cmocka_unit_test(truth_is_told_of_every_lane),
        cmocka_unit_test(frames_of_vectors_are_checked),
        cmocka_unit_test(vectors_pass_to_the_host),
        cmocka_unit_test(vectors_pass_between_instances),
    };
    static const enum cpu_level levels[] = {CPU_BASELINE, CPU_AVX_ONLY, CPU_NATIVE};
    int failed = 0;
    for (u32 i = 0; i < COUNT_OF(levels); i++) {
        level = levels[i];
        failed += cmocka_run_group_tests_name(cpu_level_name(level), tests, setup, teardown);
    }
    return failed;
}
