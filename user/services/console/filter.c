// UTF-8, as strict as it is: the shortest form, no surrogates, nothing beyond U+10FFFF. What is
// not, becomes one replacement character for as much as looked like one.

#include "user/services/console/filter.h"

#include <string.h>

static usize put_replacement(char *out) {
    memcpy(out, "\xef\xbf\xbd", 3);
    return 3;
}

// How many bytes a character with this first byte has; 0: none begins with it.
static u32 length_of(u8 first) {
    if (first < 0x80)
        return 1;
    return first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

// Whether the byte can be next in the character that is held.
static bool fits(const struct filter *filter, u8 byte) {
    if ((byte & 0xc0) != 0x80)
        return false;
    if (filter->len != 1)
        return true;
    switch (filter->held[0]) {
    case 0xe0:
        return byte >= 0xa0;
    case 0xed:
        return byte < 0xa0;
    case 0xf0:
        return byte >= 0x90;
    case 0xf4:
        return byte < 0x90;
    default:
        return true;
    }
}

static usize begin(struct filter *filter, u8 byte, char *out) {
    u32 need = length_of(byte);
    if (need == 0)
        return put_replacement(out);
    if (need > 1) {
        filter->held[0] = byte;
        filter->len = 1;
        filter->need = need;
        return 0;
    }
    usize len = 0;
    if (byte == '\n')
        out[len++] = '\r';
    out[len++] = (char)byte;
    return len;
}

usize filter_put(struct filter *filter, const char *bytes, usize len, char *out) {
    usize stored = 0;
    for (usize i = 0; i < len; i++) {
        u8 byte = (u8)bytes[i];
        if (filter->len == 0) {
            stored += begin(filter, byte, out + stored);
        } else if (!fits(filter, byte)) {
            filter->len = 0;
            stored += put_replacement(out + stored);
            stored += begin(filter, byte, out + stored);
        } else {
            filter->held[filter->len++] = byte;
            if (filter->len != filter->need)
                continue;
            memcpy(out + stored, filter->held, filter->len);
            stored += filter->len;
            filter->len = 0;
        }
    }
    return stored;
}
