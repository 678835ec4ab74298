#pragma once
// What the two sides of a scheme share. Private to scheme.c (objects, calling) and scheme_serve.c.
//
// Where a call is, always under the scheme's lock (that of `queue`):
//
//   pending      linked in scheme.pending; slot NULL
//   received     in a slot, which is linked in the serving of the party that received it
//   finishing    in neither: answered or taken back, while a copy is under way (pins)
//   done         nobody but its caller knows it any more
//
// A slot outlives its call when that is taken back: it is then linked in `cancelled` as well, until
// the server has been told, and free when the server has replied.
//
// Locks: party.lock, then scheme.queue's, then the call's.

#include "kernel/ipc/map_set.h"
#include "kernel/ipc/scheme.h"

struct serving;

struct call_slot {
    struct scheme_call *call; // NULL: taken back
    struct serving *serving;  // who received it; NULL: free
    u32 index;
    u32 generation;        // counts its uses, so that numbers do not come again soon
    struct list link;      // in scheme.free, or serving.received
    struct list told_link; // in serving.cancelled
};

#define SLOTS_IN_CHUNK 64u
#define CHUNKS_MAX     (SCHEME_RECEIVED_MAX / SLOTS_IN_CHUNK)

struct slot_chunk {
    struct call_slot slots[SLOTS_IN_CHUNK];
};

struct scheme {
    u32 ref_count; // atomic: the server end, channels, servings
    char name[SCHEME_NAME_MAX + 1];
    struct wait_queue queue; // servers wait here

    // Under queue.lock:
    bool is_closed;      // the server end is gone
    u64 epoch;           // counts parties that went; from 1
    struct list pending; // calls, first come first
    struct list closed;  // channels without a holder that the server has not been told of
    struct list free;    // slots
    u32 cancelled_count; // slots in all servings' `cancelled`
    u32 chunk_count;
    struct slot_chunk *chunks[CHUNKS_MAX];
};

struct channel {
    struct object object;
    struct scheme *scheme;
    u64 value;
    u64 epoch;          // 0: the root, which every server knows
    struct list closed; // in scheme.closed
};

// What a party received from one scheme.
struct serving {
    struct scheme *scheme;
    struct scheme_party *party;
    struct list party_link; // under party.lock

    // Under the scheme's lock:
    struct list received;  // slots
    struct list cancelled; // slots that the party is to be told of
};

// The two sides' common ground, all in scheme.c.
void scheme_retain(struct scheme *scheme);
void scheme_release(struct scheme *scheme);
struct scheme *scheme_of_server(struct object *server);

// Ends a call that is in no list and no slot any more, now or when its last pin goes. `call` may be
// gone on return.
void call_finish_locked(struct scheme *scheme, struct scheme_call *call, enum status result);

// A copy has ended. `call` may be gone on return.
void call_unpin_locked(struct scheme *scheme, struct scheme_call *call);

// Moves all channels of scheme.closed over to `to`, where channels_free frees them without the
// lock.
void take_closed_all_locked(struct scheme *scheme, struct list *to);
void channels_free(struct list *channels);

// Takes a call out of its slot, which stays with its serving.
struct scheme_call *slot_detach_locked(struct call_slot *slot);

// Pins a call that the party received, if it can still be reached: it does not return before it is
// unpinned. ERR_NOT_FOUND, ERR_CANCELLED. `call` may be gone after call_unpin.
MUST_USE enum status call_pin(struct scheme *scheme, const struct scheme_party *party, u64 number,
                              struct scheme_call **call);
void call_unpin(struct scheme *scheme, struct scheme_call *call);

// Takes off what the party has mapped of a call's grants (scheme_map.c).
void scheme_unmap_call(struct map_set *set, const struct scheme *scheme, u64 number);
static inline void party_unmap(struct scheme_party *party, const struct scheme *scheme,
                               u64 number) {
    // Pairs with the release of who made the set. What another thread maps now is taken back later.
    struct map_set *set = __atomic_load_n(&party->maps, __ATOMIC_ACQUIRE);
    if (set != NULL && map_set_has_lent(set))
        scheme_unmap_call(set, scheme, number);
}

// Takes off what is still mapped of the grants of the caller's own call, which is over.
void scheme_take_back_slow(struct scheme *scheme, struct scheme_call *call);
static inline void scheme_take_back(struct scheme *scheme, struct scheme_call *call) {
    // Pairs with the release in take_from_call, after which nothing touches the call.
    if (__atomic_load_n(&call->mapped_count, __ATOMIC_ACQUIRE) != 0)
        scheme_take_back_slow(scheme, call);
}

// Files and directories (scheme_file.c).
extern const struct path_ops scheme_paths;
enum status scheme_remote_call(struct remote_call *call);
