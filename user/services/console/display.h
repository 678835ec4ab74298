#pragma once
// The screen of the machine: its frame buffer, mapped, and where the pointer is.

#include "user/sdk/kwast.h"
#include "user/services/console/canvas.h"

struct display {
    struct canvas canvas;
    u32 pointer_row; // in cells
    u32 pointer_column;

    // Its own:
    void *area;
    i64 pointer_x; // in pixels
    i64 pointer_y;
};

// `range` is the frame buffer's. False: it cannot be shown; the reason is said.
bool display_open(struct display *display, kwast_handle range);
void display_close(struct display *display);

// The pointer stays on the screen.
void display_move(struct display *display, i64 right, i64 down);
