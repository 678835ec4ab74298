#pragma once
// Threads and the scheduler: preemptive round robin on each CPU's run queue.

#include "base/list.h"
#include "kernel/arch/arch.h"
#include "kernel/mm/aspace.h"
#include "kernel/sync/spinlock.h"

#define THREAD_SLICE_NS 10000000ull // 10 ms

enum thread_state : u8 { THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED, THREAD_DEAD };

struct wait_queue;

struct thread {
    struct arch_context context;
    const char *name;
    void (*entry)(void *);
    void *argument;
    struct area *stack; // AREA_STACK in the shared slots region
    void *owner;        // the process, or NULL for a kernel thread
    void *block;        // struct thread_block, for the engine's host; or NULL
    u32 cpu;

    // Under the run queue's lock:
    enum thread_state state;
    struct list ready_link;

    // Under the wait queue's lock:
    struct wait_queue *waiting_on;
    struct list wait_link;
    enum status wake_status;

    // Under the timer lock:
    u64 wake_at_ns;
    struct list timer_link;

    // Atomic:
    u32 kill_requested;

    // Owned by the CPU that runs it:
    u64 slice_end_ns;
    u64 cpu_time_ns;
    u64 switched_in_ns;
    struct list dead_link;
};

// Starts scheduling on this CPU: the caller becomes the idle thread. Never returns.
void sched_init(void);
[[noreturn]] void sched_run(void);

// Makes a thread that is ready to run. Its stack is `stack_bytes` of address space, of which
// `stack_committed` are committed now. `owner` and `block` may be NULL.
struct thread_config {
    const char *name;
    void (*entry)(void *);
    void *argument;
    void *owner;
    struct memory_account *account;
    u64 stack_bytes;
    u64 stack_committed;
};
MUST_USE enum status thread_create(const struct thread_config *config, struct thread **out);
void thread_start(struct thread *thread);

// Ends the running thread. Its memory is freed by the scheduler afterwards.
[[noreturn]] void thread_exit(void);

struct thread *thread_current(void);
void thread_yield(void);

// Sleeps until `deadline_ns`. OK, or ERR_KILLED.
MUST_USE enum status thread_sleep_until(u64 deadline_ns);

// Asks a thread to end: one that waits wakes with ERR_KILLED, and every later wait fails with it;
// one that runs generated code is redirected at its next interrupt.
void thread_kill(struct thread *thread);
bool thread_is_killed(const struct thread *thread);

// Called by upcall_timer and upcall_interrupt_return.
void sched_timer(void);
bool sched_wants_switch(void);
void sched_preempt(void); // interrupts off

// Preemption counting: a nonzero count keeps the thread on its CPU and running.
void preempt_disable(void);
void preempt_enable(void);
