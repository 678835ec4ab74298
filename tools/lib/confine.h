#pragma once
// Names below a directory that nothing leads out of: not "..", not an absolute path, not a symbolic
// link, and nothing that somebody changes while the name is looked up.
//
// Each function returns a status; *out is a descriptor that the caller closes. ERR_ESCAPES: the
// path would have led out.

#include "base/status.h"
#include "base/types.h"

#define CONFINE_NAME_MAX 255u

// How names are looked up: by openat2, which does all of it in Linux, or name by name. The first
// call finds out what this Linux has; tests choose.
enum confine_way { CONFINE_UNKNOWN, CONFINE_OPENAT2, CONFINE_BY_NAME };
void confine_choose(enum confine_way way);

// Opens `path` below `root`, with flags of open(2). A final symbolic link is followed, too, unless
// O_NOFOLLOW is among them. New files get `mode`.
MUST_USE enum status confine_open(int root, const char *path, int flags, u32 mode, int *out);

// Opens the directory that the last name of `path` is in, for system calls that take a directory
// and a name and do not follow the name itself. `name` has no slash. *slash: some followed it, so
// that it must be a directory. "." and ".." are no such names: ERR_INVALID.
MUST_USE enum status confine_parent(int root, const char *path, char name[CONFINE_NAME_MAX + 1],
                                    bool *slash, int *out);

// The status that an errno is.
enum status confine_status(int error);
