// Sets of physical ranges.
//
// Invariant: ranges are sorted by start, none is empty, and each ends below the next one's start.

#include "kernel/arch/x86_64/ranges.h"

#include "base/math.h"

static u64 end_of(const struct phys_range *range) {
    return range->start.value + range->bytes;
}

static void delete_at(struct range_set *set, u32 index) {
    ASSERT(index < set->count);
    set->count--;
    for (u32 i = index; i < set->count; i++)
        set->ranges[i] = set->ranges[i + 1];
}

static u32 smallest_of(const struct range_set *set) {
    u32 smallest = 0;
    for (u32 i = 1; i < set->count; i++) {
        if (set->ranges[i].bytes < set->ranges[smallest].bytes)
            smallest = i;
    }
    return smallest;
}

static void insert_sorted(struct range_set *set, u64 start, u64 end) {
    ASSERT(start < end);
    if (set->count == BOOT_RANGES_MAX) {
        u32 smallest = smallest_of(set);
        if (set->ranges[smallest].bytes >= end - start)
            return;
        delete_at(set, smallest);
    }
    u32 at = set->count++;
    for (; at > 0 && set->ranges[at - 1].start.value > start; at--)
        set->ranges[at] = set->ranges[at - 1];
    set->ranges[at] = (struct phys_range){{start}, end - start};
}

void range_set_add(struct range_set *set, u64 start, u64 end) {
    if (start >= end)
        return;
    for (u32 i = 0; i < set->count;) {
        const struct phys_range *range = &set->ranges[i];
        if (end_of(range) < start || range->start.value > end) {
            i++;
            continue;
        }
        start = min_u64(start, range->start.value);
        end = max_u64(end, end_of(range));
        delete_at(set, i);
    }
    insert_sorted(set, start, end);
}

void range_set_remove(struct range_set *set, u64 start, u64 end) {
    if (start >= end)
        return;
    for (u32 i = 0; i < set->count;) {
        u64 low = set->ranges[i].start.value;
        u64 high = end_of(&set->ranges[i]);
        if (high <= start || low >= end) {
            i++;
            continue;
        }
        delete_at(set, i);
        // What is left of it lies outside [start, end), so the loop passes over it.
        if (low < start)
            insert_sorted(set, low, start);
        if (high > end)
            insert_sorted(set, end, high);
    }
}

u64 range_set_bytes(const struct range_set *set) {
    u64 bytes = 0;
    for (u32 i = 0; i < set->count; i++)
        bytes += set->ranges[i].bytes;
    return bytes;
}

bool range_set_take(struct range_set *set, u64 bytes, u64 limit, u64 *out) {
    for (u32 i = 0; i < set->count; i++) {
        u64 start = set->ranges[i].start.value;
        if (set->ranges[i].bytes < bytes || !range_fits(start, bytes, limit))
            continue;
        range_set_remove(set, start, start + bytes);
        *out = start;
        return true;
    }
    return false;
}

void range_set_trim(struct range_set *set, u64 bytes) {
    for (u32 i = 0; i < set->count; i++) {
        struct phys_range *range = &set->ranges[i];
        if (range->bytes < bytes) {
            bytes -= range->bytes;
            continue;
        }
        range->bytes = align_down(bytes, PAGE_SIZE);
        set->count = range->bytes == 0 ? i : i + 1;
        return;
    }
}
