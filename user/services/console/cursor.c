// What text does to the cursor, as far as cursor.h tells it (ECMA-48, 5.4 and 5.6).

#include "user/services/console/cursor.h"

#define ESCAPE     0x1b
#define CANCEL     0x18
#define SUBSTITUTE 0x1a

static enum cursor_expects write_text(struct cursor *cursor, u8 byte) {
    if (byte == '\n' || byte == '\r')
        cursor->is_in_line = false;
    else if (byte >= ' ')
        cursor->is_in_line = true;
    return CURSOR_TEXT;
}

// Intermediate bytes come before the one that ends it: ESC ( B chooses characters.
static enum cursor_expects write_escaped(u8 byte) {
    switch (byte) {
    case '[':
        return CURSOR_CONTROL;
    case 'P':
    case 'X':
    case ']':
    case '^':
    case '_':
        return CURSOR_STRING;
    default:
        return byte < '0' ? CURSOR_ESCAPE : CURSOR_TEXT;
    }
}

// Who moves the cursor knows where it is.
static enum cursor_expects write_control(struct cursor *cursor, u8 byte) {
    if (byte < '@')
        return CURSOR_CONTROL;
    if (byte != 'm' && byte != 'J' && byte != 'K')
        cursor->is_in_line = false;
    return CURSOR_TEXT;
}

static enum cursor_expects write_byte(struct cursor *cursor, u8 byte) {
    if (byte == ESCAPE)
        return CURSOR_ESCAPE; // wherever it comes: what it breaks off has ended
    if (byte == CANCEL || byte == SUBSTITUTE)
        return CURSOR_TEXT;
    switch (cursor->expects) {
    case CURSOR_TEXT:
        return write_text(cursor, byte);
    case CURSOR_ESCAPE:
        return write_escaped(byte);
    case CURSOR_CONTROL:
        return write_control(cursor, byte);
    case CURSOR_STRING:
        return byte == '\a' ? CURSOR_TEXT : CURSOR_STRING;
    }
    return CURSOR_TEXT;
}

void cursor_write(struct cursor *cursor, const char *text, usize len) {
    for (usize i = 0; i < len; i++)
        cursor->expects = write_byte(cursor, (u8)text[i]);
}
