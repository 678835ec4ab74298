// Keys without a layout's help: modifiers, locks, the numeric keypad; and the mouse's packets.

#include "user/services/ps2/keyboard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/services/ps2/mouse.h"

static struct layout layout;
static struct keyboard keyboard;

static int set_up(void **state) {
    static const char text[] = "C01 a A\nC02 s S $\ndecimal ,\n";
    (void)state;
    layout_init(&layout);
    assert_true(layout_parse(&layout, text, sizeof text - 1));
    keyboard = (struct keyboard){.layout = &layout};
    return 0;
}

// What pressing a key makes; nothing: 0.
static struct key_event press(u8 code) {
    struct key_event events[KEY_EVENTS_MAX] = {{0, 0}};
    assert_true(keyboard_put(&keyboard, (struct scancode){code, true}, events) <= 1);
    return events[0];
}

static void release(u8 code) {
    struct key_event events[KEY_EVENTS_MAX];
    assert_int_equal(keyboard_put(&keyboard, (struct scancode){code, false}, events), 0);
}

static void modifiers_are_held(void **state) {
    (void)state;
    press(0x1d);
    press(0x38);
    struct key_event event = press(0x1e);
    assert_int_equal(event.key, 'a');
    assert_int_equal(event.modifiers, INPUT_CONTROL | INPUT_ALT);
    release(0x1d);
    release(0x38);
    assert_int_equal(press(0x1e).modifiers, 0);
    // Two of a kind: one of them is still held.
    press(0x2a);
    press(0x36);
    release(0x2a);
    assert_int_equal(press(0x1e).key, 'A');
    release(0x36);
    assert_int_equal(press(0x1e).key, 'a');
}

static void right_alt_is_altgr_where_the_layout_has_it(void **state) {
    (void)state;
    press(0xb8);
    struct key_event event = press(0x1f);
    assert_int_equal(event.key, '$');
    assert_int_equal(event.modifiers, 0);
    layout.has_third_level = false;
    event = press(0x1f);
    assert_int_equal(event.key, 's');
    assert_int_equal(event.modifiers, INPUT_ALT);
}

static void locks_change_once_a_press(void **state) {
    (void)state;
    press(0x3a);
    press(0x3a); // repeated, because it is held
    assert_int_equal(keyboard.locks, LED_CAPS);
    assert_int_equal(press(0x1e).key, 'A');
    press(0x2a);
    assert_int_equal(press(0x1e).key, 'a');
    release(0x2a);
    release(0x3a);
    press(0x3a);
    assert_int_equal(keyboard.locks, 0);
}

static void keypad_has_numbers_and_names(void **state) {
    (void)state;
    assert_int_equal(press(0x47).key, INPUT_HOME);
    assert_int_equal(press(0x4c).key, 0);
    press(0x45);
    release(0x45);
    assert_int_equal(keyboard.locks, LED_NUM);
    assert_int_equal(press(0x47).key, '7');
    assert_int_equal(press(0x53).key, ',');
    assert_int_equal(press(0x4e).key, '+');
    press(0x2a);
    assert_int_equal(press(0x47).key, INPUT_HOME);
    release(0x2a);
    assert_int_equal(press(0xc7).key, INPUT_HOME); // the other one
    assert_int_equal(press(0x9c).key, INPUT_ENTER);
    assert_int_equal(press(0xb5).key, '/');
}

static void named_keys_have_modifiers(void **state) {
    (void)state;
    static const struct {
        u8 code;
        u32 key;
    } names[] = {{0x01, INPUT_ESCAPE},    {0x3b, INPUT_F1},    {0x44, INPUT_F1 + 9},
                 {0x57, INPUT_F1 + 10},   {0x58, INPUT_F12},   {0xc8, INPUT_UP},
                 {0xd1, INPUT_PAGE_DOWN}, {0xd3, INPUT_DELETE}};
    press(0x2a);
    for (usize i = 0; i < COUNT_OF(names); i++) {
        struct key_event event = press(names[i].code);
        assert_int_equal(event.key, names[i].key);
        assert_int_equal(event.modifiers, INPUT_SHIFT);
    }
    release(0x2a);
}

static void every_code_is_taken(void **state) {
    (void)state;
    struct key_event events[KEY_EVENTS_MAX];
    for (u32 code = 0; code < 512; code++)
        assert_true(keyboard_put(&keyboard, (struct scancode){(u8)code, code < 256}, events) <=
                    KEY_EVENTS_MAX);
}

// -- The mouse ------------------------------------------------------------------------------------

static void packets(void **state) {
    (void)state;
    static const struct {
        bool has_wheel;
        u8 bytes[4];
        struct mouse_event event;
    } cases[] = {
        {false, {0x08, 5, 3}, {5, -3, 0, 0}},
        {false, {0x39, 0xff, 0xfe}, {-1, 2, 0, INPUT_LEFT_BUTTON}},
        {false, {0x0e, 0, 0}, {0, 0, 0, INPUT_RIGHT_BUTTON | INPUT_MIDDLE_BUTTON}},
        {false, {0x48, 200, 9}, {0, 0, 0, 0}}, // an overflow
        {true, {0x08, 0, 0, 0xff}, {0, 0, 1, 0}},
        {true, {0x18, 0x00, 0, 1}, {-256, 0, -1, 0}},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct mouse mouse = {.has_wheel = cases[i].has_wheel};
        struct mouse_event event;
        u32 len = cases[i].has_wheel ? 4 : 3;
        for (u32 at = 0; at < len; at++)
            assert_int_equal(mouse_put(&mouse, cases[i].bytes[at], &event), at + 1 == len);
        assert_memory_equal(&event, &cases[i].event, sizeof event);
    }
}

static void a_lost_byte_is_noticed(void **state) {
    (void)state;
    struct mouse mouse = {.has_wheel = false};
    struct mouse_event event;
    assert_false(mouse_put(&mouse, 0x05, &event)); // the end of a packet that began before
    assert_false(mouse_put(&mouse, 0x00, &event));
    assert_false(mouse_put(&mouse, 0x09, &event));
    assert_false(mouse_put(&mouse, 1, &event));
    assert_true(mouse_put(&mouse, 1, &event));
    assert_int_equal(event.right, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(modifiers_are_held, set_up),
        cmocka_unit_test_setup(right_alt_is_altgr_where_the_layout_has_it, set_up),
        cmocka_unit_test_setup(locks_change_once_a_press, set_up),
        cmocka_unit_test_setup(keypad_has_numbers_and_names, set_up),
        cmocka_unit_test_setup(named_keys_have_modifiers, set_up),
        cmocka_unit_test_setup(every_code_is_taken, set_up),
        cmocka_unit_test(packets),
        cmocka_unit_test(a_lost_byte_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
