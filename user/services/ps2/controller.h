#pragma once
// The keyboard controller (8042): two ports, two interrupts, a keyboard and a mouse behind it.

#include "user/sdk/kwast.h"

struct controller {
    kwast_handle data;    // port 0x60
    kwast_handle command; // port 0x64
    bool translates;      // the keyboard's codes into set 1
    bool has_mouse;
    bool has_wheel;

    // Takes bytes that come while a command waits for its answer.
    void (*take)(void *context, u8 byte, bool is_mouse);
    void *context;
};

// Resets both devices and lets them send. False: there is no controller, or no keyboard.
bool controller_start(struct controller *controller);

// The next byte that came; false: there is none.
bool controller_take(struct controller *controller, u8 *byte, bool *is_mouse);

// enum keyboard_led
void controller_set_leds(struct controller *controller, u8 leds);
