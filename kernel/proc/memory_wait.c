// memory.atomic.wait and memory.atomic.notify: threads that wait at an address of a shared memory.
//
// Waiters are in buckets by their address (two domains may have the same one), in the order in
// which they came, so programs that have nothing to do with each other seldom meet at a lock. Each
// sleeps on a queue of its own, on its stack: who notifies wakes exactly those whom he counts.
//
// Why no notification is lost. A thread is in its bucket before it reads the value. A notification
// that follows the write of another value takes the bucket's lock after that write: it finds the
// thread there, or the thread comes later and reads the new value.
//
// Why a waiter's queue outlives its notification. Taking a waiter out of the bucket and waking it
// happen under one hold of the bucket's lock, and no waiter returns without having taken that lock
// itself after its sleep. What is decided there counts: who is out of the bucket by then was woken,
// and whoever woke it has counted it, even if a deadline came at the same time.
//
// Locks: the bucket's (LOCK_MEMORY_WAIT), then that of a waiter's queue. Reading the value may
// block and is done without.

#include "base/math.h"
#include "engine/api/host.h"
#include "kernel/proc/proc_internal.h"
#include "kernel/sched/wait.h"

#define BUCKET_BITS  8u
#define BUCKET_COUNT (1u << BUCKET_BITS)

struct bucket {
    struct spinlock lock;

    // Under lock:
    struct list waiters; // the one that waits longest first
};

struct waiter {
    const struct aspace *aspace;
    u64 address;
    struct list node; // under the bucket's lock: linked until woken
    struct wait_queue queue;
    bool is_woken; // under queue.lock
};

static struct bucket buckets[BUCKET_COUNT];

void memory_wait_init(void) {
    for (u32 i = 0; i < BUCKET_COUNT; i++) {
        spin_init(&buckets[i].lock, LOCK_MEMORY_WAIT, "memory wait");
        list_init(&buckets[i].waiters);
    }
}

static struct bucket *bucket_of(u64 address) {
    return &buckets[(address >> 2) * 0x9e3779b97f4a7c15 >> (64 - BUCKET_BITS)];
}

static u64 deadline_after(i64 timeout_ns) {
    u64 deadline;
    if (timeout_ns < 0 || __builtin_add_overflow(arch_clock_ns(), (u64)timeout_ns, &deadline))
        return WAIT_FOREVER;
    return deadline;
}

static void waiter_enter(struct waiter *waiter, struct bucket *bucket) {
    spin_lock(&bucket->lock);
    list_push_back(&bucket->waiters, &waiter->node);
    spin_unlock(&bucket->lock);
}

// Whether it was woken.
static bool waiter_leave(struct waiter *waiter, struct bucket *bucket) {
    spin_lock(&bucket->lock);
    bool is_woken = list_is_empty(&waiter->node);
    if (!is_woken)
        list_remove(&waiter->node);
    spin_unlock(&bucket->lock);
    return is_woken;
}

static enum status waiter_sleep(struct waiter *waiter, u64 deadline) {
    enum status status = OK;
    wait_lock(&waiter->queue);
    while (!waiter->is_woken && status == OK)
        status = wait_locked(&waiter->queue, deadline);
    wait_unlock(&waiter->queue);
    return status;
}

// Reads whole aligned words: the port copies these in one piece, so a value that another thread
// writes at the moment is never half of it.
static enum status value_read(void *owner, const struct host_wait *wait, u64 *value) {
    u64 word;
    u32 bit = (u32)(wait->address % sizeof word) * 8;
    enum status status =
        host_memory_read(owner, &word, align_down(wait->address, sizeof word), sizeof word);
    if (status == OK)
        *value = wait->bytes == 4 ? (u32)(word >> bit) : word;
    return status;
}

enum trap host_memory_wait(void *owner, const struct host_wait *wait,
                           enum host_wait_result *result) {
    u64 deadline = deadline_after(wait->timeout_ns);
    struct bucket *bucket = bucket_of(wait->address);
    struct waiter *waiter = thread_lend(sizeof *waiter);
    *waiter = (struct waiter){.address = wait->address, .aspace = aspace_of(owner)};
    wait_queue_init(&waiter->queue);
    list_init(&waiter->node);
    waiter_enter(waiter, bucket);

    u64 value = 0;
    enum status status = value_read(owner, wait, &value);
    bool is_equal = status == OK && value == wait->expected;
    if (is_equal)
        status = waiter_sleep(waiter, deadline);
    bool is_woken = waiter_leave(waiter, bucket);
    thread_lend_end();

    if (status == ERR_KILLED)
        return TRAP_KILLED;
    if (status == ERR_NO_MEMORY)
        return TRAP_OUT_OF_MEMORY;
    *result = is_woken ? WAIT_WOKEN : is_equal ? WAIT_TIMED_OUT : WAIT_NOT_EQUAL;
    return TRAP_NONE;
}

static void wake(struct waiter *waiter) {
    list_remove(&waiter->node);
    wait_lock(&waiter->queue);
    waiter->is_woken = true;
    wake_one_locked(&waiter->queue);
    wait_unlock(&waiter->queue);
}

u32 host_memory_notify(void *owner, u64 address, u32 count) {
    const struct aspace *as = aspace_of(owner);
    struct bucket *bucket = bucket_of(address);
    u32 woken = 0;
    preempt_disable(); // those who are woken run when the bucket is free
    spin_lock(&bucket->lock);
    for (struct list *node = bucket->waiters.next; node != &bucket->waiters && woken < count;) {
        struct waiter *waiter = container_of(node, struct waiter, node);
        node = node->next;
        if (waiter->address != address || waiter->aspace != as)
            continue;
        wake(waiter);
        woken++;
    }
    spin_unlock(&bucket->lock);
    preempt_enable();
    return woken;
}
