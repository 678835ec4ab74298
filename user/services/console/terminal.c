// A terminal's requests: reading, writing, mode, size, foreground.
//
// A read waits until something was typed for it; reads are answered in the order in which they
// came.

#include "user/services/console/terminal.h"

#include <string.h>
#include <unistd.h>

#include "abi/kwast/file.h"
#include "base/status.h"

#define DEVICE_INODE 1u
#define COLUMNS_MAX  1000u
#define ROWS_MAX     1000u

// -- Reading and writing --------------------------------------------------------------------------

// Says what a read would find now: before any answer after which that may be something else.
static void tell(struct terminal *terminal) {
    u32 events = KWAST_WRITABLE | (line_is_ready(&terminal->line) ? KWAST_READABLE : 0);
    u64 available = line_available(&terminal->line);
    if (events == terminal->events && available == terminal->available)
        return;
    terminal->events = events;
    terminal->available = available;
    kwast_ready_set(terminal->ready, events, available);
}

// Answers a read with what is ready.
static void answer_read(struct terminal *terminal, const struct read *read,
                        struct kwast_reply *reply) {
    u8 bytes[LINE_BYTES];
    u32 len =
        line_take(&terminal->line, bytes, read->room < sizeof bytes ? read->room : sizeof bytes);
    reply->answer = OK;
    if (len != 0 && kwast_grant_write(terminal->server, read->number, 0, 0, bytes, len) != 0)
        reply->answer = ERR_FAULT;
    reply->words[2] = len;
}

static void answer_waiting(struct terminal *terminal) {
    while (terminal->read_count != 0 && line_is_ready(&terminal->line)) {
        const struct read read = terminal->reads[0];
        struct kwast_reply reply = {.number = read.number, .handle = KWAST_NO_HANDLE};
        answer_read(terminal, &read, &reply);
        terminal->read_count--;
        memmove(terminal->reads, terminal->reads + 1, terminal->read_count * sizeof read);
        tell(terminal);
        kwast_scheme_reply(terminal->server, &reply); // a client that has gone needs none
    }
}

static bool serve_read(struct terminal *terminal, const struct kwast_request *request,
                       struct kwast_reply *reply) {
    const struct read read = {request->number,
                              request->grant_count == 0 ? 0 : request->grants[0].len};
    if (terminal->read_count == 0 && line_is_ready(&terminal->line)) {
        answer_read(terminal, &read, reply);
        return true;
    }
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
        terminal->read_count--;
        memmove(terminal->reads + i, terminal->reads + i + 1,
                (terminal->read_count - i) * sizeof terminal->reads[0]);
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
    for (u32 i = 0; i < terminal->foreground_count; i++)
        kwast_process_kill_tree(terminal->foreground[i]);
}

// Takes the handles over.
static void set_foreground(struct terminal *terminal, const struct kwast_request *request) {
    for (u32 i = 0; i < terminal->foreground_count; i++)
        close((int)terminal->foreground[i]);
    memcpy(terminal->foreground, request->handles, sizeof terminal->foreground);
    terminal->foreground_count = request->handle_count;
    if (terminal->is_interrupted && terminal->foreground_count != 0)
        kill_foreground(terminal);
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
        break;
    case TERMINAL_SET_SIZE:
        reply->answer = set_size(terminal, request->words[0], request->words[1]);
        break;
    case TERMINAL_TAKE_INTERRUPT:
        reply->words[0] = terminal->is_interrupted;
        terminal->is_interrupted = false;
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
        .context = terminal,
    };
    u32 error = kwast_scheme_root_ready(terminal->server, &terminal->ready);
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
