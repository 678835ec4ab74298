// console: the terminal on the machine's console.
//
//   console SERVER
//
// serves the scheme whose server end is descriptor SERVER: its root is the terminal, whoever opens
// it. Descriptors 0 and 1 are the console as a device.
//
// A read waits until something was typed for it; reads are answered in the order in which they
// came.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/file.h"
#include "base/status.h"
#include "user/sdk/kwast.h"
#include "user/services/console/line.h"

#define READS_MAX    64u
#define COLUMNS      80u
#define ROWS         25u
#define DEVICE_IN    0
#define DEVICE_OUT   1
#define DEVICE_INODE 1u

struct read {
    u64 number;
    u32 room;
};

struct console {
    kwast_handle server;
    kwast_handle ready; // what poll knows, with what was told last
    u32 events;
    u64 available;
    struct line line;
    struct read reads[READS_MAX]; // that wait, in order
    u32 read_count;
    kwast_handle foreground[KWAST_HANDLES_MAX];
    u32 foreground_count;
    u64 columns;
    u64 rows;
};

// -- The device -----------------------------------------------------------------------------------

static void show(void *context, const char *text, usize len) {
    (void)context;
    while (len != 0) {
        ssize_t put = write(DEVICE_OUT, text, len);
        if (put <= 0)
            return; // there is nobody to tell
        text += put;
        len -= (usize)put;
    }
}

static void kill_foreground(void *context) {
    struct console *console = context;
    for (u32 i = 0; i < console->foreground_count; i++)
        kwast_process_kill_tree(console->foreground[i]);
}

// False: the device has ended.
static bool take_typed(struct console *console) {
    u8 typed[256];
    ssize_t got = read(DEVICE_IN, typed, sizeof typed);
    for (ssize_t i = 0; i < got; i++)
        line_type(&console->line, typed[i]);
    if (got <= 0)
        line_hang_up(&console->line);
    return got > 0;
}

// -- Reading and writing --------------------------------------------------------------------------

// Says what a read would find now: before any answer after which that may be something else.
static void tell(struct console *console) {
    u32 events = KWAST_WRITABLE | (line_is_ready(&console->line) ? KWAST_READABLE : 0);
    u64 available = line_available(&console->line);
    if (events == console->events && available == console->available)
        return;
    console->events = events;
    console->available = available;
    kwast_ready_set(console->ready, events, available);
}

// Answers a read with what is ready.
static void answer_read(struct console *console, const struct read *read,
                        struct kwast_reply *reply) {
    u8 bytes[LINE_BYTES];
    u32 len =
        line_take(&console->line, bytes, read->room < sizeof bytes ? read->room : sizeof bytes);
    reply->answer = OK;
    if (len != 0 && kwast_grant_write(console->server, read->number, 0, 0, bytes, len) != 0)
        reply->answer = ERR_FAULT;
    reply->words[2] = len;
}

static void answer_waiting(struct console *console) {
    while (console->read_count != 0 && line_is_ready(&console->line)) {
        const struct read read = console->reads[0];
        struct kwast_reply reply = {.number = read.number, .handle = KWAST_NO_HANDLE};
        answer_read(console, &read, &reply);
        console->read_count--;
        memmove(console->reads, console->reads + 1, console->read_count * sizeof read);
        tell(console);
        kwast_scheme_reply(console->server, &reply); // a client that has gone needs none
    }
}

static bool serve_read(struct console *console, const struct kwast_request *request,
                       struct kwast_reply *reply) {
    const struct read read = {request->number,
                              request->grant_count == 0 ? 0 : request->grants[0].len};
    if (console->read_count == 0 && line_is_ready(&console->line)) {
        answer_read(console, &read, reply);
        return true;
    }
    if (console->read_count == READS_MAX) {
        reply->answer = ERR_LIMIT;
        return true;
    }
    console->reads[console->read_count++] = read;
    return false;
}

// The client gave up; the reply that is still due goes nowhere.
static bool serve_cancelled(struct console *console, u64 number) {
    for (u32 i = 0; i < console->read_count; i++) {
        if (console->reads[i].number != number)
            continue;
        console->read_count--;
        memmove(console->reads + i, console->reads + i + 1,
                (console->read_count - i) * sizeof console->reads[0]);
        return true;
    }
    return false;
}

static void serve_write(struct console *console, const struct kwast_request *request,
                        struct kwast_reply *reply) {
    static char text[FILE_DATA_MAX];
    u32 len = request->grant_count == 0 ? 0 : request->grants[0].len;
    if (len > sizeof text)
        len = sizeof text;
    if (kwast_grant_read(console->server, request->number, 0, 0, text, len) != 0)
        reply->answer = ERR_FAULT;
    else
        show(console, text, len);
    reply->words[0] = len;
}

static void serve_stat(struct console *console, const struct kwast_request *request,
                       struct kwast_reply *reply) {
    const struct file_stat stat = {
        .inode = DEVICE_INODE, .link_count = 1, .type = FILE_TYPE_CHARACTER_DEVICE};
    if (kwast_grant_write(console->server, request->number, 0, 0, &stat, sizeof stat) != 0)
        reply->answer = ERR_FAULT;
    reply->words[2] = sizeof stat;
}

// -- The terminal's own ---------------------------------------------------------------------------

// Takes the handles over.
static void set_foreground(struct console *console, const struct kwast_request *request) {
    for (u32 i = 0; i < console->foreground_count; i++)
        close((int)console->foreground[i]);
    memcpy(console->foreground, request->handles, sizeof console->foreground);
    console->foreground_count = request->handle_count;
}

static void set_mode(struct console *console, u64 mode) {
    line_set_mode(&console->line, mode & TERMINAL_COOKED);
    answer_waiting(console);
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    struct console *console = context;
    (void)bytes;
    if (request->operation == TERMINAL_SET_FOREGROUND) {
        set_foreground(console, request);
        return true;
    }
    for (u32 i = 0; i < request->handle_count; i++)
        close((int)request->handles[i]);
    switch (request->operation) {
    case KWAST_CANCELLED:
        return serve_cancelled(console, request->number);
    case KWAST_CLOSED:
        return false;
    case KWAST_FILE_OPERATION + FILE_READ:
        return serve_read(console, request, reply);
    case KWAST_FILE_OPERATION + FILE_WRITE:
        serve_write(console, request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_STAT:
        serve_stat(console, request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_SYNC:
        return true;
    case TERMINAL_GET_MODE:
        reply->words[0] = console->line.mode;
        return true;
    case TERMINAL_SET_MODE:
        set_mode(console, request->words[0]);
        return true;
    case TERMINAL_GET_SIZE:
        reply->words[0] = console->columns;
        reply->words[1] = console->rows;
        return true;
    case TERMINAL_SET_SIZE:
        console->columns = request->words[0];
        console->rows = request->words[1];
        return true;
    default:
        reply->answer = ERR_UNSUPPORTED;
        return true;
    }
}

// -- The loop -------------------------------------------------------------------------------------

// Serves all that has come.
static void serve_all(struct console *console) {
    struct kwast_request request;
    static u8 bytes[KWAST_BYTES_MAX];
    while (kwast_scheme_receive(console->server, &request, bytes, sizeof bytes, 0) == 0) {
        struct kwast_reply reply = {.number = request.number, .handle = KWAST_NO_HANDLE};
        bool is_due = serve(console, &request, bytes, &reply) && request.number != 0;
        tell(console);
        if (is_due)
            kwast_scheme_reply(console->server, &reply);
    }
}

int main(int argc, char **argv) {
    static struct console console = {.columns = COLUMNS, .rows = ROWS};
    if (argc != 2) {
        fprintf(stderr, "usage: console SERVER\n");
        return 2;
    }
    console.server = (kwast_handle)atoi(argv[1]);
    console.line = (struct line){
        .mode = TERMINAL_COOKED,
        .echo = show,
        .interrupt = kill_foreground,
        .context = &console,
    };
    u32 error = kwast_scheme_root_ready(console.server, &console.ready);
    if (error != 0) {
        fprintf(stderr, "console: %s\n", strerror((int)error));
        return 1;
    }
    tell(&console);
    struct pollfd events[] = {{.fd = (int)console.server, .events = POLLRDNORM},
                              {.fd = DEVICE_IN, .events = POLLRDNORM}};
    for (nfds_t count = COUNT_OF(events); poll(events, count, -1) >= 0;) {
        serve_all(&console);
        if (count > 1 && events[1].revents != 0 && !take_typed(&console))
            count = 1; // the device has ended
        answer_waiting(&console);
        tell(&console);
    }
    perror("console");
    return 1;
}
