// Schemes: their objects, and the caller's side. scheme.h says what they are, scheme_internal.h how
// a call moves. The server's side is in scheme_serve.c.
//
// A channel that loses its last holder while a server is there is kept until the server has been
// told (SCHEME_CLOSED): so the news needs no memory. There are no more of these than the server has
// opened channels.

#include "kernel/ipc/scheme_internal.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/remote_file.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/trace.h"

struct server_end {
    struct object object;
    struct scheme *scheme;
};

void scheme_retain(struct scheme *scheme) {
    u32 before = __atomic_fetch_add(&scheme->ref_count, 1, __ATOMIC_RELAXED);
    CHECK(before != 0 && before != UINT32_MAX);
}

void scheme_release(struct scheme *scheme) {
    u32 before = __atomic_fetch_sub(&scheme->ref_count, 1, __ATOMIC_ACQ_REL); // pairs with itself
    CHECK(before != 0);
    if (before != 1)
        return;
    ASSERT(list_is_empty(&scheme->pending) && list_is_empty(&scheme->closed));
    for (u32 i = 0; i < scheme->chunk_count; i++)
        kfree(scheme->chunks[i], sizeof *scheme->chunks[i]);
    kfree(scheme, sizeof *scheme);
}

// -- Ending calls --------------------------------------------------------------------------------

struct scheme_call *slot_detach_locked(struct call_slot *slot) {
    struct scheme_call *call = slot->call;
    ASSERT(call != NULL && call->slot == slot);
    slot->call = NULL;
    call->slot = NULL;
    return call;
}

static void call_done(struct scheme_call *call) {
    wait_lock(&call->done);
    call->is_done = true;
    wake_one_locked(&call->done);
    wait_unlock(&call->done); // from here on its caller may return
}

void call_finish_locked(struct scheme *scheme, struct scheme_call *call, enum status result) {
    ASSERT(spin_is_held(&scheme->queue.lock));
    ASSERT(call->slot == NULL && list_is_empty(&call->link) && !call->is_finishing);
    call->result = result;
    call->is_finishing = true;
    if (call->pins == 0)
        call_done(call);
}

void call_unpin_locked(struct scheme *scheme, struct scheme_call *call) {
    ASSERT(spin_is_held(&scheme->queue.lock));
    ASSERT(call->pins != 0);
    if (--call->pins == 0 && call->is_finishing)
        call_done(call);
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

struct scheme *scheme_of_server(struct object *server) {
    return server_end_of(server)->scheme;
}

static struct channel *channel_of(struct object *object) {
    CHECK(scheme_is_channel(object));
    return container_of(object, struct channel, object);
}

static void channel_free(struct channel *channel) {
    struct scheme *scheme = channel->scheme;
    kfree(channel, sizeof *channel);
    scheme_release(scheme);
}

void take_closed_all_locked(struct scheme *scheme, struct list *to) {
    ASSERT(spin_is_held(&scheme->queue.lock));
    for (struct list *node; (node = list_pop_front(&scheme->closed)) != NULL;)
        list_push_back(to, node);
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

bool scheme_is_server(const struct object *object) {
    return object->ops == &server_end_ops;
}

enum status scheme_create(struct bytes name, struct object **server) {
    if (name.len == 0 || name.len > SCHEME_NAME_MAX)
        return ERR_INVALID;
    struct scheme *scheme = kmalloc(sizeof *scheme);
    struct server_end *end = kmalloc(sizeof *end);
    if (scheme == NULL || end == NULL) {
        kfree(scheme, sizeof *scheme);
        kfree(end, sizeof *end);
        return ERR_NO_MEMORY;
    }
    scheme->ref_count = 1;
    memcpy(scheme->name, name.data, name.len);
    wait_queue_init(&scheme->queue);
    scheme->epoch = 1;
    list_init(&scheme->pending);
    list_init(&scheme->closed);
    list_init(&scheme->free);
    object_init(&end->object, &server_end_ops, OBJECT_PLAIN);
    end->scheme = scheme;
    *server = &end->object;
    return OK;
}

// -- Channels ------------------------------------------------------------------------------------

static void channel_destroy(struct object *object) {
    struct channel *channel = channel_of(object);
    struct scheme *scheme = channel->scheme;
    wait_lock(&scheme->queue);
    // Only the server that opened it has something to close.
    bool is_news = !scheme->is_closed && channel->epoch == scheme->epoch;
    if (is_news) {
        list_push_back(&scheme->closed, &channel->closed);
        wake_one_locked(&scheme->queue);
    }
    wait_unlock(&scheme->queue);
    if (!is_news)
        channel_free(channel);
}

// What a channel is to its holder decides what can be done with it besides calling.
static const struct object_ops plain_channel_ops = {
    .destroy = channel_destroy,
    .stat = scheme_end_stat,
};

static const struct object_ops file_channel_ops = {
    .destroy = channel_destroy,
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

bool scheme_is_channel(const struct object *object) {
    return object->ops->destroy == channel_destroy;
}

static enum status channel_create(struct scheme *scheme, u64 value, u64 epoch,
                                  enum object_type type, struct object **out) {
    struct channel *channel = kmalloc(sizeof *channel);
    if (channel == NULL)
        return ERR_NO_MEMORY;
    object_init(&channel->object, channel_ops_of(type), type);
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
    wait_unlock(&scheme->queue);
    return channel_create(scheme, value, epoch, type, channel);
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
    wait_queue_init(&call->done);
    spin_init(&call->done.lock, LOCK_CALL, "call");
    list_init(&call->link);
    call->granted.object = NULL;
    call->is_done = false;
    call->is_finishing = false;
    call->pins = 0;
    call->mapped_count = 0;
    call->slot = NULL;
    call->value = channel->value;
    call->epoch = channel->epoch;
    call->caller = thread_current()->id;
}

static enum status submit(struct scheme *scheme, struct scheme_call *call) {
    enum status status = OK;
    wait_lock(&scheme->queue);
    if (scheme->is_closed)
        status = ERR_CLOSED;
    else if (call->epoch != 0 && call->epoch != scheme->epoch)
        status = ERR_PEER_DIED;
    if (status == OK) {
        thread_count_call(thread_current());
        trace(TRACE_CALL, 0, call->operation, 0);
        list_push_back(&scheme->pending, &call->link);
        wake_one_locked(&scheme->queue);
    }
    wait_unlock(&scheme->queue);
    return status;
}

// Takes the call back, unless its end has begun already: whoever is in the middle of that finishes.
static void withdraw(struct scheme *scheme, struct scheme_call *call, enum status result) {
    wait_lock(&scheme->queue);
    if (!list_is_empty(&call->link)) {
        trace(TRACE_CANCEL, 0, 0, 0);
        list_remove(&call->link);
        call_finish_locked(scheme, call, result);
    } else if (call->slot != NULL) {
        trace(TRACE_CANCEL, 0, 0, 0);
        struct call_slot *slot = call->slot;
        list_push_back(&slot->serving->cancelled, &slot->told_link);
        scheme->cancelled_count++;
        call_finish_locked(scheme, slot_detach_locked(slot), result);
        wake_all_locked(&scheme->queue); // the one that received it may not be the first
    }
    wait_unlock(&scheme->queue);
}

enum status scheme_call(struct object *object, struct scheme_call *call, u64 deadline_ns) {
    struct channel *channel = channel_of(object);
    call_prepare(call, channel);
    enum status status = submit(channel->scheme, call);
    if (status != OK)
        return status;

    wait_lock(&call->done);
    while (!call->is_done && status == OK)
        status = wait_locked(&call->done, deadline_ns);
    bool is_done = call->is_done;
    wait_unlock(&call->done);
    if (!is_done) {
        withdraw(channel->scheme, call, status);
        wait_lock(&call->done);
        while (!call->is_done) // for the end of a copy: soon
            wait_for_sure_locked(&call->done);
        wait_unlock(&call->done);
    }
    scheme_take_back(channel->scheme, call);
    trace(TRACE_RETURN, 0, call->result, 0);
    return call->result;
}
