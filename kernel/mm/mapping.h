#pragma once
// Mappings: what lies over whole pages of a memory area for a time. Shared memory, what another
// process lends, and device pages are all shown to a program in this way, at addresses that are its
// own; every page of a mapping is there for as long as the mapping is.
//
// The pages of the area that lie below a mapping keep their contents, and are back when it goes.
//
// Who maps sees to it that the frames stay what they are until mapping_remove has returned: then no
// CPU reaches them through the mapping any more. Calls that concern one mapping, and the area's
// destruction, are the caller's to serialise. Thread context.

#include "kernel/mm/aspace.h"

// Whole pages of a memory area.
struct area_range {
    struct area *area;
    u64 offset; // from the area's start
    u64 pages;
};

// What is mapped: contiguous frames from `first` on, or each on its own.
struct mapping_frames {
    const struct phys_addr *each; // one for every page; NULL: contiguous
    struct phys_addr first;
};

struct mapping {
    struct vma vma; // in area->mappings
    struct area *area;
    enum page_rights rights; // PAGE_READ, PAGE_WRITE, PAGE_DEVICE

    // Under aspace.lock: below this address the frames are mapped, above the area's own are.
    u64 mapped_end;
};

// Maps frames over the range. ERR_FAULT: it is not within what the area has accessible. ERR_EXISTS:
// something is mapped over a part of it. ERR_NO_MEMORY.
MUST_USE enum status mapping_create(struct mapping *mapping, const struct area_range *range,
                                    const struct mapping_frames *frames, enum page_rights rights);

void mapping_remove(struct mapping *mapping);

// The mapping that contains a page of the area, or the lowest behind it, or NULL. It stays only as
// long as the caller keeps others from removing it.
struct mapping *mapping_find(const struct area *area, u64 offset);

// The frames of the area's own pages, committed now if need be: they stay the area's until it is
// destroyed, whatever is mapped over them. ERR_BUSY: something else lies over a part of the range.
// ERR_FAULT: not accessible. ERR_NO_MEMORY.
MUST_USE enum status area_own_frames(const struct area_range *range, struct phys_addr *frames);

// Whether a part of [offset, offset + len) shows a device. Without lock where none does.
bool area_shows_device_slow(struct area *area, u64 offset, u64 len);
static inline bool area_shows_device(struct area *area, u64 offset, u64 len) {
    // Relaxed: a program that maps a device during another of its own calls gets either answer.
    return __builtin_expect(__atomic_load_n(&area->device_count, __ATOMIC_RELAXED) != 0, 0) &&
           len != 0 && area_shows_device_slow(area, offset, len);
}
