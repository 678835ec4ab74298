// Packets: a byte with buttons and signs, two with movements, and one of a wheel.

#include "user/services/ps2/mouse.h"

enum packet_bit : u8 {
    PACKET_BUTTONS = 0x07,
    PACKET_ALWAYS = 0x08, // of the first byte: by it a lost byte is noticed
    PACKET_LEFT = 0x10,   // the movement's sign
    PACKET_DOWN = 0x20,
    PACKET_OVERFLOW = 0xc0,
};

static_assert(INPUT_LEFT_BUTTON == 1 && INPUT_RIGHT_BUTTON == 2 && INPUT_MIDDLE_BUTTON == 4,
              "as in the packet");

bool mouse_put(struct mouse *mouse, u8 byte, struct mouse_event *out) {
    if (mouse->len == 0 && (byte & PACKET_ALWAYS) == 0)
        return false;
    mouse->packet[mouse->len++] = byte;
    if (mouse->len < (mouse->has_wheel ? 4u : 3u))
        return false;
    mouse->len = 0;
    const u8 *packet = mouse->packet;
    // Movements of nine bits, upwards; how far it was when they overflow, nobody knows.
    bool is_known = (packet[0] & PACKET_OVERFLOW) == 0;
    i32 right = packet[1] - ((packet[0] & PACKET_LEFT) != 0 ? 0x100 : 0);
    i32 up = packet[2] - ((packet[0] & PACKET_DOWN) != 0 ? 0x100 : 0);
    *out = (struct mouse_event){
        .right = is_known ? right : 0,
        .down = is_known ? -up : 0,
        .wheel = mouse->has_wheel ? -(i8)packet[3] : 0, // positive is towards the user there
        .buttons = packet[0] & PACKET_BUTTONS,
    };
    return true;
}
