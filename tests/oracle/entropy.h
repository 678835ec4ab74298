#pragma once
// Where the generator of modules takes its decisions from: a number, or a string of bytes (then a
// fuzzer drives it). When the source has run dry every decision is the first one, which by
// convention is the simplest: so a prefix of the decisions gives a module that begins in the same
// way and ends soon. That is how a failing case is made smaller.

#include "base/types.h"

struct entropy {
    u64 state;       // of splitmix64; unused with bytes
    const u8 *bytes; // or NULL
    usize left;      // of them
    u64 draws_left;  // decisions until it runs dry
    u64 draws;       // decisions taken
};

static inline struct entropy entropy_of_seed(u64 seed, u64 draws) {
    return (struct entropy){.state = seed, .draws_left = draws};
}

static inline struct entropy entropy_of_bytes(const u8 *bytes, usize len) {
    return (struct entropy){.bytes = bytes, .left = len, .draws_left = UINT64_MAX};
}

static inline u64 entropy_bits(struct entropy *e, u32 bytes) {
    if (e->draws_left == 0)
        return 0;
    e->draws_left--;
    e->draws++;
    if (e->bytes != NULL) {
        u64 value = 0;
        for (u32 i = 0; i < bytes && e->left != 0; i++, e->left--)
            value |= (u64)*e->bytes++ << (8 * i);
        return value;
    }
    u64 z = e->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

// Below `limit`, which is not 0.
static inline u32 entropy_below(struct entropy *e, u32 limit) {
    return (u32)(entropy_bits(e, limit <= 256 ? 1 : 4) % limit);
}

// True once in `n`; never when the source has run dry.
static inline bool entropy_one_in(struct entropy *e, u32 n) {
    return entropy_below(e, n) == n - 1;
}

static inline u64 entropy_u64(struct entropy *e) {
    return entropy_bits(e, 8);
}
