// Chunks of files. Invariants: bytes of a chunk at or beyond the file's size are zero, so that
// growing costs nothing; only chunk 0 can be shorter than CHUNK_BYTES, and what it lacks is zeros.

#include "user/services/tmpfs/contents.h"

#include <stdlib.h>
#include <string.h>

#include "base/math.h"

#define FILE_BYTES_MAX ((u64)UINT32_MAX * 4096) // 16 TiB of holes: the table of chunks is 1 GiB
#define FIRST_BYTES    64u

static u32 chunk_bytes(const struct contents *contents, u32 index) {
    return contents->chunks[index] == NULL ? 0 : index == 0 ? contents->first_bytes : CHUNK_BYTES;
}

u64 contents_memory(const struct contents *contents) {
    u64 bytes = 0;
    for (u32 i = 0; i < contents->chunk_count; i++)
        bytes += chunk_bytes(contents, i);
    return bytes;
}

static void drop_chunk(struct contents *contents, struct budget *budget, u32 index) {
    budget->used -= chunk_bytes(contents, index);
    free(contents->chunks[index]);
    contents->chunks[index] = NULL;
}

void contents_fini(struct contents *contents, struct budget *budget) {
    for (u32 i = 0; i < contents->chunk_count; i++)
        drop_chunk(contents, budget, i);
    free(contents->chunks);
    *contents = (struct contents){0};
}

static u32 chunks_for(u64 size) {
    return (u32)((size + CHUNK_BYTES - 1) / CHUNK_BYTES);
}

static enum status set_chunk_count(struct contents *contents, u32 count) {
    if (count == contents->chunk_count)
        return OK;
    u8 **chunks = realloc(contents->chunks, (count == 0 ? 1 : count) * sizeof *chunks);
    if (chunks == NULL)
        return ERR_NO_SPACE;
    for (u32 i = contents->chunk_count; i < count; i++)
        chunks[i] = NULL;
    contents->chunks = chunks;
    contents->chunk_count = count;
    return OK;
}

static void clear_end(struct contents *contents, u64 size) {
    u32 last = (u32)(size / CHUNK_BYTES);
    u32 keep = (u32)(size % CHUNK_BYTES);
    u32 has = last < contents->chunk_count ? chunk_bytes(contents, last) : 0;
    if (has > keep)
        memset(contents->chunks[last] + keep, 0, has - keep);
}

enum status contents_resize(struct contents *contents, struct budget *budget, u64 size) {
    if (size > FILE_BYTES_MAX)
        return ERR_FILE_TOO_LARGE;
    u32 count = chunks_for(size);
    for (u32 i = count; i < contents->chunk_count; i++)
        drop_chunk(contents, budget, i);
    enum status status = set_chunk_count(contents, count);
    if (status != OK && size > contents->size)
        return status; // a smaller table can always stay the larger one
    if (size < contents->size)
        clear_end(contents, size);
    contents->size = size;
    return OK;
}

// -- Reading --------------------------------------------------------------------------------------

static enum status put_zeros(struct transfer *transfer, u64 len) {
    static const u8 zeros[4096];
    while (len != 0) {
        u64 part = min_u64(len, sizeof zeros);
        enum status status = transfer_put(transfer, zeros, part);
        if (status != OK)
            return status;
        len -= part;
    }
    return OK;
}

enum status contents_read(const struct contents *contents, u64 offset, struct transfer *transfer) {
    while (offset < contents->size && transfer_left(transfer) != 0) {
        u32 index = (u32)(offset / CHUNK_BYTES);
        u32 at = (u32)(offset % CHUNK_BYTES);
        u64 len = min_u64(CHUNK_BYTES - at, contents->size - offset);
        len = min_u64(len, transfer_left(transfer));
        u32 has = chunk_bytes(contents, index);
        u64 stored = has > at ? min_u64(len, has - at) : 0;
        enum status status =
            stored != 0 ? transfer_put(transfer, contents->chunks[index] + at, stored) : OK;
        if (status == OK)
            status = put_zeros(transfer, len - stored);
        if (status != OK)
            return status;
        offset += len;
    }
    return OK;
}

// -- Writing --------------------------------------------------------------------------------------

// Makes chunk `index` have at least `bytes` bytes.
static enum status have_chunk(struct contents *contents, struct budget *budget, u32 index,
                              u32 bytes) {
    u32 has = chunk_bytes(contents, index);
    if (has >= bytes)
        return OK;
    u32 wanted = CHUNK_BYTES;
    if (index == 0 && contents->chunk_count == 1) {
        wanted = FIRST_BYTES;
        while (wanted < bytes)
            wanted *= 2;
    }
    if (wanted - has > budget->limit - budget->used)
        return ERR_NO_SPACE;
    u8 *chunk = realloc(contents->chunks[index], wanted);
    if (chunk == NULL)
        return ERR_NO_SPACE;
    memset(chunk + has, 0, wanted - has);
    contents->chunks[index] = chunk;
    if (index == 0)
        contents->first_bytes = wanted;
    budget->used += wanted - has;
    return OK;
}

enum status contents_write(struct contents *contents, struct budget *budget, u64 offset,
                           struct transfer *transfer) {
    u64 end;
    if (!add_u64(offset, transfer_left(transfer), &end) || end > FILE_BYTES_MAX)
        return ERR_FILE_TOO_LARGE;
    if (transfer_left(transfer) == 0)
        return OK;
    u64 size = contents->size;
    enum status status = end > size ? contents_resize(contents, budget, end) : OK;
    while (status == OK && transfer_left(transfer) != 0) {
        u32 index = (u32)(offset / CHUNK_BYTES);
        u32 at = (u32)(offset % CHUNK_BYTES);
        u32 len = (u32)min_u64(CHUNK_BYTES - at, transfer_left(transfer));
        status = have_chunk(contents, budget, index, at + len);
        if (status == OK)
            status = transfer_get(transfer, contents->chunks[index] + at, len);
        offset += status == OK ? len : 0;
    }
    if (status == OK)
        return OK;
    // What came before the failure stays, and no more than that.
    enum status cut =
        contents_resize(contents, budget, max_u64(size, transfer->done == 0 ? 0 : offset));
    return cut == OK && transfer->done != 0 ? OK : status;
}

enum status contents_allocate(struct contents *contents, struct budget *budget, u64 offset,
                              u64 len) {
    u64 end;
    u64 size = contents->size;
    if (!add_u64(offset, len, &end) || end > FILE_BYTES_MAX)
        return ERR_FILE_TOO_LARGE;
    enum status status = end > size ? contents_resize(contents, budget, end) : OK;
    for (u64 at = offset; status == OK && at < end;) {
        u64 next = min_u64(end, (at / CHUNK_BYTES + 1) * CHUNK_BYTES);
        u32 bytes = (u32)(next - at / CHUNK_BYTES * CHUNK_BYTES);
        status = have_chunk(contents, budget, (u32)(at / CHUNK_BYTES), bytes);
        at = next;
    }
    if (status == OK)
        return OK;
    enum status cut = contents_resize(contents, budget, size);
    return cut == OK ? status : cut;
}
