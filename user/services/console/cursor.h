#pragma once
// Whether the cursor of a terminal is behind something that was written: what follows would stand
// in the same line, and a prompt that begins with a carriage return would write over it. Nobody has
// to have a screen for that.

#include "base/types.h"

struct cursor {
    enum cursor_expects : u8 {
        CURSOR_TEXT,
        CURSOR_ESCAPE,  // what is behind one
        CURSOR_CONTROL, // the end of a control sequence
        CURSOR_STRING,  // that of a string for the terminal itself: a title, say
    } expects;
    bool is_in_line;
};

// What is shown, whoever it comes from.
void cursor_write(struct cursor *cursor, const char *text, usize len);
