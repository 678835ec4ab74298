#pragma once
// What a process has mapped over pages of its memory: memory objects, and what clients have lent to
// it with calls. Made for the first mapping, and gone when the process has ended and no client is
// taking back what it lent.
//
// A lent range is unmapped by whichever comes first: the server (map_set_unmap, its reply, its end)
// or the client, whose call does not return before. So what happens to a mapping happens under the
// set's mutex, which nobody holds while waiting for another program.

#include "kernel/ipc/object.h"
#include "kernel/mm/guest.h"
#include "kernel/mm/mapping.h"
#include "kernel/sched/wait.h"

struct map_set;
struct scheme;
struct scheme_call;

// *out has one reference.
MUST_USE enum status map_set_create(struct map_set **out);
void map_set_retain(struct map_set *set);
void map_set_release(struct map_set *set); // NULL is allowed

// Unmaps everything, for good: the memory is about to go. No thread of the process maps any more.
void map_set_close(struct map_set *set); // NULL is allowed

// Maps pages of a memory object, from its page `first` on. ERR_INVALID: beyond its end. ERR_FAULT,
// ERR_EXISTS, ERR_NO_MEMORY as mapping_create.
MUST_USE enum status map_set_map(struct map_set *set, struct object *memory, u64 first,
                                 const struct area_range *range, enum page_rights rights);

// Unmaps what was mapped from this place of the memory on, as a whole. ERR_NOT_FOUND: no mapping
// begins there.
MUST_USE enum status map_set_unmap(struct map_set *set, const struct area *area, u64 offset);

// Whether something in it was lent, as far as can be seen without the mutex.
bool map_set_has_lent(const struct map_set *set);

// The whole pages of a memory that an address and a length name. ERR_FAULT: they are not within the
// memory. ERR_INVALID: not whole pages, or none.
MUST_USE enum status area_range_of(const struct guest_memory *memory, u64 address, u64 len,
                                   struct area_range *out);
