#pragma once
// What the kernel and services say to people, on the console, whoever has that.

#include "kernel/ipc/object.h"

void messages_init(void);

// Shows text on the console, or keeps it for who has the console's line. Any context. Without
// messages_wake, which takes the locks of a queue, readers may learn of it later.
void messages_say(const char *text, usize len);
void messages_wake(void);

// The same for any amount, in pieces of whole lines where there are such. Thread context.
void messages_say_lines(const char *text, usize len);

// The console may have its line again: shows what was kept. Thread context.
void messages_show(void);

// What is written to it is said; what is read from it was kept. Not a new reference. It lives for
// good.
struct object *messages_stream(void);
