// Drawing: pixels of all sizes, what stays untouched, screens that are refused; and the lines that
// left the screen.

#include "user/services/console/canvas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/services/console/font.h"
#include "user/services/console/scrollback.h"

#define WIDTH  36u // four cells, and a margin
#define HEIGHT 50u // three
#define MARGIN 8u  // bytes of each line behind the pixels

static u8 *pixels;
static struct canvas canvas;

static struct kwast_machine machine(u32 pixel_bytes) {
    bool is_small = pixel_bytes == 2;
    u32 pitch = WIDTH * pixel_bytes + MARGIN;
    return (struct kwast_machine){
        .screen_bytes = (u64)pitch * HEIGHT,
        .pixels = KWAST_PIXELS_RGB,
        .screen_width = WIDTH,
        .screen_height = HEIGHT,
        .screen_pitch = pitch,
        .pixel_bytes = pixel_bytes,
        .red = {is_small ? 11 : 16, is_small ? 5 : 8},
        .green = {is_small ? 5 : 8, is_small ? 6 : 8},
        .blue = {0, is_small ? 5 : 8},
    };
}

static void open_canvas(u32 pixel_bytes) {
    const struct kwast_machine layout = machine(pixel_bytes);
    pixels = malloc(layout.screen_bytes);
    assert_non_null(pixels);
    memset(pixels, 0x55, layout.screen_bytes);
    assert_true(canvas_init(&canvas, pixels, &layout));
}

static void close_canvas(void) {
    canvas_fini(&canvas);
    free(pixels);
}

static u32 pixel(u32 x, u32 y) {
    u32 value = 0;
    memcpy(&value, pixels + y * canvas.layout.screen_pitch + x * canvas.layout.pixel_bytes,
           canvas.layout.pixel_bytes);
    return value;
}

static void characters_are_drawn_in_all_sizes_of_pixels(void **state) {
    (void)state;
    static const u8 a[] = {0, 0, 0x7c, 0xc6, 0xc6, 0xc6, 0xfe, 0xc6};
    for (u32 bytes = 2; bytes <= 4; bytes++) {
        open_canvas(bytes);
        u32 fore = bytes == 2 ? 0xf800 | 0x400 | 0x10 : 0xff8080;
        u32 back = bytes == 2 ? 0x1f : 0xff;
        canvas_put(&canvas, 1, 2, &(struct cell){.character = 'A', .fore = 0xff8080, .back = 0xff});
        for (u32 y = 0; y < sizeof a; y++) {
            for (u32 x = 0; x < FONT_WIDTH; x++)
                assert_int_equal(pixel(2 * FONT_WIDTH + x, FONT_HEIGHT + y),
                                 (a[y] >> (7 - x) & 1) != 0 ? fore : back);
        }
        assert_int_equal(pixel(2 * FONT_WIDTH - 1, FONT_HEIGHT + 2), 0);
        assert_int_equal(pixel(3 * FONT_WIDTH, FONT_HEIGHT + 2), 0);
        // The margin of the screen is black, that of the memory is not the screen's.
        assert_int_equal(pixel(WIDTH - 1, HEIGHT - 1), 0);
        for (u32 y = 0; y < HEIGHT; y++)
            assert_int_equal(pixels[y * canvas.layout.screen_pitch + WIDTH * bytes], 0x55);
        close_canvas();
    }
}

static void what_is_there_is_not_drawn_again(void **state) {
    (void)state;
    const struct cell cell = {.character = 'x', .fore = 0xffffff};
    open_canvas(4);
    canvas_put(&canvas, 0, 0, &cell);
    memset(pixels, 0x55, 64);
    canvas_put(&canvas, 0, 0, &cell);
    assert_int_equal(pixel(0, 0), 0x55555555);
    canvas_put(&canvas, 0, 0, &(struct cell){.character = 'y', .fore = 0xffffff});
    assert_int_equal(pixel(0, 0), 0);
    canvas_put(&canvas, 3, 0, &cell); // beyond: nothing happens
    canvas_put(&canvas, 0, 4, &cell);
    close_canvas();
}

static void styles_change_the_glyph(void **state) {
    (void)state;
    static const struct {
        struct cell cell;
        u32 x;
        u32 y;
        bool is_set;
    } cases[] = {
        {{.character = ' '}, 3, 13, false},
        {{.character = ' ', .style = CELL_UNDERLINE}, 3, 13, true},
        {{.character = ' ', .style = CELL_UNDERLINE}, 3, 15, false},
        {{.character = ' ', .style = CELL_UNDERLINE_TWICE}, 3, 15, true},
        {{.character = ' ', .style = CELL_STRIKE}, 3, 8, true},
        {{.character = 'A'}, 7, 6, false},
        {{.character = 'A', .style = CELL_BOLD}, 7, 6, true},
        {{.character = 'A', .style = CELL_ITALIC}, 7, 6, true},
        {{.character = 'A', .style = CELL_RIGHT_HALF}, 3, 6, false},
        {{.character = 0x4e2d}, 1, 2, true}, // a frame, for there is no such glyph
        {{.character = 0x10ffff}, 1, 2, true},
        {{.character = 0x2588}, 0, 0, true}, // a full block
        {{.character = ' ', .mark = 0x2588}, 0, 0, true},
        {{.character = ' ', .mark = 0x4e2d}, 1, 2, false},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct cell cell = cases[i].cell;
        cell.fore = 0xffffff;
        open_canvas(4);
        canvas_put(&canvas, 0, 0, &cell);
        print_message("%zu\n", i);
        assert_int_equal(pixel(cases[i].x, cases[i].y), cases[i].is_set ? 0xffffff : 0);
        close_canvas();
    }
}

static void screens_that_cannot_be_are_refused(void **state) {
    (void)state;
    struct kwast_machine bad[6];
    for (usize i = 0; i < COUNT_OF(bad); i++)
        bad[i] = machine(4);
    bad[0].pixels = KWAST_PIXELS_NONE;
    bad[1].pixel_bytes = 8;
    bad[2].screen_pitch = WIDTH * 4 - 1;
    bad[3].screen_bytes--;
    bad[4].screen_width = 7;
    bad[5].red.position = 32;
    for (usize i = 0; i < COUNT_OF(bad); i++)
        assert_false(canvas_init(&canvas, NULL, &bad[i]));
}

// -- Lines that left ------------------------------------------------------------------------------

static void the_newest_lines_stay(void **state) {
    (void)state;
    struct scrollback scrollback;
    struct cell cells[4];
    assert_true(scrollback_init(&scrollback, 3));
    for (u32 line = 0; line < 5; line++) {
        for (u32 i = 0; i < COUNT_OF(cells); i++)
            cells[i] = (struct cell){.character = i < line ? 'a' + line : ' '};
        scrollback_push(&scrollback, cells, COUNT_OF(cells));
    }
    assert_int_equal(scrollback.count, 3);
    for (u32 back = 0; back < 3; back++) {
        const struct scrollback_line *line = scrollback_line(&scrollback, back);
        assert_int_equal(line->len, 4 - back);
        assert_int_equal(line->cells[0].character, 'e' - back);
    }
    // Blanks that can be seen are kept.
    for (u32 i = 0; i < COUNT_OF(cells); i++)
        cells[i] = (struct cell){.character = ' ', .back = i == 2 ? 0xff : 0};
    scrollback_push(&scrollback, cells, COUNT_OF(cells));
    assert_int_equal(scrollback_line(&scrollback, 0)->len, 3);
    scrollback_push(&scrollback, cells, 0);
    assert_int_equal(scrollback_line(&scrollback, 0)->len, 0);
    scrollback_fini(&scrollback);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_drawn_in_all_sizes_of_pixels),
        cmocka_unit_test(what_is_there_is_not_drawn_again),
        cmocka_unit_test(styles_change_the_glyph),
        cmocka_unit_test(screens_that_cannot_be_are_refused),
        cmocka_unit_test(the_newest_lines_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
