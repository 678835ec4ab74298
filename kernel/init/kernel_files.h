#pragma once
// What the kernel tells about itself, as a directory of files: clock, processes, cpus, memory, log,
// trace.
// A file is made when it is opened, and stays as it was then. Lines of columns; the first line
// names them, each by one word. The trace is binary (abi/kwast/trace.h), and empty when there is
// none. The clock is a line "SECONDS.NANOSECONDS", since 1970; writing such a line, all of it at
// once, sets the time of day. Who may: whoever can open it to be written, by the rights that the
// directory's handle hands down.

#include "kernel/ipc/object.h"

// The directory. It is one object that never goes: the reference is for show.
struct object *kernel_directory(void);

// The text of one of its files, on the heap: kfree(text->data, *size). ERR_NOT_FOUND,
// ERR_NO_MEMORY.
MUST_USE enum status kernel_file_text(struct bytes name, struct bytes *text, usize *size);
