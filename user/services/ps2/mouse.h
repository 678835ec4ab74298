#pragma once
// What a PS/2 mouse sends: packets of three bytes, or of four with a wheel.

#include "abi/kwast/input.h"

struct mouse {
    bool has_wheel;

    // Its own:
    u8 packet[4];
    u32 len;
};

struct mouse_event {
    i32 right;
    i32 down;
    i32 wheel;   // up
    u32 buttons; // enum input_button
};

// Takes a byte. True: it was the last one of a packet.
bool mouse_put(struct mouse *mouse, u8 byte, struct mouse_event *out);
