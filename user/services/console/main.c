// console: terminals, on the machine's console and on its screen.
//
//   console [--screen SCREEN] [--input INPUT] [--init INIT] SERVER...
//
// Each SERVER is the server end of a scheme, whose root is a terminal, whoever opens it: up to
// eight. The first one is on the console as a device (device.h): what is typed there, on
// a serial line mostly, and what it shows, too. Where there is a screen (the range of a frame
// buffer) and an emulator for it, all are on it, one at a time: Alt-F1 shows the first one, and so
// on. INPUT is the server end by which keyboard and mouse come (abi/kwast/input.h). When number N
// is shown for the first time, init is told to start the service `shellN`.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/init.h"
#include "abi/kwast/input.h"
#include "base/math.h"
#include "base/status.h"
#include "user/services/console/device.h"
#include "user/services/console/display.h"
#include "user/services/console/screen.h"
#include "user/services/console/terminal.h"

#define CONSOLES_MAX 8u
#define COLUMNS      80u // of the device, which cannot tell
#define ROWS         25u
#define NS_PER_MS    1000000ull
#define FRAME_NS     (16 * NS_PER_MS) // a screen is drawn that often at most
#define SERVED_MAX   64u              // requests in a row, before somebody else's turn

struct console {
    struct terminal terminal;
    struct screen *screen; // NULL: it was never shown
    bool is_on_device;
};

static struct {
    struct console consoles[CONSOLES_MAX];
    u32 count;
    u32 shown; // which one is on the screen
    struct display display;
    bool has_display;
    bool has_hung_up; // nothing will be typed on the device any more
    kwast_handle input;
    kwast_handle init;
    u64 drawn_ns; // when
} self;

static u64 now_ns(void) {
    __wasi_timestamp_t now = 0;
    return __wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &now) == 0 ? now : 0;
}

// -- Showing and typing ---------------------------------------------------------------------------

static void show(void *context, const char *text, usize len) {
    struct console *console = context;
    cursor_write(&console->terminal.cursor, text, len);
    if (console->is_on_device)
        device_show(text, len);
    if (console->screen != NULL)
        screen_write(console->screen, text, len);
}

static void take_typed(struct console *console) {
    char typed[256];
    usize got;
    bool has_ended = false;
    while ((got = device_read(typed, sizeof typed, &has_ended)) != 0)
        terminal_type(&console->terminal, SOURCE_LINE, typed, got);
    if (has_ended && !self.has_hung_up)
        terminal_hang_up(&console->terminal);
    self.has_hung_up = has_ended;
}

// What the kernel and services say is shown with the first console's own.
static void show_said(struct console *console) {
    char text[256];
    for (usize got; (got = device_read_said(text, sizeof text)) != 0;)
        show(console, text, got);
}

// What the emulator sends: keys, and answers to questions of programs. Of a console that is on the
// device, too, the terminal at the other end answers such questions, if that is where somebody
// sits.
static void take_sent(void *context, const char *bytes, usize len) {
    struct console *console = context;
    if (!console->is_on_device || console->terminal.source == SOURCE_SCREEN)
        terminal_type(&console->terminal, SOURCE_SCREEN, bytes, len);
}

// -- The screen -----------------------------------------------------------------------------------

static void want_service(const char *name) {
    struct kwast_call call = {
        .operation = INIT_START, .bytes = (u32)(uptr)name, .bytes_len = (u32)strlen(name)};
    if (self.init != KWAST_NO_HANDLE)
        kwast_scheme_call(self.init, &call, -1); // whether there is one is init's affair
}

static void want_shell(u32 number) {
    char name[16];
    snprintf(name, sizeof name, "shell%u", number);
    want_service(name);
}

static void add_screen(struct console *console) {
    const struct canvas *canvas = &self.display.canvas;
    console->screen = screen_create(canvas->columns, canvas->rows, take_sent, console);
    console->terminal.sizes[SOURCE_SCREEN] = (struct terminal_size){canvas->columns, canvas->rows};
    if (!console->is_on_device)
        console->terminal.source = SOURCE_SCREEN;
}

static void show_console(u32 index) {
    if (index >= self.count || index == self.shown)
        return;
    struct console *console = &self.consoles[index];
    bool is_first_time = console->screen == NULL;
    if (is_first_time)
        add_screen(console);
    self.shown = index;
    screen_expose(console->screen);
    if (is_first_time)
        want_shell(index + 1);
}

// Without an emulator nobody takes the screen away from the kernel.
static void open_screen(kwast_handle range) {
    struct console *first = &self.consoles[0];
    if (range == KWAST_NO_HANDLE || !display_open(&self.display, range))
        return;
    add_screen(first);
    self.has_display = first->screen != NULL;
    if (!self.has_display)
        display_close(&self.display);
}

// Draws, unless that was done just now. Returns in how many milliseconds to come again; -1: nothing
// is to be drawn.
static int draw(void) {
    struct screen *screen = self.consoles[self.shown].screen;
    if (screen == NULL || !screen_is_damaged(screen))
        return -1;
    u64 now = now_ns();
    u64 next = self.drawn_ns + FRAME_NS;
    if (self.drawn_ns != 0 && now < next)
        return (int)((next - now) / NS_PER_MS + 1);
    screen_draw(screen, &self.display.canvas);
    self.drawn_ns = now;
    return -1;
}

// -- Keys and pointer -----------------------------------------------------------------------------

static void take_key(u32 key, u32 modifiers) {
    struct console *console = &self.consoles[self.shown];
    i32 page = (i32)(self.display.canvas.rows / 2);
    bool is_number = key >= INPUT_F1 && key < INPUT_F1 + CONSOLES_MAX;
    screen_hide_pointer(console->screen);
    if (is_number && modifiers == INPUT_ALT) {
        show_console(key - INPUT_F1);
    } else if (modifiers == INPUT_SHIFT && key == INPUT_PAGE_UP) {
        screen_scroll(console->screen, page);
    } else if (modifiers == INPUT_SHIFT && key == INPUT_PAGE_DOWN) {
        screen_scroll(console->screen, -page);
    } else {
        screen_scroll_end(console->screen);
        console->terminal.source = SOURCE_SCREEN;
        screen_key(console->screen, key, modifiers);
    }
}

static void take_motion(const u64 words[KWAST_WORDS]) {
    struct screen *screen = self.consoles[self.shown].screen;
    struct display *display = &self.display;
    display_move(display, (i64)words[0], (i64)words[1]);
    i64 wheel = (i64)words[3];
    wheel = wheel < -8 ? -8 : wheel > 8 ? 8 : wheel;
    screen_point(screen, display->pointer_row, display->pointer_column, (u32)words[2], (i32)wheel);
}

// What was typed before the driver had the line comes first, and so does what was said.
static enum status use_line(kwast_handle line) {
    take_typed(&self.consoles[0]);
    bool is_line = device_use_line(line);
    show_said(&self.consoles[0]);
    return is_line ? OK : ERR_INVALID;
}

static void serve_input(const struct kwast_request *request) {
    struct kwast_reply reply = {.number = request->number, .handle = KWAST_NO_HANDLE};
    bool is_line = request->operation == INPUT_LINE && request->handle_count == 1;
    if (is_line)
        reply.answer = use_line(request->handles[0]);
    for (u32 i = is_line; i < request->handle_count; i++)
        close((int)request->handles[i]);
    if (request->number == 0)
        return; // a driver has gone
    bool is_key = self.has_display && request->operation == INPUT_KEY;
    bool is_pointer = self.has_display && request->operation == INPUT_POINTER;
    if (is_key)
        take_key((u32)request->words[0], (u32)request->words[1]);
    else if (is_pointer)
        take_motion(request->words);
    else if (!is_line)
        reply.answer = ERR_UNSUPPORTED;
    kwast_scheme_reply(self.input, &reply);
}

// -- The loop -------------------------------------------------------------------------------------

// Serves what has come, and not for ever: there are others, and keys. `console` is NULL for input.
static void serve_all(kwast_handle server, struct console *console) {
    struct kwast_request request;
    static u8 bytes[KWAST_BYTES_MAX];
    for (u32 i = 0; i < SERVED_MAX; i++) {
        if (kwast_scheme_receive(server, &request, bytes, sizeof bytes, 0) != 0)
            return;
        if (console == NULL)
            serve_input(&request);
        else
            terminal_serve(&console->terminal, &request);
        draw();
    }
}

static void run(void) {
    struct pollfd events[CONSOLES_MAX + 1 + DEVICE_EVENTS_MAX];
    nfds_t own_count = 0;
    for (u32 i = 0; i < self.count; i++)
        events[own_count++] =
            (struct pollfd){.fd = (int)self.consoles[i].terminal.server, .events = POLLRDNORM};
    if (self.input != KWAST_NO_HANDLE)
        events[own_count++] = (struct pollfd){.fd = (int)self.input, .events = POLLRDNORM};
    while (poll(events, own_count + device_events(events + own_count), draw()) >= 0) {
        for (u32 i = 0; i < self.count; i++)
            serve_all(self.consoles[i].terminal.server, &self.consoles[i]);
        if (self.input != KWAST_NO_HANDLE)
            serve_all(self.input, NULL);
        show_said(&self.consoles[0]);
        take_typed(&self.consoles[0]);
    }
}

// -- The beginning --------------------------------------------------------------------------------

static u32 add_console(kwast_handle server) {
    struct console *console = &self.consoles[self.count];
    *console = (struct console){
        .terminal =
            {
                .server = server,
                .show = show,
                .context = console,
                .sizes = {[SOURCE_LINE] = {COLUMNS, ROWS}, [SOURCE_SCREEN] = {COLUMNS, ROWS}},
            },
        .is_on_device = self.count == 0,
    };
    self.count++;
    return terminal_init(&console->terminal);
}

// Descriptors; -1 is one that there is not on this machine.
static bool read_arguments(char **argument, kwast_handle *screen) {
    const struct {
        const char *name;
        kwast_handle *to;
    } options[] = {{"--screen", screen}, {"--input", &self.input}, {"--init", &self.init}};
    while (argument[0] != NULL) {
        u32 option = 0;
        while (option < COUNT_OF(options) && strcmp(argument[0], options[option].name) != 0)
            option++;
        if (option < COUNT_OF(options) && argument[1] != NULL) {
            *options[option].to = (kwast_handle)atoi(argument[1]);
            argument += 2;
        } else if (argument[0][0] != '-' && self.count < CONSOLES_MAX) {
            u32 error = add_console((kwast_handle)atoi(argument[0]));
            if (error != 0)
                fprintf(stderr, "console: %s: %s\n", argument[0], strerror((int)error));
            argument++;
        } else {
            return false;
        }
    }
    return self.count != 0;
}

int main(int, char **argv) {
    kwast_handle screen = KWAST_NO_HANDLE;
    self.input = KWAST_NO_HANDLE;
    self.init = KWAST_NO_HANDLE;
    if (!read_arguments(argv + 1, &screen)) {
        fprintf(stderr,
                "usage: console [--screen SCREEN] [--input INPUT] [--init INIT] SERVER...\n");
        return 2;
    }
    device_init();
    open_screen(screen);
    run();
    perror("console");
    return 1;
}
