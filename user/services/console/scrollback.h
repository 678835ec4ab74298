#pragma once
// Lines that have left a screen at its top: the newest ones, each without the blanks at its end.

#include "user/services/console/canvas.h"

struct scrollback_line {
    struct cell *cells;
    u32 len;
};

struct scrollback {
    struct scrollback_line *lines; // a ring
    u32 size;
    u32 next; // where the next one goes
    u32 count;
};

// False: no memory.
bool scrollback_init(struct scrollback *scrollback, u32 size);
void scrollback_fini(struct scrollback *scrollback);

// Adds a line; the oldest one goes when there are too many, and the new one when there is no
// memory.
void scrollback_push(struct scrollback *scrollback, const struct cell *cells, u32 len);

// The line that was added `back` lines ago; 0 is the newest, and back < count.
const struct scrollback_line *scrollback_line(const struct scrollback *scrollback, u32 back);
