// Notifications: bits under the lock of the queue that those who take them wait in.

#include "kernel/ipc/notification.h"

#include "base/assert.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/wait.h"

struct notification {
    struct object object;
    struct wait_queue queue;
    u64 bits; // under queue.lock
};

static struct notification *of(struct object *object) {
    CHECK(notification_is(object));
    return container_of(object, struct notification, object);
}

static void notification_destroy(struct object *object) {
    kfree(of(object), sizeof(struct notification));
}

static enum status notification_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type, .link_count = 1};
    return OK;
}

static u32 notification_poll(struct object *object, u64 *available) {
    struct notification *notification = of(object);
    wait_lock(&notification->queue);
    *available = notification->bits != 0 ? sizeof notification->bits : 0;
    wait_unlock(&notification->queue);
    return *available != 0 ? POLL_READABLE : 0;
}

static struct wait_queue *notification_poll_queue(struct object *object) {
    return &of(object)->queue;
}

static const struct object_ops notification_ops = {
    .destroy = notification_destroy,
    .stat = notification_stat,
    .poll = notification_poll,
    .poll_queue = notification_poll_queue,
};

bool notification_is(const struct object *object) {
    return object->ops == &notification_ops;
}

enum status notification_create(struct object **out) {
    struct notification *notification = kmalloc(sizeof *notification);
    if (notification == NULL)
        return ERR_NO_MEMORY;
    object_init(&notification->object, &notification_ops, OBJECT_PLAIN);
    wait_queue_init(&notification->queue);
    *out = &notification->object;
    return OK;
}

void notification_signal(struct object *object, u64 bits) {
    struct notification *notification = of(object);
    wait_lock(&notification->queue);
    notification->bits |= bits;
    if (bits != 0)
        wake_all_locked(&notification->queue);
    wait_unlock(&notification->queue);
}

enum status notification_take(struct object *object, u64 deadline_ns, u64 *bits) {
    struct notification *notification = of(object);
    enum status status = OK;
    wait_lock(&notification->queue);
    while (notification->bits == 0 && status == OK)
        status = wait_locked(&notification->queue, deadline_ns);
    if (status == OK) {
        *bits = notification->bits;
        notification->bits = 0;
    }
    wait_unlock(&notification->queue);
    return status;
}
