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
    struct list waiters; // under lock
};

void wait_queue_init(struct wait_queue *queue);
void wait_lock(struct wait_queue *queue);   // any context
void wait_unlock(struct wait_queue *queue); // and lets a woken thread run, if it may

// Sleeps until woken, `deadline_ns`, or killed. The lock is held again on return. OK: woken, which
// says nothing about the condition. Thread context, preemption on, no other spinlock held.
MUST_USE enum status wait_locked(struct wait_queue *queue, u64 deadline_ns);

// Wakes the one that waits longest, or all. Any context. The queue's lock is held.
void wake_one_locked(struct wait_queue *queue);
void wake_all_locked(struct wait_queue *queue);

void wake_all(struct wait_queue *queue); // takes the lock

// A mutex for threads: may be held across blocking calls. First come, first served.
struct mutex {
    struct wait_queue queue;
    struct thread *owner; // under queue.lock
};

void mutex_init(struct mutex *mutex);
void mutex_lock(struct mutex *mutex); // not interrupted by kill
void mutex_unlock(struct mutex *mutex);
bool mutex_is_held(const struct mutex *mutex); // by the running thread
