#pragma once
// Drawing cells of text into a frame buffer. What was drawn is remembered, so a cell that stays as
// it is costs no store to the device, and the device is never read.

#include "abi/kwast/calls.h"

enum cell_style : u8 {
    CELL_BOLD = 1 << 0,
    CELL_ITALIC = 1 << 1,
    CELL_UNDERLINE = 1 << 2,
    CELL_UNDERLINE_TWICE = 1 << 3,
    CELL_STRIKE = 1 << 4,
    CELL_RIGHT_HALF = 1 << 5, // of a character that is two cells wide, and is in the one before
};

struct cell {
    u32 character;
    u32 mark; // a combining character over it; 0: none
    u32 fore; // 0xrrggbb
    u32 back;
    enum cell_style style;
};

struct canvas {
    u32 columns;
    u32 rows;

    // Its own:
    struct kwast_machine layout;
    volatile u8 *pixels;
    struct cell *shown;
};

// `pixels` is where the screen that `layout` describes is mapped. False: no memory, or a screen of
// a kind that is not known; nothing is drawn then.
bool canvas_init(struct canvas *canvas, volatile u8 *pixels, const struct kwast_machine *layout);
void canvas_fini(struct canvas *canvas);

void canvas_put(struct canvas *canvas, u32 row, u32 column, const struct cell *cell);
