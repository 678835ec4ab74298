// Accesses that are checked, by running them: memories other than the first, and those of 64 bits.
// What is in bounds and what is not, around the end of the memory, 2^32 and 2^64.

#include "tests/fixture.h"

static const u8 memories_wasm[] = {
#embed "wat/memories.wasm"
};

static struct fixture f;

#define PAGE   65536u
#define BOUNDS TRAP_MEMORY_BOUNDS
#define ALL    UINT64_MAX

static int setup(void **state) {
    (void)state;
    return fixture_init(&f, memories_wasm, sizeof memories_wasm);
}

static int teardown(void **state) {
    (void)state;
    return fixture_fini(&f);
}

// The first eight bytes and the last eight of each memory tell it from the others.
static void mark(void) {
    static const char *const names[] = {"m0", "m1", "m2"};
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        u8 *bytes = fixture_memory(&f, names[i]);
        memset(bytes, 0, PAGE);
        memset(bytes, 0x10 + (int)i, 8);
        memset(bytes + PAGE - 8, 0x80 + (int)i, 8);
    }
}

#define LOW(m)  (0x0101010101010101u * (0x10 + (m)))
#define HIGH(m) (0x0101010101010101u * (0x80 + (m)))

static void loads_stop_at_the_end(void **state) {
    (void)state;
    mark();
    static const struct call_case cases[] = {
        {"m1_8", {0}, 0x11, 0},
        {"m1_8", {PAGE - 1}, 0x81, 0},
        {"m1_8", {PAGE}, 0, BOUNDS},
        {"m1_8", {0x80000000}, 0, BOUNDS},
        {"m1_8", {0xffffffff}, 0, BOUNDS},
        {"m1_64", {0}, LOW(1), 0},
        {"m1_64", {PAGE - 8}, HIGH(1), 0},
        {"m1_64", {PAGE - 7}, 0, BOUNDS},
        {"m1_64", {0xfffffff8}, 0, BOUNDS},
        {"m1_64", {0xffffffff}, 0, BOUNDS},
        {"m1_64_near", {0}, HIGH(1), 0},
        {"m1_64_near", {1}, 0, BOUNDS},
        {"m1_64_near", {0xffff0008}, 0, BOUNDS}, // 2^32 in all
        {"m1_8_far", {0}, 0, BOUNDS},
        {"m1_8_far", {0x80000000}, 0, BOUNDS}, // 2^32
        {"m1_8_far", {0x80000001}, 0, BOUNDS},
        {"m1_8_most", {0}, 0, BOUNDS},
        {"m1_8_most", {1}, 0, BOUNDS}, // 2^32
        {"m1_8_most", {0xffffffff}, 0, BOUNDS},
        {"m1_v128", {PAGE - 16}, 0, 0},
        {"m1_v128", {PAGE - 15}, 0, BOUNDS},
        {"m1_const_in", {0}, HIGH(1), 0},
        {"m1_const_out", {0}, 0, BOUNDS},
        {"m1_const_most", {0}, 0, BOUNDS},
        {"m0_8", {0}, 0x10, 0},
        {"m0_8", {PAGE - 1}, 0x80, 0},
        {"m0_8", {PAGE}, 0, BOUNDS},
        {"m0_8", {0x100000000}, 0, BOUNDS}, // the lower half is in bounds
        {"m0_8", {ALL}, 0, BOUNDS},
        {"m0_64", {PAGE - 8}, HIGH(0), 0},
        {"m0_64", {PAGE - 7}, 0, BOUNDS},
        {"m0_64", {ALL}, 0, BOUNDS},
        {"m0_64", {ALL - 7}, 0, BOUNDS}, // ends at 2^64
        {"m0_64", {ALL - 8}, 0, BOUNDS},
        {"m0_64_near", {0}, HIGH(0), 0},
        {"m0_64_near", {1}, 0, BOUNDS},
        {"m0_64_near", {-65528ull}, 0, BOUNDS}, // 2^64
        {"m0_64_near", {-65536ull}, 0, BOUNDS}, // ends at 2^64
        {"m0_const_in", {0}, HIGH(0), 0},
        {"m0_const_out", {0}, 0, BOUNDS},
        {"m0_const_wrap", {0}, 0, BOUNDS},
        {"m2_64", {0}, LOW(2), 0},
        {"m2_64", {PAGE - 8}, HIGH(2), 0},
        {"m2_64", {PAGE}, 0, BOUNDS},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void stores_stop_at_the_end(void **state) {
    (void)state;
    mark();
    static const struct call_case cases[] = {
        {"m1_store8", {PAGE - 1, 7}, PAGE - 1, 0},
        {"m1_store8", {PAGE, 7}, 0, BOUNDS},
        {"m1_store8", {0xffffffff, 7}, 0, BOUNDS},
        {"m1_store64", {PAGE - 7, ALL}, 0, BOUNDS}, // nothing of it is written
        {"m1_64", {PAGE - 8}, 0x0781818181818181, 0},
        {"m1_store64", {8, 0x1122334455667788}, 8, 0},
        {"m1_64", {8}, 0x1122334455667788, 0},
        {"m0_64", {8}, 0, 0},
        {"m0_store64", {PAGE - 8, 5}, PAGE - 8, 0},
        {"m0_store64", {PAGE - 7, 5}, 0, BOUNDS},
        {"m0_store64", {ALL - 3, 5}, 0, BOUNDS},
        {"m0_64", {PAGE - 8}, 5, 0},
        {"m0_store_const", {16}, 16, 0},
        {"m0_store_const", {ALL}, 0, BOUNDS},
        {"m0_64", {16}, 77, 0},
        {"m2_storef", {PAGE - 16}, PAGE - 16, 0},
        {"m2_storef", {PAGE - 15}, 0, BOUNDS},
        {"m2_storef", {ALL - 7}, 0, BOUNDS},
        {"m2_64", {PAGE - 8}, 0x3ff0000000000000, 0},
        {"m1_crowded", {1, 2, 3, 4, PAGE - 10, 4}, 3 + 10 + 21 + 36 + 0x07 + 14, 0},
        {"m1_crowded", {1, 2, 3, 4, PAGE - 10, 5}, 0, BOUNDS},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void ranges_are_checked_in_both_memories(void **state) {
    (void)state;
    mark();
    static const struct call_case cases[] = {
        {"fill1", {PAGE - 8, 0xaa, 8}, PAGE - 8, 0},
        {"fill1", {PAGE - 8, 0xbb, 9}, 0, BOUNDS},
        {"fill1", {PAGE, 0xbb, 0}, PAGE, 0},
        {"fill1", {PAGE + 1, 0xbb, 0}, 0, BOUNDS},
        {"fill1", {0xffffffff, 0xbb, 0xffffffff}, 0, BOUNDS},
        {"m1_64", {PAGE - 8}, 0xaaaaaaaaaaaaaaaa, 0},
        {"m0_64", {PAGE - 8}, HIGH(0), 0},
        {"fill0", {1, 0xbb, ALL}, 0, BOUNDS}, // 2^64
        {"fill0", {ALL, 0xbb, 1}, 0, BOUNDS},
        {"fill0", {ALL, 0xbb, ALL}, 0, BOUNDS},
        {"fill0", {2, 0xbb, ALL}, 0, BOUNDS},
        {"fill0", {PAGE, 0xbb, 0}, PAGE, 0},
        {"fill0", {8, 0xbb, 8}, 8, 0},
        {"m0_64", {0}, LOW(0), 0},
        {"m0_64", {8}, 0xbbbbbbbbbbbbbbbb, 0},
        {"copy01", {16, PAGE - 8, 8}, 16, 0},
        {"m0_64", {16}, 0xaaaaaaaaaaaaaaaa, 0},
        {"copy01", {16, PAGE - 8, 9}, 0, BOUNDS},
        {"copy01", {ALL, 0, 1}, 0, BOUNDS},
        {"copy01", {PAGE - 7, 0, 8}, 0, BOUNDS},
        {"copy10", {PAGE - 8, 0, 8}, PAGE - 8, 0},
        {"m1_64", {PAGE - 8}, LOW(0), 0},
        {"copy10", {0, ALL - 7, 8}, 0, BOUNDS},
        {"copy10", {0, 0x100000000, 1}, 0, BOUNDS},
        {"copy02", {0, PAGE - 8, 8}, 0, 0},
        {"m0_64", {0}, HIGH(2), 0},
        {"copy02", {0, 1, ALL}, 0, BOUNDS},
        {"copy02", {ALL, ALL, 2}, 0, BOUNDS},
        {"copy00", {1, 0, 8}, 1, 0}, // overlapping, upwards
        {"m0_64", {1}, HIGH(2), 0},
        {"init2", {PAGE - 8, 0, 8}, PAGE - 8, 0},
        {"m2_64", {PAGE - 8}, 0x6867666564636261, 0},
        {"init2", {PAGE - 7, 0, 8}, 0, BOUNDS},
        {"init2", {ALL - 7, 0, 8}, 0, BOUNDS},
        {"init2", {0, 1, 8}, 0, BOUNDS},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void growing_moves_the_end_of_one_memory(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"size1", {0}, 1, 0},
        {"grow1", {3}, 0xffffffff, 0},
        {"grow1", {1}, 1, 0},
        {"size1", {0}, 2, 0},
        {"size2", {0}, 1, 0},
        {"m1_8", {2 * PAGE - 1}, 0, 0},
        {"m1_8", {2 * PAGE}, 0, BOUNDS},
        {"m2_64", {PAGE}, 0, BOUNDS},
        {"grow2", {ALL}, ALL, 0},
        {"grow2", {0x100000000}, ALL, 0},
        {"grow2", {2}, 1, 0},
        {"size2", {0}, 3, 0},
        {"m2_64", {3 * PAGE - 8}, 0, 0},
        {"m2_64", {3 * PAGE - 7}, 0, BOUNDS},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

// (memory i64 1) (func (export "f") (param i64) (result i32)
//   (i32.load8_u offset=`offset` (local.get 0)))
static enum trap load_at(u64 offset, u64 index) {
    static const u8 head[] = {0, 'a',  's', 'm', 1,  0,  0, 0,  1, 6,    1, 0x60, 1, 0x7e,
                              1, 0x7f, 3,   2,   1,  0,  5, 3,  1, 4,    1, 7,    5, 1,
                              1, 'f',  0,   0,   10, 18, 1, 16, 0, 0x20, 0, 0x2d, 0};
    u8 wasm[sizeof head + 11];
    memcpy(wasm, head, sizeof head);
    u8 *at = wasm + sizeof head;
    for (u32 i = 0; i < 10; i++, offset >>= 7) // padded, so that the sizes are fixed
        *at++ = (u8)((offset & 0x7f) | (i < 9 ? 0x80 : 0));
    *at = 0x0b;
    struct instance *made = embedder_instance(&f.e, (struct bytes){wasm, sizeof wasm}, NULL);
    u64 value = index;
    return embedder_call(&f.e, made, "f", &value);
}

static void offsets_up_to_two_to_the_64(void **state) {
    (void)state;
    static const struct {
        u64 offset;
        u64 index;
        enum trap trap;
    } cases[] = {
        {0, PAGE - 1, 0},
        {PAGE - 1, 0, 0},
        {PAGE, 0, BOUNDS},
        {INT32_MAX, 0, BOUNDS},
        {0x80000000, 0, BOUNDS},
        {0xffffffff, 1, BOUNDS},
        {0x100000000, 0, BOUNDS},
        {0x100000000, -0x100000000ull, BOUNDS}, // 2^64
        {INT64_MAX, 0, BOUNDS},
        {INT64_MAX, 1ull << 63, BOUNDS},
        {INT64_MAX, (1ull << 63) + 1, BOUNDS}, // 2^64
        {ALL - 1, 0, BOUNDS},
        {ALL - 1, 1, BOUNDS},
        {ALL - 1, 2, BOUNDS}, // 2^64
        {ALL, 0, BOUNDS},
        {ALL, 1, BOUNDS}, // 2^64
        {ALL, 2, BOUNDS},
        {ALL, ALL, BOUNDS},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        enum trap trap = load_at(cases[i].offset, cases[i].index);
        if (trap != cases[i].trap)
            fail_msg("case %zu: trap %s", i, trap_text(trap));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_stop_at_the_end),
        cmocka_unit_test(stores_stop_at_the_end),
        cmocka_unit_test(ranges_are_checked_in_both_memories),
        cmocka_unit_test(growing_moves_the_end_of_one_memory),
        cmocka_unit_test(offsets_up_to_two_to_the_64),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
