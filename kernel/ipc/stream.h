#pragma once
// The streams behind descriptors 0 to 2: the console's, and those of the link.

#include "kernel/ipc/object.h"

// Starts the console's line discipline; `interrupt` is called, from an interrupt, for Ctrl-C.
void console_init(void (*interrupt)(void));

// The console, as one object for reading and writing; not a new reference. It lives for good.
struct object *console_stream(void);

// The console, from now on as a device for a program that is the terminal: typed bytes are read as
// they come, without echo, and Ctrl-C is one of them. While a driver has the console's line,
// writing is ERR_BUSY, and it is not writable to poll. Not a new reference.
struct object *console_device(void);

// A program has given back ranges or ports: they may have been the console's. Thread context.
void console_returned(void);

// The port's interrupt: something was typed. Any context.
void console_interrupt(void);

// The link's streams; not new references. They live for good.
struct object *link_stdin_stream(void);
struct object *link_stdout_stream(void);
struct object *link_stderr_stream(void);
