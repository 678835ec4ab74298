// ps2: the driver of the PS/2 keyboard and mouse.
//
//   ps2 DATA COMMAND KEYS MOTION INPUT KEYBOARD MOUSE [LAYOUT]
//
// DATA and COMMAND are the controller's I/O ports, KEYS and MOTION its interrupts; INPUT is the
// console's channel for what is typed (abi/kwast/input.h). KEYBOARD and MOUSE are the server ends
// of two devices. What is written to the first one is a layout, in place of the one of
// /boot/etc/keymaps/LAYOUT; reading tells what is wrong with the last one that was written. The
// second one gives struct input_motion for each movement.
//
// -1 instead of the ports: the machine has no controller, and the driver ends.

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/file.h"
#include "base/status.h"
#include "user/services/ps2/controller.h"
#include "user/services/ps2/keyboard.h"
#include "user/services/ps2/mouse.h"

#define KEYMAPS     "/boot/etc/keymaps/"
#define ACCENTS     "accents"
#define LAYOUT_NAME "us"
#define TEXT_BYTES  FILE_DATA_MAX
#define READS_MAX   16u
#define MOTIONS_MAX 64u
#define SERVED_MAX  64u    // requests in a row, before somebody else's turn
#define BYTES_MAX   10000u // a controller that has more of them at a time is broken

static struct {
    struct controller controller;
    struct scancodes scancodes;
    struct keyboard keyboard;
    struct mouse mouse;
    struct layout layouts[2]; // the one in use, and one that is being read
    u32 layout_used;
    char verdict[128]; // about the last layout that was written
    kwast_handle interrupts[2];
    kwast_handle input;
    kwast_handle keyboard_server;
    kwast_handle mouse_server;
    kwast_handle mouse_ready;
    struct input_motion motions[MOTIONS_MAX]; // that nobody has read yet, the newest ones
    u32 motion_count;
    struct read {
        u64 number;
        u32 room;       // movements
    } reads[READS_MAX]; // of the mouse, that wait
    u32 read_count;
} self;

// -- Layouts --------------------------------------------------------------------------------------

// Reads a file of the folder with the layouts into `text`; its length, or -1.
static ssize_t read_keymap(const char *name, char *text) {
    char path[128];
    snprintf(path, sizeof path, KEYMAPS "%s", name);
    int file = open(path, O_RDONLY);
    ssize_t len = file < 0 ? -1 : read(file, text, TEXT_BYTES);
    if (len < 0)
        perror(path);
    if (file >= 0)
        close(file);
    return len;
}

// Uses a layout, if it is one, with the accents that all have in common.
static bool use_layout(const char *text, usize len) {
    static char accents[TEXT_BYTES];
    struct layout *layout = &self.layouts[!self.layout_used];
    layout_init(layout);
    ssize_t accents_len = read_keymap(ACCENTS, accents);
    bool is_good = accents_len <= 0 || layout_parse(layout, accents, (usize)accents_len);
    is_good = is_good && layout_parse(layout, text, len);
    self.verdict[0] = 0;
    if (is_good) {
        self.layout_used = !self.layout_used;
        self.keyboard.layout = layout;
        self.keyboard.accent = 0;
    } else {
        snprintf(self.verdict, sizeof self.verdict, "%u: %s\n", layout->error_line, layout->error);
    }
    return is_good;
}

static void use_named_layout(const char *name) {
    static char text[TEXT_BYTES];
    ssize_t len = read_keymap(name, text);
    if (len >= 0 && !use_layout(text, (usize)len))
        fprintf(stderr, "ps2: layout %s:%s", name, self.verdict);
}

// -- What comes -----------------------------------------------------------------------------------

static void tell_console(u32 operation, const u64 words[KWAST_WORDS]) {
    struct kwast_call call = {.operation = operation};
    memcpy(call.words, words, sizeof call.words);
    kwast_scheme_call(self.input, &call, -1); // a console that died is started again, without it
}

static void take_key(u8 byte) {
    struct scancode scancode;
    struct key_event events[KEY_EVENTS_MAX];
    if (!scancodes_put(&self.scancodes, byte, &scancode))
        return;
    u32 count = keyboard_put(&self.keyboard, scancode, events);
    for (u32 i = 0; i < count; i++)
        tell_console(INPUT_KEY, (const u64[KWAST_WORDS]){events[i].key, events[i].modifiers});
}

static void keep_motion(const struct mouse_event *event) {
    if (self.motion_count == MOTIONS_MAX) {
        self.motion_count--;
        memmove(self.motions, self.motions + 1, self.motion_count * sizeof self.motions[0]);
    }
    self.motions[self.motion_count++] = (struct input_motion){
        .right = (i16)event->right,
        .down = (i16)event->down,
        .wheel = (i16)event->wheel,
        .buttons = (u16)event->buttons,
    };
}

static void take_motion(u8 byte) {
    struct mouse_event event;
    if (!mouse_put(&self.mouse, byte, &event))
        return;
    keep_motion(&event);
    tell_console(INPUT_POINTER,
                 (const u64[KWAST_WORDS]){(u64)(i64)event.right, (u64)(i64)event.down,
                                          event.buttons, (u64)(i64)event.wheel});
}

// All that the controller has.
static void take_all(void) {
    u8 byte;
    bool is_mouse;
    for (u32 i = 0; controller_take(&self.controller, &byte, &is_mouse); i++) {
        if (i == BYTES_MAX) {
            fprintf(stderr, "ps2: the controller has bytes for ever\n");
            exit(1);
        }
        self.controller.take(NULL, byte, is_mouse);
    }
}

static void take_byte(void *context, u8 byte, bool is_mouse) {
    (void)context;
    if (is_mouse)
        take_motion(byte);
    else
        take_key(byte);
}

static void show_locks(void) {
    static u8 shown;
    if (shown == self.keyboard.locks)
        return;
    shown = self.keyboard.locks;
    controller_set_leds(&self.controller, shown);
}

// -- The devices that programs see ----------------------------------------------------------------

static void serve_stat(kwast_handle server, const struct kwast_request *request,
                       struct kwast_reply *reply) {
    const struct file_stat stat = {
        .inode = server, .link_count = 1, .type = FILE_TYPE_CHARACTER_DEVICE};
    if (kwast_grant_write(server, request->number, 0, 0, &stat, sizeof stat) != 0)
        reply->answer = ERR_FAULT;
    reply->words[2] = sizeof stat;
}

static enum status write_layout(const struct kwast_request *request, struct kwast_reply *reply) {
    static char text[TEXT_BYTES];
    u32 len = request->grant_count == 0 ? 0 : request->grants[0].len;
    if (len > sizeof text)
        return ERR_LIMIT;
    if (kwast_grant_read(self.keyboard_server, request->number, 0, 0, text, len) != 0)
        return ERR_FAULT;
    reply->words[0] = len;
    return use_layout(text, len) ? OK : ERR_INVALID;
}

static enum status read_verdict(const struct kwast_request *request, struct kwast_reply *reply) {
    u64 len = strlen(self.verdict);
    u64 offset = request->words[0] < len ? request->words[0] : len;
    u64 room = request->grant_count == 0 ? 0 : request->grants[0].len;
    u64 count = len - offset < room ? len - offset : room;
    reply->words[2] = count;
    return count == 0 || kwast_grant_write(self.keyboard_server, request->number, 0, 0,
                                           self.verdict + offset, (usize)count) == 0
               ? OK
               : ERR_FAULT;
}

// As kwast_serve_func.
static bool serve_keyboard(const struct kwast_request *request, struct kwast_reply *reply) {
    switch (request->operation) {
    case KWAST_FILE_OPERATION + FILE_READ:
        reply->answer = read_verdict(request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_WRITE:
        reply->answer = write_layout(request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_STAT:
        serve_stat(self.keyboard_server, request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_SET_SIZE: // opening it to be written
    case KWAST_FILE_OPERATION + FILE_SYNC:
        return true;
    default:
        reply->answer = ERR_UNSUPPORTED;
        return true;
    }
}

// What poll knows: after all that changed the movements, and before whoever read some goes on.
static void tell_motions(void) {
    u64 bytes = self.motion_count * sizeof self.motions[0];
    kwast_ready_set(self.mouse_ready, bytes == 0 ? 0 : KWAST_READABLE, bytes);
}

static void answer_motions(void) {
    while (self.read_count != 0 && self.motion_count != 0) {
        const struct read read = self.reads[0];
        u32 count = read.room < self.motion_count ? read.room : self.motion_count;
        u32 bytes = count * (u32)sizeof self.motions[0];
        struct kwast_reply reply = {.number = read.number, .handle = KWAST_NO_HANDLE};
        if (kwast_grant_write(self.mouse_server, read.number, 0, 0, self.motions, bytes) == 0) {
            reply.words[2] = bytes;
        } else {
            reply.answer = ERR_FAULT;
            count = 0; // they are for the next
        }
        self.motion_count -= count;
        memmove(self.motions, self.motions + count, self.motion_count * sizeof self.motions[0]);
        self.read_count--;
        memmove(self.reads, self.reads + 1, self.read_count * sizeof read);
        tell_motions();
        kwast_scheme_reply(self.mouse_server, &reply); // a client that has gone needs none
    }
}

static bool read_motions(const struct kwast_request *request, struct kwast_reply *reply) {
    u32 len = request->grant_count == 0 ? 0 : request->grants[0].len;
    u32 room = len / (u32)sizeof self.motions[0];
    if (room == 0 || self.read_count == READS_MAX) {
        reply->answer = room == 0 ? ERR_INVALID : ERR_LIMIT;
        return true;
    }
    self.reads[self.read_count++] = (struct read){request->number, room};
    return false;
}

static bool serve_cancelled(u64 number) {
    for (u32 i = 0; i < self.read_count; i++) {
        if (self.reads[i].number != number)
            continue;
        self.read_count--;
        memmove(self.reads + i, self.reads + i + 1, (self.read_count - i) * sizeof self.reads[0]);
        return true;
    }
    return false;
}

static bool serve_mouse(const struct kwast_request *request, struct kwast_reply *reply) {
    switch (request->operation) {
    case KWAST_CANCELLED:
        return serve_cancelled(request->number);
    case KWAST_FILE_OPERATION + FILE_READ:
        return read_motions(request, reply);
    case KWAST_FILE_OPERATION + FILE_STAT:
        serve_stat(self.mouse_server, request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_SYNC:
        return true;
    default:
        reply->answer = ERR_UNSUPPORTED;
        return true;
    }
}

static void serve_all(kwast_handle server) {
    struct kwast_request request;
    static u8 bytes[KWAST_BYTES_MAX];
    for (u32 served = 0; served < SERVED_MAX; served++) {
        if (kwast_scheme_receive(server, &request, bytes, sizeof bytes, 0) != 0)
            return;
        struct kwast_reply reply = {.number = request.number, .handle = KWAST_NO_HANDLE};
        for (u32 i = 0; i < request.handle_count; i++)
            close((int)request.handles[i]);
        bool is_due = server == self.keyboard_server ? serve_keyboard(&request, &reply)
                                                     : serve_mouse(&request, &reply);
        if (is_due && request.number != 0)
            kwast_scheme_reply(server, &reply);
    }
}

// -- The loop -------------------------------------------------------------------------------------

static void run(void) {
    struct pollfd events[] = {
        {.fd = (int)self.interrupts[0], .events = POLLRDNORM},
        {.fd = (int)self.interrupts[1], .events = POLLRDNORM},
        {.fd = (int)self.keyboard_server, .events = POLLRDNORM},
        {.fd = (int)self.mouse_server, .events = POLLRDNORM},
    };
    do {
        for (u32 i = 0; i < COUNT_OF(self.interrupts); i++) {
            u64 count;
            kwast_interrupt_take(self.interrupts[i], 0, &count); // whether it came does not matter
        }
        take_all();
        show_locks();
        serve_all(self.keyboard_server);
        serve_all(self.mouse_server);
        answer_motions();
        tell_motions();
    } while (poll(events, COUNT_OF(events), -1) >= 0);
}

// -- The beginning --------------------------------------------------------------------------------

static bool read_arguments(int argc, char **argv) {
    kwast_handle *const numbers[] = {
        &self.controller.data, &self.controller.command, &self.interrupts[0], &self.interrupts[1],
        &self.input,           &self.keyboard_server,    &self.mouse_server};
    if (argc != COUNT_OF(numbers) + 1 && argc != COUNT_OF(numbers) + 2)
        return false;
    for (u32 i = 0; i < COUNT_OF(numbers); i++)
        *numbers[i] = (kwast_handle)atoi(argv[i + 1]);
    return true;
}

int main(int argc, char **argv) {
    if (!read_arguments(argc, argv)) {
        fprintf(stderr, "usage: ps2 DATA COMMAND KEYS MOTION INPUT KEYBOARD MOUSE "
                        "[LAYOUT]\n");
        return 2;
    }
    layout_init(&self.layouts[0]);
    self.keyboard.layout = &self.layouts[0];
    self.controller.take = take_byte;
    if (self.controller.data == KWAST_NO_HANDLE || !controller_start(&self.controller))
        return 0; // there is nothing to drive
    self.scancodes.is_set2 = !self.controller.translates;
    self.mouse.has_wheel = self.controller.has_wheel;
    u32 error = kwast_scheme_root_ready(self.mouse_server, &self.mouse_ready);
    if (error != 0) {
        fprintf(stderr, "ps2: mouse: %s\n", strerror((int)error));
        return 1;
    }
    use_named_layout(argc > 8 ? argv[8] : LAYOUT_NAME);
    run();
    perror("ps2");
    return 1;
}
