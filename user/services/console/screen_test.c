// The emulated terminal, by what is drawn of it and what it sends. Without libvterm's sources there
// is none, and nothing is tested.

#include "user/services/console/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/services/console/font.h"
#include "user/services/console/keys.h"

#define COLUMNS 20u
#define ROWS    5u
#define PITCH   (COLUMNS * FONT_WIDTH * 4)

static u8 pixels[PITCH * ROWS * FONT_HEIGHT];
static struct canvas canvas;
static struct screen *screen;
static char sent[256];
static usize sent_len;

static void take_sent(void *context, const char *bytes, usize len) {
    (void)context;
    assert_true(len < sizeof sent - sent_len);
    memcpy(sent + sent_len, bytes, len);
    sent_len += len;
    sent[sent_len] = 0;
}

static int set_up(void **state) {
    (void)state;
    const struct kwast_machine machine = {
        .screen_bytes = sizeof pixels,
        .pixels = KWAST_PIXELS_RGB,
        .screen_width = COLUMNS * FONT_WIDTH,
        .screen_height = ROWS * FONT_HEIGHT,
        .screen_pitch = PITCH,
        .pixel_bytes = 4,
        .red = {16, 8},
        .green = {8, 8},
        .blue = {0, 8},
    };
    sent_len = 0;
    sent[0] = 0;
    assert_true(canvas_init(&canvas, pixels, &machine));
    screen = screen_create(COLUMNS, ROWS, take_sent, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    canvas_fini(&canvas);
    screen_destroy(screen);
    return 0;
}

static void draw(void) {
    screen_draw(screen, &canvas);
    assert_false(screen_is_damaged(screen));
}

static const struct cell *cell_at(u32 row, u32 column) {
    return &canvas.shown[row * COLUMNS + column];
}

static void write_text(const char *text) {
    screen_write(screen, text, strlen(text));
}

// A row as it was drawn, without the blanks at its end.
static void expect_row(u32 row, const char *text) {
    char found[COLUMNS + 1] = "";
    u32 len = 0;
    for (u32 column = 0; column < COLUMNS; column++) {
        u32 character = cell_at(row, column)->character;
        found[column] = character < 0x80 ? (char)character : '?';
        len = character != ' ' ? column + 1 : len;
    }
    found[len] = 0;
    assert_string_equal(found, text);
}

static void text_lines_and_the_cursor(void **state) {
    (void)state;
    write_text("one\ntwo\n  three");
    assert_true(screen_is_damaged(screen));
    draw();
    expect_row(0, "one");
    expect_row(1, "two");
    expect_row(2, "  three");
    assert_int_equal(cell_at(2, 7)->fore, 0); // the cursor
    assert_int_not_equal(cell_at(2, 7)->back, 0);
    write_text("\x1b[?25l");
    draw();
    assert_int_equal(cell_at(2, 7)->back, 0);
    write_text("\x1b[1;1Hx");
    draw();
    expect_row(0, "xne");
}

static void colours_and_styles(void **state) {
    (void)state;
    static const struct {
        const char *sequence;
        struct cell cell;
    } cases[] = {
        {"", {'x', 0, 0xc0c0c0, 0, 0}},
        {"\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m", {'x', 0, 0x010203, 0x040506, 0}},
        {"\x1b[38;5;231m", {'x', 0, 0xffffff, 0, 0}},
        {"\x1b[7m", {'x', 0, 0, 0xc0c0c0, 0}},
        {"\x1b[1m", {'x', 0, 0xc0c0c0, 0, CELL_BOLD}},
        {"\x1b[3;4;9m", {'x', 0, 0xc0c0c0, 0, CELL_ITALIC | CELL_UNDERLINE | CELL_STRIKE}},
        {"\x1b[21m", {'x', 0, 0xc0c0c0, 0, CELL_UNDERLINE_TWICE}},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        write_text("\x1b[H\x1b[0m");
        write_text(cases[i].sequence);
        write_text("x\x1b[0m");
        draw();
        print_message("%zu\n", i);
        const struct cell *found = cell_at(0, 0);
        assert_int_equal(found->fore, cases[i].cell.fore);
        assert_int_equal(found->back, cases[i].cell.back);
        assert_int_equal(found->style, cases[i].cell.style);
    }
    write_text("\x1b[H\x1b[31mx");
    draw();
    u32 red = cell_at(0, 0)->fore;
    assert_true(red >> 16 > (red >> 8 & 0xff) && red >> 16 > (red & 0xff));
}

static void characters_of_all_kinds(void **state) {
    (void)state;
    write_text("\xc3\xa4\xe4\xb8\xad"
               "e\xcc\x81\x1b(0q\x1b(B");
    draw();
    assert_int_equal(cell_at(0, 0)->character, 0xe4);
    assert_int_equal(cell_at(0, 1)->character, 0x4e2d); // as wide as two
    assert_int_equal(cell_at(0, 2)->style, CELL_RIGHT_HALF);
    assert_int_equal(cell_at(0, 3)->character, 'e');
    assert_int_equal(cell_at(0, 3)->mark, 0x301);
    assert_int_equal(cell_at(0, 4)->character, 0x2500); // a line
}

static void lines_that_left_come_back(void **state) {
    (void)state;
    for (u32 i = 0; i < 12; i++) {
        char line[16];
        snprintf(line, sizeof line, "line %u\n", i);
        write_text(line);
    }
    draw();
    expect_row(0, "line 8");
    expect_row(4, "");
    screen_scroll(screen, 3);
    draw();
    expect_row(0, "line 5");
    expect_row(4, "line 9");
    write_text("new\n"); // the window stays where it is
    draw();
    expect_row(0, "line 5");
    screen_scroll(screen, 100);
    draw();
    expect_row(0, "line 0");
    screen_scroll(screen, -1);
    draw();
    expect_row(0, "line 1");
    screen_scroll_end(screen);
    draw();
    expect_row(0, "line 9");
    expect_row(3, "new");
    // What full-screen programs show does not come back, and what was there before does.
    write_text("\x1b[?1049h\x1b[H\x1b[2Jeditor\n\n\n\n\n\n\n");
    draw();
    expect_row(0, "");
    write_text("\x1b[?1049l");
    draw();
    expect_row(0, "line 9");
    screen_scroll(screen, 1);
    draw();
    expect_row(0, "line 8");
}

static void keys_send_what_xterm_sends(void **state) {
    (void)state;
    static const struct {
        u32 key;
        u32 modifiers;
        const char *bytes;
    } cases[] = {
        {'a', 0, "a"},
        {'A', INPUT_SHIFT, "A"},
        {0xe4, 0, "\xc3\xa4"},
        {0x20ac, 0, "\xe2\x82\xac"},
        {0x1f600, 0, "\xf0\x9f\x98\x80"},
        {'c', INPUT_CONTROL, "\x03"},
        {'[', INPUT_CONTROL, "\x1b"},
        {'i', INPUT_CONTROL, "\t"},
        {'3', INPUT_CONTROL, "\x1b"},
        {'/', INPUT_CONTROL, "\x1f"},
        {'x', INPUT_ALT, "\x1bx"},
        {'x', INPUT_ALT | INPUT_CONTROL, "\x1b\x18"},
        {INPUT_ENTER, 0, "\r"},
        {INPUT_ENTER, INPUT_SHIFT, "\r"},
        {INPUT_BACKSPACE, 0, "\x7f"},
        {INPUT_ESCAPE, 0, "\x1b"},
        {INPUT_TAB, 0, "\t"},
        {INPUT_TAB, INPUT_SHIFT, "\x1b[Z"},
        {INPUT_UP, 0, "\x1b[A"},
        {INPUT_LEFT, INPUT_CONTROL, "\x1b[1;5D"},
        {INPUT_HOME, 0, "\x1b[H"},
        {INPUT_DELETE, 0, "\x1b[3~"},
        {INPUT_PAGE_DOWN, 0, "\x1b[6~"},
        {INPUT_F1, 0, "\x1bOP"},
        {INPUT_F12, 0, "\x1b[24~"},
        {INPUT_KEY_END, 0, ""},
        {0xd800, 0, ""},
        {0x110000, 0, ""},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        sent_len = 0;
        sent[0] = 0;
        screen_key(screen, cases[i].key, cases[i].modifiers);
        print_message("%x\n", cases[i].key);
        assert_string_equal(sent, cases[i].bytes);
    }
    sent_len = 0;
    write_text("\x1b[?1h");
    screen_key(screen, INPUT_UP, 0);
    assert_string_equal(sent, "\x1bOA");
}

static void questions_are_answered(void **state) {
    (void)state;
    write_text("\x1b[2;3H\x1b[6n");
    assert_string_equal(sent, "\x1b[2;3R");
}

static void the_pointer_is_told_to_who_asks(void **state) {
    (void)state;
    screen_point(screen, 1, 2, INPUT_LEFT_BUTTON, 0);
    assert_string_equal(sent, "");
    draw();
    assert_int_not_equal(cell_at(1, 2)->back, 0);
    screen_point(screen, 1, 2, 0, 0);
    write_text("\x1b[?1000h\x1b[?1006h");
    screen_point(screen, 3, 4, INPUT_LEFT_BUTTON, 0);
    screen_point(screen, 3, 4, 0, 1);
    assert_string_equal(sent, "\x1b[<0;5;4M\x1b[<0;5;4m\x1b[<64;5;4M");
    screen_hide_pointer(screen);
    draw();
    assert_int_equal(cell_at(1, 2)->back, 0);
    assert_int_equal(cell_at(3, 4)->back, 0);
}

static void any_output_does_no_harm(void **state) {
    (void)state;
    static const char alphabet[] =
        "ab\n\t\b\r\x1b\x1b\x1b[[[;;0123456789?ABCDHJKLMPSTXhlmrsu@\x9b\xc3\xa9\xe4\xb8\xad";
    u32 random = 3;
    for (u32 round = 0; round < 3000; round++) {
        char text[100];
        for (usize i = 0; i < sizeof text; i++) {
            random = random * 1664525 + 1013904223;
            text[i] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        screen_write(screen, text, sizeof text);
        sent_len = 0;
        if (round % 16 == 0)
            draw();
        if (round % 50 == 0)
            screen_scroll(screen, (i32)(random >> 28) - 8);
    }
    write_text("\x1b"
               "c\x1b[?1049l\x1b[Hfine");
    screen_scroll_end(screen);
    draw();
    expect_row(0, "fine");
}

int main(void) {
    screen = screen_create(COLUMNS, ROWS, take_sent, NULL);
    if (screen == NULL) {
        printf("screen: SKIPPED, there is no emulator\n[  PASSED  ] 0 test(s).\n");
        return 0;
    }
    screen_destroy(screen);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_lines_and_the_cursor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(colours_and_styles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(characters_of_all_kinds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_that_left_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_send_what_xterm_sends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(questions_are_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_pointer_is_told_to_who_asks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_output_does_no_harm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
