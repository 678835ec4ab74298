#pragma once
// A file system in memory.

#include "user/sdk/file_system.h"
#include "user/services/tmpfs/stock.h"

// NULL: there is no memory, or what was kept there is no file system of this size. `limit` bounds
// what is in it, in bytes: contents, names and nodes; `source` has room for stock_size_for of that.
// What a former process left in it is there again, as its completed operations made it.
struct file_system *tmpfs_create(u64 limit, const struct stock_source *source);
