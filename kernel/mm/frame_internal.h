#pragma once
// Shared by frame.c and frame_magazine.c.

#include "kernel/mm/frame.h"

// Single frames on their way between the allocator and a CPU's magazine: under one hold of the
// allocator's lock. Those in magazines are marked, so that freeing one again is noticed.
u32 frame_take_many(enum zone zone, u32 count, u32 *numbers); // returns how many there are
void frame_give_many(const u32 *numbers, u32 count);

void frame_magazines_init(void);

// A single frame for, or of, this CPU's magazine. Taking: false when there is none and the
// allocator has none.
MUST_USE bool frame_magazine_take(enum zone zone, u32 *number);
void frame_magazine_put(enum zone zone, u32 number);

// Single frames are counted there; these are for blocks. By this CPU.
void frame_count_taken(u64 frames);
void frame_count_freed(u64 frames);

// Gives everything in all magazines back.
void frame_magazines_drain(void);
void frame_magazines_count(u64 free[ZONE_COUNT]); // adds what they hold
