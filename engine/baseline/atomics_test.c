// Atomic accesses, by running them on one thread: results, alignment, bounds, waiting.

#include "tests/fixture.h"

static const u8 atomics_wasm[] = {
#embed "wat/atomics.wasm"
};

static struct fixture f;

#define PAGE      65536u
#define BOUNDS    TRAP_MEMORY_BOUNDS
#define UNALIGNED TRAP_UNALIGNED_ATOMIC

static int setup(void **state) {
    (void)state;
    return fixture_init(&f, atomics_wasm, sizeof atomics_wasm);
}

static int teardown(void **state) {
    (void)state;
    return fixture_fini(&f);
}

static void accesses_are_aligned_and_in_bounds(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"store", {PAGE - 8, 0x1122334455667788}, PAGE - 8, 0},
        {"load", {PAGE - 8}, 0x1122334455667788, 0},
        {"load", {PAGE}, 0, BOUNDS},
        {"load", {0xfffffff8}, 0, BOUNDS},
        {"load", {PAGE - 4}, 0, UNALIGNED},
        {"load", {1}, 0, UNALIGNED},
        {"load_near", {PAGE - 6}, 0x11223344, 0},
        {"load_near", {4}, 0, UNALIGNED},
        {"load_near", {PAGE - 2}, 0, BOUNDS},
        {"load_guard", {0}, 0, BOUNDS},
        {"load_guard", {0xfc000000}, 0, BOUNDS}, // 2^32
        {"load_most", {1}, 0, BOUNDS},           // 2^32
        {"load_constant", {0}, 0, UNALIGNED},
        {"store1", {8, 5}, 8, 0},
        {"load1", {8}, 5, 0},
        {"load", {8}, 0, 0},
        {"load1", {PAGE - 8}, 0, 0},
        {"load1", {PAGE}, 0, BOUNDS},
        {"load1", {12}, 0, UNALIGNED},
        {"store1", {PAGE, 5}, 0, BOUNDS},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void changes_give_what_was_there(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"store", {16, 0x1111111111111100}, 16, 0},
        {"sub8", {16, 0xffffff01}, 0, 0},
        {"load", {16}, 0x11111111111111ff, 0},
        {"or32", {16, 0xffffffffee000000}, 0x111111ff, 0},
        {"load", {16}, 0x11111111ff1111ff, 0},
        {"or32", {18, 0}, 0, UNALIGNED},
        {"or32", {PAGE, 0}, 0, BOUNDS},
        {"xor1", {8, 0xff}, 5, 0},
        {"load1", {8}, 5 ^ 0xff, 0},
        {"xor1", {PAGE, 1}, 0, BOUNDS},
        {"add_self", {64}, 64, 0},
        {"add_self", {64}, 128, 0},
        {"load", {64}, 128, 0},
        {"cas16", {64, 0xabcd0080, 0x1234ffff}, 128, 0}, // as much as memory holds is compared
        {"cas16", {64, 1, 2}, 0xffff, 0},
        {"load", {64}, 0xffff, 0},
        {"cas16", {65, 1, 2}, 0, UNALIGNED},
        {"cas16", {PAGE, 1, 2}, 0, BOUNDS},
        {"cas_self", {128}, 0, 0},
        {"fence", {7}, 7, 0},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

static void waits_on_one_thread(void **state) {
    (void)state;
    static const struct call_case cases[] = {
        {"store", {256, 7}, 256, 0},
        {"wait32", {256, 8, (u64)-1}, 1, 0},
        {"wait32", {256, 7, 0}, 2, 0},
        {"wait32", {256, 7, 1000000}, 2, 0},
        {"wait64", {248, 8, (u64)-1}, 1, 0},
        {"wait64", {248, 7, 0}, 2, 0},
        {"wait32", {258, 7, 0}, 0, UNALIGNED},
        {"wait64", {252, 7, 0}, 0, UNALIGNED},
        {"wait32", {PAGE, 7, 0}, 0, BOUNDS},
        {"wait64", {0xfffffff8, 7, 0}, 0, BOUNDS}, // 2^32
        {"wait1", {0, 0, 0}, 0, TRAP_EXPECTED_SHARED},
        {"notify", {256, 1}, 0, 0},
        {"notify", {257, 1}, 0, UNALIGNED},
        {"notify", {PAGE, 1}, 0, BOUNDS},
        {"notify1", {0, 1}, 0, 0},
        {"notify1", {PAGE, 1}, 0, BOUNDS},
    };
    fixture_run(&f, cases, COUNT_OF(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accesses_are_aligned_and_in_bounds),
        cmocka_unit_test(changes_give_what_was_there),
        cmocka_unit_test(waits_on_one_thread),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
