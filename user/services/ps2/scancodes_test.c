// Scan codes of both sets, and what is no key.

#include "user/services/ps2/scancodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MOVES_MAX 4u

static const struct case_ {
    const char *name;
    bool is_set2;
    u8 bytes[10];
    u32 len;
    struct scancode moves[MOVES_MAX];
    u32 count;
} cases[] = {
    {"a key", false, {0x1e, 0x9e}, 2, {{0x1e, true}, {0x1e, false}}, 2},
    {"a key with a prefix", false, {0xe0, 0x48, 0xe0, 0xc8}, 4, {{0xc8, true}, {0xc8, false}}, 2},
    {"the prefix is for one key", false, {0xe0, 0x48, 0x48}, 3, {{0xc8, true}, {0x48, true}}, 2},
    {"a shift that nobody holds",
     false,
     {0xe0, 0x2a, 0xe0, 0x47, 0xe0, 0xaa},
     6,
     {{0xc7, true}},
     1},
    {"pause", false, {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x1e}, 7, {{0x1e, true}}, 1},
    {"no key", false, {0x00, 0x80}, 2, {{0}}, 0},
    {"set 2", true, {0x1c, 0xf0, 0x1c}, 3, {{0x1e, true}, {0x1e, false}}, 2},
    {"set 2 with a prefix",
     true,
     {0xe0, 0x75, 0xe0, 0xf0, 0x75},
     5,
     {{0xc8, true}, {0xc8, false}},
     2},
    {"set 2, F7", true, {0x83}, 1, {{0x41, true}}, 1},
    {"set 2, beyond the table", true, {0x84, 0x85, 0xff}, 3, {{0x54, true}}, 1},
    {"set 2, pause",
     true,
     {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77, 0x1c},
     9,
     {{0x1e, true}},
     1},
};

static void sequences(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        const struct case_ *c = &cases[i];
        struct scancodes scancodes = {.is_set2 = c->is_set2};
        u32 count = 0;
        print_message("%s\n", c->name);
        for (u32 at = 0; at < c->len; at++) {
            struct scancode move;
            if (!scancodes_put(&scancodes, c->bytes[at], &move))
                continue;
            assert_true(count < c->count);
            assert_int_equal(move.code, c->moves[count].code);
            assert_int_equal(move.is_pressed, c->moves[count].is_pressed);
            count++;
        }
        assert_int_equal(count, c->count);
    }
}

// Whatever comes, a lone key is understood in the end.
static void any_bytes_do_no_harm(void **state) {
    (void)state;
    for (u32 set2 = 0; set2 < 2; set2++) {
        struct scancodes scancodes = {.is_set2 = set2 != 0};
        struct scancode move;
        u32 random = 1;
        for (u32 i = 0; i < 100000; i++) {
            random = random * 1664525 + 1013904223;
            scancodes_put(&scancodes, (u8)(random >> 24), &move);
        }
        for (u32 i = 0; i < 8; i++) // the rest of a pause
            scancodes_put(&scancodes, 0x1c, &move);
        assert_true(scancodes_put(&scancodes, 0x1c, &move));
        assert_true(move.is_pressed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences),
        cmocka_unit_test(any_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
