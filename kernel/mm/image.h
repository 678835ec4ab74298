#pragma once
// What a linear memory starts with, kept once for all memories that start so (aspace.h): frames of
// the programs' zone for those pages that are not all zero. Fixed once it is made.

#include "kernel/arch/arch.h"

struct image_page {
    u32 page; // of the memory
    u32 frame;
};

struct image {
    u32 ref_count; // atomic
    u32 count;
    u32 capacity;
    struct image_page pages[]; // ascending
};

// An image of at most `pages` pages, for the caller to write. ERR_NO_MEMORY.
MUST_USE enum status image_create(u64 pages, struct image **out);

// Writes `bytes` at `offset`, not below what was written before. ERR_NO_MEMORY leaves the image to
// be released.
MUST_USE enum status image_write(struct image *image, u64 offset, struct bytes bytes);

void image_retain(struct image *image);
void image_release(struct image *image); // frees it with the last reference; NULL is allowed

// The frame of a page. False: the page starts as zeros.
MUST_USE bool image_find(const struct image *image, u64 page, struct phys_addr *out);

// Whether the image has a frame for one of these pages.
bool image_has_any(const struct image *image, u64 page, u64 pages);

// What it takes.
u64 image_bytes(const struct image *image);
