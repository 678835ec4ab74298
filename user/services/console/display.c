// The frame buffer is mapped over memory that is there for nothing else, which it never gets back
// as long as it is mapped.

#include "user/services/console/display.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/services/console/font.h"

#define WASM_PAGE_BYTES 65536u
#define AREA_MAX        (256ull << 20)

// Memory of our own to map over: new, so that no page of it is ever needed.
static void *reserve(u64 bytes) {
    usize pages = (usize)((bytes + WASM_PAGE_BYTES - 1) / WASM_PAGE_BYTES);
    kwast_process_keep(false); // where nobody keeps anything for us it is refused
    usize before = __builtin_wasm_memory_grow(0, pages);
    kwast_process_keep(true);
    return before == (usize)-1 ? NULL : (void *)(before * WASM_PAGE_BYTES);
}

bool display_open(struct display *display, kwast_handle range) {
    struct kwast_machine machine;
    *display = (struct display){0};
    u32 error = kwast_device_describe(range, &machine);
    if (error != 0 || machine.pixels == KWAST_PIXELS_NONE || machine.screen_bytes > AREA_MAX)
        return false;
    u64 offset = machine.screen_address % KWAST_PAGE_BYTES;
    u64 bytes = (offset + machine.screen_bytes + KWAST_PAGE_BYTES - 1) & ~(KWAST_PAGE_BYTES - 1ull);
    display->area = reserve(bytes);
    if (display->area == NULL)
        return false;
    error = kwast_memory_map(range, 0, display->area, (usize)bytes, KWAST_READ | KWAST_WRITE);
    if (error != 0) {
        fprintf(stderr, "console: the screen cannot be mapped: %s\n", strerror((int)error));
        return false;
    }
    if (!canvas_init(&display->canvas, (volatile u8 *)display->area + offset, &machine)) {
        display_close(display);
        return false;
    }
    display_move(display, machine.screen_width / 2, machine.screen_height / 2);
    return true;
}

void display_close(struct display *display) {
    kwast_memory_unmap(display->area);
    canvas_fini(&display->canvas);
}

static i64 clamp(i64 value, i64 most) {
    return value < 0 ? 0 : value > most ? most : value;
}

void display_move(struct display *display, i64 right, i64 down) {
    const struct canvas *canvas = &display->canvas;
    display->pointer_x = clamp(display->pointer_x + right, canvas->columns * (i64)FONT_WIDTH - 1);
    display->pointer_y = clamp(display->pointer_y + down, canvas->rows * (i64)FONT_HEIGHT - 1);
    display->pointer_column = (u32)(display->pointer_x / FONT_WIDTH);
    display->pointer_row = (u32)(display->pointer_y / FONT_HEIGHT);
}
