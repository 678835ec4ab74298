// serial: the driver of serial lines, 16550s where PCs have them.
//
//   serial SERVER SPEED CONSOLE [PORTS INTERRUPT]...
//
// serves the scheme whose server end is descriptor SERVER: a directory with 0, 1 and so on for
// those PORTS that have a 16550 behind them, COM1 first. What is written goes out as it is, at
// SPEED bits per second, 8N1; what comes in can be read. Two lines may share an interrupt.
//
// The first line, if it is there, is offered to the console service (INPUT_LINE of
// abi/kwast/input.h) on the channel CONSOLE, and once more whenever that one has given it up. It
// cannot be opened meanwhile. -1 is what this machine does not have. Without any line, or where
// interrupts do not come, the driver ends, and the kernel's console has its line again.

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/input.h"
#include "user/sdk/streams.h"
#include "user/services/serial/uart.h"

#define LINES_MAX   8u
#define NAME_BYTES  4u
#define ROUNDS_MAX  10000u // a line that asks more often at a time is broken
#define TAKEN_BYTES 256u
#define ROOM_LOW    1024u // with less than that nothing is taken any more
#define ROOM_HIGH   (STREAM_RECEIVED_MAX / 2)
#define OFFER_NS    1000000000ll

struct line {
    struct uart uart;
    struct stream stream;
    kwast_handle ports;
    kwast_handle interrupt;
    char name[NAME_BYTES];
    bool is_full;
};

static struct {
    struct stream_set streams;
    struct line lines[LINES_MAX];
    u32 count;
    kwast_handle console;
    bool has_first; // the first of PORTS is there
} self;

static struct line *line_of(struct stream *stream) {
    return (struct line *)(void *)((u8 *)stream - offsetof(struct line, stream));
}

static u8 read_register(struct uart *uart, u32 number) {
    u32 value = UINT8_MAX;
    kwast_port_in(((struct line *)(void *)uart)->ports, number, 1, &value);
    return (u8)value;
}

static void write_register(struct uart *uart, u32 number, u8 value) {
    kwast_port_out(((struct line *)(void *)uart)->ports, number, 1, value);
}

// -- Bytes ----------------------------------------------------------------------------------------

static u32 send(struct stream *stream, const u8 *bytes, u32 len) {
    return uart_put(&line_of(stream)->uart, bytes, len);
}

// What nobody reads stays where it is, and the other side is told.
static void take_received(struct line *line) {
    u8 bytes[TAKEN_BYTES];
    u32 count = sizeof bytes;
    while (!line->is_full && count == sizeof bytes) {
        count = uart_take(&line->uart, bytes, sizeof bytes);
        if (count != 0)
            stream_receive(&line->stream, bytes, count);
        line->is_full = stream_room(&line->stream) < ROOM_LOW;
        if (line->is_full)
            uart_receive(&line->uart, false);
    }
}

static void resume(struct stream *stream) {
    struct line *line = line_of(stream);
    if (!line->is_full || stream_room(stream) < ROOM_HIGH)
        return;
    line->is_full = false;
    uart_receive(&line->uart, true);
}

static bool serve_line(struct line *line) {
    bool has_asked = uart_has_asked(&line->uart);
    take_received(line);
    if (line->stream.writes.count != 0) {
        stream_can_send(&line->stream);
        if (line->stream.writes.count == 0)
            uart_is_done(&line->uart);
    }
    return has_asked;
}

// Until none of them asks for anything: before that no interrupt may come.
static void serve_lines(void) {
    bool any = true;
    for (u32 round = 0; any; round++) {
        any = false;
        for (u32 i = 0; i < self.count; i++)
            any |= serve_line(&self.lines[i]);
        if (round == ROUNDS_MAX) {
            fprintf(stderr, "serial: a line asks for ever\n");
            exit(1);
        }
    }
}

// -- The console ----------------------------------------------------------------------------------

// When the handle is closed again, whoever had it or nobody, the next offer follows. Meanwhile a
// console that does not answer holds up the other lines for a second at a time.
static void offer(void) {
    struct stream *stream = &self.lines[0].stream;
    u32 handle;
    if (!self.has_first || self.console == KWAST_NO_HANDLE || stream_is_lent(stream))
        return;
    u32 error = stream_lend(stream, &handle);
    if (error != 0) {
        fprintf(stderr, "serial: %s\n", strerror((int)error));
        exit(1);
    }
    struct kwast_call call = {
        .operation = INPUT_LINE, .handles = (u32)(uptr)&handle, .handle_count = 1};
    error = kwast_scheme_call(self.console, &call, OFFER_NS);
    close((int)handle);
    if (error == EPIPE || (error == 0 && call.answer != OK)) {
        fprintf(stderr, "serial: the console does not take its line\n");
        self.console = KWAST_NO_HANDLE;
    }
}

// -- The loop -------------------------------------------------------------------------------------

static void run(void) {
    struct pollfd events[LINES_MAX + 1];
    nfds_t count = 0;
    events[count++] = (struct pollfd){.fd = (int)self.streams.server, .events = POLLRDNORM};
    for (u32 i = 0; i < self.count; i++) {
        events[count++] = (struct pollfd){.fd = (int)self.lines[i].interrupt, .events = POLLRDNORM};
    }
    do {
        for (u32 i = 0; i < self.count; i++) {
            u64 times;
            kwast_interrupt_take(self.lines[i].interrupt, 0, &times); // whether it came or not
        }
        serve_lines();
        stream_set_serve(&self.streams);
        offer();
    } while (poll(events, count, -1) >= 0);
}

// -- The beginning --------------------------------------------------------------------------------

static void add_line(kwast_handle ports, kwast_handle interrupt, u32 speed) {
    struct line *line = &self.lines[self.count];
    *line = (struct line){
        .uart = {.read = read_register, .write = write_register},
        .stream = {.name = line->name, .send = send, .resume = resume},
        .ports = ports,
        .interrupt = interrupt,
    };
    if (ports == KWAST_NO_HANDLE || interrupt == KWAST_NO_HANDLE || !uart_is_there(&line->uart))
        return;
    snprintf(line->name, sizeof line->name, "%u", self.count);
    u32 error = stream_set_add(&self.streams, &line->stream);
    if (error != 0) {
        fprintf(stderr, "serial: line %s: %s\n", line->name, strerror((int)error));
        exit(1);
    }
    uart_start(&line->uart, speed);
    self.count++;
}

int main(int argc, char **argv) {
    u32 speed = argc > 2 ? (u32)atoi(argv[2]) : 0;
    if (argc < 4 || argc % 2 != 0 || argc > 4 + 2 * (int)LINES_MAX || speed == 0 ||
        UART_SPEED_MAX % speed != 0) {
        fprintf(stderr, "usage: serial SERVER SPEED CONSOLE [PORTS INTERRUPT]...\n");
        return 2;
    }
    stream_set_init(&self.streams, (kwast_handle)atoi(argv[1]));
    self.console = (kwast_handle)atoi(argv[3]);
    for (int i = 4; i < argc; i += 2) {
        add_line((kwast_handle)atoi(argv[i]), (kwast_handle)atoi(argv[i + 1]), speed);
        self.has_first |= i == 4 && self.count == 1;
    }
    if (self.count == 0)
        return 0; // there is nothing to drive, or nobody would tell of it
    run();
    perror("serial");
    return 1;
}
