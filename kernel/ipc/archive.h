#pragma once
// The boot archive: a read-only file system made from a tar (ustar, with GNU long names and pax
// paths). File contents stay where they are: the tar's bytes must outlive the archive.

#include "kernel/ipc/object.h"

struct archive;

// Why a tar was refused.
struct archive_error {
    const char *why; // static
    u64 offset;      // of the header that is wrong, in the tar
};

// ERR_MALFORMED with *error filled in, or ERR_NO_MEMORY.
MUST_USE enum status archive_create(struct bytes tar, struct archive_error *error,
                                    struct archive **out);

// No object of it may be referenced any more.
void archive_destroy(struct archive *archive);

// The root directory; not a new reference.
struct object *archive_root(struct archive *archive);

// The bytes of a file of any archive, without copying; false when `object` is something else.
MUST_USE bool archive_file_bytes(struct object *object, struct bytes *out);
