#pragma once
// The console's font. build/gen/font.c is made from an installed font by tools/psf2c.py.

#include "base/types.h"

#define FONT_WIDTH  8
#define FONT_HEIGHT 16

// One byte a line, the leftmost pixel in the highest bit.
extern const u8 font_glyphs[][FONT_HEIGHT];

// Which glyph shows which character; sorted by `character`.
struct font_entry {
    u16 character;
    u16 glyph;
};
extern const struct font_entry font_entries[];
extern const u32 font_entry_count;
