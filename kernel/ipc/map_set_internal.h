#pragma once
// Shared by map_set.c and scheme_map.c.

#include "kernel/ipc/map_set.h"
#include "kernel/ipc/scheme_internal.h"

struct map_set {
    u32 ref_count; // atomic
    struct mutex lock;

    // Under lock:
    bool is_closed;
    struct list mapped;

    u32 lent_count; // atomic: those with a call; changes under lock
};

struct mapped {
    struct mapping mapping;
    struct map_set *set;
    struct list link;      // in set->mapped
    struct object *object; // whose frames these are: it keeps them; NULL: the client's memory
    u64 first;             // page of it

    // Of what a client lent:
    struct scheme *scheme;    // NULL: nobody lent it
    u64 number;               // of the call, as the server knows it
    struct scheme_call *call; // under the set's lock: NULL until it knows of this
    struct list call_link;    // in call->mapped, under the scheme's lock
};

// Adds a mapping of these frames; on OK `mapped` is the set's, and so is the reference to its
// object. The set's lock is held.
MUST_USE enum status map_set_add_locked(struct map_set *set, struct mapped *mapped,
                                        const struct area_range *range,
                                        const struct mapping_frames *frames,
                                        enum page_rights rights);

// Unmaps, and frees. The set's lock is held. The call may be gone on return.
void mapped_remove_locked(struct mapped *mapped);
