// The emulated terminal of a console. Rows that changed are gathered, and drawn when the owner says
// so; the canvas leaves out the cells that are as they were.
//
// libvterm comes from Debian's sources (user/ports/libvterm). Where these could not be had, there
// is no screen, and the console is what it is without one.

#include "user/services/console/screen.h"

#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "user/services/console/filter.h"
#include "user/services/console/keys.h"
#include "user/services/console/scrollback.h"

#if __has_include(<vterm.h>)
#include <vterm.h>

#define SCROLLBACK_LINES 1000u
#define PIECE_BYTES      256u
#define WHEEL_ROWS       3
#define COLOUR_TEXT      0xc0c0c0u
#define NOWHERE          UINT32_MAX

struct screen {
    VTerm *emulator;
    VTermScreen *cells;
    struct filter filter;
    u32 columns;
    u32 rows;
    struct scrollback scrollback;
    struct cell *pushed; // room for a line on its way into `scrollback`
    u32 back;            // how many lines of it the window shows
    u32 damage_from;     // rows of the window
    u32 damage_to;
    u32 cursor_row;
    u32 cursor_column;
    bool is_cursor_visible;
    int cursor_shape;
    bool wants_mouse; // a program does
    u32 pointer_row;  // NOWHERE: hidden
    u32 pointer_column;
    u32 buttons;
    screen_sent_func sent;
    void *context;
};

// -- Damage ---------------------------------------------------------------------------------------

static void damage_window(struct screen *screen, u32 from, u32 to) {
    to = (u32)min_u64(to, screen->rows);
    if (from >= to)
        return;
    if (screen->damage_from == screen->damage_to) {
        screen->damage_from = from;
        screen->damage_to = to;
        return;
    }
    screen->damage_from = (u32)min_u64(screen->damage_from, from);
    screen->damage_to = (u32)max_u64(screen->damage_to, to);
}

// Rows of the terminal, which the window may show further down, or not at all.
static void damage_rows(struct screen *screen, u32 from, u32 to) {
    damage_window(screen, from + screen->back, to + screen->back);
}

void screen_expose(struct screen *screen) {
    damage_window(screen, 0, screen->rows);
}

bool screen_is_damaged(const struct screen *screen) {
    return screen->damage_from != screen->damage_to;
}

// -- Cells ----------------------------------------------------------------------------------------

static u32 colour_of(const struct screen *screen, VTermColor colour) {
    vterm_screen_convert_color_to_rgb(screen->cells, &colour);
    return (u32)colour.rgb.red << 16 | (u32)colour.rgb.green << 8 | colour.rgb.blue;
}

static void convert(const struct screen *screen, const VTermScreenCell *from, struct cell *to) {
    bool is_right_half = from->chars[0] == (u32)-1;
    bool is_reversed = from->attrs.reverse;
    u32 fore = colour_of(screen, from->fg);
    u32 back = colour_of(screen, from->bg);
    u32 underline = from->attrs.underline;
    bool is_bold = from->attrs.bold && !VTERM_COLOR_IS_INDEXED(&from->fg); // others are bright
    *to = (struct cell){
        .character = from->chars[0] == 0 || is_right_half ? ' ' : from->chars[0],
        .mark = from->chars[0] == 0 || is_right_half ? 0 : from->chars[1],
        .fore = is_reversed ? back : fore,
        .back = is_reversed ? fore : back,
        .style = (is_bold ? CELL_BOLD : 0) | (from->attrs.italic ? CELL_ITALIC : 0) |
                 (from->attrs.strike ? CELL_STRIKE : 0) | (is_right_half ? CELL_RIGHT_HALF : 0) |
                 (underline == VTERM_UNDERLINE_DOUBLE ? CELL_UNDERLINE_TWICE
                  : underline != VTERM_UNDERLINE_OFF  ? CELL_UNDERLINE
                                                      : 0),
    };
}

static void swap_colours(struct cell *cell) {
    u32 fore = cell->fore;
    cell->fore = cell->back;
    cell->back = fore;
}

// What is in a cell of the window, without cursor and pointer.
static void cell_at(const struct screen *screen, u32 row, u32 column, struct cell *out) {
    VTermScreenCell cell;
    if (row >= screen->back) {
        const VTermPos place = {.row = (int)(row - screen->back), .col = (int)column};
        vterm_screen_get_cell(screen->cells, place, &cell);
        convert(screen, &cell, out);
        return;
    }
    const struct scrollback_line *line =
        scrollback_line(&screen->scrollback, screen->back - 1 - row);
    *out = column < line->len ? line->cells[column]
                              : (struct cell){.character = ' ', .fore = COLOUR_TEXT};
}

static void draw_row(struct screen *screen, struct canvas *canvas, u32 row) {
    struct cell cell;
    for (u32 column = 0; column < screen->columns; column++) {
        cell_at(screen, row, column, &cell);
        bool is_cursor = screen->is_cursor_visible && row == screen->cursor_row + screen->back &&
                         column == screen->cursor_column;
        if (is_cursor && screen->cursor_shape == VTERM_PROP_CURSORSHAPE_UNDERLINE)
            cell.style |= CELL_UNDERLINE_TWICE;
        else if (is_cursor)
            swap_colours(&cell);
        if (row == screen->pointer_row && column == screen->pointer_column)
            swap_colours(&cell);
        canvas_put(canvas, row, column, &cell);
    }
}

void screen_draw(struct screen *screen, struct canvas *canvas) {
    for (u32 row = screen->damage_from; row < screen->damage_to; row++)
        draw_row(screen, canvas, row);
    screen->damage_from = 0;
    screen->damage_to = 0;
}

// -- What the emulator tells ----------------------------------------------------------------------

static int on_damage(VTermRect rect, void *context) {
    damage_rows(context, (u32)rect.start_row, (u32)rect.end_row);
    return 1;
}

static int on_cursor(VTermPos place, VTermPos before, int is_visible, void *context) {
    struct screen *screen = context;
    damage_rows(screen, (u32)before.row, (u32)before.row + 1);
    damage_rows(screen, (u32)place.row, (u32)place.row + 1);
    screen->cursor_row = (u32)place.row;
    screen->cursor_column = (u32)place.col;
    screen->is_cursor_visible = is_visible != 0;
    return 1;
}

static int on_property(VTermProp property, VTermValue *value, void *context) {
    struct screen *screen = context;
    if (property == VTERM_PROP_CURSORVISIBLE)
        screen->is_cursor_visible = value->boolean != 0;
    else if (property == VTERM_PROP_CURSORSHAPE)
        screen->cursor_shape = value->number;
    else if (property == VTERM_PROP_MOUSE)
        screen->wants_mouse = value->number != VTERM_PROP_MOUSE_NONE;
    damage_rows(screen, screen->cursor_row, screen->cursor_row + 1);
    return 1;
}

// A line leaves the top. A window on older lines stays on them.
static int on_push(int columns, const VTermScreenCell *cells, void *context) {
    struct screen *screen = context;
    u32 len = (u32)min_u64((u64)columns, screen->columns);
    for (u32 i = 0; i < len; i++)
        convert(screen, &cells[i], &screen->pushed[i]);
    scrollback_push(&screen->scrollback, screen->pushed, len);
    if (screen->back != 0 && screen->back < screen->scrollback.count)
        screen->back++;
    return 1;
}

static const VTermScreenCallbacks callbacks = {
    .damage = on_damage,
    .movecursor = on_cursor,
    .settermprop = on_property,
    .sb_pushline = on_push,
};

static void on_output(const char *bytes, size_t len, void *context) {
    struct screen *screen = context;
    screen->sent(screen->context, bytes, len);
}

// -- Writing and typing ---------------------------------------------------------------------------

void screen_write(struct screen *screen, const char *text, usize len) {
    char filtered[FILTER_GROWTH * (PIECE_BYTES + 1)];
    for (usize at = 0; at < len; at += PIECE_BYTES) {
        usize piece = min_u64(len - at, PIECE_BYTES);
        usize stored = filter_put(&screen->filter, text + at, piece, filtered);
        vterm_input_write(screen->emulator, filtered, stored);
    }
}

void screen_key(struct screen *screen, u32 key, u32 modifiers) {
    char bytes[KEY_BYTES_MAX];
    if ((key & INPUT_NAMED_KEY) == 0) {
        screen->sent(screen->context, bytes, keys_encode(key, modifiers, bytes));
        return;
    }
    // xterm sends the same for these, whatever is held; programs do not know the longer sequences.
    bool is_plain = key == INPUT_ENTER || key == INPUT_BACKSPACE || key == INPUT_ESCAPE;
    VTermModifier held = (VTermModifier)(is_plain ? modifiers & INPUT_ALT : modifiers);
    if (key >= INPUT_F1 && key <= INPUT_F12)
        vterm_keyboard_key(screen->emulator, (VTermKey)VTERM_KEY_FUNCTION(key - INPUT_F1 + 1),
                           held);
    else if (key < INPUT_F1)
        vterm_keyboard_key(screen->emulator, (VTermKey)(VTERM_KEY_ENTER + (key - INPUT_ENTER)),
                           held);
}

static_assert(INPUT_PAGE_DOWN - INPUT_ENTER == VTERM_KEY_PAGEDOWN - VTERM_KEY_ENTER,
              "keys are named in the emulator's order");

static void send_buttons(struct screen *screen, u32 buttons, i32 wheel) {
    static const u32 order[] = {INPUT_LEFT_BUTTON, INPUT_MIDDLE_BUTTON, INPUT_RIGHT_BUTTON};
    for (u32 i = 0; i < COUNT_OF(order); i++) {
        if (((buttons ^ screen->buttons) & order[i]) != 0)
            vterm_mouse_button(screen->emulator, (int)i + 1, (buttons & order[i]) != 0,
                               VTERM_MOD_NONE);
    }
    for (i32 i = 0; i != wheel; i += wheel > 0 ? 1 : -1)
        vterm_mouse_button(screen->emulator, wheel > 0 ? 4 : 5, true, VTERM_MOD_NONE);
}

void screen_point(struct screen *screen, u32 row, u32 column, u32 buttons, i32 wheel) {
    screen_hide_pointer(screen);
    screen->pointer_row = row;
    screen->pointer_column = column;
    damage_window(screen, row, row + 1);
    if (screen->wants_mouse) {
        vterm_mouse_move(screen->emulator, (int)row, (int)column, VTERM_MOD_NONE);
        send_buttons(screen, buttons, wheel);
    } else if (wheel != 0) {
        screen_scroll(screen, wheel * WHEEL_ROWS);
    }
    screen->buttons = buttons;
}

void screen_hide_pointer(struct screen *screen) {
    if (screen->pointer_row != NOWHERE)
        damage_window(screen, screen->pointer_row, screen->pointer_row + 1);
    screen->pointer_row = NOWHERE;
}

// -- The window -----------------------------------------------------------------------------------

void screen_scroll(struct screen *screen, i32 rows) {
    i64 back = (i64)screen->back + rows;
    back = back < 0 ? 0 : back;
    screen->back = (u32)min_u64((u64)back, screen->scrollback.count);
    screen_expose(screen);
}

void screen_scroll_end(struct screen *screen) {
    if (screen->back != 0)
        screen_scroll(screen, -(i32)screen->back);
}

// -- The beginning --------------------------------------------------------------------------------

// The emulator does not look whether it got its memory.
static void *allocate(size_t size, void *context) {
    (void)context;
    void *memory = calloc(1, size);
    if (memory == NULL)
        abort();
    return memory;
}

static void release(void *memory, void *context) {
    (void)context;
    free(memory);
}

static void set_up(struct screen *screen) {
    VTermState *state = vterm_obtain_state(screen->emulator);
    VTermColor text;
    VTermColor ground;
    vterm_set_utf8(screen->emulator, 1);
    vterm_output_set_callback(screen->emulator, on_output, screen);
    vterm_color_rgb(&text, COLOUR_TEXT >> 16, COLOUR_TEXT >> 8 & 0xff, COLOUR_TEXT & 0xff);
    vterm_color_rgb(&ground, 0, 0, 0);
    vterm_state_set_default_colors(state, &text, &ground);
    vterm_state_set_bold_highbright(state, 1);
    vterm_screen_set_callbacks(screen->cells, &callbacks, screen);
    vterm_screen_enable_altscreen(screen->cells, 1);
    vterm_screen_reset(screen->cells, 1);
}

struct screen *screen_create(u32 columns, u32 rows, screen_sent_func sent, void *context) {
    static VTermAllocatorFunctions allocator = {allocate, release};
    struct screen *screen = allocate(sizeof *screen, NULL);
    *screen = (struct screen){
        .emulator = vterm_new_with_allocator((int)rows, (int)columns, &allocator, NULL),
        .columns = columns,
        .rows = rows,
        .pushed = allocate(columns * sizeof *screen->pushed, NULL),
        .is_cursor_visible = true,
        .pointer_row = NOWHERE,
        .sent = sent,
        .context = context,
    };
    screen->cells = vterm_obtain_screen(screen->emulator);
    if (!scrollback_init(&screen->scrollback, SCROLLBACK_LINES))
        abort();
    set_up(screen);
    screen_expose(screen);
    return screen;
}

void screen_destroy(struct screen *screen) {
    vterm_free(screen->emulator);
    scrollback_fini(&screen->scrollback);
    free(screen->pushed);
    free(screen);
}

#else

struct screen *screen_create(u32 columns, u32 rows, screen_sent_func sent, void *context) {
    (void)columns, (void)rows, (void)sent, (void)context;
    return NULL;
}

// Nobody has a screen to call these with.
void screen_destroy(struct screen *screen) {
    (void)screen;
}

void screen_write(struct screen *screen, const char *text, usize len) {
    (void)screen, (void)text, (void)len;
}

void screen_key(struct screen *screen, u32 key, u32 modifiers) {
    (void)screen, (void)key, (void)modifiers;
}

void screen_point(struct screen *screen, u32 row, u32 column, u32 buttons, i32 wheel) {
    (void)screen, (void)row, (void)column, (void)buttons, (void)wheel;
}

void screen_hide_pointer(struct screen *screen) {
    (void)screen;
}

void screen_scroll(struct screen *screen, i32 rows) {
    (void)screen, (void)rows;
}

void screen_scroll_end(struct screen *screen) {
    (void)screen;
}

bool screen_is_damaged(const struct screen *screen) {
    (void)screen;
    return false;
}

void screen_draw(struct screen *screen, struct canvas *canvas) {
    (void)screen, (void)canvas;
}

void screen_expose(struct screen *screen) {
    (void)screen;
}

#endif
