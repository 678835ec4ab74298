#pragma once
// Small sets of physical ranges: sorted, disjoint, not touching.

#include "kernel/arch/arch.h"

// When a set is full the smallest range is forgotten: RAM is lost, nothing is used twice.
struct range_set {
    u32 count;
    struct phys_range ranges[BOOT_RANGES_MAX];
};

void range_set_add(struct range_set *set, u64 start, u64 end);
void range_set_remove(struct range_set *set, u64 start, u64 end);
u64 range_set_bytes(const struct range_set *set);

// Takes `bytes` from the lowest range that has them, below `limit`; false when there is none.
MUST_USE bool range_set_take(struct range_set *set, u64 bytes, u64 limit, u64 *out);

// Forgets the highest ranges beyond `bytes` in all.
void range_set_trim(struct range_set *set, u64 bytes);
