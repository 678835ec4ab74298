#pragma once
// Shared by slab.c and heap.c.

#include "kernel/mm/heap.h"

#define HEAP_JUNK 0xfd // what debug builds leave in freed objects

void slab_init(void);
u64 slab_frames(void); // that all caches hold
