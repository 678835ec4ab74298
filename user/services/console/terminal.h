#pragma once
// What a program has as its terminal: a line discipline, reads that wait, the processes in the
// foreground, and a size. Knows nothing of what shows it.

#include "user/sdk/kwast.h"
#include "user/services/console/cursor.h"
#include "user/services/console/line.h"

#define READS_MAX    64u
#define CHANNELS_MAX 32u

struct read {
    u64 number;
    u64 reader; // the channel by which it came
    u32 room;
};

// A way to the terminal that somebody has, and what poll knows of it.
struct channel {
    u64 value; // 0: the root
    bool is_open;
    kwast_handle ready;
    u32 events; // as was told last
    u64 available;
};

// Where keys come from: the size is that of the side on which somebody typed last.
enum source { SOURCE_LINE, SOURCE_SCREEN, SOURCE_COUNT };

struct terminal_size {
    u32 columns;
    u32 rows;
};

struct terminal {
    kwast_handle server;
    void (*show)(void *context, const char *text, usize len);
    void *context;
    struct terminal_size sizes[SOURCE_COUNT];
    enum source source;

    struct cursor cursor; // told by whoever shows something

    struct channel channels[CHANNELS_MAX]; // the first one is the root
    u64 last_value;
    u64 reader; // the channel whose reads are answered

    struct line line;
    struct read reads[READS_MAX]; // that wait, in order
    u32 read_count;
    kwast_handle foreground[KWAST_HANDLES_MAX];
    u32 foreground_count;
    bool is_interrupted; // by Ctrl-C, and nobody has asked since
    bool stops_next;     // Ctrl-Z was pressed, and nobody was in the foreground
};

// The fields of the first group are set already. Returns an error number of WASI, or 0.
u32 terminal_init(struct terminal *terminal);

// Answers one request, now or later.
void terminal_serve(struct terminal *terminal, const struct kwast_request *request);

// What somebody typed, and that nothing will be typed any more. Waiting reads are answered.
void terminal_type(struct terminal *terminal, enum source source, const char *bytes, usize len);
void terminal_hang_up(struct terminal *terminal);
