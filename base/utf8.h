#pragma once
// UTF-8, as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF.

#include "base/string.h"

// The length of the character at the start of `text` (which is not empty), or 0 when it is not one.
static inline u32 utf8_char_len(struct bytes text) {
    const u8 *at = text.data;
    u8 first = at[0];
    if (first < 0x80)
        return 1;
    u32 len = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (len == 0 || len > text.len)
        return 0;
    u8 low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    u8 high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (u32 i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

static inline bool utf8_is_valid(struct bytes text) {
    while (text.len != 0) {
        u32 len = utf8_char_len(text);
        if (len == 0)
            return false;
        text.data += len;
        text.len -= len;
    }
    return true;
}
