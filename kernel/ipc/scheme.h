#pragma once
// Schemes: services that one process offers and others call.
//
//   scheme       the service: the calls that wait for it and those that it works on
//   server end   an object; who holds it receives calls and replies to them. When the last
//                reference goes, so does the service
//   channel      an object, a client's end: the scheme's root, or something that a server opened
//   call         what one thread asks for: from scheme_call until that returns
//   party        a process, as far as it serves
//
// A call is synchronous, and lives in what its caller's thread lends (thread_lend): so nobody makes
// the kernel hold calls without holding a thread for each. What the caller lends (grants) can be
// reached by the server from the moment it receives the call until the reply, the caller's death,
// or its own; and the caller does not go on before a copy that is under way has ended.
//
// When a party goes, the calls that it had received fail with ERR_PEER_DIED, and so does every
// later use of a channel that was opened before. Calls that nobody had received yet and root
// channels stay: the next server finds them. When the server end goes, everything fails with
// ERR_CLOSED.

#include "kernel/ipc/handle.h"
#include "kernel/mm/guest.h"
#include "kernel/mm/mapping.h"
#include "kernel/sched/wait.h"

#define SCHEME_WORDS        4u
#define SCHEME_BYTES_MAX    4096u // of inline bytes
#define SCHEME_GRANTS_MAX   4u
#define SCHEME_HANDLES_MAX  4u
#define SCHEME_RECEIVED_MAX 4096u // calls that one scheme's servers work on at a time
#define SCHEME_UNTOLD_MAX   4096u // closed channels of which the servers have not been told
#define SCHEME_NAME_MAX     63u

// -- Memory that is lent -------------------------------------------------------------------------

enum grant_access : u8 { GRANT_READ = 1 << 0, GRANT_WRITE = 1 << 1 };

// A run of memory: a program's, or the kernel's own when `kernel` is set.
struct grant {
    struct guest_memory memory;
    struct guest_addr start;
    void *kernel;
    u64 len;
    enum grant_access access; // what the server may do
};

// -- Making one ----------------------------------------------------------------------------------

// `name` is for people: reports and traces. *server is a reference to the server end. What the
// kernel has to keep for the scheme and its channels, whoever makes those, is charged to `account`
// (NULL: to nobody) until it is freed; `payer`, of which it takes a reference, keeps that account.
// ERR_NO_MEMORY.
MUST_USE enum status scheme_create(struct bytes name, struct memory_account *account,
                                   struct object *payer, struct object **server);

// A new client's end; a file, directory or stream can be used as one, its server speaks the file
// protocol (abi/kwast/file.h). `value` is what the server knows the opened object by, it comes with
// every call; `type` is what the channel is to its holder. The root channel has the value 0.
// ERR_NO_MEMORY; ERR_LIMIT: SCHEME_UNTOLD_MAX channels were closed, and nobody has received that.
MUST_USE enum status scheme_channel(struct object *server, u64 value, enum object_type type,
                                    struct object **channel);
MUST_USE enum status scheme_root(struct object *server, enum object_type type,
                                 struct object **channel);

// The same as scheme_channel, of which poll knows what the server says by *ready, a reference to
// its end of that (ready.h).
MUST_USE enum status scheme_pollable(struct object *server, u64 value, enum object_type type,
                                     struct object **channel, struct object **ready);

// What poll knows of the scheme's root is what the server says by *ready, instead of that it is
// always ready; until the next server does so.
MUST_USE enum status scheme_root_ready(struct object *server, struct object **ready);

// Whether an object is one of the two.
static inline bool scheme_is_server(const struct object *object) {
    return object->scheme_end == SCHEME_END_SERVER;
}

static inline bool scheme_is_channel(const struct object *object) {
    return object->scheme_end == SCHEME_END_CHANNEL;
}

// -- Calling -------------------------------------------------------------------------------------

struct scheme_call {
    // What is asked. References in `handles` belong to the call until scheme_call returns, which
    // takes those that the server did not get out of it again: object_release what is left.
    u32 operation; // from SCHEME_FILE_OPERATION
    u64 words[SCHEME_WORDS];
    struct grant bytes; // GRANT_READ, at most SCHEME_BYTES_MAX; the server gets them with the call
    u32 grant_count;
    struct grant grants[SCHEME_GRANTS_MAX];
    u32 handle_count;
    struct handle handles[SCHEME_HANDLES_MAX];

    // The reply, when scheme_call returns OK; `words` are then the server's.
    u32 answer;            // the server's word for how it went; 0 is success
    struct handle granted; // its object is NULL when there is none; the reference is the caller's

    // scheme.c's own, under the scheme's lock:
    struct thread *caller;
    enum status result;
    bool is_finishing;      // done when the last pin goes
    bool is_done;           // nobody but the caller knows it any more
    u32 pins;               // copies under way
    u32 mapped_count;       // atomic: what servers have mapped of the grants;
    struct list mapped;     // under the scheme's lock: that, if it is not 0
    struct list link;       // in the scheme's pending calls
    struct call_slot *slot; // once received
    u64 value;              // the channel's
    u64 epoch;
    u64 reply_at; // where the caller has its struct kwast_call, for who answers in the quick way;
                  // or 0
    u64 bytes_at; // and its inline bytes, while it makes the call in the quick way
};

// Operations below SCHEME_FIRST_OPERATION are the kernel's.
enum : u32 {
    SCHEME_CANCELLED = 1,        // call `number` has gone: its reply goes nowhere, and is still due
    SCHEME_CLOSED = 2,           // the last channel to `value` has gone; no reply
    SCHEME_FILE_OPERATION = 16,  // the file protocol's
    SCHEME_FIRST_OPERATION = 64, // what client and server agree on
};

// Waits on for the reply to a call of the running thread, where the wait in the quick way
// (scheme_quick.h) has ended with `status` and no reply was stored.
MUST_USE enum status scheme_call_resume(struct object *channel, struct scheme_call *call,
                                        enum status status);

// Asks, and waits for the reply. ERR_PEER_DIED, ERR_CLOSED; ERR_KILLED, ERR_TIMED_OUT: the call has
// been taken back. ERR_LIMIT or ERR_NO_MEMORY: the server could not take the handles, or the bytes.
// Thread context.
MUST_USE enum status scheme_call(struct object *channel, struct scheme_call *call, u64 deadline_ns);

// -- Serving -------------------------------------------------------------------------------------

// A process as a server: what it has received, from whatever scheme.
struct map_set;
struct scheme_party {
    struct handle_table *handles; // where handles that come with calls go
    struct map_set *maps;         // atomic: what the process has mapped; NULL before the first

    // Only the party's own threads and its end touch the list, one at a time (`lock`).
    struct spinlock lock;
    struct list servings;
    u32 serving_count;
    u32 looks_at; // so many, for those that are of no use any more
};

void scheme_party_init(struct scheme_party *party, struct handle_table *handles);

// The process is ending: no thread of it is in here. What it had received fails.
void scheme_party_fini(struct scheme_party *party);

// The running thread receives no more for the party, which stays.
void scheme_party_leave(struct scheme_party *party);

// In the order in which programs get it, as far as words that are always there.
struct scheme_request {
    u64 number; // names it towards this scheme; 0 when no reply is due
    u64 value;  // of the channel
    u64 words[SCHEME_WORDS];
    u32 operation;
    u32 bytes_len;
    u32 grant_count;
    u32 handle_count;
    struct {
        u64 len;
        enum grant_access access;
    } grants[SCHEME_GRANTS_MAX];
    u32 handles[SCHEME_HANDLES_MAX]; // numbers in the party's table
};

// Waits for the next call and puts its inline bytes, as far as they fit, into `bytes` (which is
// GRANT_WRITE). ERR_TIMED_OUT, ERR_KILLED, ERR_NO_MEMORY; ERR_LIMIT: SCHEME_RECEIVED_MAX calls wait
// for replies.
MUST_USE enum status scheme_receive(struct object *server, struct scheme_party *party,
                                    const struct grant *bytes, u64 deadline_ns,
                                    struct scheme_request *out);

struct scheme_reply {
    u32 answer;
    u64 words[SCHEME_WORDS];
    struct handle handle; // object NULL: none. Taken over on OK
};

// What scheme_reply_receive takes.
struct scheme_served {
    u64 number;
    u32 answer;
    const u64 *words;
    struct grant bytes; // as scheme_receive has them
    u64 deadline_ns;
    u64 request_at; // where a struct kwast_request may be stored meanwhile; or 0
    bool is_stored; // and whether it was, there instead of in `request`
    struct scheme_request request;
};

// ERR_NOT_FOUND: there is no such call, or another party received it. A call that was cancelled is
// answered like any other.
MUST_USE enum status scheme_reply(struct object *server, struct scheme_party *party, u64 number,
                                  const struct scheme_reply *reply);

// Replies, and then receives: the way on which a call costs least, for the caller goes on where
// this thread falls asleep. When replying fails, nothing is received.
MUST_USE enum status scheme_reply_receive(struct object *server, struct scheme_party *party,
                                          struct scheme_served *served);

// The same, where the reply is done and the receiver, which this thread lends, waited in the quick
// way: that ended with `status`.
struct receiver;
MUST_USE enum status scheme_receive_resume(struct object *server, struct scheme_party *party,
                                           struct receiver *receiver, enum status status,
                                           struct scheme_served *served);

// Copies between grant `index` of a received call, from `offset`, and `local`: towards the grant
// when that is GRANT_READ, from it when it is GRANT_WRITE; all of `local`. ERR_NOT_FOUND as above,
// ERR_CANCELLED, ERR_INVALID: no such grant or beyond its end, ERR_NO_ACCESS: not lent for that,
// ERR_NO_MEMORY: a page of either side has no frame; part may have been copied.
MUST_USE enum status scheme_copy(struct object *server, struct scheme_party *party, u64 number,
                                 u32 index, u64 offset, const struct grant *local);

// Maps whole pages of a grant over pages of the server's memory, until the server unmaps them
// (map_set.h), replies, or ends, or the call is taken back. party->maps is there.
#define SCHEME_MAP_PAGES_MAX 4096u // at a time: nobody waits long for the end of it
struct scheme_map {
    u64 number;
    u32 index;
    u64 offset;
    struct area_range range; // of the server's memory
    enum grant_access access;
};

// ERR_NOT_FOUND, ERR_CANCELLED, ERR_INVALID, ERR_NO_ACCESS as for scheme_copy; ERR_INVALID: not
// whole pages of the client's memory; ERR_NO_ACCESS: what lies there cannot be lent by mapping.
// ERR_UNSUPPORTED: the grant is the kernel's own. ERR_EXISTS: something is mapped over the range.
MUST_USE enum status scheme_map(struct object *server, struct scheme_party *party,
                                const struct scheme_map *what);
