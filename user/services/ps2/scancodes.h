#pragma once
// What a PS/2 keyboard sends, a byte at a time, as keys that go down and up.
//
// A key's code is that of scan code set 1, as the controller translates it, with SCANCODE_EXTENDED
// for those that come with a prefix. A controller that does not translate passes set 2 on, which is
// translated here: so nobody else sees a difference.

#include "base/types.h"

#define SCANCODE_EXTENDED 0x80u

struct scancode {
    u8 code;
    bool is_pressed;
};

struct scancodes {
    bool is_set2; // the controller does not translate

    // Its own:
    bool is_extended; // the prefix has come
    bool is_released; // of set 2
    u8 skip;          // bytes that belong to a sequence that nobody needs
};

// Takes a byte. True: a key has moved.
bool scancodes_put(struct scancodes *scancodes, u8 byte, struct scancode *out);
