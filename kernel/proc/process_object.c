// Processes as objects.

#include "kernel/proc/process_object.h"

#include "base/assert.h"
#include "kernel/mm/heap.h"

struct process_object {
    struct object object;
    struct process *process;
};

struct process *process_object_process(struct object *object) {
    CHECK(process_object_is(object));
    return container_of(object, struct process_object, object)->process;
}

static void process_object_destroy(struct object *object) {
    process_release(process_object_process(object));
    kfree(container_of(object, struct process_object, object), sizeof(struct process_object));
}

static enum status process_object_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type, .link_count = 1};
    return OK;
}

static u32 process_object_poll(struct object *object, u64 *available) {
    *available = process_has_ended(process_object_process(object));
    return *available != 0 ? POLL_READABLE : 0;
}

static struct wait_queue *process_object_poll_queue(struct object *object) {
    return &process_object_process(object)->ended;
}

static const struct object_ops process_object_ops = {
    .destroy = process_object_destroy,
    .stat = process_object_stat,
    .poll = process_object_poll,
    .poll_queue = process_object_poll_queue,
};

bool process_object_is(const struct object *object) {
    return object->ops == &process_object_ops;
}

enum status process_object_create(struct process *process, struct object **out) {
    struct process_object *made = kmalloc(sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    object_init(&made->object, &process_object_ops, OBJECT_PLAIN);
    process_retain(process);
    made->process = process;
    *out = &made->object;
    return OK;
}

// -- The table ----------------------------------------------------------------------------------

static const struct object_ops process_table_ops = {.stat = process_object_stat};

static struct object process_table = {
    .ops = &process_table_ops,
    .ref_count = 1, // the kernel's own: it never goes
    .type = OBJECT_PLAIN,
};

struct object *process_table_object(void) {
    return &process_table;
}

bool process_object_leads(const struct object *object) {
    return object == &process_table || process_object_is(object);
}
