#pragma once
// Shared by frame.c, frame_magazine.c and frame_reserve.c.

#include "kernel/mm/frame.h"

// Single frames on their way between the allocator and a CPU's magazine: under one hold of the
// allocator's lock. Those in magazines are marked, so that freeing one again is noticed.
u32 frame_take_many(enum zone zone, enum frame_need need, u32 count,
                    u32 *numbers); // returns how many there are
void frame_give_many(const u32 *numbers, u32 count);

void frame_magazines_init(void);

// A single frame for, or of, this CPU's magazine. Taking: false when there is none and the
// allocator has none.
MUST_USE bool frame_magazine_take(enum zone zone, enum frame_need need, u32 *number);
void frame_magazine_put(enum zone zone, u32 number);

// Single frames are counted there; these are for blocks. By this CPU.
void frame_count_taken(u64 frames);
void frame_count_freed(u64 frames);

// Gives everything in all magazines back.
void frame_magazines_drain(void);
void frame_magazines_count(u64 free[ZONE_COUNT]); // adds what they hold

// Whose turn it is when memory is short, from the last to the first.
enum frame_asker : u8 { ASKER_PROGRAM, ASKER_SERVICE, ASKER_PROMISED };

// `ram` in frames; nothing is promised to anybody.
void frame_reserve_init(u64 ram);

// Who asks now for what.
enum frame_asker frame_reserve_asker(enum frame_need need);

// How many frames of the zone have to stay free when one is given to `asker`. The allocator's lock
// is held, here as in the next.
u64 frame_reserve_mark_locked(enum zone zone, enum frame_asker asker);

// Notes how many are free now, in each zone.
void frame_reserve_look_locked(const u64 free[ZONE_COUNT]);

// Whether programs get none: then magazines keep nothing. Any context.
bool frame_is_scarce(enum zone zone);

// Calls `then_locked` if the programs' zone has, or can be given, so many frames beyond what is
// kept from `asker`.
bool frame_have(u64 count, enum frame_asker asker, void (*then_locked)(u64 count));
void frame_change_promises(void (*change_locked)(u64 count), u64 count);

bool frame_failure_is_injected(void);
