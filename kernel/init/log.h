#pragma once
// The kernel's log: what the kernel itself has to say, never mixed into a program's output. Lines
// go to the console, are kept in a ring, and reach the link as LINK_LOG frames.

#include "base/types.h"

enum log_level : u8 { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_init(void);

// Lines above this level are kept but not printed on the console.
void log_console_level(enum log_level level);
void log_console_off(void);

// Writes one line, without newline. Any context.
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

// Sends what is new to the link. Thread context.
void log_flush_to_link(void);

// Copies the newest text of the ring; returns its length. Any context.
usize log_read(char *out, usize size);
