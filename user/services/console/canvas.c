// Cells into pixels.
//
// A pixel of four bytes, which nearly all screens have, is written two at a time: a line of a glyph
// is four stores. Everything else is written byte by byte.

#include "user/services/console/canvas.h"

#include <stdlib.h>
#include <string.h>

#include "user/services/console/font.h"

#define BASELINE_ROW  11u
#define STRIKE_ROW    8u
#define UNDERLINE_ROW 13u
#define SECOND_ROW    15u

typedef u64 pixel_pair __attribute__((aligned(1)));
typedef u32 pixel __attribute__((aligned(1)));

// -- Glyphs ---------------------------------------------------------------------------------------

static const u8 *find_glyph(u32 character) {
    u32 low = 0;
    u32 high = font_run_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        const struct font_run *run = &font_runs[middle];
        if (character < run->first)
            high = middle;
        else if (character - run->first < run->count)
            return font_glyphs[run->glyph + (character - run->first)];
        else
            low = middle + 1;
    }
    return NULL;
}

// What stands for a character that the font does not have: a frame.
static const u8 missing_glyph[FONT_HEIGHT] = {0,    0,    0x7e, 0x42, 0x42, 0x42, 0x42, 0x42,
                                              0x42, 0x42, 0x42, 0x7e, 0,    0,    0,    0};

static void add_glyph(u8 *lines, u32 character) {
    const u8 *glyph = find_glyph(character);
    if (glyph == NULL)
        glyph = missing_glyph;
    for (u32 y = 0; y < FONT_HEIGHT; y++)
        lines[y] |= glyph[y];
}

static void slant(u8 *lines) {
    for (u32 y = 0; y < FONT_HEIGHT; y++)
        lines[y] = y < BASELINE_ROW - 4 ? lines[y] >> 1
                   : y > BASELINE_ROW   ? lines[y] << 1
                                        : lines[y];
}

// The cell's bitmap.
static void make_lines(const struct cell *cell, u8 lines[FONT_HEIGHT]) {
    memset(lines, 0, FONT_HEIGHT);
    if (cell->character > ' ' && (cell->style & CELL_RIGHT_HALF) == 0)
        add_glyph(lines, cell->character);
    if (cell->mark != 0 && find_glyph(cell->mark) != NULL)
        add_glyph(lines, cell->mark);
    if ((cell->style & CELL_ITALIC) != 0)
        slant(lines);
    for (u32 y = 0; (cell->style & CELL_BOLD) != 0 && y < FONT_HEIGHT; y++)
        lines[y] |= lines[y] >> 1;
    if ((cell->style & CELL_STRIKE) != 0)
        lines[STRIKE_ROW] = 0xff;
    if ((cell->style & (CELL_UNDERLINE | CELL_UNDERLINE_TWICE)) != 0)
        lines[UNDERLINE_ROW] = 0xff;
    if ((cell->style & CELL_UNDERLINE_TWICE) != 0)
        lines[SECOND_ROW] = 0xff;
}

// -- Pixels ---------------------------------------------------------------------------------------

// Places the top bits of an 8-bit intensity where the screen has them.
static u32 channel(u32 intensity, struct kwast_channel channel) {
    u32 top = channel.bits > 8 ? 8 : channel.bits;
    return (intensity & 0xff) >> (8 - top) << channel.position;
}

static u32 pixel_of(const struct canvas *canvas, u32 colour) {
    return channel(colour >> 16, canvas->layout.red) | channel(colour >> 8, canvas->layout.green) |
           channel(colour, canvas->layout.blue);
}

static void draw_pairs(volatile u8 *at, u32 pitch, const u8 *lines, u64 fore, u64 back) {
    const u64 pairs[4] = {back | back << 32, back | fore << 32, fore | back << 32,
                          fore | fore << 32};
    for (u32 y = 0; y < FONT_HEIGHT; y++, at += pitch) {
        volatile pixel_pair *to = (volatile pixel_pair *)at;
        to[0] = pairs[lines[y] >> 6];
        to[1] = pairs[lines[y] >> 4 & 3];
        to[2] = pairs[lines[y] >> 2 & 3];
        to[3] = pairs[lines[y] & 3];
    }
}

static void draw_bytes(const struct canvas *canvas, volatile u8 *at, const u8 *lines, u32 fore,
                       u32 back) {
    u32 pixel_bytes = canvas->layout.pixel_bytes;
    for (u32 y = 0; y < FONT_HEIGHT; y++, at += canvas->layout.screen_pitch) {
        for (u32 x = 0; x < FONT_WIDTH; x++) {
            u32 value = (lines[y] >> (FONT_WIDTH - 1 - x) & 1) != 0 ? fore : back;
            for (u32 i = 0; i < pixel_bytes; i++)
                at[x * pixel_bytes + i] = (u8)(value >> 8 * i);
        }
    }
}

static bool cells_equal(const struct cell *a, const struct cell *b) {
    return a->character == b->character && a->mark == b->mark && a->fore == b->fore &&
           a->back == b->back && a->style == b->style;
}

void canvas_put(struct canvas *canvas, u32 row, u32 column, const struct cell *cell) {
    u8 lines[FONT_HEIGHT];
    if (row >= canvas->rows || column >= canvas->columns)
        return;
    struct cell *shown = &canvas->shown[row * canvas->columns + column];
    if (cells_equal(shown, cell))
        return;
    *shown = *cell;
    make_lines(cell, lines);
    const struct kwast_machine *layout = &canvas->layout;
    volatile u8 *at = canvas->pixels + (usize)row * FONT_HEIGHT * layout->screen_pitch +
                      (usize)column * FONT_WIDTH * layout->pixel_bytes;
    u32 fore = pixel_of(canvas, cell->fore);
    u32 back = pixel_of(canvas, cell->back);
    if (layout->pixel_bytes == sizeof(pixel))
        draw_pairs(at, layout->screen_pitch, lines, fore, back);
    else
        draw_bytes(canvas, at, lines, fore, back);
}

// -- The whole of it ------------------------------------------------------------------------------

static bool is_known(const struct kwast_machine *layout) {
    u64 row_bytes = (u64)layout->screen_width * layout->pixel_bytes;
    bool fits = row_bytes <= layout->screen_pitch &&
                (u64)layout->screen_pitch * layout->screen_height <= layout->screen_bytes;
    return layout->pixels == KWAST_PIXELS_RGB && layout->pixel_bytes >= 2 &&
           layout->pixel_bytes <= 4 && fits && layout->screen_width >= FONT_WIDTH &&
           layout->screen_height >= FONT_HEIGHT && layout->red.position < 32 &&
           layout->green.position < 32 && layout->blue.position < 32;
}

// All of it black, what is beside the cells, too.
static void clear(const struct canvas *canvas) {
    u32 row_bytes = canvas->layout.screen_width * canvas->layout.pixel_bytes;
    volatile u8 *line = canvas->pixels;
    for (u32 y = 0; y < canvas->layout.screen_height; y++, line += canvas->layout.screen_pitch) {
        u32 x = 0;
        for (; x + sizeof(pixel_pair) <= row_bytes; x += sizeof(pixel_pair))
            *(volatile pixel_pair *)(line + x) = 0;
        for (; x < row_bytes; x++)
            line[x] = 0;
    }
}

bool canvas_init(struct canvas *canvas, volatile u8 *pixels, const struct kwast_machine *layout) {
    *canvas = (struct canvas){.layout = *layout, .pixels = pixels};
    if (!is_known(layout))
        return false;
    u32 columns = layout->screen_width / FONT_WIDTH;
    u32 rows = layout->screen_height / FONT_HEIGHT;
    canvas->shown = calloc((usize)columns * rows, sizeof *canvas->shown);
    if (canvas->shown == NULL)
        return false;
    canvas->columns = columns;
    canvas->rows = rows;
    // Black blanks: what is there afterwards.
    for (u32 i = 0; i < columns * rows; i++)
        canvas->shown[i].character = ' ';
    clear(canvas);
    return true;
}

void canvas_fini(struct canvas *canvas) {
    free(canvas->shown);
    *canvas = (struct canvas){0};
}
