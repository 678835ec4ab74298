// Chunks of files. Invariants: bytes of a chunk at or beyond the file's size are zero, so that
// growing costs nothing; only chunk 0 can be shorter than CHUNK_BYTES, and what it lacks is zeros.
//
// The order of stores is for who is killed: a file never has a size for which the bytes are not
// there yet, and what is beyond the size when a process ends is cleared by the next one.

#include "user/services/tmpfs/contents.h"

#include <stdlib.h>
#include <string.h>

#include "base/math.h"

#define FILE_BYTES_MAX ((u64)UINT32_MAX * 4096) // 16 TiB of holes: the table of chunks is 1 GiB
#define FIRST_BYTES    48u                      // and what doubling makes of a block with its tag

static u32 chunk_bytes(const struct contents *contents, u32 index) {
    const u8 *chunk = index < contents->chunk_count ? contents->chunks[index] : NULL;
    return chunk == NULL ? 0 : stock_room(contents->stock, chunk);
}

void contents_fini(struct contents *contents) {
    free(contents->chunks);
    contents->chunks = NULL;
    contents->chunk_count = 0;
}

static void drop_chunk(struct contents *contents, struct budget *budget, u32 index) {
    budget->used -= chunk_bytes(contents, index);
    stock_free(contents->stock, contents->chunks[index]);
    contents->chunks[index] = NULL;
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

// Drops and clears what is beyond the size.
static enum status trim(struct contents *contents, struct budget *budget) {
    u64 size = *contents->size;
    for (u32 i = chunks_for(size); i < contents->chunk_count; i++)
        drop_chunk(contents, budget, i);
    u32 last = (u32)(size / CHUNK_BYTES);
    u32 keep = (u32)(size % CHUNK_BYTES);
    u32 has = last < contents->chunk_count ? chunk_bytes(contents, last) : 0;
    if (has > keep)
        memset(contents->chunks[last] + keep, 0, has - keep);
    return set_chunk_count(contents, chunks_for(size));
}

// Nothing that was stored before is left out, if this is not.
static void set_size(struct contents *contents, u64 size) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(contents->size, size, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

enum status contents_resize(struct contents *contents, struct budget *budget, u64 size) {
    if (size > FILE_BYTES_MAX)
        return ERR_FILE_TOO_LARGE;
    bool shrinks = size < *contents->size;
    enum status status = shrinks ? OK : set_chunk_count(contents, chunks_for(size));
    if (status != OK)
        return status;
    set_size(contents, size);
    if (shrinks)
        status = trim(contents, budget);
    (void)status; // a smaller table can always stay the larger one
    return OK;
}

// -- Restoring ------------------------------------------------------------------------------------

bool contents_restore(struct contents *contents, struct budget *budget, void *chunk) {
    u32 index = stock_tag(contents->stock, chunk)->index;
    bool fits = index < chunks_for(*contents->size) &&
                (contents->chunk_count > index || set_chunk_count(contents, index + 1) == OK) &&
                contents->chunks[index] == NULL &&
                (index == 0 || stock_room(contents->stock, chunk) == CHUNK_BYTES);
    if (!fits) {
        stock_free(contents->stock, chunk);
        return false;
    }
    contents->chunks[index] = chunk;
    budget->used += chunk_bytes(contents, index);
    return true;
}

void contents_restored(struct contents *contents, struct budget *budget) {
    enum status status = trim(contents, budget);
    (void)status; // where there is no room for holes at the end, they read as zeros all the same
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
    while (offset < *contents->size && transfer_left(transfer) != 0) {
        u32 index = (u32)(offset / CHUNK_BYTES);
        u32 at = (u32)(offset % CHUNK_BYTES);
        u64 len = min_u64(CHUNK_BYTES - at, *contents->size - offset);
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
        while (wanted < bytes && wanted < CHUNK_BYTES)
            wanted += wanted + STOCK_TAG_BYTES; // the next larger block, without its tag
    }
    u8 *old = contents->chunks[index];
    u8 *chunk = stock_alloc(contents->stock, wanted < CHUNK_BYTES ? wanted : CHUNK_BYTES,
                            contents->owner, index);
    if (chunk == NULL)
        return ERR_NO_SPACE;
    u32 room = stock_room(contents->stock, chunk);
    if (room - has > budget->limit - budget->used) {
        stock_free(contents->stock, chunk);
        return ERR_NO_SPACE;
    }
    if (old != NULL)
        memcpy(chunk, old, has);
    contents->chunks[index] = chunk;
    stock_replace(contents->stock, chunk, CHUNK_KIND, old, NULL);
    budget->used += room - has;
    return OK;
}

enum status contents_write(struct contents *contents, struct budget *budget, u64 offset,
                           struct transfer *transfer) {
    u64 end;
    if (!add_u64(offset, transfer_left(transfer), &end) || end > FILE_BYTES_MAX)
        return ERR_FILE_TOO_LARGE;
    if (transfer_left(transfer) == 0)
        return OK;
    u32 count = chunks_for(max_u64(end, *contents->size));
    enum status status = set_chunk_count(contents, count);
    while (status == OK && transfer_left(transfer) != 0) {
        u32 index = (u32)(offset / CHUNK_BYTES);
        u32 at = (u32)(offset % CHUNK_BYTES);
        u32 len = (u32)min_u64(CHUNK_BYTES - at, transfer_left(transfer));
        status = have_chunk(contents, budget, index, at + len);
        if (status == OK)
            status = transfer_get(transfer, contents->chunks[index] + at, len);
        offset += status == OK ? len : 0;
        if (status == OK && offset > *contents->size)
            set_size(contents, offset);
    }
    if (status == OK)
        return OK;
    // What came before the failure stays, and no more than that.
    enum status cut = trim(contents, budget);
    return cut == OK && transfer->done != 0 ? OK : status;
}

// Whether what whole chunks of a range lack is within the budget.
static bool is_affordable(const struct contents *contents, const struct budget *budget, u64 first,
                          u64 end) {
    u64 lacking = end - first;
    for (u64 i = first; i < end && i < contents->chunk_count; i++)
        lacking -= contents->chunks[i] != NULL;
    return lacking <= (budget->limit - budget->used) / CHUNK_BYTES;
}

enum status contents_allocate(struct contents *contents, struct budget *budget, u64 offset,
                              u64 len) {
    u64 end;
    u64 size = *contents->size;
    if (!add_u64(offset, len, &end) || end > FILE_BYTES_MAX)
        return ERR_FILE_TOO_LARGE;
    if (end / CHUNK_BYTES > offset / CHUNK_BYTES + 1 &&
        !is_affordable(contents, budget, offset / CHUNK_BYTES + 1, end / CHUNK_BYTES))
        return ERR_NO_SPACE; // before anything is taken
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
