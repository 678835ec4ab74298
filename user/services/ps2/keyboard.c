// Modifiers, locks, dead keys, and the keys that no layout changes.

#include "user/services/ps2/keyboard.h"

enum held_key : u32 {
    HELD_LEFT_SHIFT = 1 << 0,
    HELD_RIGHT_SHIFT = 1 << 1,
    HELD_LEFT_CONTROL = 1 << 2,
    HELD_RIGHT_CONTROL = 1 << 3,
    HELD_LEFT_ALT = 1 << 4,
    HELD_RIGHT_ALT = 1 << 5,
};
#define HELD_SHIFT   (HELD_LEFT_SHIFT | HELD_RIGHT_SHIFT)
#define HELD_CONTROL (HELD_LEFT_CONTROL | HELD_RIGHT_CONTROL)

#define EXTENDED(x)  ((x) | SCANCODE_EXTENDED)
#define KEYPAD_FIRST 0x47
#define KEYPAD_LAST  0x53
#define CODE_F1      0x3b
#define CODE_F10     0x44
#define CODE_F11     0x57
#define CODE_F12     0x58
#define LEVEL_SHIFT  1u
#define LEVEL_THIRD  2u

static const struct {
    u8 code;
    enum held_key key;
} modifier_keys[] = {
    {0x2a, HELD_LEFT_SHIFT},   {0x36, HELD_RIGHT_SHIFT},
    {0x1d, HELD_LEFT_CONTROL}, {EXTENDED(0x1d), HELD_RIGHT_CONTROL},
    {0x38, HELD_LEFT_ALT},     {EXTENDED(0x38), HELD_RIGHT_ALT},
};

static const struct {
    u8 code;
    enum keyboard_led lock;
} lock_keys[] = {{0x3a, LED_CAPS}, {0x45, LED_NUM}, {0x46, LED_SCROLL}};

static const struct {
    u8 code;
    u32 key;
} named_keys[] = {
    {0x01, INPUT_ESCAPE},
    {0x0e, INPUT_BACKSPACE},
    {0x0f, INPUT_TAB},
    {0x1c, INPUT_ENTER},
    {EXTENDED(0x1c), INPUT_ENTER},
    {EXTENDED(0x47), INPUT_HOME},
    {EXTENDED(0x48), INPUT_UP},
    {EXTENDED(0x49), INPUT_PAGE_UP},
    {EXTENDED(0x4b), INPUT_LEFT},
    {EXTENDED(0x4d), INPUT_RIGHT},
    {EXTENDED(0x4f), INPUT_END},
    {EXTENDED(0x50), INPUT_DOWN},
    {EXTENDED(0x51), INPUT_PAGE_DOWN},
    {EXTENDED(0x52), INPUT_INSERT},
    {EXTENDED(0x53), INPUT_DELETE},
    {EXTENDED(0x35), '/'},
    {0x37, '*'},
};

// From KEYPAD_FIRST on: with Num Lock, and without.
static const struct {
    char digit; // '.': what the layout says
    u32 key;
} keypad[] = {
    {'7', INPUT_HOME},   {'8', INPUT_UP},   {'9', INPUT_PAGE_UP},   {'-', '-'},
    {'4', INPUT_LEFT},   {'5', 0},          {'6', INPUT_RIGHT},     {'+', '+'},
    {'1', INPUT_END},    {'2', INPUT_DOWN}, {'3', INPUT_PAGE_DOWN}, {'0', INPUT_INSERT},
    {'.', INPUT_DELETE},
};
static_assert(COUNT_OF(keypad) == KEYPAD_LAST - KEYPAD_FIRST + 1, "a key each");

// -- Modifiers and locks --------------------------------------------------------------------------

// Whether it is such a key.
static bool put_modifier(struct keyboard *keyboard, struct scancode scancode) {
    for (u32 i = 0; i < COUNT_OF(modifier_keys); i++) {
        if (modifier_keys[i].code != scancode.code)
            continue;
        keyboard->held &= ~modifier_keys[i].key;
        keyboard->held |= scancode.is_pressed ? modifier_keys[i].key : 0;
        return true;
    }
    for (u32 i = 0; i < COUNT_OF(lock_keys); i++) {
        if (lock_keys[i].code != scancode.code)
            continue;
        bool is_new = scancode.is_pressed && (keyboard->lock_held & lock_keys[i].lock) == 0;
        keyboard->locks ^= is_new ? lock_keys[i].lock : 0;
        keyboard->lock_held &= ~lock_keys[i].lock;
        keyboard->lock_held |= scancode.is_pressed ? lock_keys[i].lock : 0;
        return true;
    }
    return false;
}

static bool has_third_level(const struct keyboard *keyboard) {
    return keyboard->layout->has_third_level && (keyboard->held & HELD_RIGHT_ALT) != 0;
}

static u32 modifiers_of(const struct keyboard *keyboard) {
    u32 alt = keyboard->layout->has_third_level ? HELD_LEFT_ALT : HELD_LEFT_ALT | HELD_RIGHT_ALT;
    return ((keyboard->held & HELD_SHIFT) != 0 ? INPUT_SHIFT : 0) |
           ((keyboard->held & HELD_CONTROL) != 0 ? INPUT_CONTROL : 0) |
           ((keyboard->held & alt) != 0 ? INPUT_ALT : 0);
}

// -- Characters -----------------------------------------------------------------------------------

// Whether Caps Lock changes the key: its letter has a capital.
static bool is_letter(const u32 *levels) {
    u32 small = levels[0];
    u32 capital = levels[LEVEL_SHIFT];
    bool is_latin =
        (small >= 'a' && small <= 'z') || (small >= 0xe0 && small <= 0xfe && small != 0xf7);
    return (is_latin && capital == small - 0x20) || (small == 0x153 && capital == 0x152);
}

static u32 symbol_of(const struct keyboard *keyboard, u8 code) {
    if (code >= LAYOUT_CODES)
        return 0;
    const u32 *levels = keyboard->layout->keys[code];
    bool is_shifted = (keyboard->held & HELD_SHIFT) != 0;
    if ((keyboard->locks & LED_CAPS) != 0 && is_letter(levels))
        is_shifted = !is_shifted;
    u32 level = (is_shifted ? LEVEL_SHIFT : 0) + (has_third_level(keyboard) ? LEVEL_THIRD : 0);
    return levels[level];
}

// A character after an accent: both become one, or two.
static u32 put_after_accent(struct keyboard *keyboard, u32 character, u32 modifiers,
                            struct key_event out[KEY_EVENTS_MAX]) {
    u32 accent = keyboard->accent;
    u32 combined = layout_combine(keyboard->layout, accent, character);
    keyboard->accent = 0;
    if (character == ' ' || character == accent)
        combined = accent;
    if (combined != 0) {
        out[0] = (struct key_event){combined, modifiers};
        return 1;
    }
    out[0] = (struct key_event){accent, 0};
    out[1] = (struct key_event){character, modifiers};
    return 2;
}

static u32 put_character(struct keyboard *keyboard, u32 symbol, struct key_event out[2]) {
    u32 modifiers = modifiers_of(keyboard);
    u32 character = symbol & ~LAYOUT_DEAD;
    if (keyboard->accent != 0)
        return put_after_accent(keyboard, character, modifiers, out);
    if ((symbol & LAYOUT_DEAD) != 0) {
        keyboard->accent = character;
        return 0;
    }
    out[0] = (struct key_event){character, modifiers};
    return 1;
}

// -- Keys -----------------------------------------------------------------------------------------

// The key of a code that no layout changes; 0: none.
static u32 fixed_key(const struct keyboard *keyboard, u8 code) {
    if (code >= CODE_F1 && code <= CODE_F10)
        return INPUT_F1 + (code - CODE_F1);
    if (code == CODE_F11 || code == CODE_F12)
        return INPUT_F1 + 10 + (code - CODE_F11);
    if (code >= KEYPAD_FIRST && code <= KEYPAD_LAST) {
        bool is_number = (keyboard->locks & LED_NUM) != 0 && (keyboard->held & HELD_SHIFT) == 0;
        u32 digit = (u32)keypad[code - KEYPAD_FIRST].digit;
        if (!is_number)
            return keypad[code - KEYPAD_FIRST].key;
        return digit == '.' ? keyboard->layout->decimal : digit;
    }
    for (u32 i = 0; i < COUNT_OF(named_keys); i++) {
        if (named_keys[i].code == code)
            return named_keys[i].key;
    }
    return 0;
}

u32 keyboard_put(struct keyboard *keyboard, struct scancode scancode,
                 struct key_event out[KEY_EVENTS_MAX]) {
    if (put_modifier(keyboard, scancode) || !scancode.is_pressed)
        return 0;
    u32 key = fixed_key(keyboard, scancode.code);
    if (key == 0)
        key = symbol_of(keyboard, scancode.code);
    else if ((key & INPUT_NAMED_KEY) != 0) {
        keyboard->accent = 0;
        out[0] = (struct key_event){key, modifiers_of(keyboard)};
        return 1;
    }
    return key == 0 ? 0 : put_character(keyboard, key, out);
}
