#pragma once
// What is in a file of tmpfs: chunks, or holes, which read as zeros. What all files together have
// is bounded by a budget. Chunks and the size outlive the process (stock.h); the table of chunks is
// made from them again.

#include "user/sdk/file_system.h"
#include "user/services/tmpfs/stock.h"

#define CHUNK_BYTES STOCK_UNIT_BYTES
#define CHUNK_KIND  3u // of the stock's blocks; their owner is the file's, `index` counts from 0

struct budget {
    u64 limit; // bytes
    u64 used;
};

struct contents {
    struct stock *stock;
    u64 *size; // in the file's own block
    u32 owner; // the place of that
    u32 page_count;
    struct chunk_page **pages; // of the table of chunks; NULL: nothing but holes
};

// Forgets the table. The chunks stay.
void contents_fini(struct contents *contents);

// Takes a chunk of the file over that a former process had; false: it is of no use, and has been
// freed. After the last one contents_restored is due.
bool contents_restore(struct contents *contents, struct budget *budget, void *chunk);
void contents_restored(struct contents *contents, struct budget *budget);

// What follows a new, smaller size is gone: growing again shows zeros. ERR_FILE_TOO_LARGE.
enum status contents_resize(struct contents *contents, struct budget *budget, u64 size);

// ERR_NO_SPACE: if nothing fitted. Who is killed in the middle of it has written a part from the
// front.
enum status contents_read(const struct contents *contents, u64 offset, struct transfer *transfer);
enum status contents_write(struct contents *contents, struct budget *budget, u64 offset,
                           struct transfer *transfer);

// Gives all holes of the range memory, and makes the file reach its end. ERR_NO_SPACE.
enum status contents_allocate(struct contents *contents, struct budget *budget, u64 offset,
                              u64 len);
