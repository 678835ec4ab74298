// Interrupts as objects: a count under the lock of the queue that those who take it wait in.
//
// The port knows an interrupt by a number, and calls with that, perhaps after it was released: so
// which object has the number is looked up under a lock, and an object leaves the table before it
// goes. A number is given to a new object only after the old one has left.
//
// Locks: table.lock, then the queue's.

#include "base/assert.h"
#include "kernel/arch/arch.h"
#include "kernel/ipc/device.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/wait.h"

struct interrupt {
    struct object object;
    u32 number;    // fixed
    bool is_level; // fixed
    struct wait_queue queue;

    // Under queue.lock:
    u64 count;
    bool is_masked; // it came, and nobody has waited for the next one yet
};

static struct {
    struct spinlock lock;
    struct interrupt *of[ARCH_INTERRUPTS_MAX]; // under lock
} table = {.lock = {.rank = LOCK_INTERRUPTS, .name = "interrupts"}};

static struct interrupt *interrupt_of(struct object *object) {
    CHECK(interrupt_is(object));
    return container_of(object, struct interrupt, object);
}

static void table_set(u32 number, struct interrupt *interrupt) {
    ASSERT(number < ARCH_INTERRUPTS_MAX);
    spin_lock(&table.lock);
    ASSERT((table.of[number] == NULL) == (interrupt != NULL));
    table.of[number] = interrupt;
    spin_unlock(&table.lock);
}

static void interrupt_destroy(struct object *object) {
    struct interrupt *interrupt = interrupt_of(object);
    table_set(interrupt->number, NULL);
    arch_interrupt_release(interrupt->number);
    kfree(interrupt, sizeof *interrupt);
}

static enum status interrupt_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type, .link_count = 1};
    return OK;
}

static u32 interrupt_poll(struct object *object, u64 *available) {
    struct interrupt *interrupt = interrupt_of(object);
    wait_lock(&interrupt->queue);
    *available = interrupt->count != 0 ? sizeof interrupt->count : 0;
    wait_unlock(&interrupt->queue);
    return *available != 0 ? POLL_READABLE : 0;
}

static struct wait_queue *interrupt_poll_queue(struct object *object) {
    return &interrupt_of(object)->queue;
}

static const struct object_ops interrupt_ops = {
    .destroy = interrupt_destroy,
    .stat = interrupt_stat,
    .poll = interrupt_poll,
    .poll_queue = interrupt_poll_queue,
};

bool interrupt_is(const struct object *object) {
    return object->ops == &interrupt_ops;
}

static struct interrupt *interrupt_alloc(void) {
    struct interrupt *interrupt = kmalloc(sizeof *interrupt);
    if (interrupt == NULL)
        return NULL;
    *interrupt = (struct interrupt){};
    object_init(&interrupt->object, &interrupt_ops, OBJECT_PLAIN);
    wait_queue_init(&interrupt->queue);
    return interrupt;
}

// The port has given it a number, or not. What came before it was in the table is lost, but of a
// line that is level-triggered: the device still asks, and it is unmasked now.
static enum status interrupt_finish(struct interrupt *interrupt, enum status status,
                                    struct object **out) {
    if (status != OK) {
        kfree(interrupt, sizeof *interrupt);
        return status;
    }
    table_set(interrupt->number, interrupt);
    if (interrupt->is_level)
        arch_interrupt_unmask(interrupt->number);
    *out = &interrupt->object;
    return OK;
}

enum status interrupt_create_line(u32 line, struct object **out) {
    struct interrupt *interrupt = interrupt_alloc();
    if (interrupt == NULL)
        return ERR_NO_MEMORY;
    enum status status = arch_interrupt_claim(line, &interrupt->number, &interrupt->is_level);
    return interrupt_finish(interrupt, status, out);
}

enum status interrupt_create_message(u64 *address, u32 *data, struct object **out) {
    struct interrupt *interrupt = interrupt_alloc();
    if (interrupt == NULL)
        return ERR_NO_MEMORY;
    enum status status = arch_message_claim(&interrupt->number, address, data);
    return interrupt_finish(interrupt, status, out);
}

void interrupt_raise(u32 number) {
    ASSERT(number < ARCH_INTERRUPTS_MAX);
    spin_lock(&table.lock);
    struct interrupt *interrupt = table.of[number];
    if (interrupt != NULL) {
        wait_lock(&interrupt->queue);
        interrupt->count++;
        interrupt->is_masked = interrupt->is_level;
        wake_all_locked(&interrupt->queue);
        wait_unlock(&interrupt->queue);
    }
    spin_unlock(&table.lock);
}

enum status interrupt_take(struct object *object, u64 deadline_ns, u64 *count) {
    struct interrupt *interrupt = interrupt_of(object);
    enum status status = OK;
    wait_lock(&interrupt->queue);
    if (interrupt->count == 0 && interrupt->is_masked) {
        interrupt->is_masked = false;
        arch_interrupt_unmask(interrupt->number);
    }
    while (interrupt->count == 0 && status == OK)
        status = wait_locked(&interrupt->queue, deadline_ns);
    if (status == OK) {
        *count = interrupt->count;
        interrupt->count = 0;
    }
    wait_unlock(&interrupt->queue);
    return status;
}
