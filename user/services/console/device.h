#pragma once
// The device that the first console is on: the kernel's console, or a serial driver's line while
// there is one (INPUT_LINE). What is shown while neither can be had, as a driver is being started
// again, is kept for a while.

#include <poll.h>

#include "user/sdk/kwast.h"

#define DEVICE_EVENTS_MAX 4u

// The kernel's console is to be read from descriptor 0 and written to descriptor 1; what others
// have said while a driver has the line is read from descriptor 2.
void device_init(void);

// Shows text; newlines become what a line wants.
void device_show(const char *text, usize len);

// Takes the handle of a driver's stream over. False: it is a terminal, or cannot be read without
// waiting, and is closed.
bool device_use_line(kwast_handle line);

// What to wait for; returns how many.
u32 device_events(struct pollfd *events);

// After that: tries to show what was kept. What was typed is read into `typed`; returns how much.
// *has_ended: there is nothing to come, ever.
usize device_read(char *typed, usize size, bool *has_ended);

// What was said by others, and is to be shown with the rest; returns how much.
usize device_read_said(char *text, usize size);
