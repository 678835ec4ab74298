// Text console on a linear framebuffer, or on EGA text cells.
//
// The text lives in memory as rows of cells; drawing is a second step that compares what should be
// on the screen with what was last drawn there and touches only the cells that differ. So scrolling
// moves text, not pixels, device memory is never read, and a burst of lines costs one redraw.
//
// Understood: printable characters in UTF-8, newline, carriage return, tab, backspace, form feed,
// and of the ANSI sequences: colours (m), cursor position (H), clearing (J, K). Others are skipped.
//
// The whole state is under `screen.lock`. Writing is allowed in any context, the panic path too,
// so the lock is given up on after a while: a garbled screen beats a silent one.

#include "base/math.h"
#include "base/string.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/font.h"
#include "kernel/arch/x86_64/smp.h"

#define COLUMNS_MAX    256
#define ROWS_MAX       128
#define TAB_COLUMNS    8
#define PARAMETERS_MAX 8
#define COLOUR_DEFAULT 0x07 // light grey on black
#define COLOUR_BRIGHT  0x08
#define REPLACEMENT    '?'
#define LOCK_SPINS_MAX 10000000

struct cell {
    u16 character;
    u8 colour; // foreground in the low half, background in the high half
    u8 drawn;  // 0: nothing was drawn here yet
};

enum escape_state : u8 { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_SEQUENCE };

static struct screen {
    // Atomic:
    u32 lock;
    // Fixed after framebuffer_init:
    struct framebuffer_info info;
    u8 *pixels; // NULL: no screen
    u32 columns;
    u32 rows;
    u32 pixel_bytes;
    u32 palette[16];
    // Under lock:
    bool is_yielded; // a program has the screen: text goes on, but is not drawn
    u32 column;      // == columns: the next character starts a new line
    u32 row;
    u8 colour;
    u32 partial_character; // UTF-8 under way
    u32 partial_bytes;     // how many are still to come
    enum escape_state escape;
    u32 parameters[PARAMETERS_MAX];
    u32 parameter_count;
    struct cell wanted[ROWS_MAX][COLUMNS_MAX];
    struct cell shown[ROWS_MAX][COLUMNS_MAX];
} screen;

static arch_irq_state screen_lock(void) {
    arch_irq_state irq = arch_irq_save();
    for (u32 i = 0; i < LOCK_SPINS_MAX; i++) {
        if (__atomic_exchange_n(&screen.lock, 1, __ATOMIC_ACQUIRE) == 0)
            break;
        arch_cpu_relax();
    }
    return irq;
}

static void screen_unlock(arch_irq_state irq) {
    __atomic_store_n(&screen.lock, 0, __ATOMIC_RELEASE); // pairs with the exchange above
    arch_irq_restore(irq);
}

// -- Drawing --------------------------------------------------------------------------------------

static const u8 *glyph_of(u16 character) {
    u32 low = 0;
    u32 high = font_entry_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (font_entries[middle].character == character)
            return font_glyphs[font_entries[middle].glyph];
        if (font_entries[middle].character < character)
            low = middle + 1;
        else
            high = middle;
    }
    return character == REPLACEMENT ? font_glyphs[0] : glyph_of(REPLACEMENT); // once deep
}

static void pixel_write(u8 *at, u32 value) {
    switch (screen.pixel_bytes) {
    case 4:
        *(volatile u32 *)at = value;
        break;
    case 3:
        *(volatile u8 *)at = (u8)value;
        *(volatile u8 *)(at + 1) = (u8)(value >> 8);
        *(volatile u8 *)(at + 2) = (u8)(value >> 16);
        break;
    default:
        *(volatile u16 *)at = (u16)value;
        break;
    }
}

static void cell_draw_pixels(u32 row, u32 column, const struct cell *cell) {
    const u8 *glyph = glyph_of(cell->character);
    u32 colours[2] = {screen.palette[cell->colour >> 4], screen.palette[cell->colour & 15]};
    u8 *line = screen.pixels + (usize)row * FONT_HEIGHT * screen.info.pitch +
               (usize)column * FONT_WIDTH * screen.pixel_bytes;
    for (u32 y = 0; y < FONT_HEIGHT; y++) {
        u8 *at = line;
        for (u32 x = 0; x < FONT_WIDTH; x++) {
            pixel_write(at, colours[glyph[y] >> (FONT_WIDTH - 1 - x) & 1]);
            at += screen.pixel_bytes;
        }
        line += screen.info.pitch;
    }
}

// EGA orders the colours' bits blue, green, red; ANSI red, green, blue.
static u8 colour_to_ega(u8 colour) {
    static const u8 ega[8] = {0, 4, 2, 6, 1, 5, 3, 7};
    u8 foreground = (u8)(ega[colour & 7] | (colour & COLOUR_BRIGHT));
    return (u8)(foreground | ega[colour >> 4 & 7] << 4);
}

static void cell_draw_text(u32 row, u32 column, const struct cell *cell) {
    u8 character = cell->character < 0x7f ? (u8)cell->character : REPLACEMENT;
    u8 *at = screen.pixels + (usize)row * screen.info.pitch + (usize)column * 2;
    *(volatile u16 *)at = (u16)(character | colour_to_ega(cell->colour) << 8);
}

static void cell_draw(u32 row, u32 column, struct cell cell) {
    struct cell *shown = &screen.shown[row][column];
    if (shown->drawn != 0 && shown->character == cell.character && shown->colour == cell.colour)
        return;
    *shown = (struct cell){.character = cell.character, .colour = cell.colour, .drawn = 1};
    if (screen.info.kind == FRAMEBUFFER_TEXT)
        cell_draw_text(row, column, shown);
    else
        cell_draw_pixels(row, column, shown);
}

static void forget_shown(void) {
    for (u32 row = 0; row < screen.rows; row++) {
        for (u32 column = 0; column < screen.columns; column++)
            screen.shown[row][column].drawn = 0;
    }
}

static void draw_changes(void) {
    if (screen.is_yielded && !cpus_are_stopping())
        return;
    if (screen.is_yielded) // the last words of the machine
        forget_shown();
    screen.is_yielded = false;
    for (u32 row = 0; row < screen.rows; row++) {
        for (u32 column = 0; column < screen.columns; column++) {
            struct cell cell = screen.wanted[row][column];
            bool is_cursor = row == screen.row && column == screen.column;
            if (is_cursor)
                cell.colour = (u8)(cell.colour << 4 | cell.colour >> 4);
            cell_draw(row, column, cell);
        }
    }
}

// -- Text -----------------------------------------------------------------------------------------

static void clear_cells(u32 row, u32 from, u32 to) {
    for (u32 column = from; column < to; column++)
        screen.wanted[row][column] = (struct cell){.character = ' ', .colour = screen.colour};
}

static void clear_rows(u32 from, u32 to) {
    for (u32 row = from; row < to; row++)
        clear_cells(row, 0, screen.columns);
}

static void line_feed(void) {
    screen.column = 0;
    if (screen.row + 1 < screen.rows) {
        screen.row++;
        return;
    }
    memmove(screen.wanted[0], screen.wanted[1], (screen.rows - 1) * sizeof(screen.wanted[0]));
    clear_cells(screen.rows - 1, 0, screen.columns);
}

static void put_character(u32 character) {
    if (screen.column == screen.columns)
        line_feed();
    u16 shown = character <= UINT16_MAX ? (u16)character : REPLACEMENT;
    screen.wanted[screen.row][screen.column] =
        (struct cell){.character = shown, .colour = screen.colour};
    screen.column++;
}

static void put_tab(void) {
    do
        put_character(' ');
    while (screen.column % TAB_COLUMNS != 0 && screen.column < screen.columns);
}

// Parameter `index` of the sequence, or `otherwise` where it is absent or zero.
static u32 parameter(u32 index, u32 otherwise) {
    bool given = index < screen.parameter_count && screen.parameters[index] != 0;
    return given ? screen.parameters[index] : otherwise;
}

static void set_colour(u32 code) {
    u8 foreground = screen.colour & 0x0f;
    u8 background = screen.colour & 0xf0;
    if (code == 0)
        screen.colour = COLOUR_DEFAULT;
    else if (code == 1)
        screen.colour |= COLOUR_BRIGHT;
    else if (code == 7)
        screen.colour = (u8)(foreground << 4 | background >> 4);
    else if (code == 22)
        screen.colour &= (u8)~COLOUR_BRIGHT;
    else if (code >= 30 && code <= 37)
        screen.colour = (u8)(background | (foreground & COLOUR_BRIGHT) | (code - 30));
    else if (code == 39)
        screen.colour = background | COLOUR_DEFAULT;
    else if (code >= 40 && code <= 47)
        screen.colour = (u8)(foreground | (code - 40) << 4);
    else if (code == 49)
        screen.colour = foreground;
    else if (code >= 90 && code <= 97)
        screen.colour = (u8)(background | COLOUR_BRIGHT | (code - 90));
}

static void clear_screen(u32 what) {
    u32 column = (u32)min_u64(screen.column, screen.columns - 1);
    if (what == 0) {
        clear_cells(screen.row, column, screen.columns);
        clear_rows(screen.row + 1, screen.rows);
    } else if (what == 1) {
        clear_rows(0, screen.row);
        clear_cells(screen.row, 0, column + 1);
    } else {
        clear_rows(0, screen.rows);
    }
}

static void clear_line(u32 what) {
    u32 column = (u32)min_u64(screen.column, screen.columns - 1);
    clear_cells(screen.row, what == 0 ? column : 0, what == 1 ? column + 1 : screen.columns);
}

// The cursor stays on the screen; behind the last column it is at that one.
static void move_cursor(u8 final) {
    u32 by = parameter(0, 1);
    u32 column = (u32)min_u64(screen.column, screen.columns - 1);
    if (final == 'A')
        screen.row -= (u32)min_u64(by, screen.row);
    else if (final == 'B')
        screen.row = (u32)min_u64(screen.row + by, screen.rows - 1);
    else if (final == 'C')
        screen.column = (u32)min_u64(column + by, screen.columns - 1);
    else if (final == 'D')
        screen.column = column - (u32)min_u64(by, column);
    else
        screen.column = (u32)min_u64(by, screen.columns) - 1;
}

static void run_sequence(u8 final) {
    switch (final) {
    case 'A':
    case 'B':
    case 'C':
    case 'D':
    case 'G':
        move_cursor(final);
        break;
    case 'm':
        for (u32 i = 0; i < screen.parameter_count; i++)
            set_colour(screen.parameters[i]);
        break;
    case 'H':
    case 'f':
        screen.row = (u32)min_u64(parameter(0, 1), screen.rows) - 1;
        screen.column = (u32)min_u64(parameter(1, 1), screen.columns) - 1;
        break;
    case 'J':
        clear_screen(parameter(0, 0));
        break;
    case 'K':
        clear_line(parameter(0, 0));
        break;
    default:
        break;
    }
}

static void escape_byte(u8 byte) {
    if (screen.escape == ESCAPE_BEGUN) {
        screen.escape = byte == '[' ? ESCAPE_SEQUENCE : ESCAPE_NONE;
        screen.parameter_count = 1;
        memset(screen.parameters, 0, sizeof(screen.parameters));
        return;
    }
    u32 *last = &screen.parameters[screen.parameter_count - 1];
    if (byte >= '0' && byte <= '9') {
        *last = (u32)min_u64(*last * 10 + (byte - '0'), 9999);
    } else if (byte == ';') {
        if (screen.parameter_count < PARAMETERS_MAX)
            screen.parameter_count++;
    } else if (byte >= 0x40) {
        screen.escape = ESCAPE_NONE;
        run_sequence(byte);
    }
}

static void control_byte(u8 byte) {
    switch (byte) {
    case '\n':
        line_feed();
        break;
    case '\r':
        screen.column = 0;
        break;
    case '\t':
        put_tab();
        break;
    case '\b':
        if (screen.column > 0)
            screen.column--;
        break;
    case '\f':
        clear_rows(0, screen.rows);
        screen.row = 0;
        screen.column = 0;
        break;
    case 0x1b:
        screen.escape = ESCAPE_BEGUN;
        break;
    default:
        break;
    }
}

// Gathers the bytes of one character; what is not UTF-8 shows as the replacement.
static void utf8_byte(u8 byte) {
    if (screen.partial_bytes != 0) {
        if ((byte & 0xc0) == 0x80) {
            screen.partial_character = screen.partial_character << 6 | (byte & 0x3f);
            if (--screen.partial_bytes == 0)
                put_character(screen.partial_character);
            return;
        }
        screen.partial_bytes = 0;
        put_character(REPLACEMENT);
    }
    if (byte < 0x20 || byte == 0x7f) {
        control_byte(byte);
    } else if (byte < 0x80) {
        put_character(byte);
    } else if (byte >= 0xc2 && byte <= 0xf4) {
        screen.partial_bytes = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
        screen.partial_character = byte & (0x3fu >> screen.partial_bytes);
    } else {
        put_character(REPLACEMENT);
    }
}

void framebuffer_write(const char *text, usize len) {
    if (screen.pixels == NULL)
        return;
    arch_irq_state irq = screen_lock();
    for (usize i = 0; i < len; i++) {
        if (screen.escape != ESCAPE_NONE)
            escape_byte((u8)text[i]);
        else
            utf8_byte((u8)text[i]);
    }
    draw_changes();
    screen_unlock(irq);
}

void framebuffer_size(u32 *columns, u32 *rows) {
    *columns = screen.pixels == NULL ? 0 : screen.columns;
    *rows = screen.pixels == NULL ? 0 : screen.rows;
}

const struct framebuffer_info *framebuffer_info(void) {
    return &screen.info;
}

void framebuffer_yield(bool to_program) {
    arch_irq_state irq = screen_lock();
    screen.is_yielded = to_program;
    if (!to_program && screen.pixels != NULL) {
        if (screen.info.kind == FRAMEBUFFER_RGB)
            memset(screen.pixels, 0, (usize)screen.info.pitch * screen.info.height);
        forget_shown();
        draw_changes();
    }
    screen_unlock(irq);
}

bool framebuffer_is_yielded(void) {
    return __atomic_load_n(&screen.is_yielded, __ATOMIC_RELAXED); // what it guards has a lock
}

// -- Start ----------------------------------------------------------------------------------------

// Places the top `bits` of an 8-bit intensity at `position`.
static u32 channel(u32 intensity, u8 position, u8 bits) {
    if (bits == 0 || bits > 8 || position > 31)
        return 0;
    return intensity >> (8 - bits) << position;
}

static void palette_init(const struct framebuffer_info *info) {
    for (u32 i = 0; i < COUNT_OF(screen.palette); i++) {
        u32 base = (i & COLOUR_BRIGHT) != 0 ? 0x55 : 0;
        u32 red = base + ((i & 1) != 0 ? 0xaa : 0);
        u32 green = base + ((i & 2) != 0 ? 0xaa : 0);
        u32 blue = base + ((i & 4) != 0 ? 0xaa : 0);
        screen.palette[i] = channel(red, info->red_position, info->red_bits) |
                            channel(green, info->green_position, info->green_bits) |
                            channel(blue, info->blue_position, info->blue_bits);
    }
}

void framebuffer_init(const struct framebuffer_info *info) {
    bool is_text = info->kind == FRAMEBUFFER_TEXT;
    u32 pixel_bytes = is_text ? 2 : (info->bits_per_pixel + 7u) / 8;
    u64 width = is_text ? info->width : info->width / FONT_WIDTH;
    u64 height = is_text ? info->height : info->height / FONT_HEIGHT;
    if (info->kind == FRAMEBUFFER_NONE || width == 0 || height == 0 || pixel_bytes < 2 ||
        (u64)info->width * pixel_bytes > info->pitch)
        return;

    void *pixels = mmio_map_combining(info->phys, (u64)info->pitch * info->height);
    if (pixels == NULL)
        return;
    screen.info = *info;
    screen.columns = (u32)min_u64(width, COLUMNS_MAX);
    screen.rows = (u32)min_u64(height, ROWS_MAX);
    screen.pixel_bytes = pixel_bytes;
    screen.colour = COLOUR_DEFAULT;
    palette_init(info);
    if (!is_text) // the margins too; cells are drawn over it
        memset(pixels, 0, (usize)info->pitch * info->height);
    clear_rows(0, screen.rows);
    screen.pixels = pixels;
    draw_changes();
}
