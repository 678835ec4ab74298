// Schemes: their objects, and the caller's side. scheme.h says what they are, scheme_internal.h how
// a call moves. The server's side is in scheme_serve.c.
//
// A channel that loses its last holder while a server is there is kept until the server has been
// told (SCHEME_CLOSED): so the news needs no memory. While there are too many of these no further
// channel is made, so there are never more than those and what was in somebody's hands by then.
// Whoever made the scheme pays for all of them.

#include "kernel/ipc/scheme_internal.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/ready.h"
#include "kernel/ipc/remote_file.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/lend.h"
#include "kernel/sched/park.h"
#include "kernel/sched/trace.h"

// What is paid for a scheme that nobody has used yet.
#define ENDS_BYTES (sizeof(struct scheme) + sizeof(struct server_end))

void scheme_retain(struct scheme *scheme) {
    u32 before = __atomic_fetch_add(&scheme->ref_count, 1, __ATOMIC_RELAXED);
    CHECK(before != 0 && before != UINT32_MAX);
}

enum status scheme_charge(struct scheme *scheme, u64 bytes) {
    return account_charge(scheme->account, bytes) == OK ? OK : ERR_NO_MEMORY;
}

void scheme_release(struct scheme *scheme) {
    u32 before = __atomic_fetch_sub(&scheme->ref_count, 1, __ATOMIC_ACQ_REL); // pairs with itself
    CHECK(before != 0);
    if (before != 1)
        return;
    ASSERT(list_is_empty(&scheme->pending) && list_is_empty(&scheme->closed));
    ASSERT(scheme->receivers == NULL);
    for (u32 i = 0; i < scheme->chunk_count; i++)
        kfree(scheme->chunks[i], sizeof *scheme->chunks[i]);
    ready_release(scheme->root_ready);
    account_refund(scheme->account, ENDS_BYTES + scheme->chunk_count * sizeof *scheme->chunks[0]);
    object_release(scheme->payer);
    kfree(scheme, sizeof *scheme);
}

// -- Ending calls --------------------------------------------------------------------------------

static void run_if_any(struct thread *claimed) {
    if (claimed != NULL)
        park_run(claimed);
}

void call_finish_locked(struct scheme *scheme, struct scheme_call *call, enum status result) {
    ASSERT(spin_is_held(&scheme->queue.lock));
    (void)scheme;
    run_if_any(call_finish_claim_locked(call, result));
}

void call_unpin_locked(struct scheme *scheme, struct scheme_call *call) {
    ASSERT(spin_is_held(&scheme->queue.lock));
    ASSERT(call->pins != 0);
    (void)scheme;
    if (--call->pins == 0 && call->is_finishing)
        run_if_any(call_done_locked(call));
}

static void fail_pending_locked(struct scheme *scheme, enum status result) {
    for (struct list *node; (node = list_pop_front(&scheme->pending)) != NULL;)
        call_finish_locked(scheme, container_of(node, struct scheme_call, link), result);
}

// -- The server end ------------------------------------------------------------------------------

static struct server_end *server_end_of(struct object *object) {
    CHECK(scheme_is_server(object));
    return container_of(object, struct server_end, object);
}

static struct channel *channel_of(struct object *object) {
    CHECK(scheme_is_channel(object));
    return container_of(object, struct channel, object);
}

static void channel_free(struct channel *channel) {
    struct scheme *scheme = channel->scheme;
    ready_release(channel->ready);
    kfree(channel, sizeof *channel);
    account_refund(scheme->account, sizeof *channel);
    scheme_release(scheme);
}

void take_closed_all_locked(struct scheme *scheme, struct list *to) {
    ASSERT(spin_is_held(&scheme->queue.lock));
    for (struct list *node; (node = list_pop_front(&scheme->closed)) != NULL;)
        list_push_back(to, node);
    scheme->untold = 0;
}

void channels_free(struct list *channels) {
    for (struct list *node; (node = list_pop_front(channels)) != NULL;)
        channel_free(container_of(node, struct channel, closed));
}

static void fail_received_locked(struct scheme *scheme, enum status result) {
    for (u32 i = 0; i < scheme->chunk_count * SLOTS_IN_CHUNK; i++) {
        struct call_slot *slot = &scheme->chunks[i / SLOTS_IN_CHUNK]->slots[i % SLOTS_IN_CHUNK];
        if (slot->call != NULL)
            call_finish_locked(scheme, slot_detach_locked(slot), result);
    }
}

// The service is over: nobody can receive or reply any more.
static void server_end_destroy(struct object *object) {
    struct server_end *end = server_end_of(object);
    struct scheme *scheme = end->scheme;
    struct list closed;
    list_init(&closed);
    wait_lock(&scheme->queue);
    scheme->is_closed = true;
    fail_pending_locked(scheme, ERR_CLOSED);
    fail_received_locked(scheme, ERR_CLOSED);
    take_closed_all_locked(scheme, &closed);
    wait_unlock(&scheme->queue);
    channels_free(&closed);
    kfree(end, sizeof *end);
    scheme_release(scheme);
}

static enum status scheme_end_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type, .link_count = 1};
    return OK;
}

// Readable: a call waits.
static u32 server_end_poll(struct object *object, u64 *available) {
    struct scheme *scheme = scheme_of_server(object);
    wait_lock(&scheme->queue);
    bool has_news = !list_is_empty(&scheme->pending) || !list_is_empty(&scheme->closed) ||
                    scheme->cancelled_count != 0;
    wait_unlock(&scheme->queue);
    *available = has_news;
    return has_news ? POLL_READABLE : 0;
}

static struct wait_queue *server_end_poll_queue(struct object *object) {
    return &scheme_of_server(object)->queue;
}

static const struct object_ops server_end_ops = {
    .destroy = server_end_destroy,
    .stat = scheme_end_stat,
    .poll = server_end_poll,
    .poll_queue = server_end_poll_queue,
};

enum status scheme_create(struct bytes name, struct memory_account *account, struct object *payer,
                          struct object **server) {
    if (name.len == 0 || name.len > SCHEME_NAME_MAX)
        return ERR_INVALID;
    if (account_charge(account, ENDS_BYTES) != OK)
        return ERR_NO_MEMORY;
    struct scheme *scheme = kmalloc(sizeof *scheme);
    struct server_end *end = kmalloc(sizeof *end);
    if (scheme == NULL || end == NULL) {
        kfree(scheme, sizeof *scheme);
        kfree(end, sizeof *end);
        account_refund(account, ENDS_BYTES);
        return ERR_NO_MEMORY;
    }
    scheme->ref_count = 1;
    scheme->account = account;
    scheme->payer = payer;
    if (payer != NULL)
        object_retain(payer);
    memcpy(scheme->name, name.data, name.len);
    wait_queue_init(&scheme->queue);
    scheme->epoch = 1;
    list_init(&scheme->pending);
    list_init(&scheme->closed);
    object_init(&end->object, &server_end_ops, OBJECT_PLAIN);
    end->object.scheme_end = SCHEME_END_SERVER;
    end->scheme = scheme;
    *server = &end->object;
    return OK;
}

// -- Servers that wait ----------------------------------------------------------------------------

// Takes out a thread that waits for a call, claimed; of this serving, or any if it is NULL. One
// that cannot be claimed is awake, and about to look for itself.
static struct receiver *receiver_claim_locked(struct scheme *scheme,
                                              const struct serving *serving) {
    for (struct receiver **link = &scheme->receivers; *link != NULL; link = &(*link)->next) {
        struct receiver *receiver = *link;
        if ((serving == NULL || receiver->serving == serving) && park_claim(receiver->thread)) {
            *link = receiver->next;
            return receiver;
        }
    }
    return NULL;
}

void receiver_leave_locked(struct scheme *scheme, const struct receiver *receiver) {
    struct receiver **link = &scheme->receivers;
    while (*link != NULL && *link != receiver)
        link = &(*link)->next;
    if (*link != NULL)
        *link = receiver->next;
}

void receiver_tell_locked(struct scheme *scheme, const struct serving *serving) {
    ASSERT(spin_is_held(&scheme->queue.lock));
    struct receiver *receiver = receiver_claim_locked(scheme, serving);
    if (receiver != NULL)
        park_run(receiver->thread);
    wake_all_locked(&scheme->queue); // who polls
}

// -- Channels ------------------------------------------------------------------------------------

static void channel_destroy(struct object *object) {
    struct channel *channel = channel_of(object);
    struct scheme *scheme = channel->scheme;
    wait_lock(&scheme->queue);
    // Only the server that opened it has something to close.
    bool is_news = !scheme->is_closed && channel->epoch == scheme->epoch;
    if (is_news) {
        scheme->has_news = true;
        list_push_back(&scheme->closed, &channel->closed);
        scheme->untold++;
        receiver_tell_locked(scheme, NULL);
    }
    wait_unlock(&scheme->queue);
    if (!is_news)
        channel_free(channel);
}

// NULL: it is always ready.
static struct ready *ready_of(const struct channel *channel) {
    if (channel->epoch != 0)
        return channel->ready;
    return __atomic_load_n(&channel->scheme->root_ready,
                           __ATOMIC_ACQUIRE); // pairs with its setting
}

static u32 channel_poll(struct object *object, u64 *available) {
    struct ready *ready = ready_of(channel_of(object));
    if (ready != NULL)
        return ready_poll(ready, available);
    *available = 0;
    return POLL_READABLE | POLL_WRITABLE;
}

static struct wait_queue *channel_poll_queue(struct object *object) {
    struct ready *ready = ready_of(channel_of(object));
    return ready != NULL ? ready_queue(ready) : NULL;
}

// What a channel is to its holder decides what can be done with it besides calling.
static const struct object_ops plain_channel_ops = {
    .destroy = channel_destroy,
    .stat = scheme_end_stat,
    .poll = channel_poll,
    .poll_queue = channel_poll_queue,
};

static const struct object_ops file_channel_ops = {
    .destroy = channel_destroy,
    .poll = channel_poll,
    .poll_queue = channel_poll_queue,
    .remote_call = scheme_remote_call,
    REMOTE_FILE_OPS,
};

static const struct object_ops directory_channel_ops = {
    .destroy = channel_destroy,
    .remote_call = scheme_remote_call,
    .paths = &scheme_paths,
    REMOTE_DIRECTORY_OPS,
};

static const struct object_ops *channel_ops_of(enum object_type type) {
    switch (type) {
    case OBJECT_FILE:
    case OBJECT_STREAM:
        return &file_channel_ops;
    case OBJECT_DIRECTORY:
        return &directory_channel_ops;
    default:
        return &plain_channel_ops;
    }
}

static enum status channel_create(struct scheme *scheme, u64 value, u64 epoch,
                                  enum object_type type, struct object **out) {
    enum status status = scheme_charge(scheme, sizeof(struct channel));
    if (status != OK)
        return status;
    struct channel *channel = kmalloc(sizeof *channel);
    if (channel == NULL) {
        account_refund(scheme->account, sizeof *channel);
        return ERR_NO_MEMORY;
    }
    object_init(&channel->object, channel_ops_of(type), type);
    channel->object.scheme_end = SCHEME_END_CHANNEL;
    channel->scheme = scheme;
    channel->value = value;
    channel->epoch = epoch;
    list_init(&channel->closed);
    scheme_retain(scheme);
    *out = &channel->object;
    return OK;
}

enum status scheme_channel(struct object *server, u64 value, enum object_type type,
                           struct object **channel) {
    struct scheme *scheme = scheme_of_server(server);
    wait_lock(&scheme->queue);
    u64 epoch = scheme->epoch;
    bool is_heard = scheme->untold < SCHEME_UNTOLD_MAX;
    wait_unlock(&scheme->queue);
    return is_heard ? channel_create(scheme, value, epoch, type, channel) : ERR_LIMIT;
}

enum status scheme_pollable(struct object *server, u64 value, enum object_type type,
                            struct object **channel, struct object **ready) {
    struct ready *shared;
    enum status status = ready_create(ready, &shared);
    if (status != OK)
        return status;
    status = scheme_channel(server, value, type, channel);
    if (status == OK) {
        container_of(*channel, struct channel, object)->ready = shared;
        return OK;
    }
    object_release(*ready);
    ready_release(shared);
    return status;
}

enum status scheme_root_ready(struct object *server, struct object **out) {
    struct scheme *scheme = scheme_of_server(server);
    struct ready *ready = __atomic_load_n(&scheme->root_ready, __ATOMIC_ACQUIRE); // as above
    if (ready != NULL)
        return ready_attach(ready, out);
    enum status status = ready_create(out, &ready);
    if (status != OK)
        return status;
    struct ready *other = NULL;
    if (__atomic_compare_exchange_n(&scheme->root_ready, &other, ready, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) // pairs with ready_of
        return OK;
    object_release(*out); // another thread of the server was faster
    ready_release(ready);
    return ready_attach(other, out);
}

enum status scheme_root(struct object *server, enum object_type type, struct object **channel) {
    return channel_create(scheme_of_server(server), 0, 0, type, channel);
}

// -- Calling -------------------------------------------------------------------------------------

static void call_prepare(struct scheme_call *call, const struct channel *channel) {
    ASSERT(call->operation >= SCHEME_FILE_OPERATION && call->bytes.len <= SCHEME_BYTES_MAX);
    ASSERT(call->grant_count <= SCHEME_GRANTS_MAX && call->handle_count <= SCHEME_HANDLES_MAX);
    ASSERT(is_for_all(call) && is_for_all(call->bytes.kernel));
    for (u32 i = 0; i < call->grant_count; i++)
        ASSERT(is_for_all(call->grants[i].kernel));
    list_init(&call->link);
    call->reply_at = 0;
    call->granted.object = NULL;
    call->caller = thread_current();
    call->is_finishing = false;
    call->is_done = false;
    call->pins = 0;
    call->mapped_count = 0;
    call->slot = NULL;
    call->value = channel->value;
    call->epoch = channel->epoch;
}

// Hands the call over to a server that waits: *server, claimed. Or to the next one that comes.
// Interrupts are off afterwards.
static enum status submit(struct scheme *scheme, struct scheme_call *call, struct thread **server) {
    *server = NULL;
    enum status status = OK;
    ASSERT(arch_irq_enabled());
    arch_irq_disable();
    spin_lock_masked(&scheme->queue.lock);
    if (scheme->is_closed)
        status = ERR_CLOSED;
    else if (call->epoch != 0 && call->epoch != scheme->epoch)
        status = ERR_PEER_DIED;
    if (status == OK) {
        thread_count_call(call->caller);
        trace(TRACE_CALL, 0, call->operation, 0);
    }
    struct receiver *receiver = status == OK ? receiver_claim_locked(scheme, NULL) : NULL;
    if (receiver != NULL) {
        receiver_take_locked(receiver, call);
        *server = receiver->thread;
    } else if (status == OK) {
        scheme->has_news = true;
        list_push_back(&scheme->pending, &call->link);
        if (scheme->worker != NULL && priority_is_above(call->caller, scheme->worker))
            priority_lend(call->caller, scheme->worker);
        wake_all_locked(&scheme->queue); // who polls
    }
    spin_unlock_masked(&scheme->queue.lock);
    return status;
}

// Has the server told that the call which it received was taken back.
static void cancel_locked(struct scheme *scheme, struct call_slot *slot) {
    list_push_back(&slot->serving->cancelled, &slot->told_link);
    scheme->cancelled_count++;
    scheme->has_news = true;
    slot_detach_locked(slot);
    receiver_tell_locked(scheme, slot->serving);
}

// Takes the call back, unless its end has begun already: whoever is in the middle of that finishes.
static void withdraw(struct scheme *scheme, struct scheme_call *call, enum status result) {
    wait_lock(&scheme->queue);
    if (!call->is_finishing) {
        call->result = result;
        call->is_finishing = true;
        call->is_done = call->pins == 0;
        priority_take_back(call->caller);
        trace(TRACE_CANCEL, 0, 0, 0);
        if (call->slot == NULL)
            list_remove(&call->link); // it was pending
        else
            cancel_locked(scheme, call->slot);
    }
    wait_unlock(&scheme->queue);
}

static bool is_done(struct scheme *scheme, const struct scheme_call *call) {
    wait_lock(&scheme->queue);
    bool done = call->is_done;
    wait_unlock(&scheme->queue);
    return done;
}

// Waits on, when the wait has ended with `status` and without the call's end.
static void wait_on(struct scheme *scheme, struct scheme_call *call, u64 deadline_ns,
                    enum status status) {
    while (status == ERR_WOULD_BLOCK && !is_done(scheme, call)) {
        arch_irq_disable();
        status = park(deadline_ns);
    }
    if (status == OK || status == ERR_WOULD_BLOCK)
        return;
    withdraw(scheme, call, status);
    while (!is_done(scheme, call)) { // for the end of a copy: soon
        arch_irq_disable();
        park_for_sure();
    }
}

// What a call ends with, whose first wait has ended with `status`.
static enum status finish(struct scheme *scheme, struct scheme_call *call, u64 deadline_ns,
                          enum status status) {
    if (status != OK)
        wait_on(scheme, call, deadline_ns, status);
    scheme_take_back(scheme, call);
    trace(TRACE_RETURN, 0, call->result, 0);
    return call->result;
}

enum status scheme_call(struct object *object, struct scheme_call *call, u64 deadline_ns) {
    struct channel *channel = channel_of(object);
    call_prepare(call, channel);
    struct thread *server;
    enum status status = submit(channel->scheme, call, &server);
    if (__builtin_expect(status != OK, 0)) {
        arch_irq_enable();
        return status;
    }
    status = server != NULL ? park_and_run(server, deadline_ns) : park(deadline_ns);
    return finish(channel->scheme, call, deadline_ns, status);
}

enum status scheme_call_resume(struct object *object, struct scheme_call *call,
                               enum status status) {
    struct scheme *scheme = channel_of(object)->scheme;
    // It goes on waiting in the general way, so it is to be answered in that.
    wait_lock(&scheme->queue);
    if (scheme->recent == call->slot)
        scheme->recent = NULL;
    wait_unlock(&scheme->queue);
    return finish(scheme, call, WAIT_FOREVER, status);
}
