#pragma once
// Checked and rounding arithmetic on sizes and addresses.

#include "base/assert.h"
#include "base/types.h"

// The checked operations return false on overflow and then leave `*out` unspecified.
MUST_USE static inline bool add_u64(u64 a, u64 b, u64 *out) {
    return !__builtin_add_overflow(a, b, out);
}

MUST_USE static inline bool mul_u64(u64 a, u64 b, u64 *out) {
    return !__builtin_mul_overflow(a, b, out);
}

// Whether [offset, offset + len) lies in [0, size), without overflow.
MUST_USE static inline bool range_fits(u64 offset, u64 len, u64 size) {
    return offset <= size && len <= size - offset;
}

static inline bool is_power_of_two(u64 value) {
    return value != 0 && (value & (value - 1)) == 0;
}

// `alignment` is a power of two.
static inline u64 align_down(u64 value, u64 alignment) {
    return value & ~(alignment - 1);
}

// The caller knows that the result does not overflow.
static inline u64 align_up(u64 value, u64 alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline bool is_aligned(u64 value, u64 alignment) {
    return (value & (alignment - 1)) == 0;
}

static inline u64 min_u64(u64 a, u64 b) {
    return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b) {
    return a > b ? a : b;
}

// The position of the highest set bit; `value` is not zero.
static inline u32 log2_floor(u64 value) {
    ASSERT(value != 0);
    return 63u - (u32)__builtin_clzll(value);
}

// The smallest n with 1 << n >= value; `value` is not zero.
static inline u32 log2_ceil(u64 value) {
    return value <= 1 ? 0 : log2_floor(value - 1) + 1;
}
