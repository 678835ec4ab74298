// Characters as xterm sends them: Ctrl makes control characters, Alt puts an escape before.

#include "user/services/console/keys.h"

#define ESCAPE 0x1b

// The control character of a key, or the character itself where it has none.
static u32 control_of(u32 character) {
    static const u8 digits[] = {0x00, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x7f}; // of 2 to 8
    if ((character >= '@' && character <= '_') || (character >= 'a' && character <= 'z'))
        return character & 0x1f;
    if (character >= '2' && character <= '8')
        return digits[character - '2'];
    if (character == ' ' || character == '`')
        return 0;
    if (character == '/')
        return 0x1f;
    return character == '?' ? 0x7f : character;
}

static u32 encode_utf8(u32 character, char *out) {
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (char)(0xc0 | character >> 6);
        out[1] = (char)(0x80 | (character & 0x3f));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (char)(0xe0 | character >> 12);
        out[1] = (char)(0x80 | (character >> 6 & 0x3f));
        out[2] = (char)(0x80 | (character & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | character >> 18);
    out[1] = (char)(0x80 | (character >> 12 & 0x3f));
    out[2] = (char)(0x80 | (character >> 6 & 0x3f));
    out[3] = (char)(0x80 | (character & 0x3f));
    return 4;
}

u32 keys_encode(u32 character, u32 modifiers, char out[KEY_BYTES_MAX]) {
    u32 len = 0;
    if (character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff))
        return 0;
    if ((modifiers & INPUT_CONTROL) != 0)
        character = control_of(character);
    if ((modifiers & INPUT_ALT) != 0)
        out[len++] = ESCAPE;
    return len + encode_utf8(character, out + len);
}
