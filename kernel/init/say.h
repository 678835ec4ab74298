#pragma once
// The kernel's own words on the console, and starting programs there.

#include "kernel/init/init.h"

#define KWAST_VERSION "0.1"

void say(const char *format, ...) PRINTF_LIKE(1, 2);
void say_outcome(const struct process *process);

// Starts a program of the archive on the console, with the whole archive preopened as "/". What
// goes wrong is said. The caller owns a reference.
MUST_USE enum status program_start(const struct boot_state *boot, struct bytes path,
                                   const struct bytes *args, u32 arg_count, struct process **out);
