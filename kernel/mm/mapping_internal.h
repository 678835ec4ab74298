#pragma once
// What faults, destruction and checks (aspace.c) ask of mappings. All under aspace.lock.

#include "kernel/mm/mapping.h"

void mapping_init_area(struct area *area);

static inline bool area_is_plain(const struct area *area) {
    return area->mappings.root == NULL && area->aside.root == NULL;
}

// What a fault at `page` of an area that is not plain finds.
enum mapping_fault {
    MAPPING_FAULT_OWN,     // a page of the area's own that has no frame yet
    MAPPING_FAULT_DONE,    // the page is there
    MAPPING_FAULT_DENIED,  // it is there, and not for writing
    MAPPING_FAULT_NO_ROOM, // it has a frame, but no page table
};
enum mapping_fault mapping_fault_locked(struct aspace *as, struct area *area, u64 page,
                                        enum fault_access access);

// Whether a page of the range has a frame that was set aside.
bool mapping_has_aside_locked(const struct area *area, u64 start, u64 bytes);

// Gives back what was set aside in an area that is about to go. Without lock. Returns how many
// frames there were.
u64 mapping_free_aside(struct aspace *as, struct area *area);

void mapping_check_locked(const struct aspace *as, const struct area *area);
