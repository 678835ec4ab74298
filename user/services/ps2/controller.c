// Commands to the controller and to the devices behind it. Every wait ends by itself: what is not
// there does not answer, and what is broken may not stop to.

#include "user/services/ps2/controller.h"

enum controller_status : u8 {
    STATUS_OUTPUT = 0x01, // there is a byte to be read
    STATUS_INPUT = 0x02,  // the last one written was not taken yet
    STATUS_MOUSE = 0x20,  // the byte to be read is the mouse's
    STATUS_NOTHING = 0xff,
};

enum controller_command : u8 {
    COMMAND_READ_CONFIG = 0x20,
    COMMAND_WRITE_CONFIG = 0x60,
    COMMAND_DISABLE_MOUSE = 0xa7,
    COMMAND_ENABLE_MOUSE = 0xa8,
    COMMAND_DISABLE_KEYBOARD = 0xad,
    COMMAND_ENABLE_KEYBOARD = 0xae,
    COMMAND_TO_MOUSE = 0xd4, // the next byte
};

enum controller_config : u8 {
    CONFIG_INTERRUPTS = 0x03,
    CONFIG_DISABLED = 0x30,
    CONFIG_TRANSLATE = 0x40,
};

enum device_command : u8 {
    DEVICE_SET_LEDS = 0xed,
    DEVICE_IDENTIFY = 0xf2,
    DEVICE_SET_RATE = 0xf3,
    DEVICE_ENABLE = 0xf4,
    DEVICE_DEFAULTS = 0xf6,
};

#define ANSWER_TAKEN     0xfa
#define ANSWER_AGAIN     0xfe
#define MOUSE_WITH_WHEEL 3
#define TRIES            3
#define FLUSH_MAX        256
#define MEANWHILE_MAX    256 // bytes that are no answer
#define WAIT_NS          50000000ull

static u64 now_ns(void) {
    __wasi_timestamp_t now = 0;
    return __wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &now) == 0 ? now : 0;
}

static u8 in(kwast_handle port) {
    u32 value = STATUS_NOTHING;
    return kwast_port_in(port, 0, 1, &value) == 0 ? (u8)value : STATUS_NOTHING;
}

// False: it does not become so.
static bool wait_for(struct controller *controller, u8 mask, u8 wanted) {
    u64 end = 0;
    while ((in(controller->command) & mask) != wanted) {
        u64 now = now_ns();
        end = end == 0 ? now + WAIT_NS : end;
        if (now > end)
            return false;
    }
    return true;
}

static bool out(struct controller *controller, kwast_handle port, u8 value) {
    return wait_for(controller, STATUS_INPUT, 0) && kwast_port_out(port, 0, 1, value) == 0;
}

bool controller_take(struct controller *controller, u8 *byte, bool *is_mouse) {
    u8 status = in(controller->command);
    if ((status & STATUS_OUTPUT) == 0 || status == STATUS_NOTHING)
        return false;
    *is_mouse = (status & STATUS_MOUSE) != 0;
    *byte = in(controller->data);
    return true;
}

// Reads what a device says next; what the other one says meanwhile is not lost. *patience is how
// many bytes there may still be before it has said that.
static bool read_answer(struct controller *controller, bool from_mouse, u32 *patience, u8 *answer) {
    bool is_mouse;
    while (*patience != 0 && wait_for(controller, STATUS_OUTPUT, STATUS_OUTPUT) &&
           controller_take(controller, answer, &is_mouse)) {
        if (is_mouse == from_mouse)
            return true;
        controller->take(controller->context, *answer, is_mouse);
        --*patience;
    }
    return false;
}

// What a device says about a byte that it was sent: a key may have been pressed just before.
static u8 read_verdict(struct controller *controller, bool from_mouse) {
    u8 answer;
    for (u32 patience = MEANWHILE_MAX; read_answer(controller, from_mouse, &patience, &answer);
         patience--) {
        if (answer == ANSWER_TAKEN || answer == ANSWER_AGAIN)
            return answer;
        controller->take(controller->context, answer, from_mouse);
    }
    return ANSWER_AGAIN;
}

// Sends a byte to a device, which says that it has it.
static bool tell(struct controller *controller, bool to_mouse, u8 byte) {
    for (u32 i = 0; i < TRIES; i++) {
        if ((to_mouse && !out(controller, controller->command, COMMAND_TO_MOUSE)) ||
            !out(controller, controller->data, byte))
            return false;
        if (read_verdict(controller, to_mouse) == ANSWER_TAKEN)
            return true;
    }
    return false;
}

// -- Starting -------------------------------------------------------------------------------------

static void flush(struct controller *controller) {
    u8 byte;
    bool is_mouse;
    for (u32 i = 0; i < FLUSH_MAX && controller_take(controller, &byte, &is_mouse); i++)
        continue;
}

static bool read_config(struct controller *controller, u8 *config) {
    if (!out(controller, controller->command, COMMAND_READ_CONFIG) ||
        !wait_for(controller, STATUS_OUTPUT, STATUS_OUTPUT))
        return false;
    *config = in(controller->data);
    return true;
}

// The devices stay disabled: what they send could be taken for the configuration.
static bool configure(struct controller *controller) {
    u8 config;
    if (!read_config(controller, &config))
        return false;
    config |= CONFIG_INTERRUPTS | CONFIG_TRANSLATE | CONFIG_DISABLED;
    if (!out(controller, controller->command, COMMAND_WRITE_CONFIG) ||
        !out(controller, controller->data, config) || !read_config(controller, &config))
        return false;
    controller->translates = (config & CONFIG_TRANSLATE) != 0;
    return true;
}

// A wheel shows itself only to who sets these rates one after the other.
static bool start_mouse(struct controller *controller) {
    static const u8 knock[] = {
        DEVICE_DEFAULTS, DEVICE_SET_RATE, 200, DEVICE_SET_RATE, 100, DEVICE_SET_RATE, 80,
        DEVICE_IDENTIFY};
    u8 kind = 0;
    u32 patience = MEANWHILE_MAX;
    for (u32 i = 0; i < COUNT_OF(knock); i++) {
        if (!tell(controller, true, knock[i]))
            return false;
    }
    controller->has_wheel =
        read_answer(controller, true, &patience, &kind) && kind == MOUSE_WITH_WHEEL;
    return tell(controller, true, DEVICE_ENABLE);
}

bool controller_start(struct controller *controller) {
    if (in(controller->command) == STATUS_NOTHING)
        return false;
    if (!out(controller, controller->command, COMMAND_DISABLE_KEYBOARD) ||
        !out(controller, controller->command, COMMAND_DISABLE_MOUSE))
        return false;
    flush(controller);
    if (!configure(controller) || !out(controller, controller->command, COMMAND_ENABLE_KEYBOARD) ||
        !out(controller, controller->command, COMMAND_ENABLE_MOUSE))
        return false;
    controller->has_mouse = start_mouse(controller);
    return tell(controller, false, DEVICE_DEFAULTS) && tell(controller, false, DEVICE_ENABLE);
}

void controller_set_leds(struct controller *controller, u8 leds) {
    if (tell(controller, false, DEVICE_SET_LEDS))
        tell(controller, false, leds); // a keyboard without lights refuses, and works
}
