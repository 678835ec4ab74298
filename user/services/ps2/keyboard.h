#pragma once
// Keys that go down and up become what they mean: characters by the layout, or names; with the
// modifiers that are held.

#include "abi/kwast/input.h"
#include "user/services/ps2/layout.h"
#include "user/services/ps2/scancodes.h"

// As the keyboard's command takes them.
enum keyboard_led : u8 { LED_SCROLL = 1, LED_NUM = 2, LED_CAPS = 4 };

struct keyboard {
    const struct layout *layout;
    u32 held;     // modifier keys, each a bit: there are two of most
    u32 accent;   // a dead key that waits; 0: none
    u8 locks;     // enum keyboard_led
    u8 lock_held; // those whose key has not been released: holding it does nothing more
};

struct key_event {
    u32 key; // abi/kwast/input.h
    u32 modifiers;
};
#define KEY_EVENTS_MAX 2u // of one key: an accent that no letter took, and what came after it

// Takes a key that moved; returns how many events that makes.
u32 keyboard_put(struct keyboard *keyboard, struct scancode scancode,
                 struct key_event out[KEY_EVENTS_MAX]);
