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

// Files and directories (scheme_file.c).
extern const struct path_ops scheme_paths;
enum status scheme_remote_call(struct remote_call *call);
