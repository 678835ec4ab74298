#pragma once
// A file system in memory.

#include "user/sdk/file_system.h"

// NULL: there is no memory. `limit` bounds what is in it, in bytes: contents, names and nodes.
struct file_system *tmpfs_create(u64 limit);
