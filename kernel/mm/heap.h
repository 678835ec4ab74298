#pragma once
// The kernel heap: slab caches of fixed-size objects, and kmalloc in power-of-two classes on top;
// sizes beyond the largest class are whole frames of ZONE_KERNEL, contiguous up to
// HEAP_CONTIGUOUS_MAX, mapped to contiguous addresses beyond. Any context but NMI up to there,
// thread context beyond.

#include "base/status.h"
#include "base/types.h"

struct slab_cache; // private to slab.c

// `name` must outlive the cache. NULL if out of memory.
struct slab_cache *slab_cache_create(const char *name, usize size);

// Destroys an empty cache. Objects still allocated from it are a bug in the caller.
void slab_cache_destroy(struct slab_cache *cache);

// Zeroed memory aligned to 16 (or to the largest power of two that divides the size, if smaller),
// or NULL.
MUST_USE void *slab_alloc(struct slab_cache *cache);
void slab_free(struct slab_cache *cache, void *object); // NULL is allowed

// Gives back the objects that CPUs keep at hand for their next allocations.
void slab_drain(struct slab_cache *cache);

// The same, and every frame without an object.
void slab_trim(struct slab_cache *cache);

// Asserts every invariant. Others may use the cache meanwhile.
void slab_check(const struct slab_cache *cache);

void heap_init(void);

// The most that needs contiguous frames, and that any context may ask for.
#define HEAP_CONTIGUOUS_MAX (256 * KIB)

// Zeroed, aligned to 16; NULL if out of memory. `bytes` is not zero, and bounded by RAM alone.
MUST_USE void *kmalloc(usize bytes);
// The same, but only so many bytes at the beginning are zero for sure.
MUST_USE void *kmalloc_part(usize bytes, usize zeroed);
void kfree(void *memory, usize bytes); // `bytes` as asked for; NULL is allowed

#ifndef NDEBUG
// For tests: the n-th kmalloc from now on gives NULL, once. 0: none does.
void heap_fail_nth(u64 n);
#endif

struct heap_stats {
    u64 bytes_used; // as asked for
    u64 frames;     // that the heap holds
};
void heap_stats(struct heap_stats *out);

// Gives back what is kept at hand for the next allocations, as far as that frees frames.
void heap_trim(void);
void heap_check(void); // likewise, of the whole heap
