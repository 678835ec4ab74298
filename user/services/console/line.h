#pragma once
// The line discipline: what becomes of typed bytes before a program reads them.

#include "abi/kwast/terminal.h"
#include "base/string.h"

#define LINE_BYTES  4096u
#define READY_BYTES 16384u
#define LINE_ENDS   64u

struct line {
    u64 mode; // enum terminal_mode
    void (*echo)(void *context, const char *text, usize len);
    void (*interrupt)(void *context); // Ctrl-C
    void (*stop)(void *context);      // Ctrl-Z
    void *context;

    u8 edited[LINE_BYTES]; // not ended yet
    u32 edited_len;
    bool is_literal; // Ctrl-V: the next byte is taken as it is

    u8 ready[READY_BYTES]; // a ring: [taken, put), modulo the size
    u32 taken;
    u32 put;
    u32 ends[LINE_ENDS]; // places in the ring at which a read ends: ends of lines, of the file
    u32 end_count;
    bool is_at_end; // nothing will be typed any more
};

// Where reading stands.
struct line_place {
    u32 taken;
    u32 ends[LINE_ENDS];
    u32 end_count;
};

void line_type(struct line *line, u8 byte);

// Nothing that was typed is lost: a line that is being edited can be read as it is when lines end
// to be edited, and what nobody has read by the time that they begin to be is edited.
void line_set_mode(struct line *line, u64 mode);

// Nothing will be typed any more: whoever has read what there is reads the end of the file, in
// every mode.
void line_hang_up(struct line *line);

// Something may be typed again.
void line_open_again(struct line *line);

// Whether a read would return at once.
bool line_is_ready(const struct line *line);

// How many bytes it would find.
u32 line_available(const struct line *line);

// Takes up to `size` bytes, of one line where there are lines. 0: the end of the file, once, unless
// nothing will be typed any more.
u32 line_take(struct line *line, u8 *to, u32 size);

// Where reading stands, and going back there: nothing was typed meanwhile, and no mode set.
struct line_place line_place(const struct line *line);
void line_go_back(struct line *line, const struct line_place *place);
