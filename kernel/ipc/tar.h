#pragma once
// Reads a tar entry by entry. The tar is not trusted.

#include "base/status.h"
#include "base/string.h"
#include "base/types.h"

#define TAR_BLOCK_BYTES 512u
#define TAR_NAME_MAX    255u  // of one name
#define TAR_PATH_MAX    4095u // of a whole path

enum tar_type : u8 { TAR_FILE, TAR_DIRECTORY, TAR_SYMLINK, TAR_HARD_LINK };

struct tar_entry {
    enum tar_type type;
    u64 offset;          // of its header
    u64 modified_s;      // since 1970
    struct bytes path;   // lives until the next tar_next; UTF-8, no NUL, neither empty
    struct bytes target; // of links; lives as `path` does
    struct bytes data;   // of files, inside the tar
};

// Private to tar.c but for `why` and `offset` after a failure.
struct tar_reader {
    struct bytes tar;
    u64 at;
    const char *why; // static text of the failure
    u64 offset;      // of the header that is wrong

    char path[TAR_PATH_MAX + 1];
    char target[TAR_PATH_MAX + 1];
    struct bytes long_path; // from a GNU or pax header, for the next entry
    struct bytes long_target;
    u64 pax_size;
    bool has_pax_size;
};

void tar_reader_init(struct tar_reader *reader, struct bytes tar);

// OK, ERR_NOT_FOUND at the end of the archive, or ERR_MALFORMED.
MUST_USE enum status tar_next(struct tar_reader *reader, struct tar_entry *out);
