#pragma once
// A bump allocator for what is freed all at once. Memory is zeroed.

#include "base/types.h"

struct arena;

struct arena *arena_create(void);        // NULL when out of memory
void arena_destroy(struct arena *arena); // NULL is allowed

// What it takes from the host's heap.
u64 arena_bytes(const struct arena *arena);

// `count` elements of `size` bytes, aligned to 8. NULL when out of memory or on overflow; a count
// of zero gives a non-NULL pointer that may not be dereferenced.
void *arena_alloc(struct arena *arena, u64 count, usize size);
