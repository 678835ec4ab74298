#pragma once
// What the keys of a keyboard mean: a layout, read from text. docs/terminal.md describes the text
// for people; user/etc/keymaps has some.

#include "base/types.h"

#define LAYOUT_CODES  0x80u
#define LAYOUT_LEVELS 4u         // alone, with Shift, with AltGr, with both
#define LAYOUT_DEAD   (1u << 30) // an accent that waits for its letter
#define COMBINED_MAX  512u

struct combined {
    u32 accent;
    u32 letter;
    u32 result;
};

struct layout {
    u32 keys[LAYOUT_CODES][LAYOUT_LEVELS]; // by scan code; characters; 0: none
    u32 decimal;                           // of the numeric keypad
    bool has_third_level;                  // the right Alt key is AltGr
    struct combined combined[COMBINED_MAX];
    u32 combined_count;
    const char *error; // what is wrong with the text; NULL: nothing
    u32 error_line;
};

// No key means anything but the space bar.
void layout_init(struct layout *layout);

// Adds what the text says; it replaces what was said before of the same keys. False: `error` says
// what is wrong, in `error_line`.
bool layout_parse(struct layout *layout, const char *text, usize len);

// The character that an accent and a letter make; 0: none.
u32 layout_combine(const struct layout *layout, u32 accent, u32 letter);
