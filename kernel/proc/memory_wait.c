// Threads that wait for a word of memory: at an address of a shared linear memory, for
// memory.atomic.wait and memory.atomic.notify, or at an offset of a memory object, for whom it is
// the word's physical address that counts: so it does not matter where, and whether, they have
// mapped it.
//
// Waiters are in buckets by their address (two domains may have the same one), in the order in
// which they came, so programs that have nothing to do with each other seldom meet at a lock. Each
// sleeps on a queue of its own, which it lends: who notifies wakes exactly those whom he counts.
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

// What is waited for.
struct awaited {
    struct aspace *aspace; // NULL: none, the address is physical
    u64 key;               // address
    u32 bytes;
    u64 expected;
};

struct bucket {
    struct spinlock lock;

    // Under lock:
    struct list waiters; // the one that waits longest first
};

struct waiter {
    struct awaited awaited;
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

static struct bucket *bucket_of(u64 key) {
    return &buckets[(key >> 2) * 0x9e3779b97f4a7c15 >> (64 - BUCKET_BITS)];
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

static u64 physical_read(struct phys_addr address) {
    u64 offset = address.value % PAGE_SIZE;
    const u8 *window = arch_frame_window_open((struct phys_addr){address.value - offset}, 1);
    // Another CPU may be writing to it. Relaxed: the bucket's lock orders it.
    u64 word = __atomic_load_n((const u64 *)(const void *)(window + offset), __ATOMIC_RELAXED);
    arch_frame_window_close((void *)(uptr)window);
    return word;
}

// Reads whole aligned words: the port copies these in one piece, so a value that another thread
// writes at the moment is never half of it.
static enum status value_read(const struct awaited *awaited, u64 *value) {
    u64 word;
    u32 bit = (u32)(awaited->key % sizeof word) * 8;
    u64 address = align_down(awaited->key, sizeof word);
    enum status status = OK;
    if (awaited->aspace == NULL)
        word = physical_read((struct phys_addr){address});
    else
        status = aspace_read(awaited->aspace, &word, (struct virt_addr){address}, sizeof word);
    if (status == OK)
        *value = awaited->bytes == 4 ? (u32)(word >> bit) : word;
    return status;
}

// OK: *result says how it ended. ERR_KILLED, ERR_NO_MEMORY.
static enum status wait_for(const struct awaited *awaited, u64 deadline,
                            enum host_wait_result *result) {
    struct bucket *bucket = bucket_of(awaited->key);
    struct waiter *waiter = thread_lend(sizeof *waiter);
    *waiter = (struct waiter){.awaited = *awaited};
    wait_queue_init(&waiter->queue);
    list_init(&waiter->node);
    waiter_enter(waiter, bucket);

    u64 value = 0;
    enum status status = value_read(awaited, &value);
    bool is_equal = status == OK && value == awaited->expected;
    if (is_equal)
        status = waiter_sleep(waiter, deadline);
    bool is_woken = waiter_leave(waiter, bucket);
    thread_lend_end();

    if (status == ERR_KILLED || status == ERR_NO_MEMORY)
        return status;
    *result = is_woken ? WAIT_WOKEN : is_equal ? WAIT_TIMED_OUT : WAIT_NOT_EQUAL;
    return OK;
}

enum trap host_memory_wait(void *owner, const struct host_wait *wait,
                           enum host_wait_result *result) {
    const struct awaited awaited = {aspace_of(owner), wait->address, wait->bytes, wait->expected};
    enum status status = wait_for(&awaited, deadline_after(wait->timeout_ns), result);
    return status == ERR_KILLED      ? TRAP_KILLED
           : status == ERR_NO_MEMORY ? TRAP_OUT_OF_MEMORY
                                     : TRAP_NONE;
}

enum status memory_word_wait(struct phys_addr word, u32 expected, u64 deadline_ns) {
    static const enum status statuses[] = {
        [WAIT_WOKEN] = OK,
        [WAIT_NOT_EQUAL] = ERR_WOULD_BLOCK,
        [WAIT_TIMED_OUT] = ERR_TIMED_OUT,
    };
    const struct awaited awaited = {NULL, word.value, sizeof expected, expected};
    enum host_wait_result result;
    enum status status = wait_for(&awaited, deadline_ns, &result);
    return status == OK ? statuses[result] : status;
}

static void wake(struct waiter *waiter) {
    list_remove(&waiter->node);
    wait_lock(&waiter->queue);
    waiter->is_woken = true;
    wake_one_locked(&waiter->queue);
    wait_unlock(&waiter->queue);
}

static u32 wake_at(const struct aspace *as, u64 key, u32 count) {
    struct bucket *bucket = bucket_of(key);
    u32 woken = 0;
    preempt_disable(); // those who are woken run when the bucket is free
    spin_lock(&bucket->lock);
    for (struct list *node = bucket->waiters.next; node != &bucket->waiters && woken < count;) {
        struct waiter *waiter = container_of(node, struct waiter, node);
        node = node->next;
        if (waiter->awaited.key != key || waiter->awaited.aspace != as)
            continue;
        wake(waiter);
        woken++;
    }
    spin_unlock(&bucket->lock);
    preempt_enable();
    return woken;
}

u32 host_memory_notify(void *owner, u64 address, u32 count) {
    return wake_at(aspace_of(owner), address, count);
}

u32 memory_word_wake(struct phys_addr word, u32 count) {
    return wake_at(NULL, word.value, count);
}
