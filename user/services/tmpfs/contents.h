#pragma once
// What is in a file of tmpfs: chunks of memory, or holes, which read as zeros. What all files
// together have is bounded by a budget.

#include "user/sdk/file_system.h"

#define CHUNK_BYTES 65536u

struct budget {
    u64 limit; // bytes
    u64 used;
};

struct contents {
    u64 size;
    u8 **chunks; // NULL: a hole. A file of one chunk may have less of it
    u32 chunk_count;
    u32 first_bytes; // that chunk 0 has
};

void contents_fini(struct contents *contents, struct budget *budget);

// Bytes of memory that it has: chunks, not holes.
u64 contents_memory(const struct contents *contents);

// What follows a new, smaller size is gone: growing again shows zeros. ERR_FILE_TOO_LARGE,
// ERR_NO_SPACE.
enum status contents_resize(struct contents *contents, struct budget *budget, u64 size);

// ERR_NO_SPACE: if nothing fitted.
enum status contents_read(const struct contents *contents, u64 offset, struct transfer *transfer);
enum status contents_write(struct contents *contents, struct budget *budget, u64 offset,
                           struct transfer *transfer);

// Gives all holes of the range memory, and makes the file reach its end. ERR_NO_SPACE.
enum status contents_allocate(struct contents *contents, struct budget *budget, u64 offset,
                              u64 len);
