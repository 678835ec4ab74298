// Prefixes, releases, and the sequences without a key.
//
// 0xe0 comes before the keys that the first keyboards did not have; some of them send a shift key
// (0x2a, 0x36) of their own around it, which is no key that anybody holds. Pause sends 0xe1 and
// more, all at once, and no release.

#include "user/services/ps2/scancodes.h"

#define PREFIX_EXTENDED 0xe0
#define PREFIX_PAUSE    0xe1
#define SET1_RELEASED   0x80
#define SET2_RELEASED   0xf0
#define PAUSE_SET1      2u // bytes behind the prefix, twice
#define PAUSE_SET2      7u
#define FAKE_LEFT       0x2a
#define FAKE_RIGHT      0x36
#define NO_KEY          0x00

// As every controller translates.
static const u8 set1_of[] = {
    0x00, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29,
    0x59, 0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11,
    0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14,
    0x13, 0x06, 0x5d, 0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24,
    0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35,
    0x26, 0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36,
    0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, 0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c,
    0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
    0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, 0x00, 0x00, 0x00, 0x41, 0x54,
};

// A whole code, without prefix.
static bool finish(struct scancodes *scancodes, u8 code, bool is_pressed, struct scancode *out) {
    bool is_extended = scancodes->is_extended;
    scancodes->is_extended = false;
    if (code == NO_KEY || (is_extended && (code == FAKE_LEFT || code == FAKE_RIGHT)))
        return false;
    *out = (struct scancode){
        .code = (u8)(code | (is_extended ? SCANCODE_EXTENDED : 0)),
        .is_pressed = is_pressed,
    };
    return true;
}

static bool put_set2(struct scancodes *scancodes, u8 byte, struct scancode *out) {
    if (byte == SET2_RELEASED) {
        scancodes->is_released = true;
        return false;
    }
    bool is_released = scancodes->is_released;
    scancodes->is_released = false;
    return finish(scancodes, byte < COUNT_OF(set1_of) ? set1_of[byte] : NO_KEY, !is_released, out);
}

bool scancodes_put(struct scancodes *scancodes, u8 byte, struct scancode *out) {
    if (scancodes->skip != 0) {
        scancodes->skip--;
        return false;
    }
    if (byte == PREFIX_EXTENDED) {
        scancodes->is_extended = true;
        return false;
    }
    if (byte == PREFIX_PAUSE) {
        scancodes->skip = scancodes->is_set2 ? PAUSE_SET2 : PAUSE_SET1;
        return false;
    }
    if (scancodes->is_set2)
        return put_set2(scancodes, byte, out);
    return finish(scancodes, byte & ~SET1_RELEASED, (byte & SET1_RELEASED) == 0, out);
}
