#pragma once
// Calls in the quick way, inline for kernel/kwast: a call of words alone, to a server that waits in
// the same address space, and the reply to it. The words go from one program's memory straight into
// the other's, and the CPU from one thread straight to the other. A server that may not run on this
// CPU is made ready on its own, and the caller sleeps.
//
// It is the same call in the same slot (scheme_internal.h), made in fewer steps: whatever is not as
// plain as that changes nothing and is left to scheme_call and scheme_reply_receive; and whoever
// ends it otherwise (a kill, the end of the server) finds it where he finds every call.
//
// What makes it sound to write into another thread's memory: the thread is claimed (park.h), so it
// sleeps and touches nothing, and it said where to. It is its process's only one, so nobody else
// unmaps that; and the process cannot end before it. A page that is missing all the same cannot be
// made while interrupts are off: then the claimed thread is woken as if by mistake, which every
// wait stands, and the call goes the other way.
//
// Without company (cpu->has_company) nobody else runs while interrupts are off, so the scheme's
// lock need not be taken.

#include "abi/kwast/calls.h"
#include "kernel/ipc/scheme_internal.h"
#include "kernel/sched/handover.h"

// How it went. The status of a wait that ended otherwise is in the thread's wake_status.
enum quick {
    QUICK_NO,    // nothing has happened
    QUICK_DONE,  // the reply, or the next request, has been stored
    QUICK_WAITED // the call was sent, or the reply: who waits has to look how that ended
};

// Copies `words` words from `from` to `to`, both numbers.
#define QUICK_COPY(to, from, words, fail)                                                          \
    for (u32 word_ = 0; word_ < (words); word_++) {                                                \
        u64 value_;                                                                                \
        arch_try_load(value_, (from) + word_ * sizeof(u64), fail);                                 \
        arch_try_store((to) + word_ * sizeof(u64), value_, fail);                                  \
    }

static inline void quick_lock(struct scheme *scheme, bool has_company) {
    if (has_company)
        spin_lock_masked(&scheme->queue.lock);
}

static inline void quick_unlock(struct scheme *scheme, bool has_company) {
    if (has_company)
        spin_unlock_masked(&scheme->queue.lock);
}

// Wakes a claimed thread that gets nothing.
[[gnu::noinline]] static void quick_wake(struct thread *claimed) {
    claimed->wake_status = ERR_WOULD_BLOCK;
    sched_wake(claimed);
}

static inline u64 quick_number(struct call_slot *slot) {
    return (u64)slot->generation << 32 | (slot->index + 1u);
}

// -- Calling -------------------------------------------------------------------------------------

// Stores the request at `to`; false: a page is missing.
__attribute__((always_inline)) static inline bool quick_request(u64 to, u64 number, u64 value,
                                                                u32 operation, u64 call_at) {
    arch_try_store(to + offsetof(struct kwast_request, number), number, missing);
    arch_try_store(to + offsetof(struct kwast_request, value), value, missing);
    QUICK_COPY(to + offsetof(struct kwast_request, words),
               call_at + offsetof(struct kwast_call, words), KWAST_WORDS, missing);
    STATIC_ASSERT(offsetof(struct kwast_request, bytes_len) ==
                      offsetof(struct kwast_request, operation) + 4,
                  "zero above the operation");
    arch_try_store(to + offsetof(struct kwast_request, operation), (u64)operation, missing);
    arch_try_store(to + offsetof(struct kwast_request, grant_count), (u64)0, missing);
    return true;
missing:
    return false;
}

// The call is the receiver's: as receiver_take_locked, for one without anything attached.
__attribute__((always_inline)) static inline void quick_enter(struct receiver *receiver,
                                                              struct call_slot *slot,
                                                              struct scheme_call *call,
                                                              struct thread *from, u64 call_at) {
    call->caller = from;
    call->slot = slot;
    call->reply_at = call_at;
    call->is_finishing = false;
    call->is_done = false;
    call->pins = 0;
    call->mapped_count = 0;
    call->grant_count = 0;
    call->handle_count = 0;
    call->granted.object = NULL;
    receiver->link.next->prev = receiver->link.prev; // it does not look at its link again
    receiver->link.prev->next = receiver->link.next;
    receiver->slot = NULL;
    receiver->request_at = 0;
    slot->generation++;
    slot->serving = receiver->serving;
    slot->call = call;
}

// The call that is at `call_at` in the running thread's memory, and has nothing but words.
// `from` is that thread. Interrupts are off, and stay so.
__attribute__((always_inline)) static inline enum quick call_quick(struct thread *from,
                                                                   const struct channel *channel,
                                                                   u64 call_at, u32 operation,
                                                                   bool has_company) {
    struct scheme_call *call = (struct scheme_call *)from->lent;
    struct cpu *cpu = __atomic_load_n(&from->cpu, __ATOMIC_RELAXED);
    struct scheme *scheme = channel->scheme;
    if (has_company && thread_is_killed(from))
        return QUICK_NO;
    quick_lock(scheme, has_company);
    struct list *first = scheme->receivers.next;
    struct receiver *receiver = container_of(first, struct receiver, link);
    if (first == &scheme->receivers || receiver->request_at == 0 ||
        (channel->epoch != 0 && channel->epoch != scheme->epoch))
        goto no;
    struct thread *to = receiver->thread;
    enum hand_over how = hand_over_to(cpu, to, has_company);
    if (how == HAND_NOT || !are_equals(from, to) || from->context.aspace != to->context.aspace ||
        !hand_over_claim(to, has_company))
        goto no;
    struct call_slot *slot = receiver->slot;
    u64 number = quick_number(slot) + (1ull << 32); // as quick_enter makes it
    if (!quick_request(receiver->request_at, number, channel->value, operation, call_at)) {
        quick_wake(to);
        goto no;
    }
    quick_enter(receiver, slot, call, from, call_at);
    scheme->recent = slot;
    quick_unlock(scheme, has_company);
    count_one(&from->messages.calls);
    count_one(&to->messages.served);
    count_one(&cpu->messages.calls);
    count_one(&cpu->messages.served);
    hand_over_claimed(cpu, from, to, how, has_company);
    return call->reply_at == 0 ? QUICK_DONE : QUICK_WAITED;
no:
    quick_unlock(scheme, has_company);
    return QUICK_NO;
}

// -- Replying, and receiving ---------------------------------------------------------------------

// Stores a reply without a handle at `to`, a struct kwast_call; false: a page is missing.
__attribute__((always_inline)) static inline bool quick_answer(u64 to, u64 reply_at) {
    u32 answer;
    arch_try_load(answer, reply_at + offsetof(struct kwast_reply, answer), missing);
    QUICK_COPY(to + offsetof(struct kwast_call, words),
               reply_at + offsetof(struct kwast_reply, words), KWAST_WORDS, missing);
    arch_try_store(to + offsetof(struct kwast_call, answer), answer, missing);
    arch_try_store(to + offsetof(struct kwast_call, handle), KWAST_NO_HANDLE, missing);
    return true;
missing:
    return false;
}

// The running thread waits for the next call with the slot of the last one.
__attribute__((always_inline)) static inline void quick_wait(struct scheme *scheme,
                                                             struct receiver *receiver,
                                                             struct call_slot *slot,
                                                             struct thread *from, u64 request_at) {
    receiver->thread = from;
    receiver->serving = slot->serving;
    receiver->slot = slot;
    receiver->call = NULL;
    receiver->caller_id = 0;
    receiver->request_at = request_at;
    struct list *next = scheme->receivers.next;
    receiver->link = (struct list){.next = next, .prev = &scheme->receivers};
    next->prev = &receiver->link;
    scheme->receivers.next = &receiver->link;
    slot->call = NULL;
    slot->serving = NULL;
    scheme->worker = from;
}

// Answers the call with this number as the struct kwast_reply at `reply_at` says, and waits for the
// next one, which may be stored at `request_at`. `from` is the running thread. Interrupts are off,
// and stay so.
__attribute__((always_inline)) static inline enum quick
exchange_quick(struct thread *from, struct scheme *scheme, const struct scheme_party *party,
               u64 number, u64 reply_at, u64 request_at, bool has_company) {
    struct receiver *receiver = (struct receiver *)from->lent;
    struct cpu *cpu = __atomic_load_n(&from->cpu, __ATOMIC_RELAXED);
    if (has_company && thread_is_killed(from))
        return QUICK_NO;
    quick_lock(scheme, has_company);
    struct call_slot *slot = scheme->recent;
    if (slot == NULL || slot->call == NULL || quick_number(slot) != number ||
        slot->serving->party != party || scheme->has_news)
        goto no;
    struct scheme_call *call = slot->call;
    struct thread *to = call->caller;
    enum hand_over how = hand_over_to(cpu, to, has_company);
    if (call->reply_at == 0 || how == HAND_NOT || !are_equals(from, to) ||
        from->context.aspace != to->context.aspace || !hand_over_claim(to, has_company))
        goto no;
    if (!quick_answer(call->reply_at, reply_at)) {
        quick_wake(to);
        goto no;
    }
    ASSERT(call->pins == 0 && call->mapped_count == 0 && !call->is_finishing);
    call->reply_at = 0;
    quick_wait(scheme, receiver, slot, from, request_at);
    quick_unlock(scheme, has_company);
    hand_over_claimed(cpu, from, to, how, has_company);
    return receiver->request_at == 0 ? QUICK_DONE : QUICK_WAITED;
no:
    quick_unlock(scheme, has_company);
    return QUICK_NO;
}
