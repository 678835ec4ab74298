#pragma once
// What the copies of a file's handle share, in one process or in several: the position, and the
// flags. Streams and directories have no position, and no such record.
//
// A position is taken for as long as a read, a write or a seek is under way, so that whoever shares
// it moves on one after the other, and each byte goes to one of them.

#include "base/status.h"
#include "base/types.h"

struct open_file;

// At position 0. NULL: no memory.
struct open_file *open_file_create(u16 flags);
void open_file_retain(struct open_file *file);
void open_file_release(struct open_file *file); // NULL is fine

// Waits until nobody else has the position, and takes it. ERR_KILLED.
MUST_USE enum status open_file_take(struct open_file *file, u64 *position);
void open_file_put_back(struct open_file *file, u64 position); // changed or not

// As it was last put back.
u64 open_file_position(const struct open_file *file);

u16 open_file_flags(const struct open_file *file);
void open_file_set_flags(struct open_file *file, u16 flags);
