// A terminal's requests: reading, writing, mode, size, foreground.
//
// A read waits until its channel is the one that reads, and something was typed; reads are answered
// in the order in which they came.

#include "user/services/console/terminal.h"

#include <string.h>
#include <unistd.h>

#include "abi/kwast/file.h"
#include "base/status.h"

#define DEVICE_INODE 1u
#define COLUMNS_MAX  1000u
#define ROWS_MAX     1000u

// -- Reading and writing --------------------------------------------------------------------------

// Who reads by the root is whoever reads at the time: the shell, or a program by its standard
// output.
static u64 reader_of(const struct terminal *terminal, u64 value) {
    return value == 0 ? terminal->reader : value;
}

static bool can_read(const struct terminal *terminal, u64 reader) {
    return reader == terminal->reader && line_is_ready(&terminal->line);
}

static void tell_channel(const struct terminal *terminal, struct channel *channel) {
    bool is_readable = can_read(terminal, reader_of(terminal, channel->value));
    u32 events = KWAST_WRITABLE | (is_readable ? KWAST_READABLE : 0);
    u64 available = is_readable ? line_available(&terminal->line) : 0;
    if (events == channel->events && available == channel->available)
        return;
    channel->events = events;
    channel->available = available;
    kwast_ready_set(channel->ready, events, available);
}

// Says what reads would find now: before any answer after which that may be something else.
static void tell(struct terminal *terminal) {
    for (u32 i = 0; i < CHANNELS_MAX; i++) {
        if (terminal->channels[i].is_open)
            tell_channel(terminal, &terminal->channels[i]);
    }
}

// Answers a read with what is ready. False: its client has gone, and what was typed is for the
// next.
static bool answer_read(struct terminal *terminal, const struct read *read,
                        struct kwast_reply *reply) {
    u8 bytes[LINE_BYTES];
    const struct line_place place = line_place(&terminal->line);
    u32 len =
        line_take(&terminal->line, bytes, read->room < sizeof bytes ? read->room : sizeof bytes);
    u32 error = len == 0 ? 0 : kwast_grant_write(terminal->server, read->number, 0, 0, bytes, len);
    if (error != 0)
        line_go_back(&terminal->line, &place);
    // Jobs see the end as often as they look. Who reads by the root is the shell, which goes; the
    // next one waits for somebody to type.
    if (len == 0 && read->room != 0 && read->reader == 0)
        line_open_again(&terminal->line);
    reply->answer = error == 0 ? OK : ERR_FAULT;
    reply->words[2] = error == 0 ? len : 0;
    return error != __WASI_ERRNO_CANCELED;
}

static void remove_read(struct terminal *terminal, u32 index) {
    terminal->read_count--;
    memmove(terminal->reads + index, terminal->reads + index + 1,
            (terminal->read_count - index) * sizeof terminal->reads[0]);
}

static void answer_waiting(struct terminal *terminal) {
    for (u32 i = 0; i < terminal->read_count;) {
        const struct read read = terminal->reads[i];
        struct kwast_reply reply = {.number = read.number, .handle = KWAST_NO_HANDLE};
        if (!can_read(terminal, read.reader)) {
            i++;
            continue;
        }
        bool is_there = answer_read(terminal, &read, &reply);
        if (!is_there) {
            i++; // serve_cancelled comes for it
            continue;
        }
        remove_read(terminal, i);
        tell(terminal);
        kwast_scheme_reply(terminal->server, &reply); // a client that has gone needs none
    }
}

static bool has_reader(const struct terminal *terminal, u64 reader) {
    for (u32 i = 0; i < terminal->read_count; i++) {
        if (terminal->reads[i].reader == reader)
            return true;
    }
    return false;
}

static bool serve_read(struct terminal *terminal, const struct kwast_request *request,
                       struct kwast_reply *reply) {
    const struct read read = {
        .number = request->number,
        .reader = reader_of(terminal, request->value),
        .room = request->grant_count == 0 ? 0 : request->grants[0].len,
    };
    if (can_read(terminal, read.reader) && !has_reader(terminal, read.reader) &&
        answer_read(terminal, &read, reply))
        return true;
    if (terminal->read_count == READS_MAX) {
        reply->answer = ERR_LIMIT;
        return true;
    }
    terminal->reads[terminal->read_count++] = read;
    return false;
}

// The client gave up; the reply that is still due goes nowhere.
static bool serve_cancelled(struct terminal *terminal, u64 number) {
    for (u32 i = 0; i < terminal->read_count; i++) {
        if (terminal->reads[i].number != number)
            continue;
        remove_read(terminal, i);
        answer_waiting(terminal); // one that came behind it
        return true;
    }
    return false;
}

static void serve_write(struct terminal *terminal, const struct kwast_request *request,
                        struct kwast_reply *reply) {
    static char text[FILE_DATA_MAX];
    u32 len = request->grant_count == 0 ? 0 : request->grants[0].len;
    if (len > sizeof text)
        len = sizeof text;
    if (kwast_grant_read(terminal->server, request->number, 0, 0, text, len) != 0)
        reply->answer = ERR_FAULT;
    else
        terminal->show(terminal->context, text, len);
    reply->words[0] = len;
}

static void serve_stat(struct terminal *terminal, const struct kwast_request *request,
                       struct kwast_reply *reply) {
    const struct file_stat stat = {
        .inode = DEVICE_INODE, .link_count = 1, .type = FILE_TYPE_CHARACTER_DEVICE};
    if (kwast_grant_write(terminal->server, request->number, 0, 0, &stat, sizeof stat) != 0)
        reply->answer = ERR_FAULT;
    reply->words[2] = sizeof stat;
}

// -- The terminal's own ---------------------------------------------------------------------------

static void kill_foreground(void *context) {
    struct terminal *terminal = context;
    terminal->is_interrupted = true;
    for (u32 i = 0; i < terminal->foreground_count; i++) {
        if (kwast_process_note(terminal->foreground[i], KWAST_NOTE_INTERRUPT, true) == 0)
            terminal->is_interrupted = false; // it has somebody who was told
    }
}

static void stop_foreground(void *context) {
    struct terminal *terminal = context;
    terminal->stops_next = terminal->foreground_count == 0;
    for (u32 i = 0; i < terminal->foreground_count; i++)
        kwast_process_stop(terminal->foreground[i], true);
}

// Takes the handles over.
static void set_foreground(struct terminal *terminal, const struct kwast_request *request) {
    terminal->reader = request->words[0] != 0 ? request->words[0] : request->value;
    for (u32 i = 0; i < terminal->foreground_count; i++)
        close((int)terminal->foreground[i]);
    memcpy(terminal->foreground, request->handles, sizeof terminal->foreground);
    terminal->foreground_count = request->handle_count;
    if (terminal->is_interrupted && terminal->foreground_count != 0)
        kill_foreground(terminal);
    if (terminal->stops_next && terminal->foreground_count != 0)
        stop_foreground(terminal);
    answer_waiting(terminal);
}

static u32 find_channel(const struct terminal *terminal, u64 value) {
    u32 i = 0;
    while (i < CHANNELS_MAX &&
           !(terminal->channels[i].is_open && terminal->channels[i].value == value))
        i++;
    return i;
}

static void add_channel(struct terminal *terminal, struct kwast_reply *reply) {
    u32 i = 0;
    while (i < CHANNELS_MAX && terminal->channels[i].is_open)
        i++;
    if (i == CHANNELS_MAX) {
        reply->answer = ERR_LIMIT;
        return;
    }
    struct channel *channel = &terminal->channels[i];
    *channel = (struct channel){.value = terminal->last_value + 1};
    if (kwast_scheme_pollable(terminal->server, channel->value, KWAST_KIND_TERMINAL, &reply->handle,
                              &channel->ready) != 0) {
        reply->handle = KWAST_NO_HANDLE;
        reply->answer = ERR_NO_MEMORY;
        return;
    }
    channel->is_open = true;
    terminal->last_value++;
    reply->words[0] = channel->value;
}

// Nobody has the channel any more.
static void close_channel(struct terminal *terminal, u64 value) {
    u32 i = find_channel(terminal, value);
    if (i == 0 || i == CHANNELS_MAX)
        return;
    close((int)terminal->channels[i].ready);
    terminal->channels[i].is_open = false;
    if (terminal->reader == value)
        terminal->reader = 0; // until somebody says who reads
    answer_waiting(terminal);
}

static void set_mode(struct terminal *terminal, u64 mode) {
    line_set_mode(&terminal->line, mode & TERMINAL_COOKED);
    answer_waiting(terminal);
}

// A screen is as large as it is; only of a line nobody can know.
static enum status set_size(struct terminal *terminal, u64 columns, u64 rows) {
    if (columns == 0 || rows == 0 || columns > COLUMNS_MAX || rows > ROWS_MAX)
        return ERR_INVALID;
    if (terminal->source == SOURCE_SCREEN)
        return ERR_UNSUPPORTED;
    terminal->sizes[SOURCE_LINE] = (struct terminal_size){(u32)columns, (u32)rows};
    return OK;
}

static void serve_own(struct terminal *terminal, const struct kwast_request *request,
                      struct kwast_reply *reply) {
    switch (request->operation) {
    case TERMINAL_GET_MODE:
        reply->words[0] = terminal->line.mode;
        break;
    case TERMINAL_SET_MODE:
        set_mode(terminal, request->words[0]);
        break;
    case TERMINAL_GET_SIZE:
        reply->words[0] = terminal->sizes[terminal->source].columns;
        reply->words[1] = terminal->sizes[terminal->source].rows;
        reply->words[2] = terminal->cursor.is_in_line;
        break;
    case TERMINAL_SET_SIZE:
        reply->answer = set_size(terminal, request->words[0], request->words[1]);
        break;
    case TERMINAL_TAKE_INTERRUPT:
        reply->words[0] = terminal->is_interrupted;
        terminal->is_interrupted = false;
        terminal->stops_next = false;
        break;
    case TERMINAL_ADD_CHANNEL:
        add_channel(terminal, reply);
        break;
    case TERMINAL_STOP:
        stop_foreground(terminal);
        break;
    default:
        reply->answer = ERR_UNSUPPORTED;
    }
}

// -- All of it ------------------------------------------------------------------------------------

static bool serve(struct terminal *terminal, const struct kwast_request *request,
                  struct kwast_reply *reply) {
    if (request->operation == TERMINAL_SET_FOREGROUND) {
        set_foreground(terminal, request);
        return true;
    }
    for (u32 i = 0; i < request->handle_count; i++)
        close((int)request->handles[i]);
    switch (request->operation) {
    case KWAST_CANCELLED:
        return serve_cancelled(terminal, request->number);
    case KWAST_CLOSED:
        close_channel(terminal, request->value);
        return false;
    case KWAST_FILE_OPERATION + FILE_READ:
        return serve_read(terminal, request, reply);
    case KWAST_FILE_OPERATION + FILE_WRITE:
        serve_write(terminal, request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_STAT:
        serve_stat(terminal, request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_SYNC:
        return true;
    default:
        serve_own(terminal, request, reply);
        return true;
    }
}

void terminal_serve(struct terminal *terminal, const struct kwast_request *request) {
    struct kwast_reply reply = {.number = request->number, .handle = KWAST_NO_HANDLE};
    bool is_due = serve(terminal, request, &reply) && request->number != 0;
    tell(terminal);
    if (is_due)
        kwast_scheme_reply(terminal->server, &reply);
}

static void echo(void *context, const char *text, usize len) {
    struct terminal *terminal = context;
    terminal->show(terminal->context, text, len);
}

u32 terminal_init(struct terminal *terminal) {
    terminal->line = (struct line){
        .mode = TERMINAL_COOKED,
        .echo = echo,
        .interrupt = kill_foreground,
        .stop = stop_foreground,
        .context = terminal,
    };
    struct channel *root = &terminal->channels[0];
    u32 error = kwast_scheme_root_ready(terminal->server, &root->ready);
    root->is_open = true;
    if (error == 0)
        tell(terminal);
    return error;
}

void terminal_type(struct terminal *terminal, enum source source, const char *bytes, usize len) {
    terminal->source = source;
    for (usize i = 0; i < len; i++)
        line_type(&terminal->line, (u8)bytes[i]);
    answer_waiting(terminal);
    tell(terminal);
}

void terminal_hang_up(struct terminal *terminal) {
    line_hang_up(&terminal->line);
    answer_waiting(terminal);
    tell(terminal);
}
