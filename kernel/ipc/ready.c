// Readiness: a word that one side sets and many look at. Both sides hold it; who sets it is an
// object, so that its going is noticed.

#include "kernel/ipc/ready.h"

#include "base/assert.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/wait.h"

#define POLL_EVERYTHING ((u32)(POLL_READABLE | POLL_WRITABLE | POLL_HANGUP))

struct ready {
    u32 ref_count; // atomic: servers' ends, the channel or scheme
    struct wait_queue queue;

    // Under queue.lock:
    const struct ready_end *end; // that counts; not to be followed
    u32 events;
    u64 available;
};

struct ready_end {
    struct object object;
    struct ready *ready;
};

void ready_release(struct ready *ready) {
    if (ready == NULL)
        return;
    u32 before = __atomic_fetch_sub(&ready->ref_count, 1, __ATOMIC_ACQ_REL); // pairs with itself
    CHECK(before != 0);
    if (before == 1)
        kfree(ready, sizeof *ready);
}

static void set(const struct ready_end *end, u32 events, u64 available) {
    struct ready *ready = end->ready;
    wait_lock(&ready->queue);
    if (ready->end != end) { // another server's word counts
        wait_unlock(&ready->queue);
        return;
    }
    ready->events = events;
    ready->available = available;
    if (events != 0)
        wake_all_locked(&ready->queue);
    wait_unlock(&ready->queue);
}

static void ready_end_destroy(struct object *object) {
    struct ready_end *end = container_of(object, struct ready_end, object);
    set(end, POLL_EVERYTHING, 0);
    ready_release(end->ready);
    kfree(end, sizeof *end);
}

static enum status ready_end_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type, .link_count = 1};
    return OK;
}

static const struct object_ops ready_end_ops = {
    .destroy = ready_end_destroy,
    .stat = ready_end_stat,
};

bool ready_is_end(const struct object *object) {
    return object->ops == &ready_end_ops;
}

enum status ready_create(struct object **out, struct ready **ready) {
    struct ready_end *end = kmalloc(sizeof *end);
    struct ready *made = kmalloc(sizeof *made);
    if (end == NULL || made == NULL) {
        kfree(end, sizeof *end);
        kfree(made, sizeof *made);
        return ERR_NO_MEMORY;
    }
    made->ref_count = 2;
    wait_queue_init(&made->queue);
    made->end = end;
    object_init(&end->object, &ready_end_ops, OBJECT_PLAIN);
    end->ready = made;
    *out = &end->object;
    *ready = made;
    return OK;
}

enum status ready_attach(struct ready *ready, struct object **out) {
    struct ready_end *end = kmalloc(sizeof *end);
    if (end == NULL)
        return ERR_NO_MEMORY;
    object_init(&end->object, &ready_end_ops, OBJECT_PLAIN);
    u32 before = __atomic_fetch_add(&ready->ref_count, 1, __ATOMIC_RELAXED);
    CHECK(before != 0 && before != UINT32_MAX);
    end->ready = ready;
    wait_lock(&ready->queue);
    ready->end = end;
    ready->events = 0;
    ready->available = 0;
    wait_unlock(&ready->queue);
    *out = &end->object;
    return OK;
}

void ready_set(struct object *object, u32 events, u64 available) {
    CHECK(ready_is_end(object));
    ASSERT((events & ~POLL_EVERYTHING) == 0);
    set(container_of(object, struct ready_end, object), events, available);
}

u32 ready_poll(struct ready *ready, u64 *available) {
    wait_lock(&ready->queue);
    u32 events = ready->events;
    *available = (events & POLL_READABLE) != 0 ? ready->available : 0;
    wait_unlock(&ready->queue);
    return events;
}

struct wait_queue *ready_queue(struct ready *ready) {
    return &ready->queue;
}
