// A bump allocator over chunks from the host's heap.
//
// Invariants: `chunks` is the one being filled, older ones follow; within a chunk `used` is a
// multiple of 8 and at most `bytes`. Chunks double in size up to CHUNK_MAX, so that the memory
// taken is at most about twice what was asked for, plus one small chunk; a request that does not
// fit a chunk gets one of its own size.

#include "engine/decode/arena.h"

#include "base/math.h"
#include "engine/api/host.h"

#define CHUNK_MIN (2 * KIB)
#define CHUNK_MAX (256 * KIB)

struct chunk {
    struct chunk *next;
    usize bytes; // of the whole chunk, this head included
    usize used;  // this head included
};

struct arena {
    struct chunk *chunks;
    usize next_bytes; // size of the next ordinary chunk
};

STATIC_ASSERT(sizeof(struct chunk) % 8 == 0, "what follows the head is aligned");

struct arena *arena_create(void) {
    struct arena *arena = host_alloc(sizeof(*arena));
    if (arena != NULL)
        arena->next_bytes = CHUNK_MIN;
    return arena;
}

void arena_destroy(struct arena *arena) {
    if (arena == NULL)
        return;
    for (struct chunk *chunk = arena->chunks; chunk != NULL;) {
        struct chunk *next = chunk->next;
        host_free(chunk, chunk->bytes);
        chunk = next;
    }
    host_free(arena, sizeof(*arena));
}

u64 arena_bytes(const struct arena *arena) {
    u64 bytes = sizeof *arena;
    for (const struct chunk *chunk = arena->chunks; chunk != NULL; chunk = chunk->next)
        bytes += chunk->bytes;
    return bytes;
}

static struct chunk *chunk_create(struct arena *arena, u64 need) {
    u64 bytes = need + sizeof(struct chunk);
    bool is_large = bytes > arena->next_bytes / 2;
    if (!is_large)
        bytes = arena->next_bytes;

    struct chunk *chunk = host_alloc(bytes);
    if (chunk == NULL)
        return NULL;
    chunk->bytes = bytes;
    chunk->used = sizeof(*chunk);

    // A large one is full at once: the chunk being filled stays in front.
    if (is_large && arena->chunks != NULL) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    if (!is_large)
        arena->next_bytes = min_u64(2 * arena->next_bytes, CHUNK_MAX);
    return chunk;
}

void *arena_alloc(struct arena *arena, u64 count, usize size) {
    ASSERT(size != 0);
    u64 bytes;
    if (!mul_u64(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = align_up(max_u64(bytes, 1), 8);

    struct chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->bytes - chunk->used < bytes)
        chunk = chunk_create(arena, bytes);
    if (chunk == NULL)
        return NULL;

    void *memory = (u8 *)chunk + chunk->used;
    chunk->used += bytes;
    ASSERT(chunk->used <= chunk->bytes);
    return memory;
}
