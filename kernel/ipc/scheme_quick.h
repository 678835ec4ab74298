#pragma once
// Calls in the quick way, inline for kernel/kwast: a call without handles, to a server that waits
// in the same address space, and the reply to it. Words and inline bytes go from one program's
// memory straight into the other's, and the CPU from one thread straight to the other. A server
// that may not run on this CPU is made ready on its own, and the caller sleeps.
//
// It is the same call in the same slot (scheme_internal.h), made in fewer steps: whatever is not as
// plain as that changes nothing and is left to scheme_call and scheme_reply_receive; and whoever
// ends it otherwise (a kill, the end of the server) finds it where he finds every call.
//
// What makes it sound to write into another thread's memory: the thread is claimed (park.h), so it
// sleeps and touches nothing, and it said where to. It is its process's only one, so nobody else
// unmaps that; and the process cannot end before it. A page that is missing all the same cannot be
// made while interrupts are off: then the call goes the other way. What was stored until then, that
// stores again, or something else in the same place.
//
// Without company (cpu->has_company) nobody else runs while interrupts are off: then the scheme's
// lock need not be taken, nor the other thread claimed. Who has claimed one, and cannot go on,
// wakes it as if by mistake, which every wait stands.
//
// A kill that found the thread awake has left word in its `park`, which the end of the last park
// may overwrite. So it is looked for behind the scheme's lock, which orders that store before the
// look: a kill that is not seen there comes to `park` later, and claims the thread or keeps it
// awake.
//
// Each step is there once, for both: has_company is a constant wherever this is used.

#include "abi/kwast/calls.h"
#include "kernel/ipc/scheme_internal.h"
#include "kernel/sched/handover.h"

// How it went. The status of a wait that ended otherwise is in the thread's wake_status.
enum quick {
    QUICK_NO,    // nothing has happened
    QUICK_DONE,  // the reply, or the next request, has been stored
    QUICK_WAITED // the call was sent, or the reply: who waits has to look how that ended
};

static inline void quick_lock(struct scheme *scheme, bool has_company) {
    if (has_company)
        spin_lock_masked(&scheme->queue.lock);
}

static inline void quick_unlock(struct scheme *scheme, bool has_company) {
    if (has_company)
        spin_unlock_masked(&scheme->queue.lock);
}

// Wakes a thread with nothing, if it was claimed.
[[gnu::noinline]] static void quick_give_up(struct thread *claimed, bool has_company) {
    if (!has_company)
        return;
    claimed->wake_status = ERR_WOULD_BLOCK;
    sched_wake(claimed);
}

// Copies a word between program memories, both given as numbers.
#define QUICK_COPY(to, from, fail)                                                                 \
    do {                                                                                           \
        u64 word_;                                                                                 \
        arch_try_load(word_, from, fail);                                                          \
        arch_try_store(to, word_, fail);                                                           \
    } while (false)

// The words are in the same places everywhere, from here on.
#define QUICK_COPY_WORDS(to, from, fail)                                                           \
    do {                                                                                           \
        u64 words_to_ = (to), words_from_ = (from);                                                \
        STATIC_ASSERT(KWAST_WORDS == 4, "each is copied");                                         \
        QUICK_COPY(words_to_, words_from_, fail);                                                  \
        QUICK_COPY(words_to_ + 8, words_from_ + 8, fail);                                          \
        QUICK_COPY(words_to_ + 16, words_from_ + 16, fail);                                        \
        QUICK_COPY(words_to_ + 24, words_from_ + 24, fail);                                        \
    } while (false)

// -- Calling -------------------------------------------------------------------------------------

// How the running thread's call begins, in two words, checked. What else is needed is in the struct
// scheme_call that the thread is to lend already: reply_at, its grants, bytes_at if it has inline
// bytes.
struct quick_call {
    u64 operation_and_bytes_len;
    u64 grant_count;
};

static inline struct scheme_call *quick_lent(struct thread *running) {
    return (struct scheme_call *)running->lent;
}

// That a request begins, in two words, as a call does.
STATIC_ASSERT(offsetof(struct kwast_call, operation) == 0 &&
                  offsetof(struct kwast_call, bytes_len) == 4,
              "one word");
STATIC_ASSERT(offsetof(struct kwast_request, bytes_len) ==
                  offsetof(struct kwast_request, operation) + 4,
              "one word");
STATIC_ASSERT(offsetof(struct kwast_call, grant_count) == 8 &&
                  offsetof(struct kwast_call, handle_count) == 12,
              "one word");
STATIC_ASSERT(offsetof(struct kwast_request, handle_count) ==
                  offsetof(struct kwast_request, grant_count) + 4,
              "one word");

// Stores what the running thread's call lends; false: a page is missing.
[[gnu::noinline]] static bool quick_grants(u64 to, const struct scheme_call *call, u64 count) {
    STATIC_ASSERT(sizeof((struct kwast_request){}.grants[0]) == sizeof(u64), "one word");
    for (u64 i = 0; i < count; i++) {
        u64 grant = call->grants[i].len | (u64)call->grants[i].access << 32;
        arch_try_store(to + offsetof(struct kwast_request, grants) + i * sizeof grant, grant,
                       missing);
    }
    return true;
missing:
    return false;
}

// What the next call in the slot is known by.
static inline u64 quick_next_number(const struct call_slot *slot) {
    return slot->number + SLOT_USE;
}

// Stores the request; false: a page is missing. The order is what needs least at a time.
__attribute__((always_inline)) static inline bool quick_request(const struct receiver *receiver,
                                                                struct thread *from,
                                                                const struct channel *channel,
                                                                const struct quick_call *what) {
    const struct scheme_call *call = quick_lent(from);
    u64 to = receiver->request_at;
    arch_try_store(to + offsetof(struct kwast_request, operation), what->operation_and_bytes_len,
                   missing);
    arch_try_store(to + offsetof(struct kwast_request, grant_count), what->grant_count, missing);
    if (__builtin_expect(what->grant_count != 0, 0) && !quick_grants(to, call, what->grant_count))
        return false;
    u64 bytes_len = what->operation_and_bytes_len >> 32;
    if (__builtin_expect(bytes_len != 0, 0)) // as far as they fit
        arch_try_copy(receiver->bytes_at, call->bytes_at, min_u64(bytes_len, receiver->bytes_len),
                      missing);
    QUICK_COPY_WORDS(to + offsetof(struct kwast_request, words),
                     call->reply_at + offsetof(struct kwast_call, words), missing);
    arch_try_store(to + offsetof(struct kwast_request, value), channel->value, missing);
    arch_try_store(to + offsetof(struct kwast_request, number), quick_next_number(receiver->slot),
                   missing);
    return true;
missing:
    return false;
}

// The call is the receiver's: as receiver_take_locked, for one that is described to it already.
__attribute__((always_inline)) static inline void quick_enter(struct scheme *scheme,
                                                              struct receiver *receiver,
                                                              struct scheme_call *call,
                                                              struct thread *from) {
    struct call_slot *slot = receiver->slot;
    call->caller = from;
    call->slot = slot;
    call->is_finishing = false;
    call->is_done = false;
    call->pins = 0;
    call->mapped_count = 0;
    scheme->receivers = receiver->next;
    receiver->slot = NULL;
    receiver->request_at = 0;
    slot->number += SLOT_USE;
    slot->serving = receiver->serving;
    slot->call = call;
    scheme->recent = slot;
}

// The running thread, `from`, makes a call. Interrupts are off, and stay so.
__attribute__((always_inline)) static inline enum quick call_quick(struct thread *from,
                                                                   const struct channel *channel,
                                                                   const struct quick_call *what,
                                                                   bool has_company) {
    struct scheme *scheme = channel->scheme;
    quick_lock(scheme, has_company);
    if (has_company && thread_is_killed(from)) // see above
        goto no;
    struct receiver *receiver = scheme->receivers;
    if (receiver == NULL || receiver->request_at == 0 ||
        (channel->epoch != 0 && channel->epoch != scheme->epoch))
        goto no;
    struct thread *to = receiver->thread;
    enum hand_over how = hand_over_to(from, to, has_company);
    if (how == HAND_NOT || !are_equals(from, to) || !hand_over_claim(to, has_company))
        goto no;
    if (!quick_request(receiver, from, channel, what)) {
        quick_give_up(to, has_company);
        goto no;
    }
    struct scheme_call *call = quick_lent(from);
    quick_enter(scheme, receiver, call, from);
    quick_unlock(scheme, has_company);
    count_one(&from->messages.calls);
    count_one(&to->messages.served);
    struct cpu *cpu = cpu_of_running(from);
    count_one(&cpu->quick_calls);
    hand_over_claimed(cpu, from, to, how, has_company);
    return call->reply_at == 0 ? QUICK_DONE : QUICK_WAITED;
no:
    quick_unlock(scheme, has_company);
    return QUICK_NO;
}

// -- Replying, and receiving ---------------------------------------------------------------------

// A reply as its server's memory has it, checked, and where the next call may be stored.
struct quick_reply {
    const struct scheme_party *party;
    u64 at; // the struct kwast_reply
    u64 number;
    u64 answer_and_handle; // which is KWAST_NO_HANDLE
    u64 request_at;
    u64 bytes_at;
    u64 bytes_len;
};

STATIC_ASSERT(offsetof(struct kwast_reply, handle) == offsetof(struct kwast_reply, answer) + 4,
              "one word");
STATIC_ASSERT(offsetof(struct kwast_call, handle) == offsetof(struct kwast_call, answer) + 4,
              "one word");

// Stores a reply at `to`, a struct kwast_call; false: a page is missing.
__attribute__((always_inline)) static inline bool quick_answer(u64 to,
                                                               const struct quick_reply *what) {
    QUICK_COPY_WORDS(to + offsetof(struct kwast_call, words),
                     what->at + offsetof(struct kwast_reply, words), missing);
    arch_try_store(to + offsetof(struct kwast_call, answer), what->answer_and_handle, missing);
    return true;
missing:
    return false;
}

// The running thread waits for the next call with the slot of the last one.
__attribute__((always_inline)) static inline void
quick_wait(struct scheme *scheme, struct receiver *receiver, struct call_slot *slot,
           struct thread *from, const struct quick_reply *what) {
    receiver->thread = from;
    receiver->serving = slot->serving;
    receiver->slot = slot;
    receiver->request_at = what->request_at;
    receiver->bytes_at = what->bytes_at;
    receiver->bytes_len = what->bytes_len;
    receiver_enter_locked(scheme, receiver);
    slot->call = NULL;
    slot->serving = NULL;
    scheme->worker = from;
}

// The running thread, `from`, replies and waits for the next call. Interrupts are off, and stay so.
__attribute__((always_inline)) static inline enum quick
exchange_quick(struct thread *from, struct scheme *scheme, const struct quick_reply *what,
               bool has_company) {
    struct receiver *receiver = (struct receiver *)from->lent;
    quick_lock(scheme, has_company);
    if (has_company && thread_is_killed(from)) // see above
        goto no;
    struct call_slot *slot = scheme->recent;
    if (slot == NULL || slot->number != what->number || slot->call == NULL ||
        slot->serving->party != what->party || scheme->has_news)
        goto no;
    struct scheme_call *call = slot->call;
    struct thread *to = call->caller;
    ASSERT(call->reply_at != 0 && call->pins == 0 && call->mapped_count == 0);
    enum hand_over how = hand_over_to(from, to, has_company);
    if (how == HAND_NOT || !are_equals(from, to) || !hand_over_claim(to, has_company))
        goto no;
    if (!quick_answer(call->reply_at, what)) {
        quick_give_up(to, has_company);
        goto no;
    }
    call->reply_at = 0;
    quick_wait(scheme, receiver, slot, from, what);
    quick_unlock(scheme, has_company);
    hand_over_claimed(cpu_of_running(from), from, to, how, has_company);
    return receiver->request_at == 0 ? QUICK_DONE : QUICK_WAITED;
no:
    quick_unlock(scheme, has_company);
    return QUICK_NO;
}
