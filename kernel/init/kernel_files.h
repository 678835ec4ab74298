#pragma once
// What the kernel tells about itself, as a directory of files: processes, cpus, memory, log, trace.
// A file is made when it is opened, and stays as it was then. Lines of columns; the first line
// names them, each by one word. The trace is binary (abi/kwast/trace.h), and empty when there is
// none.

#include "kernel/ipc/object.h"

// The directory. It is one object that never goes: the reference is for show.
struct object *kernel_directory(void);

// The text of one of its files, on the heap: kfree(text->data, *size). ERR_NOT_FOUND,
// ERR_NO_MEMORY.
MUST_USE enum status kernel_file_text(struct bytes name, struct bytes *text, usize *size);
