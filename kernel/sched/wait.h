#pragma once
// Wait queues: where threads block, and the only way to block. A condition is protected by the
// queue's lock:
//
//   wait_lock(q);
//   while (!condition) {
//       status = wait_locked(q, deadline);   // releases the lock while asleep
//       if (status != OK) break;             // ERR_TIMED_OUT, ERR_KILLED
//   }
//   wait_unlock(q);

#include "base/list.h"
#include "kernel/sync/spinlock.h"

struct thread;

#define WAIT_FOREVER UINT64_MAX

struct wait_queue {
    struct spinlock lock;

    // Under lock:
    struct list waiters;
    struct list watches; // of struct wait_watch
};

void wait_queue_init(struct wait_queue *queue);
void wait_lock(struct wait_queue *queue);   // any context
void wait_unlock(struct wait_queue *queue); // and lets a woken thread run, if it may

// Sleeps until woken, `deadline_ns`, or killed. The lock is held again on return. OK: woken, which
// says nothing about the condition. Thread context, preemption on, no other spinlock held.
MUST_USE enum status wait_locked(struct wait_queue *queue, u64 deadline_ns);

// Sleeps until woken, whatever else happens: for what is sure to come soon. As above.
void wait_for_sure_locked(struct wait_queue *queue);

// Wakes the one that waits longest, or all. Any context. The queue's lock is held.
void wake_one_locked(struct wait_queue *queue);
void wake_all_locked(struct wait_queue *queue);

void wake_all(struct wait_queue *queue); // takes the lock

// Waiting for several queues at once. A thread watches the queues, looks at all their conditions,
// and sleeps when none is true; what is woken between the look and the sleep keeps it from
// sleeping:
//
//   wait_set_init(&set);
//   wait_set_watch(&set, &watches[i], queue_i);   // for each
//   while (!any condition && status == OK)        // each looked at under its own queue's lock
//       status = wait_set_wait(&set, deadline);
//   wait_set_unwatch(&watches[i]);                // for each, before set or queue goes
//
// A watch takes no wake-up away from the threads that wait on the queue itself.
struct wait_set {
    struct wait_queue queue; // its owner sleeps here
    bool is_signalled;       // under queue.lock: a watched queue was woken since the last wait
};

struct wait_watch {
    struct wait_queue *queue;
    struct wait_set *set;
    struct list link; // in queue->watches, under its lock
};

void wait_set_init(struct wait_set *set);
void wait_set_watch(struct wait_set *set, struct wait_watch *watch, struct wait_queue *queue);
void wait_set_unwatch(struct wait_watch *watch);

// Returns once a watched queue has been woken since the last return; otherwise as wait_locked.
// Thread context, preemption on, no spinlock held. One thread at a time.
MUST_USE enum status wait_set_wait(struct wait_set *set, u64 deadline_ns);

// A mutex for threads: may be held across blocking calls. First come, first served.
struct mutex {
    struct wait_queue queue;
    struct thread *owner; // under queue.lock
};

void mutex_init(struct mutex *mutex);
void mutex_lock(struct mutex *mutex); // not interrupted by kill
void mutex_unlock(struct mutex *mutex);
bool mutex_is_held(const struct mutex *mutex); // by the running thread
