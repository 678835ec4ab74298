// The libFuzzer target for keyboard and mouse: any bytes of theirs, with any layout.

#include "tests/fuzz/user/fake_kernel.h"
#include "user/services/console/keys.h"
#include "user/services/ps2/keyboard.h"
#include "user/services/ps2/mouse.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

// What a key becomes for programs.
static void send(const struct key_event *event) {
    char bytes[KEY_BYTES_MAX];
    MUST(keys_encode(event->key, event->modifiers, bytes) <= sizeof bytes);
}

static void press(struct keyboard *keyboard, struct scancodes *scancodes, u8 byte) {
    struct scancode scancode;
    struct key_event events[KEY_EVENTS_MAX];
    if (!scancodes_put(scancodes, byte, &scancode))
        return;
    u32 count = keyboard_put(keyboard, scancode, events);
    MUST(count <= KEY_EVENTS_MAX);
    for (u32 i = 0; i < count; i++)
        send(&events[i]);
}

static void move(struct mouse *mouse, u8 byte) {
    struct mouse_event event;
    if (mouse_put(mouse, byte, &event))
        MUST(event.right >= -256 && event.right <= 256 && event.down >= -256 && event.down <= 256);
}

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    static struct layout layout;
    struct input input = {data, len};
    struct scancodes scancodes = {.is_set2 = input_u8(&input) % 2};
    struct mouse mouse = {.has_wheel = input_u8(&input) % 2};
    struct keyboard keyboard = {.layout = &layout};
    layout_init(&layout);
    usize text = input_u8(&input) * 4u;
    text = text < input.len ? text : input.len;
    bool is_good = layout_parse(&layout, (const char *)input.data, text);
    MUST(is_good == (layout.error == NULL) && layout.combined_count <= COMBINED_MAX);
    for (usize i = text; i < input.len; i++) {
        press(&keyboard, &scancodes, input.data[i]);
        move(&mouse, input.data[i]);
    }
    return 0;
}
