#pragma once
// What one console shows: an emulated terminal (libvterm), the lines that have left it at the top,
// and the window through which both are seen.

#include "user/services/console/canvas.h"

struct screen;

// Takes what the emulated terminal sends: keys, and answers to what programs asked of it.
typedef void (*screen_sent_func)(void *context, const char *bytes, usize len);

// NULL: the system was built without the emulator.
struct screen *screen_create(u32 columns, u32 rows, screen_sent_func sent, void *context);

void screen_destroy(struct screen *screen);

// Text as programs write it: a newline begins a new line.
void screen_write(struct screen *screen, const char *text, usize len);

// A key (abi/kwast/input.h), as xterm sends it.
void screen_key(struct screen *screen, u32 key, u32 modifiers);

// The pointer, in cells; what it does is sent where a program has asked for that.
void screen_point(struct screen *screen, u32 row, u32 column, u32 buttons, i32 wheel);
void screen_hide_pointer(struct screen *screen);

// Moves the window, by so many rows back in time; or to the present.
void screen_scroll(struct screen *screen, i32 rows);
void screen_scroll_end(struct screen *screen);

// Whether something has to be drawn, and drawing it; screen_expose: all of it has to.
bool screen_is_damaged(const struct screen *screen);
void screen_draw(struct screen *screen, struct canvas *canvas);
void screen_expose(struct screen *screen);
