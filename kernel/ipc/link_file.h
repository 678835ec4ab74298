#pragma once
// Directories and files of whoever started the machine: objects behind which is the file protocol
// (abi/kwast/file.h) over the link.

#include "kernel/ipc/object.h"

// The directory that the other side has opened as `root`, below FILE_ROOTS_MAX. Whether it did so
// shows at the first use. The caller owns a reference. ERR_NO_MEMORY.
MUST_USE enum status link_directory_create(u32 root, struct object **out);
