// Chunks of files. Invariants: bytes of a chunk at or beyond the file's size are zero, so that
// growing costs nothing; only chunk 0 can be shorter than CHUNK_BYTES, and what it lacks is zeros.
//
// The order of stores is for who is killed: a file never has a size for which the bytes are not
// there yet, and what is beyond the size when a process ends is cleared by the next one.

#include "user/services/tmpfs/contents.h"

#include <stdlib.h>
#include <string.h>

#include "base/math.h"

#define FILE_BYTES_MAX ((u64)UINT32_MAX * 4096) // 16 TiB: the numbers of chunks fit
#define FIRST_BYTES    48u                      // and what doubling makes of a block with its tag
#define PAGE_CHUNKS    1024u

// A part of the table, as long as its last chunk needs.
struct chunk_page {
    u32 count;
    u8 *chunks[]; // NULL: a hole. Chunk 0 of a file may have less than CHUNK_BYTES
};

// -- The table ------------------------------------------------------------------------------------
// It has pages only where there are chunks: a file can be as long as it likes for nothing. What
// pages are found in is as long as the last one needs, which is paid for from the second one on.

static struct chunk_page *page_of(const struct contents *contents, u32 index) {
    u32 page = index / PAGE_CHUNKS;
    return page < contents->page_count ? contents->pages[page] : NULL;
}

// NULL: a hole.
static u8 *chunk_at(const struct contents *contents, u32 index) {
    const struct chunk_page *page = page_of(contents, index);
    return page != NULL && index % PAGE_CHUNKS < page->count ? page->chunks[index % PAGE_CHUNKS]
                                                             : NULL;
}

static u32 chunk_bytes(const struct contents *contents, u32 index) {
    const u8 *chunk = chunk_at(contents, index);
    return chunk == NULL ? 0 : stock_room(contents->stock, chunk);
}

static u64 cost_of_pages(u32 count) {
    return count > 1 ? count * sizeof(struct chunk_page *) : 0;
}

static enum status grow_pages(struct contents *contents, struct budget *budget, u32 count) {
    if (count <= contents->page_count)
        return OK;
    u64 cost = cost_of_pages(count) - cost_of_pages(contents->page_count);
    if (cost > budget->limit - budget->used)
        return ERR_NO_SPACE;
    struct chunk_page **pages = realloc(contents->pages, count * sizeof(struct chunk_page *));
    if (pages == NULL)
        return ERR_NO_SPACE;
    for (u32 i = contents->page_count; i < count; i++)
        pages[i] = NULL;
    contents->pages = pages;
    contents->page_count = count;
    budget->used += cost;
    return OK;
}

static void shrink_pages(struct contents *contents, struct budget *budget, u32 count) {
    budget->used -= cost_of_pages(contents->page_count) - cost_of_pages(count);
    contents->page_count = count;
    if (count == 0) {
        free(contents->pages);
        contents->pages = NULL;
        return;
    }
    struct chunk_page **pages = realloc(contents->pages, count * sizeof(struct chunk_page *));
    if (pages != NULL)
        contents->pages = pages;
}

// Has room in the table for chunk `index`, which is there: no page is without chunks.
static enum status have_slot(struct contents *contents, struct budget *budget, u32 index) {
    enum status status = grow_pages(contents, budget, index / PAGE_CHUNKS + 1);
    if (status != OK)
        return status;
    struct chunk_page *page = page_of(contents, index);
    u32 before = page == NULL ? 0 : page->count;
    if (index % PAGE_CHUNKS < before)
        return OK;
    u32 count = before == 0 ? 1 : before;
    while (count <= index % PAGE_CHUNKS)
        count *= 2;
    page = realloc(page, sizeof *page + count * sizeof page->chunks[0]);
    if (page == NULL)
        return ERR_NO_SPACE;
    for (u32 i = before; i < count; i++)
        page->chunks[i] = NULL;
    page->count = count;
    contents->pages[index / PAGE_CHUNKS] = page;
    return OK;
}

static void set_chunk(const struct contents *contents, u32 index, u8 *chunk) {
    page_of(contents, index)->chunks[index % PAGE_CHUNKS] = chunk;
}

static void drop_chunk(struct contents *contents, struct budget *budget, u32 index) {
    budget->used -= chunk_bytes(contents, index);
    stock_free(contents->stock, chunk_at(contents, index));
    set_chunk(contents, index, NULL);
}

static bool has_chunks(const struct chunk_page *page, u32 end) {
    for (u32 i = 0; i < end && i < page->count; i++) {
        if (page->chunks[i] != NULL)
            return true;
    }
    return false;
}

// Drops the chunks of a page from `first` on, and the page if it has no others.
static void drop_from_page(struct contents *contents, struct budget *budget, u32 page, u32 first) {
    struct chunk_page *at = contents->pages[page];
    if (at == NULL)
        return;
    for (u32 i = first; i < at->count; i++)
        drop_chunk(contents, budget, page * PAGE_CHUNKS + i);
    if (has_chunks(at, first))
        return;
    free(at);
    contents->pages[page] = NULL;
}

// Drops the chunks from `first` on.
static void drop_chunks(struct contents *contents, struct budget *budget, u32 first) {
    u32 kept = (first + PAGE_CHUNKS - 1) / PAGE_CHUNKS;
    for (u32 i = first / PAGE_CHUNKS; i < contents->page_count; i++)
        drop_from_page(contents, budget, i, i < kept ? first % PAGE_CHUNKS : 0);
    if (kept < contents->page_count)
        shrink_pages(contents, budget, kept);
}

void contents_fini(struct contents *contents) {
    for (u32 i = 0; i < contents->page_count; i++)
        free(contents->pages[i]);
    free(contents->pages);
    contents->pages = NULL;
    contents->page_count = 0;
}

// -- Sizes ----------------------------------------------------------------------------------------

static u32 chunks_for(u64 size) {
    return (u32)((size + CHUNK_BYTES - 1) / CHUNK_BYTES);
}

// Drops and clears what is beyond the size.
static void trim(struct contents *contents, struct budget *budget) {
    u64 size = *contents->size;
    drop_chunks(contents, budget, chunks_for(size));
    u32 last = (u32)(size / CHUNK_BYTES);
    u32 keep = (u32)(size % CHUNK_BYTES);
    u32 has = chunk_bytes(contents, last);
    if (has > keep)
        memset(chunk_at(contents, last) + keep, 0, has - keep);
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
    set_size(contents, size);
    if (shrinks)
        trim(contents, budget);
    return OK;
}

// -- Restoring ------------------------------------------------------------------------------------

bool contents_restore(struct contents *contents, struct budget *budget, void *chunk) {
    u32 index = stock_tag(contents->stock, chunk)->index;
    bool fits = index < chunks_for(*contents->size) && chunk_at(contents, index) == NULL &&
                (index == 0 || stock_room(contents->stock, chunk) == CHUNK_BYTES) &&
                have_slot(contents, budget, index) == OK;
    if (!fits) {
        stock_free(contents->stock, chunk);
        return false;
    }
    set_chunk(contents, index, chunk);
    budget->used += chunk_bytes(contents, index);
    return true;
}

void contents_restored(struct contents *contents, struct budget *budget) {
    trim(contents, budget);
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
            stored != 0 ? transfer_put(transfer, chunk_at(contents, index) + at, stored) : OK;
        if (status == OK)
            status = put_zeros(transfer, len - stored);
        if (status != OK)
            return status;
        offset += len;
    }
    return OK;
}

// -- Writing --------------------------------------------------------------------------------------

// Makes chunk `index` have at least `bytes` bytes; all that a chunk can have, unless the file is to
// be no longer than that.
static enum status have_chunk(struct contents *contents, struct budget *budget, u32 index,
                              u32 bytes, u64 end) {
    u32 has = chunk_bytes(contents, index);
    if (has >= bytes)
        return OK;
    u32 wanted = CHUNK_BYTES;
    if (max_u64(*contents->size, end) <= CHUNK_BYTES) {
        wanted = FIRST_BYTES;
        while (wanted < bytes && wanted < CHUNK_BYTES)
            wanted += wanted + STOCK_TAG_BYTES; // the next larger block, without its tag
    }
    u8 *old = chunk_at(contents, index);
    u8 *chunk = stock_alloc(contents->stock, wanted < CHUNK_BYTES ? wanted : CHUNK_BYTES,
                            contents->owner, index);
    if (chunk == NULL)
        return ERR_NO_SPACE;
    u32 room = stock_room(contents->stock, chunk);
    if (room - has > budget->limit - budget->used) {
        stock_free(contents->stock, chunk);
        return ERR_NO_SPACE;
    }
    budget->used += room - has;
    if (have_slot(contents, budget, index) != OK) {
        budget->used -= room - has;
        stock_free(contents->stock, chunk);
        return ERR_NO_SPACE;
    }
    if (old != NULL)
        memcpy(chunk, old, has);
    set_chunk(contents, index, chunk);
    stock_replace(contents->stock, chunk, CHUNK_KIND, old, NULL);
    return OK;
}

enum status contents_write(struct contents *contents, struct budget *budget, u64 offset,
                           struct transfer *transfer) {
    u64 end;
    if (!add_u64(offset, transfer_left(transfer), &end) || end > FILE_BYTES_MAX)
        return ERR_FILE_TOO_LARGE;
    if (transfer_left(transfer) == 0)
        return OK;
    enum status status = OK;
    while (status == OK && transfer_left(transfer) != 0) {
        u32 index = (u32)(offset / CHUNK_BYTES);
        u32 at = (u32)(offset % CHUNK_BYTES);
        u32 len = (u32)min_u64(CHUNK_BYTES - at, transfer_left(transfer));
        status = have_chunk(contents, budget, index, at + len, end);
        if (status == OK)
            status = transfer_get(transfer, chunk_at(contents, index) + at, len);
        offset += status == OK ? len : 0;
        if (status == OK && offset > *contents->size)
            set_size(contents, offset);
    }
    if (status == OK)
        return OK;
    // What came before the failure stays, and no more than that.
    trim(contents, budget);
    return transfer->done != 0 ? OK : status;
}

// How many chunks there are from `first` up to `end`.
static u64 chunks_between(const struct contents *contents, u32 first, u32 end) {
    u64 count = 0;
    for (u32 i = first; i < end && i / PAGE_CHUNKS < contents->page_count; i++) {
        if (page_of(contents, i) == NULL)
            i |= PAGE_CHUNKS - 1; // on to the next page
        else
            count += chunk_at(contents, i) != NULL;
    }
    return count;
}

// Whether what whole chunks of a range lack is within the budget.
static bool is_affordable(const struct contents *contents, const struct budget *budget, u32 first,
                          u32 end) {
    u64 lacking = end - first - chunks_between(contents, first, end);
    return lacking <= (budget->limit - budget->used) / CHUNK_BYTES;
}

enum status contents_allocate(struct contents *contents, struct budget *budget, u64 offset,
                              u64 len) {
    u64 end;
    u64 size = *contents->size;
    if (!add_u64(offset, len, &end) || end > FILE_BYTES_MAX)
        return ERR_FILE_TOO_LARGE;
    if (end / CHUNK_BYTES > offset / CHUNK_BYTES + 1 &&
        !is_affordable(contents, budget, (u32)(offset / CHUNK_BYTES) + 1, (u32)(end / CHUNK_BYTES)))
        return ERR_NO_SPACE; // before anything is taken
    enum status status = end > size ? contents_resize(contents, budget, end) : OK;
    for (u64 at = offset; status == OK && at < end;) {
        u64 next = min_u64(end, (at / CHUNK_BYTES + 1) * CHUNK_BYTES);
        u32 bytes = (u32)(next - at / CHUNK_BYTES * CHUNK_BYTES);
        status = have_chunk(contents, budget, (u32)(at / CHUNK_BYTES), bytes, end);
        at = next;
    }
    if (status == OK)
        return OK;
    enum status cut = contents_resize(contents, budget, size);
    return cut == OK ? status : cut;
}
