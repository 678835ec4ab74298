// Editing and echoing of typed lines. `ends` has the place behind each finished line; two that are
// equal, or one that is where reading stands, are an end of file.

#include "user/services/console/line.h"

#define CONTROL(letter) ((letter) & 0x1f)
#define KEY_DELETE      0x7f

static u32 room(const struct line *line) {
    return READY_BYTES - (line->put - line->taken);
}

static void echo(struct line *line, const char *text, usize len) {
    if ((line->mode & TERMINAL_ECHO) != 0)
        line->echo(line->context, text, len);
}

static void put_ready(struct line *line, const u8 *bytes, u32 len) {
    for (u32 i = 0; i < len; i++)
        line->ready[line->put++ % READY_BYTES] = bytes[i];
}

// The line becomes readable. One for which there is no room is dropped whole: half of it would be
// another line.
static void finish(struct line *line) {
    bool fits = line->edited_len <= room(line) && line->end_count < COUNT_OF(line->ends);
    if (fits) {
        put_ready(line, line->edited, line->edited_len);
        line->ends[line->end_count++] = line->put;
    }
    line->edited_len = 0;
}

// -- Editing --------------------------------------------------------------------------------------

static void erase_char(struct line *line) {
    if (line->edited_len == 0)
        return;
    u8 last = line->edited[--line->edited_len];
    // Continuation bytes of a UTF-8 character go with their first byte.
    while (line->edited_len != 0 && (last & 0xc0) == 0x80)
        last = line->edited[--line->edited_len];
    bool is_wide = last < ' ' || last == KEY_DELETE; // shown as ^X
    echo(line, "\b \b\b \b", is_wide ? 6 : 3);
}

static bool ends_in_blank(const struct line *line) {
    return line->edited_len != 0 && line->edited[line->edited_len - 1] <= ' ';
}

static void erase_word(struct line *line) {
    while (ends_in_blank(line))
        erase_char(line);
    while (line->edited_len != 0 && !ends_in_blank(line))
        erase_char(line);
}

static void show_byte(struct line *line, u8 byte) {
    const char control[2] = {'^', (char)(byte ^ 0x40)};
    if (byte == '\n' || byte == '\t' || (byte >= ' ' && byte != KEY_DELETE))
        echo(line, (const char *)&byte, 1);
    else
        echo(line, control, sizeof control);
}

static void show_again(struct line *line) {
    echo(line, "^R\n", 3);
    for (u32 i = 0; i < line->edited_len; i++)
        show_byte(line, line->edited[i]);
}

static void add_byte(struct line *line, u8 byte) {
    if (line->edited_len + 1 >= LINE_BYTES && byte != '\n') // one byte stays free for the newline
        return;
    line->edited[line->edited_len++] = byte;
    show_byte(line, byte);
    if (byte == '\n')
        finish(line);
}

static void edit(struct line *line, u8 byte) {
    switch (byte) {
    case CONTROL('H'):
    case KEY_DELETE:
        erase_char(line);
        break;
    case CONTROL('W'):
        erase_word(line);
        break;
    case CONTROL('U'):
        while (line->edited_len != 0)
            erase_char(line);
        break;
    case CONTROL('R'):
        show_again(line);
        break;
    case CONTROL('V'):
        line->is_literal = true;
        break;
    case CONTROL('D'):
        finish(line);
        break;
    default:
        add_byte(line, byte);
    }
}

// -- Typing ---------------------------------------------------------------------------------------

// What was typed of a line goes. False: it is no such key.
static bool signal(struct line *line, u8 byte) {
    if (byte != CONTROL('C') && byte != CONTROL('Z'))
        return false;
    show_byte(line, byte);
    echo(line, "\n", 1);
    line->edited_len = 0;
    if (byte == CONTROL('C'))
        line->interrupt(line->context);
    else
        line->stop(line->context);
    return true;
}

static void take_byte(struct line *line, u8 byte) {
    bool is_literal = line->is_literal;
    line->is_literal = false;
    if (!is_literal && (line->mode & TERMINAL_SIGNALS) != 0 && signal(line, byte))
        return;
    if (!is_literal && byte == '\r' && (line->mode & TERMINAL_RETURNS) != 0)
        byte = '\n';
    if ((line->mode & TERMINAL_LINES) == 0) {
        if (room(line) != 0)
            put_ready(line, &byte, 1);
        show_byte(line, byte);
    } else if (is_literal) {
        add_byte(line, byte);
    } else {
        edit(line, byte);
    }
}

void line_type(struct line *line, u8 byte) {
    line->is_at_end = false; // somebody has come back
    take_byte(line, byte);
}

void line_set_mode(struct line *line, u64 mode) {
    static u8 unread[READY_BYTES];
    bool had_lines = (line->mode & TERMINAL_LINES) != 0;
    bool has_lines = (mode & TERMINAL_LINES) != 0;
    line->mode = mode;
    if (had_lines && !has_lines) {
        put_ready(line, line->edited,
                  line->edited_len < room(line) ? line->edited_len : room(line));
        line->edited_len = 0;
        line->end_count = 0;
    } else if (!had_lines && has_lines) {
        u32 len = 0;
        while (line->taken != line->put)
            unread[len++] = line->ready[line->taken++ % READY_BYTES];
        for (u32 i = 0; i < len; i++)
            take_byte(line, unread[i]);
        if (line->is_at_end && line->edited_len != 0)
            finish(line);
    }
}

void line_hang_up(struct line *line) {
    if (line->edited_len != 0)
        finish(line);
    line->is_at_end = true;
}

void line_open_again(struct line *line) {
    line->is_at_end = false;
}

// -- Reading --------------------------------------------------------------------------------------

bool line_is_ready(const struct line *line) {
    bool has_bytes = line->put != line->taken;
    return line->end_count != 0 || line->is_at_end ||
           (has_bytes && (line->mode & TERMINAL_LINES) == 0);
}

// Where a read ends.
static u32 end_of_read(const struct line *line) {
    return line->end_count != 0 ? line->ends[0] : line->put;
}

u32 line_available(const struct line *line) {
    return line_is_ready(line) ? end_of_read(line) - line->taken : 0;
}

u32 line_take(struct line *line, u8 *to, u32 size) {
    u32 end = end_of_read(line);
    u32 len = 0;
    while (len < size && line->taken != end)
        to[len++] = line->ready[line->taken++ % READY_BYTES];
    if (line->end_count != 0 && line->taken == end && (size != 0 || len != 0)) {
        line->end_count--;
        for (u32 i = 0; i < line->end_count; i++)
            line->ends[i] = line->ends[i + 1];
    }
    return len;
}

struct line_place line_place(const struct line *line) {
    struct line_place place = {.taken = line->taken, .end_count = line->end_count};
    memcpy(place.ends, line->ends, sizeof place.ends);
    return place;
}

void line_go_back(struct line *line, const struct line_place *place) {
    line->taken = place->taken;
    line->end_count = place->end_count;
    memcpy(line->ends, place->ends, sizeof line->ends);
}
