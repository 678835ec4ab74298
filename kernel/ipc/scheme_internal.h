#pragma once
// What the two sides of a scheme share. Private to scheme.c (objects, calling) and scheme_serve.c.
//
// Where a call is, always under the scheme's lock (that of `queue`):
//
//   pending      linked in scheme.pending; slot NULL. No server waits then
//   received     in a slot, which names the serving of the party that received it
//   finishing    in neither: answered or taken back, while a copy is under way (pins)
//   done         nobody but its caller knows it any more
//
// A slot outlives its call when that is taken back: it is then linked in `cancelled` as well, until
// the server has been told, and free when the server has replied.
//
// A server's thread that waits lies in scheme.receivers, asleep (kernel/sched/park.h). Who calls
// hands the call over to it then and there: in its slot, and described in its request. A thread
// that is to look for other news is taken out and woken without a call.
//
// Whoever ends a call hands that over to its caller in the same way. So a caller that wakes up with
// an answer needs no lock; every other one looks under the lock whether its call is done.
//
// Locks: party.lock, then scheme.queue's. The queue is where those are told who poll.

#include "base/assert.h"
#include "kernel/ipc/map_set.h"
#include "kernel/ipc/scheme.h"
#include "kernel/sched/lend.h"
#include "kernel/sched/park.h"

struct serving;

struct call_slot {
    struct scheme_call *call; // NULL: taken back
    struct serving *serving;  // who received it; NULL: free, or a receiver's
    u64 number; // of the call towards the server: index + 1, and above that a count of the slot's
                // uses, so that numbers do not come again soon
    struct call_slot *next_free;
    struct list told_link; // in serving.cancelled
};

#define SLOTS_IN_CHUNK 64u
#define CHUNKS_MAX     (SCHEME_RECEIVED_MAX / SLOTS_IN_CHUNK)

struct slot_chunk {
    struct call_slot slots[SLOTS_IN_CHUNK];
};

// A thread that receives, in memory that it lends (thread_lend).
struct receiver {
    struct receiver *next; // in scheme.receivers
    struct thread *thread;
    struct serving *serving;
    struct call_slot *slot;   // for the call that comes; NULL: none yet, or used
    struct scheme_call *call; // pinned: there is something to deliver; or NULL
    u32 caller_id;            // for the trace; 0: no call
    u64 request_at;           // where a request may be stored, in the thread's memory; 0: nowhere,
                              // or it has been
    u64 bytes_at;             // and its inline bytes
    u64 bytes_len;
    struct scheme_request request;
};

struct scheme {
    u32 ref_count;                  // atomic: the server end, channels, servings
    struct memory_account *account; // fixed, as are those who keep it; NULL: nobody pays
    struct object *payer;
    bool is_closed; // under queue.lock: the server end is gone
    struct wait_queue queue;
    struct ready *root_ready; // atomic, set once: what poll knows of the root; NULL: always ready

    // Under queue.lock:
    u64 epoch;                  // counts parties that went; from 1
    struct receiver *receivers; // the latest first
    struct list pending;        // calls, first come first
    struct list closed;         // channels without a holder that the server has not been told of
    struct call_slot *free;
    struct serving *last; // that was received for, as a guess; or NULL
    // That a call came into last in the quick way, nothing that it lends has been mapped, and its
    // caller waits as it did at first: what is in it, if it is still in use, can be answered in
    // that way; or NULL.
    struct call_slot *recent;
    // That came to receive last: a call that finds nobody lends to it; or NULL.
    struct thread *worker;
    bool has_news;       // `pending`, `closed` or a `cancelled` may not be empty
    u32 cancelled_count; // slots in all servings' `cancelled`
    u32 untold;          // channels in `closed`
    u32 chunk_count;
    struct slot_chunk *chunks[CHUNKS_MAX];
    char name[SCHEME_NAME_MAX + 1];
};

struct server_end {
    struct object object;
    struct scheme *scheme;
};

struct channel {
    struct object object;
    struct scheme *scheme;
    u64 value;
    u64 epoch;           // 0: the root, which every server knows
    struct list closed;  // in scheme.closed
    struct ready *ready; // what poll knows; NULL: the root, or always ready
};

// What a party received from one scheme.
struct serving {
    struct scheme *scheme;
    struct scheme_party *party;
    struct list party_link; // under party.lock

    struct list cancelled; // under the scheme's lock: slots that the party is to be told of
};

static inline void words_copy(u64 *to, const u64 *from) {
    for (u32 i = 0; i < SCHEME_WORDS; i++)
        to[i] = from[i];
}

// The two sides' common ground, all in scheme.c.
void scheme_retain(struct scheme *scheme);
void scheme_release(struct scheme *scheme);

// What somebody pays for what is kept for the scheme. ERR_NO_MEMORY: he has no more.
MUST_USE enum status scheme_charge(struct scheme *scheme, u64 bytes);
static inline struct scheme *scheme_of_server(struct object *server) {
    CHECK(scheme_is_server(server));
    return container_of(server, struct server_end, object)->scheme;
}

// A server's thread is about to wait; it does so no longer, if it still lay there.
static inline void receiver_enter_locked(struct scheme *scheme, struct receiver *receiver) {
    receiver->next = scheme->receivers;
    scheme->receivers = receiver;
}
void receiver_leave_locked(struct scheme *scheme, const struct receiver *receiver);

#define SLOT_USE (1ull << 32) // one more use, in a slot's number

// Ends another thread's call that is in no list and no slot any more, now or when its last pin
// goes. `call` may be gone on return.
void call_finish_locked(struct scheme *scheme, struct scheme_call *call, enum status result);

// Nobody but its caller knows it from now on. Returns the caller where it sleeps, claimed. If it is
// awake it looks under the lock, which is held: so the call is there either way.
static inline struct thread *call_done_locked(struct scheme_call *call) {
    struct thread *caller = call->caller;
    bool is_asleep = park_claim(caller);
    call->is_done = true;
    return is_asleep ? caller : NULL;
}

// The same, but the caller is not run where it sleeps: it is claimed, and returned; or NULL.
static inline struct thread *call_finish_claim_locked(struct scheme_call *call,
                                                      enum status result) {
    ASSERT(call->slot == NULL && !call->is_finishing);
    if (__builtin_expect(priority_is_lent(call->caller), 0))
        priority_take_back(call->caller);
    call->result = result;
    call->is_finishing = true;
    return call->pins == 0 ? call_done_locked(call) : NULL;
}

// Has a waiting server's thread look for news: one of this serving, or any if it is NULL.
void receiver_tell_locked(struct scheme *scheme, const struct serving *serving);

// Puts the call into the slot of a thread that is claimed, or runs here, and describes it to that.
// It is pinned in receiver->call if there is something to deliver with it.
void receiver_take_locked(struct receiver *receiver, struct scheme_call *call);

// A copy has ended. `call` may be gone on return.
void call_unpin_locked(struct scheme *scheme, struct scheme_call *call);

// Moves all channels of scheme.closed over to `to`, where channels_free frees them without the
// lock.
void take_closed_all_locked(struct scheme *scheme, struct list *to);
void channels_free(struct list *channels);

// Takes a call out of its slot, which stays with its serving.
static inline struct scheme_call *slot_detach_locked(struct call_slot *slot) {
    struct scheme_call *call = slot->call;
    ASSERT(call != NULL && call->slot == slot);
    slot->call = NULL;
    call->slot = NULL;
    return call;
}

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
