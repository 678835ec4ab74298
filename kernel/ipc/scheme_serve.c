// Schemes: the server's side. scheme.h says what they are, scheme_internal.h how a call moves.
//
// What takes longer than a few instructions (copies, handles) is done on a pinned call, outside of
// locks: a pin keeps the caller from going on, not the call from ending.

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/scheme_internal.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/trace.h"

#define COPY_AT_ONCE (64 * KIB) // how long a caller that has been killed may have to wait

// -- Parties -------------------------------------------------------------------------------------

void scheme_party_init(struct scheme_party *party, struct handle_table *handles) {
    spin_init(&party->lock, LOCK_PARTY, "scheme party");
    list_init(&party->servings);
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

// The party's serving of the scheme, `fresh` if there is none yet; it stays until the party goes.
static struct serving *serving_enter(struct scheme_party *party, const struct scheme *scheme,
                                     struct serving *fresh) {
    spin_lock(&party->lock);
    struct serving *serving = serving_find_locked(party, scheme);
    if (serving == NULL && fresh != NULL) {
        list_push_front(&party->servings, &fresh->party_link);
        serving = fresh;
    }
    spin_unlock(&party->lock);
    return serving;
}

static enum status serving_get(struct scheme_party *party, struct scheme *scheme,
                               struct serving **out) {
    *out = serving_enter(party, scheme, NULL);
    if (*out != NULL)
        return OK;
    struct serving *fresh = kmalloc(sizeof *fresh);
    if (fresh == NULL)
        return ERR_NO_MEMORY;
    fresh->scheme = scheme;
    fresh->party = party;
    list_init(&fresh->party_link);
    list_init(&fresh->received);
    list_init(&fresh->cancelled);
    scheme_retain(scheme);
    *out = serving_enter(party, scheme, fresh);
    if (*out != fresh) { // another thread of the process was quicker
        kfree(fresh, sizeof *fresh);
        scheme_release(scheme);
    }
    return OK;
}

static void slot_free_locked(struct scheme *scheme, struct call_slot *slot) {
    ASSERT(slot->call == NULL);
    if (!list_is_empty(&slot->told_link)) {
        list_remove(&slot->told_link);
        scheme->cancelled_count--;
    }
    list_remove(&slot->link);
    slot->serving = NULL;
    list_push_front(&scheme->free, &slot->link);
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
    while (!list_is_empty(&serving->received)) {
        struct call_slot *slot = container_of(serving->received.next, struct call_slot, link);
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

void scheme_party_fini(struct scheme_party *party) {
    for (struct list *node; (node = list_pop_front(&party->servings)) != NULL;)
        serving_end(container_of(node, struct serving, party_link));
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

static u64 number_of(const struct call_slot *slot) {
    return (u64)slot->generation << 32 | (slot->index + 1u);
}

// The slot of a call that the party received and has not answered.
static struct call_slot *slot_find_locked(struct scheme *scheme, const struct scheme_party *party,
                                          u64 number) {
    u64 index = (number & UINT32_MAX) - 1;
    if (index >= (u64)scheme->chunk_count * SLOTS_IN_CHUNK)
        return NULL;
    struct call_slot *slot = &scheme->chunks[index / SLOTS_IN_CHUNK]->slots[index % SLOTS_IN_CHUNK];
    bool is_its = slot->serving != NULL && slot->serving->party == party;
    return is_its && number_of(slot) == number ? slot : NULL;
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
    struct slot_chunk *chunk = kmalloc(sizeof *chunk);
    if (chunk == NULL)
        return ERR_NO_MEMORY;
    wait_lock(&scheme->queue);
    bool fits = scheme->chunk_count < CHUNKS_MAX;
    for (u32 i = 0; fits && i < SLOTS_IN_CHUNK; i++) {
        struct call_slot *slot = &chunk->slots[i];
        slot->index = scheme->chunk_count * SLOTS_IN_CHUNK + i;
        list_init(&slot->link);
        list_init(&slot->told_link);
        list_push_back(&scheme->free, &slot->link);
    }
    if (fits)
        scheme->chunks[scheme->chunk_count++] = chunk;
    wait_unlock(&scheme->queue);
    if (!fits)
        kfree(chunk, sizeof *chunk);
    return fits ? OK : ERR_LIMIT;
}

// Tells of a call that was taken back.
static void take_cancelled_locked(struct serving *serving, struct scheme_request *out) {
    struct list *node = list_pop_front(&serving->cancelled);
    serving->scheme->cancelled_count--;
    const struct call_slot *slot = container_of(node, struct call_slot, told_link);
    *out = (struct scheme_request){.number = number_of(slot), .operation = SCHEME_CANCELLED};
}

static void take_closed_locked(struct scheme *scheme, struct scheme_request *out, struct list *to) {
    struct list *node = list_pop_front(&scheme->closed);
    const struct channel *channel = container_of(node, struct channel, closed);
    *out = (struct scheme_request){.value = channel->value, .operation = SCHEME_CLOSED};
    list_push_back(to, node);
}

// Takes the first call. It is pinned and returned if there is something to deliver with it.
static struct scheme_call *take_call_locked(struct scheme *scheme, struct serving *serving,
                                            struct scheme_request *out) {
    struct scheme_call *call =
        container_of(list_pop_front(&scheme->pending), struct scheme_call, link);
    struct call_slot *slot = container_of(list_pop_front(&scheme->free), struct call_slot, link);
    thread_count_served(thread_current());
    trace(TRACE_RECEIVE, call->caller, call->operation, 0);
    slot->generation++;
    slot->serving = serving;
    slot->call = call;
    list_push_back(&serving->received, &slot->link);
    call->slot = slot;
    out->number = number_of(slot);
    out->value = call->value;
    out->operation = call->operation;
    out->bytes_len = (u32)call->bytes.len;
    out->grant_count = call->grant_count;
    out->handle_count = 0;
    memcpy(out->words, call->words, sizeof out->words);
    for (u32 i = 0; i < call->grant_count; i++) {
        out->grants[i].len = call->grants[i].len;
        out->grants[i].access = call->grants[i].access;
    }
    if (call->bytes.len == 0 && call->handle_count == 0)
        return NULL;
    call->pins = 1;
    return call;
}

// Moves what comes with a call over: inline bytes, and handles into the party's table.
static enum status deliver(struct scheme_call *call, struct scheme_party *party,
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

static bool has_news_locked(const struct scheme *scheme, const struct serving *serving) {
    return !list_is_empty(&serving->cancelled) || !list_is_empty(&scheme->closed) ||
           !list_is_empty(&scheme->pending);
}

// Takes what is next: a piece of news, then *call is NULL, or a call that something is to be moved
// for, which is pinned. ERR_WOULD_BLOCK: there is no slot for a call.
static enum status take(struct scheme *scheme, struct serving *serving, u64 deadline_ns,
                        struct scheme_request *out, struct scheme_call **call) {
    struct list closed; // channels to free: at most one
    list_init(&closed);
    *call = NULL;
    enum status status = OK;
    wait_lock(&scheme->queue);
    while (status == OK && !has_news_locked(scheme, serving)) {
        if (list_is_empty(&scheme->free))
            status = ERR_WOULD_BLOCK; // not while a call waits
        else
            status = wait_locked(&scheme->queue, deadline_ns);
    }
    if (status == OK) {
        if (!list_is_empty(&serving->cancelled))
            take_cancelled_locked(serving, out);
        else if (!list_is_empty(&scheme->closed))
            take_closed_locked(scheme, out, &closed);
        else if (!list_is_empty(&scheme->free))
            *call = take_call_locked(scheme, serving, out);
        else
            status = ERR_WOULD_BLOCK;
    }
    wait_unlock(&scheme->queue);
    channels_free(&closed);
    return status;
}

enum status scheme_receive(struct object *server, struct scheme_party *party,
                           const struct grant *bytes, u64 deadline_ns, struct scheme_request *out) {
    ASSERT((bytes->access & GRANT_WRITE) != 0);
    struct scheme *scheme = scheme_of_server(server);
    struct serving *serving;
    enum status status = serving_get(party, scheme, &serving);
    if (status != OK)
        return status;
    for (;;) {
        struct scheme_call *call;
        status = take(scheme, serving, deadline_ns, out, &call);
        if (status == ERR_WOULD_BLOCK) {
            status = add_slots(scheme);
            if (status == OK)
                continue;
            wake_all(&scheme->queue); // what woke this thread is for another one to take
        }
        if (status != OK || call == NULL)
            return status;
        status = deliver(call, party, bytes, out);
        if (status != OK)
            refuse(scheme, party, out, status);
        call_unpin(scheme, call);
        if (status == OK)
            return OK;
    }
}

// -- Replying ------------------------------------------------------------------------------------

enum status scheme_reply(struct object *server, struct scheme_party *party, u64 number,
                         const struct scheme_reply *reply) {
    struct scheme *scheme = scheme_of_server(server);
    struct object *unwanted = NULL;
    party_unmap(party, scheme, number);
    wait_lock(&scheme->queue);
    struct call_slot *slot = slot_find_locked(scheme, party, number);
    if (slot != NULL && slot->call != NULL) {
        struct scheme_call *call = slot_detach_locked(slot);
        trace(TRACE_REPLY, call->caller, 0, 0);
        call->answer = reply->answer;
        memcpy(call->words, reply->words, sizeof call->words);
        call->granted = reply->handle;
        slot_free_locked(scheme, slot);
        call_finish_locked(scheme, call, OK);
    } else if (slot != NULL) {
        unwanted = reply->handle.object;
        slot_free_locked(scheme, slot);
    }
    wait_unlock(&scheme->queue);
    object_release(unwanted);
    return slot == NULL ? ERR_NOT_FOUND : OK;
}
