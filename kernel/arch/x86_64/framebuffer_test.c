// The console on a framebuffer: what is on the screen is read back by comparing pixels with glyphs.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/string.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/font.h"

#define COLUMNS 20u
#define ROWS    5u
#define WIDTH   (COLUMNS * FONT_WIDTH + 3) // a margin that holds no character
#define HEIGHT  (ROWS * FONT_HEIGHT + 5)
#define PITCH   (WIDTH * 4 + 12)

static u8 pixels[PITCH * HEIGHT + 16];
static u64 bytes_mapped;

arch_irq_state arch_irq_save(void) {
    return 0;
}

void arch_irq_restore(arch_irq_state) {
}

void arch_cpu_relax(void) {
}

static bool is_stopping; // the machine says its last words

bool cpus_are_stopping(void) {
    return is_stopping;
}

void *mmio_map_combining(u64, u64 bytes) {
    bytes_mapped = bytes;
    return pixels;
}

static const u8 *glyph_of(u16 character) {
    for (u32 i = 0; i < font_entry_count; i++) {
        if (font_entries[i].character == character)
            return font_glyphs[font_entries[i].glyph];
    }
    fail_msg("the font lacks character 0x%x", character);
    return NULL;
}

static u32 pixel(u32 x, u32 y) {
    u32 value;
    memcpy(&value, pixels + y * PITCH + x * 4, sizeof(value));
    return value;
}

// Whether the cell shows `character`, foreground and background being any two colours.
static bool cell_shows(u32 row, u32 column, u16 character, u32 *foreground, u32 *background) {
    const u8 *glyph = glyph_of(character);
    bool has[2] = {false, false};
    u32 colour[2] = {0, 0};
    for (u32 y = 0; y < FONT_HEIGHT; y++) {
        for (u32 x = 0; x < FONT_WIDTH; x++) {
            u32 bit = glyph[y] >> (7 - x) & 1;
            u32 value = pixel(column * FONT_WIDTH + x, row * FONT_HEIGHT + y);
            if (has[bit] && colour[bit] != value)
                return false;
            has[bit] = true;
            colour[bit] = value;
        }
    }
    *foreground = colour[1];
    *background = colour[0];
    return !has[1] || !has[0] || colour[0] != colour[1];
}

static void assert_row(u32 row, const char *text) {
    for (u32 column = 0; column < COLUMNS; column++) {
        u16 expected = column < strlen(text) ? (u8)text[column] : ' ';
        u32 foreground, background;
        if (!cell_shows(row, column, expected, &foreground, &background))
            fail_msg("row %u, column %u does not show '%c'", row, column, expected);
    }
}

static void write(const char *text) {
    framebuffer_write(text, strlen(text));
}

static int restart(void **) {
    memset(pixels, 0xee, sizeof(pixels));
    framebuffer_init(&(struct framebuffer_info){
        .kind = FRAMEBUFFER_RGB,
        .bits_per_pixel = 32,
        .red_position = 16,
        .red_bits = 8,
        .green_position = 8,
        .green_bits = 8,
        .blue_position = 0,
        .blue_bits = 8,
        .pitch = PITCH,
        .width = WIDTH,
        .height = HEIGHT,
        .phys = 0xfd000000,
    });
    write("\f\x1b[0m");
    return 0;
}

static void the_screen_is_cleared_and_nothing_else(void **) {
    u32 columns, rows;
    framebuffer_size(&columns, &rows);
    assert_int_equal(columns, COLUMNS);
    assert_int_equal(rows, ROWS);
    assert_int_equal(bytes_mapped, PITCH * HEIGHT);
    for (u32 row = 1; row < ROWS; row++)
        assert_row(row, "");
    for (u32 i = PITCH * HEIGHT; i < sizeof(pixels); i++)
        assert_int_equal(pixels[i], 0xee);
}

static void text_appears(void **) {
    write("Hello, Kwast!\nsecond\tline\r\n\nfourth");
    assert_row(0, "Hello, Kwast!");
    assert_row(1, "second  line");
    assert_row(2, "");
}

static void long_lines_wrap_only_when_needed(void **) {
    write("12345678901234567890");
    write("\nnext");
    assert_row(0, "12345678901234567890");
    write("\f12345678901234567890x\n");
    assert_row(0, "12345678901234567890");
    assert_row(1, "x");
}

static void text_scrolls(void **) {
    for (u32 line = 0; line < 100; line++) {
        char text[16];
        snprintf(text, sizeof(text), "%sline %u", line == 0 ? "" : "\n", line);
        write(text);
    }
    assert_row(0, "line 95");
    assert_row(3, "line 98");
    write("\n");
    assert_row(3, "line 99");
    assert_row(4, "");
}

static void backspace_and_return_overwrite(void **) {
    write("abc\b\bX\n\b\b12\r3\n");
    assert_row(0, "aXc");
    assert_row(1, "32");
}

static void colours_are_followed(void **) {
    write("\x1b[31mA\x1b[1;44mB\x1b[7mC\x1b[0mD\n");
    static const struct {
        char character;
        u32 foreground, background;
    } cells[] = {
        {'A', 0xaa0000, 0x000000},
        {'B', 0xff5555, 0x0000aa},
        {'C', 0x0000aa, 0xff5555},
        {'D', 0xaaaaaa, 0x000000},
    };
    for (u32 column = 0; column < COUNT_OF(cells); column++) {
        u32 foreground, background;
        assert_true(cell_shows(0, column, (u8)cells[column].character, &foreground, &background));
        assert_int_equal(foreground, cells[column].foreground);
        assert_int_equal(background, cells[column].background);
    }
}

static void the_cursor_moves_and_parts_are_cleared(void **) {
    write("one two\nthree four\nfive");
    write("\x1b[2;4Hx\x1b[K\x1b[1;1H\x1b[3C");
    assert_row(1, "thrx");
    write("\x1b[99;99H");
    write("\x1b[2;1H\x1b[J\x1b[5;1H");
    assert_row(0, "one two");
    assert_row(1, "");
    assert_row(2, "");
    write("\x1b[2J\x1b[5;1H");
    assert_row(0, "");
}

static void the_cursor_moves_by_steps(void **) {
    write("ab\x1b[3Cx\x1b[4Dy\x1b[BZ\x1b[AW\x1b[2GV\n");
    assert_row(0, "aVy Wx");
    assert_row(1, "   Z");
    write("\x1b[99Ab\x1b[99D\x1b[Cc\x1b[99CE\x1b[99B");
    assert_row(0, "bcy Wx             E");
}

static void strange_sequences_are_skipped(void **) {
    write("a\x1b[?25lb\x1b[38;5;99;1;2;3;4;5;6;7;8;9;99999999999mc\x1b[0m\x1b"
          "cd\x1b[12;zE\n");
    assert_row(0, "abcdE");
}

static void utf8_is_understood_in_pieces(void **) {
    framebuffer_write("\xc3", 1);
    framebuffer_write("\xbc\xe2\x94", 3);
    framebuffer_write("\x80!\n", 3);
    u32 foreground, background;
    assert_true(cell_shows(0, 0, 0xfc, &foreground, &background));
    assert_true(cell_shows(0, 1, 0x2500, &foreground, &background));
    assert_true(cell_shows(0, 2, '!', &foreground, &background));
}

static void what_is_not_utf8_shows_as_a_question_mark(void **) {
    write("\xff"
          "a\xc3"
          "b\xf0\x9f\x98\x80"
          "c\n");
    assert_row(0, "?a?b?c");
}

static void a_screen_that_a_program_has_is_left_alone(void **) {
    write("before\n");
    framebuffer_yield(true);
    memset(pixels, 0x55, sizeof(pixels));
    write("meanwhile\n");
    for (u32 i = 0; i < sizeof(pixels); i++)
        assert_int_equal(pixels[i], 0x55);
    framebuffer_yield(false);
    assert_row(0, "before");
    assert_row(1, "meanwhile");
    for (u32 row = 3; row < ROWS; row++)
        assert_row(row, "");
}

static void last_words_are_shown_all_the_same(void **) {
    write("before\n");
    framebuffer_yield(true);
    memset(pixels, 0x55, sizeof(pixels));
    is_stopping = true;
    write("panic");
    is_stopping = false;
    assert_row(0, "before");
    assert_row(1, "panic");
    framebuffer_yield(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_screen_is_cleared_and_nothing_else, restart),
        cmocka_unit_test_setup(text_appears, restart),
        cmocka_unit_test_setup(long_lines_wrap_only_when_needed, restart),
        cmocka_unit_test_setup(text_scrolls, restart),
        cmocka_unit_test_setup(backspace_and_return_overwrite, restart),
        cmocka_unit_test_setup(colours_are_followed, restart),
        cmocka_unit_test_setup(the_cursor_moves_and_parts_are_cleared, restart),
        cmocka_unit_test_setup(the_cursor_moves_by_steps, restart),
        cmocka_unit_test_setup(strange_sequences_are_skipped, restart),
        cmocka_unit_test_setup(utf8_is_understood_in_pieces, restart),
        cmocka_unit_test_setup(what_is_not_utf8_shows_as_a_question_mark, restart),
        cmocka_unit_test_setup(a_screen_that_a_program_has_is_left_alone, restart),
        cmocka_unit_test_setup(last_words_are_shown_all_the_same, restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
