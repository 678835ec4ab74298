// Schemes: the server's side. scheme.h says what they are, scheme_internal.h how a call moves.
//
// What takes longer than a few instructions (copies, handles) is done on a pinned call, outside of
// locks: a pin keeps the caller from going on, not the call from ending.

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/scheme_internal.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/lend.h"
#include "kernel/sched/park.h"
#include "kernel/sched/trace.h"

#define SERVINGS_FEW 8u
#define COPY_AT_ONCE (64 * KIB) // how long a caller that has been killed may have to wait

// -- Parties -------------------------------------------------------------------------------------

void scheme_party_init(struct scheme_party *party, struct handle_table *handles) {
    spin_init(&party->lock, LOCK_PARTY, "scheme party");
    list_init(&party->servings);
    party->serving_count = 0;
    party->looks_at = SERVINGS_FEW;
    party->handles = handles;
    party->maps = NULL;
}

static struct serving *serving_find_locked(struct scheme_party *party,
                                           const struct scheme *scheme) {
    LIST_FOR_EACH(node, &party->servings) {
        struct serving *serving = container_of(node, struct serving, party_link);
        if (serving->scheme == scheme)
            return serving;
    }
    return NULL;
}

// The party's serving of the scheme, `fresh` if there is none yet; it stays until the party goes,
// or nobody can receive from the scheme any more.
static struct serving *serving_enter(struct scheme_party *party, const struct scheme *scheme,
                                     struct serving *fresh) {
    spin_lock(&party->lock);
    struct serving *serving = serving_find_locked(party, scheme);
    if (serving == NULL && fresh != NULL) {
        list_push_front(&party->servings, &fresh->party_link);
        party->serving_count++;
        serving = fresh;
    }
    spin_unlock(&party->lock);
    return serving;
}

static struct call_slot *slot_at(const struct scheme *scheme, u64 index) {
    return &scheme->chunks[index / SLOTS_IN_CHUNK]->slots[index % SLOTS_IN_CHUNK];
}

// A free slot, or NULL.
static struct call_slot *slot_take_locked(struct scheme *scheme) {
    struct call_slot *slot = scheme->free;
    if (slot != NULL)
        scheme->free = slot->next_free;
    return slot;
}

static void slot_put_locked(struct scheme *scheme, struct call_slot *slot) {
    ASSERT(slot->call == NULL && slot->serving == NULL);
    slot->next_free = scheme->free;
    scheme->free = slot;
}

// The call that was in it has gone, and so has what is to be told about that.
static void slot_clear_locked(struct scheme *scheme, struct call_slot *slot) {
    ASSERT(slot->call == NULL);
    if (!list_is_empty(&slot->told_link)) {
        list_remove(&slot->told_link);
        scheme->cancelled_count--;
    }
    slot->serving = NULL;
}

static void slot_free_locked(struct scheme *scheme, struct call_slot *slot) {
    slot_clear_locked(scheme, slot);
    slot_put_locked(scheme, slot);
}

// The server that opened them is gone, so calls on its channels have no meaning any more.
static void fail_outdated_locked(struct scheme *scheme) {
    LIST_FOR_EACH(node, &scheme->pending) {
        struct scheme_call *call = container_of(node, struct scheme_call, link);
        if (call->epoch == 0 || call->epoch == scheme->epoch)
            continue;
        list_remove(&call->link);
        call_finish_locked(scheme, call, ERR_PEER_DIED);
    }
}

static void serving_end(struct serving *serving) {
    struct scheme *scheme = serving->scheme;
    struct list closed;
    list_init(&closed);
    wait_lock(&scheme->queue);
    scheme->epoch++;
    if (scheme->last == serving)
        scheme->last = NULL;
    scheme->worker = NULL; // it may be one of the party's
    for (u32 i = 0; i < scheme->chunk_count * SLOTS_IN_CHUNK; i++) {
        struct call_slot *slot = slot_at(scheme, i);
        if (slot->serving != serving)
            continue;
        if (slot->call != NULL)
            call_finish_locked(scheme, slot_detach_locked(slot), ERR_PEER_DIED);
        slot_free_locked(scheme, slot);
    }
    fail_outdated_locked(scheme);
    take_closed_all_locked(scheme, &closed);
    wait_unlock(&scheme->queue);
    channels_free(&closed);
    kfree(serving, sizeof *serving);
    scheme_release(scheme);
}

static bool is_useless(const struct serving *serving) {
    struct scheme *scheme = serving->scheme;
    wait_lock(&scheme->queue);
    bool is_closed = scheme->is_closed;
    spin_unlock(&scheme->queue.lock);
    return is_closed;
}

// Ends the servings of schemes that are closed: who received from one held its server end, so
// nobody is in there. Looks only when there are twice as many as were left the last time, or more.
static void end_useless(struct scheme_party *party) {
    struct list useless;
    list_init(&useless);
    spin_lock(&party->lock);
    if (party->serving_count >= party->looks_at) {
        LIST_FOR_EACH(node, &party->servings) {
            if (!is_useless(container_of(node, struct serving, party_link)))
                continue;
            list_remove(node);
            list_push_back(&useless, node);
            party->serving_count--;
        }
        party->looks_at = (u32)max_u64(SERVINGS_FEW, 2ull * party->serving_count);
    }
    spin_unlock(&party->lock);
    for (struct list *node; (node = list_pop_front(&useless)) != NULL;)
        serving_end(container_of(node, struct serving, party_link));
}

static enum status serving_get(struct scheme_party *party, struct scheme *scheme,
                               struct serving **out) {
    *out = serving_enter(party, scheme, NULL);
    if (*out != NULL)
        return OK;
    end_useless(party);
    struct serving *fresh = kmalloc(sizeof *fresh);
    if (fresh == NULL)
        return ERR_NO_MEMORY;
    fresh->scheme = scheme;
    fresh->party = party;
    list_init(&fresh->party_link);
    list_init(&fresh->cancelled);
    scheme_retain(scheme);
    *out = serving_enter(party, scheme, fresh);
    if (*out != fresh) { // another thread of the process was quicker
        kfree(fresh, sizeof *fresh);
        scheme_release(scheme);
    }
    return OK;
}

void scheme_party_fini(struct scheme_party *party) {
    for (struct list *node; (node = list_pop_front(&party->servings)) != NULL;)
        serving_end(container_of(node, struct serving, party_link));
}

void scheme_party_leave(struct scheme_party *party) {
    spin_lock(&party->lock);
    LIST_FOR_EACH(node, &party->servings) {
        struct scheme *scheme = container_of(node, struct serving, party_link)->scheme;
        wait_lock(&scheme->queue);
        if (scheme->worker == thread_current())
            scheme->worker = NULL;
        spin_unlock(&scheme->queue.lock);
    }
    spin_unlock(&party->lock);
}

// -- Copies --------------------------------------------------------------------------------------

// The part of a run that begins `offset` behind its start.
static void *kernel_at(const struct grant *grant, u64 offset) {
    return (u8 *)grant->kernel + offset;
}

static struct guest_addr guest_at(const struct grant *grant, u64 offset) {
    return (struct guest_addr){grant->start.value + offset};
}

static enum status copy_run(const struct grant *to, u64 to_offset, const struct grant *from,
                            u64 from_offset, u64 len) {
    if (to->kernel != NULL && from->kernel != NULL) {
        memcpy(kernel_at(to, to_offset), kernel_at(from, from_offset), len);
        return OK;
    }
    if (to->kernel != NULL)
        return guest_read(&from->memory, kernel_at(to, to_offset), guest_at(from, from_offset),
                          len);
    if (from->kernel != NULL)
        return guest_write(&to->memory, guest_at(to, to_offset), kernel_at(from, from_offset), len);
    return guest_copy(&to->memory, guest_at(to, to_offset), &from->memory,
                      guest_at(from, from_offset), len);
}

// -- Received calls ------------------------------------------------------------------------------

// The slot of a call that the party received and has not answered.
static struct call_slot *slot_find_locked(struct scheme *scheme, const struct scheme_party *party,
                                          u64 number) {
    u64 index = (number & UINT32_MAX) - 1;
    if (index >= (u64)scheme->chunk_count * SLOTS_IN_CHUNK)
        return NULL;
    struct call_slot *slot = slot_at(scheme, index);
    bool is_its = slot->serving != NULL && slot->serving->party == party;
    return is_its && slot->number == number ? slot : NULL;
}

void call_unpin(struct scheme *scheme, struct scheme_call *call) {
    wait_lock(&scheme->queue);
    call_unpin_locked(scheme, call);
    wait_unlock(&scheme->queue);
}

enum status call_pin(struct scheme *scheme, const struct scheme_party *party, u64 number,
                     struct scheme_call **call) {
    wait_lock(&scheme->queue);
    struct call_slot *slot = slot_find_locked(scheme, party, number);
    enum status status = slot == NULL ? ERR_NOT_FOUND : slot->call == NULL ? ERR_CANCELLED : OK;
    if (status == OK) {
        *call = slot->call;
        (*call)->pins++;
    }
    wait_unlock(&scheme->queue);
    return status;
}

static enum status check_copy(const struct scheme_call *call, u32 index, u64 offset,
                              const struct grant *local) {
    if (index >= call->grant_count || !range_fits(offset, local->len, call->grants[index].len))
        return ERR_INVALID;
    bool is_write = (local->access & GRANT_READ) != 0;
    enum grant_access needed = is_write ? GRANT_WRITE : GRANT_READ;
    return (call->grants[index].access & needed) != 0 ? OK : ERR_NO_ACCESS;
}

enum status scheme_copy(struct object *server, struct scheme_party *party, u64 number, u32 index,
                        u64 offset, const struct grant *local) {
    ASSERT(local->access == GRANT_READ || local->access == GRANT_WRITE);
    struct scheme *scheme = scheme_of_server(server);
    u64 done = 0;
    enum status status;
    do {
        struct scheme_call *call;
        status = call_pin(scheme, party, number, &call);
        if (status != OK)
            return status;
        status = check_copy(call, index, offset, local);
        u64 len = min_u64(local->len - done, COPY_AT_ONCE);
        if (status == OK && local->access == GRANT_READ)
            status = copy_run(&call->grants[index], offset + done, local, done, len);
        else if (status == OK)
            status = copy_run(local, done, &call->grants[index], offset + done, len);
        call_unpin(scheme, call);
        done += len;
    } while (status == OK && done < local->len);
    return status;
}

// -- Receiving -----------------------------------------------------------------------------------

// Makes free slots.
static enum status add_slots(struct scheme *scheme) {
    enum status status = scheme_charge(scheme, sizeof(struct slot_chunk));
    if (status != OK)
        return status;
    struct slot_chunk *chunk = kmalloc(sizeof *chunk);
    if (chunk == NULL) {
        account_refund(scheme->account, sizeof *chunk);
        return ERR_NO_MEMORY;
    }
    wait_lock(&scheme->queue);
    bool fits = scheme->chunk_count < CHUNKS_MAX;
    for (u32 i = SLOTS_IN_CHUNK; fits && i-- != 0;) { // so that they are taken in order
        struct call_slot *slot = &chunk->slots[i];
        slot->number = (u64)scheme->chunk_count * SLOTS_IN_CHUNK + i + 1;
        list_init(&slot->told_link);
        slot_put_locked(scheme, slot);
    }
    if (fits)
        scheme->chunks[scheme->chunk_count++] = chunk;
    wait_unlock(&scheme->queue);
    if (fits)
        return OK;
    kfree(chunk, sizeof *chunk);
    account_refund(scheme->account, sizeof *chunk);
    return ERR_LIMIT;
}

// Tells of a call that was taken back.
static void take_cancelled_locked(struct serving *serving, struct scheme_request *out) {
    struct list *node = list_pop_front(&serving->cancelled);
    serving->scheme->cancelled_count--;
    const struct call_slot *slot = container_of(node, struct call_slot, told_link);
    *out = (struct scheme_request){.number = slot->number, .operation = SCHEME_CANCELLED};
}

static void take_closed_locked(struct scheme *scheme, struct scheme_request *out, struct list *to) {
    struct list *node = list_pop_front(&scheme->closed);
    scheme->untold--;
    const struct channel *channel = container_of(node, struct channel, closed);
    *out = (struct scheme_request){.value = channel->value, .operation = SCHEME_CLOSED};
    list_push_back(to, node);
}

void receiver_take_locked(struct receiver *receiver, struct scheme_call *call) {
    struct call_slot *slot = receiver->slot;
    ASSERT(slot->call == NULL && slot->serving == NULL);
    thread_count_served(receiver->thread);
    receiver->caller_id = call->caller->id;
    if (__builtin_expect(priority_is_above(call->caller, receiver->thread), 0))
        priority_lend(call->caller, receiver->thread);
    receiver->slot = NULL;
    struct scheme *scheme = receiver->serving->scheme;
    if (scheme->recent == slot)
        scheme->recent = NULL; // it is not answered in the quick way
    slot->number += SLOT_USE;
    slot->serving = receiver->serving;
    slot->call = call;
    call->slot = slot;
    struct scheme_request *out = &receiver->request;
    out->number = slot->number;
    out->value = call->value;
    words_copy(out->words, call->words);
    out->operation = call->operation;
    out->bytes_len = (u32)call->bytes.len;
    out->grant_count = call->grant_count;
    out->handle_count = 0;
    for (u32 i = 0; i < call->grant_count; i++) {
        out->grants[i].len = call->grants[i].len;
        out->grants[i].access = call->grants[i].access;
    }
    bool is_all = call->bytes.len == 0 && call->handle_count == 0;
    call->pins = is_all ? 0 : 1;
    receiver->call = is_all ? NULL : call;
}

// Moves what comes with a call over: inline bytes, and handles into the party's table.
static enum status move_over(struct scheme_call *call, struct scheme_party *party,
                             const struct grant *bytes, struct scheme_request *out) {
    enum status status = OK;
    u64 len = min_u64(call->bytes.len, bytes->len);
    if (len != 0)
        status = copy_run(bytes, 0, &call->bytes, 0, len);
    while (status == OK && out->handle_count < call->handle_count) {
        struct handle *handle = &call->handles[out->handle_count];
        status = handle_insert(party->handles, handle, &out->handles[out->handle_count]);
        if (status == OK) {
            handle->object = NULL; // the table's now
            out->handle_count++;
        }
    }
    return status;
}

// The call cannot be delivered: it fails, as if the server had never seen it.
static void refuse(struct scheme *scheme, struct scheme_party *party, struct scheme_request *out,
                   enum status status) {
    for (u32 i = 0; i < out->handle_count; i++) {
        enum status closed = handle_close(party->handles, out->handles[i]);
        (void)closed; // another thread of the process may have closed it
    }
    wait_lock(&scheme->queue);
    struct call_slot *slot = slot_find_locked(scheme, party, out->number);
    if (slot != NULL) { // another thread of the process may have guessed the number, and answered
        if (slot->call != NULL)
            call_finish_locked(scheme, slot_detach_locked(slot), status);
        slot_free_locked(scheme, slot);
    }
    wait_unlock(&scheme->queue);
}

// Delivers a call that was received pinned, and unpins it.
static enum status deliver(struct receiver *receiver, struct scheme_party *party,
                           const struct grant *bytes) {
    struct scheme *scheme = receiver->serving->scheme;
    enum status status = move_over(receiver->call, party, bytes, &receiver->request);
    if (status != OK) {
        refuse(scheme, party, &receiver->request, status);
        receiver->caller_id = 0;
    }
    call_unpin(scheme, receiver->call);
    receiver->call = NULL;
    return status;
}

// Answers the call in the slot, if it is still there, and clears that. Returns the call's caller,
// claimed, if it is to be run.
static struct thread *answer_locked(struct scheme *scheme, struct call_slot *slot, u32 answer,
                                    const u64 *words, const struct handle *handle) {
    struct thread *caller = NULL;
    if (slot->call != NULL) {
        struct scheme_call *call = slot_detach_locked(slot);
        trace(TRACE_REPLY, call->caller->id, 0, 0);
        call->answer = answer;
        words_copy(call->words, words);
        call->granted = handle != NULL ? *handle : (struct handle){.object = NULL};
        caller = call_finish_claim_locked(call, OK);
    }
    slot_clear_locked(scheme, slot);
    return caller;
}

static void request_copy(struct scheme_request *to, const struct scheme_request *from) {
    to->number = from->number;
    to->value = from->value;
    words_copy(to->words, from->words);
    to->operation = from->operation;
    to->bytes_len = from->bytes_len;
    to->grant_count = from->grant_count;
    to->handle_count = from->handle_count;
    for (u32 i = 0; i < from->grant_count; i++)
        to->grants[i] = from->grants[i];
    for (u32 i = 0; i < from->handle_count; i++)
        to->handles[i] = from->handles[i];
}

// -- Waiting for calls ---------------------------------------------------------------------------

// Takes what is next, if anything is. ERR_NOT_FOUND: nothing; ERR_WOULD_BLOCK: there is no slot for
// a call. A closed channel goes to `closed`.
static enum status take_locked(struct scheme *scheme, struct receiver *receiver,
                               struct list *closed) {
    struct serving *serving = receiver->serving;
    receiver->call = NULL;
    receiver->caller_id = 0;
    if (!list_is_empty(&serving->cancelled)) {
        take_cancelled_locked(serving, &receiver->request);
    } else if (!list_is_empty(&scheme->closed)) {
        take_closed_locked(scheme, &receiver->request, closed);
    } else if (receiver->slot == NULL) {
        return ERR_WOULD_BLOCK; // not while a call waits
    } else if (!list_is_empty(&scheme->pending)) {
        struct scheme_call *call =
            container_of(list_pop_front(&scheme->pending), struct scheme_call, link);
        if (priority_is_lent(call->caller)) // to whom was to receive it
            priority_take_back(call->caller);
        receiver_take_locked(receiver, call);
    } else {
        return ERR_NOT_FOUND;
    }
    return OK;
}

// Waits until a call has been handed over (OK), or something else has ended the wait. `next`, if it
// is not NULL, is run. The scheme's lock is let go of while it waits, and not taken again on OK.
static enum status wait_locked_for_call(struct scheme *scheme, struct receiver *receiver,
                                        u64 deadline_ns, struct thread *next) {
    receiver_enter_locked(scheme, receiver);
    spin_unlock_masked(&scheme->queue.lock);
    enum status status = next != NULL ? park_and_run(next, deadline_ns) : park(deadline_ns);
    if (status == OK && receiver->slot == NULL)
        return OK;
    wait_lock(&scheme->queue);
    receiver_leave_locked(scheme, receiver);
    return status == OK ? ERR_WOULD_BLOCK : status;
}

// Waits for the next piece of news, then receiver->call is NULL, or for a call; if there is
// something to be moved for that, it is pinned. The scheme's lock is held, and let go of. `next`,
// if it is not NULL, is run meanwhile.
static enum status next_locked(struct scheme *scheme, struct receiver *receiver, u64 deadline_ns,
                               struct thread *next) {
    struct list closed; // channels to free: at most one
    list_init(&closed);
    scheme->worker = receiver->thread;
    // A thread works for the call that it received last.
    if (__builtin_expect(priority_is_borrowed(receiver->thread), 0))
        priority_give_back(receiver->thread);
    enum status ended = ERR_WOULD_BLOCK; // how the last wait did
    enum status status;
    for (;;) {
        if (receiver->slot == NULL)
            receiver->slot = slot_take_locked(scheme);
        status = ended == ERR_KILLED ? ERR_KILLED : take_locked(scheme, receiver, &closed);
        if (status != ERR_NOT_FOUND)
            break;
        if (list_is_empty(&scheme->pending) && list_is_empty(&scheme->closed) &&
            scheme->cancelled_count == 0)
            scheme->has_news = false;
        status = ended;
        if (ended != ERR_WOULD_BLOCK)
            break;
        ended = wait_locked_for_call(scheme, receiver, deadline_ns, next);
        if (ended == OK)
            return OK;
        next = NULL;
    }
    if (receiver->slot != NULL)
        slot_put_locked(scheme, receiver->slot);
    receiver->slot = NULL;
    if (next != NULL)
        park_run(next);
    wait_unlock(&scheme->queue);
    channels_free(&closed);
    return status;
}

// The party's serving. The scheme's lock is held again on return, unless that failed.
static enum status serving_get_locked(struct scheme *scheme, struct scheme_party *party,
                                      struct serving **out) {
    *out = scheme->last;
    if (*out != NULL && (*out)->party == party)
        return OK;
    spin_unlock(&scheme->queue.lock);
    enum status status = serving_get(party, scheme, out);
    if (status != OK)
        return status;
    wait_lock(&scheme->queue);
    scheme->last = *out;
    return OK;
}

static struct receiver *receiver_begin(void) {
    struct receiver *receiver = thread_lend(sizeof *receiver);
    receiver->thread = thread_current();
    receiver->slot = NULL;
    receiver->request_at = 0;
    return receiver;
}

static enum status receiver_end(struct receiver *receiver, enum status status,
                                struct scheme_request *out) {
    if (status == OK) {
        request_copy(out, &receiver->request);
        if (receiver->caller_id != 0)
            trace(TRACE_RECEIVE, receiver->caller_id, out->operation, 0);
    }
    thread_lend_end();
    return status;
}

static enum status receive(struct scheme *scheme, struct scheme_party *party,
                           const struct grant *bytes, u64 deadline_ns, struct receiver *receiver) {
    for (;;) {
        wait_lock(&scheme->queue);
        enum status status = serving_get_locked(scheme, party, &receiver->serving);
        if (status != OK)
            return status;
        status = next_locked(scheme, receiver, deadline_ns, NULL);
        if (status == ERR_WOULD_BLOCK) {
            status = add_slots(scheme);
            if (status == OK)
                continue;
        }
        if (status != OK || receiver->call == NULL)
            return status;
        status = deliver(receiver, party, bytes);
        if (status == OK)
            return OK;
    }
}

enum status scheme_receive(struct object *server, struct scheme_party *party,
                           const struct grant *bytes, u64 deadline_ns, struct scheme_request *out) {
    ASSERT((bytes->access & GRANT_WRITE) != 0);
    struct receiver *receiver = receiver_begin();
    enum status status = receive(scheme_of_server(server), party, bytes, deadline_ns, receiver);
    return receiver_end(receiver, status, out);
}

// -- Replying ------------------------------------------------------------------------------------

enum status scheme_reply(struct object *server, struct scheme_party *party, u64 number,
                         const struct scheme_reply *reply) {
    struct scheme *scheme = scheme_of_server(server);
    bool is_wanted = true;
    party_unmap(party, scheme, number);
    wait_lock(&scheme->queue);
    struct call_slot *slot = slot_find_locked(scheme, party, number);
    if (slot != NULL) {
        is_wanted = slot->call != NULL;
        struct thread *caller =
            answer_locked(scheme, slot, reply->answer, reply->words, &reply->handle);
        slot_put_locked(scheme, slot);
        if (caller != NULL)
            park_run(caller);
    }
    wait_unlock(&scheme->queue);
    if (!is_wanted) {
        struct handle unwanted = reply->handle;
        handle_drop(&unwanted);
    }
    return slot == NULL ? ERR_NOT_FOUND : OK;
}

// Answers the call, and receives if that went well.
static enum status exchange(struct scheme *scheme, struct scheme_party *party,
                            const struct scheme_served *served, struct receiver *receiver) {
    party_unmap(party, scheme, served->number);
    wait_lock(&scheme->queue);
    struct call_slot *slot = slot_find_locked(scheme, party, served->number);
    if (slot == NULL) {
        wait_unlock(&scheme->queue);
        return ERR_NOT_FOUND;
    }
    receiver->serving = slot->serving;
    receiver->slot = slot;
    struct thread *caller = answer_locked(scheme, slot, served->answer, served->words, NULL);
    enum status status = next_locked(scheme, receiver, served->deadline_ns, caller);
    if (status != OK || receiver->call == NULL)
        return status;
    status = deliver(receiver, party, &served->bytes);
    if (status == OK)
        return OK;
    return receive(scheme, party, &served->bytes, served->deadline_ns, receiver);
}

// The end of receiving, where a request may have been stored in the quick way.
static enum status served_end(struct receiver *receiver, enum status status,
                              struct scheme_served *served) {
    served->is_stored = served->request_at != 0 && receiver->request_at == 0;
    if (!served->is_stored)
        return receiver_end(receiver, status, &served->request);
    ASSERT(status == OK);
    thread_lend_end();
    return OK;
}

enum status scheme_reply_receive(struct object *server, struct scheme_party *party,
                                 struct scheme_served *served) {
    ASSERT((served->bytes.access & GRANT_WRITE) != 0);
    struct receiver *receiver = receiver_begin();
    receiver->request_at = served->request_at;
    receiver->bytes_at = served->bytes.memory.base.value + served->bytes.start.value;
    receiver->bytes_len = served->bytes.len;
    enum status status = exchange(scheme_of_server(server), party, served, receiver);
    return served_end(receiver, status, served);
}

enum status scheme_receive_resume(struct object *server, struct scheme_party *party,
                                  struct receiver *receiver, enum status status,
                                  struct scheme_served *served) {
    struct scheme *scheme = scheme_of_server(server);
    if (status == OK && receiver->slot == NULL) { // a call was handed over
        if (receiver->call != NULL)
            status = deliver(receiver, party, &served->bytes);
        if (status == OK)
            return served_end(receiver, OK, served);
    } else {
        wait_lock(&scheme->queue);
        receiver_leave_locked(scheme, receiver);
        if (receiver->slot != NULL)
            slot_put_locked(scheme, receiver->slot);
        receiver->slot = NULL;
        wait_unlock(&scheme->queue);
        if (status == ERR_KILLED) {
            thread_lend_end();
            return status;
        }
    }
    status = receive(scheme, party, &served->bytes, served->deadline_ns, receiver);
    return served_end(receiver, status, served);
}
