#pragma once
// The glyphs of the screen. build/gen/console_font.c is made from an installed font by
// tools/font2c.py.

#include "base/types.h"

#define FONT_WIDTH  8u
#define FONT_HEIGHT 16u

// One byte a line, the leftmost pixel in the highest bit.
extern const u8 font_glyphs[][FONT_HEIGHT];

// Characters that follow each other and whose glyphs do, too; sorted.
struct font_run {
    u16 first;
    u16 count;
    u16 glyph;
};
extern const struct font_run font_runs[];
extern const u32 font_run_count;
