#pragma once
// A ring of bytes over memory of a power-of-two size. No locks: the owner has one.

#include "base/assert.h"
#include "base/math.h"
#include "base/string.h"
#include "base/types.h"

struct ring {
    u8 *data;
    u32 size; // a power of two
    u32 head; // bytes ever put in, modulo 2^32
    u32 tail; // bytes ever taken out
};

static inline u32 ring_used(const struct ring *ring) {
    return ring->head - ring->tail;
}

static inline u32 ring_room(const struct ring *ring) {
    return ring->size - ring_used(ring);
}

// Puts in all of `from`; there must be room.
static inline void ring_put(struct ring *ring, const void *from, u32 len) {
    ASSERT(len <= ring_room(ring));
    u32 at = ring->head & (ring->size - 1);
    u32 first = (u32)min_u64(len, ring->size - at);
    memcpy(ring->data + at, from, first);
    memcpy(ring->data, (const u8 *)from + first, len - first);
    ring->head += len;
}

// The longest contiguous run that can be taken out; ring_skip takes it.
static inline struct bytes ring_front(const struct ring *ring) {
    u32 at = ring->tail & (ring->size - 1);
    return (struct bytes){ring->data + at, min_u64(ring_used(ring), ring->size - at)};
}

static inline void ring_skip(struct ring *ring, u32 len) {
    ASSERT(len <= ring_used(ring));
    ring->tail += len;
}

// Takes out up to `len` bytes; returns how many.
static inline u32 ring_take(struct ring *ring, void *to, u32 len) {
    u32 taken = 0;
    while (taken < len && ring_used(ring) != 0) {
        struct bytes front = ring_front(ring);
        u32 piece = (u32)min_u64(front.len, len - taken);
        memcpy((u8 *)to + taken, front.data, piece);
        ring_skip(ring, piece);
        taken += piece;
    }
    return taken;
}
