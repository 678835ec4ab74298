#pragma once
// What is asked of a terminal beyond reading and writing: calls (abi/kwast/calls.h) on a channel of
// kind KWAST_KIND_TERMINAL. An answer is an enum status.
//
// A terminal reads lines: what is typed is echoed and can be edited until the line ends. Ctrl-C,
// where it is a signal, drops the line and gives KWAST_NOTE_INTERRUPT to the processes in the
// foreground with all that they have started, which kills who does not take or ignore it. When none
// of them lives any more, who comes to the foreground next is told, unless somebody takes the
// interrupt before. Ctrl-Z has them stand still; if nobody is in the foreground, then who comes
// there next, unless the interrupt is taken before. Ctrl-D ends the line as it is; on an empty line
// that is the end of the file. In raw mode, with all flags off, a program reads what is typed as it
// comes.

// A shell asks for a channel for each job, and gives that to it as its input. Only reads
// through the channel that is in the foreground are answered, the others wait: so what is typed is
// never read by a job in the background, or by one that stands still. Reads through the root are
// those of whoever is in the foreground.

#include "abi/kwast/calls.h"

enum terminal_op : u32 {
    TERMINAL_GET_MODE = KWAST_FIRST_OPERATION, // answers words[0] = enum terminal_mode
    TERMINAL_SET_MODE,                         // words[0]
    TERMINAL_GET_SIZE,       // answers words[0] = columns, words[1] = rows, words[2] = whether the
                             // cursor is behind something that was written
    TERMINAL_SET_SIZE,       // likewise, for a line that cannot tell
    TERMINAL_SET_FOREGROUND, // handles of processes that Ctrl-C kills; none: nobody. words[0]: who
                             // reads from now on, by TERMINAL_ADD_CHANNEL; 0: this channel
    TERMINAL_TAKE_INTERRUPT, // answers words[0] = whether there was a Ctrl-C that nobody was told
    TERMINAL_ADD_CHANNEL,    // answers a channel to this terminal, and words[0] = what it is called
    TERMINAL_STOP,           // does what Ctrl-Z does
};

enum terminal_mode : u64 {
    TERMINAL_LINES = 1 << 0,   // edited lines; otherwise single bytes
    TERMINAL_ECHO = 1 << 1,    // what is typed is shown
    TERMINAL_SIGNALS = 1 << 2, // Ctrl-C and Ctrl-Z are not read
    TERMINAL_RETURNS = 1 << 3, // a carriage return that is typed is read as a newline
};
#define TERMINAL_COOKED (TERMINAL_LINES | TERMINAL_ECHO | TERMINAL_SIGNALS | TERMINAL_RETURNS)
