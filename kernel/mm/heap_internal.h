#pragma once
// Shared by slab.c, heap_large.c and heap.c.

#include "kernel/mm/heap.h"

#define HEAP_JUNK 0xfd // what debug builds leave in freed objects

void slab_init(void);
u64 slab_frames(void); // that all caches hold

// slab_alloc for somebody who uses the first `bytes` of the object alone: the rest is not zeroed.
MUST_USE void *slab_alloc_part(struct slab_cache *cache, usize bytes);

void heap_large_init(void);

// Zeroed pages at contiguous addresses, or NULL. Thread context.
MUST_USE void *heap_large_alloc(u64 pages);
void heap_large_free(void *memory, u64 pages); // `pages` as asked for
void heap_large_trim(void);
void heap_large_check(void);
