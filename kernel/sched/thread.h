#pragma once
// Threads and the scheduler: strict priorities, and within one preemptive round robin on each CPU's
// run queue, with a short cut for threads that wake up before they have used up their slice.
// Threads move between CPUs where one would idle or has much less to do.

#include "base/assert.h"
#include "base/list.h"
#include "kernel/arch/arch.h"
#include "kernel/mm/aspace.h"
#include "kernel/sched/cpu_share.h"
#include "kernel/sched/timer.h"

#define THREAD_LENT_BYTES 896u
// What a thread can be asked: TRAP_KILLED and TRAP_PAUSED, so that host functions can end with it
// as it stands.
#define THREAD_KILLED  18u // to end
#define THREAD_STOPPED 20u // to stand still where its program would go on

enum thread_state : u8 {
    THREAD_READY,
    THREAD_RUNNING,
    THREAD_BLOCKED,
    THREAD_DEAD,
    THREAD_IDLE // of idle threads, always
};

// A thread runs only while none of a higher priority is ready on its CPU.
enum thread_priority : u8 {
    PRIORITY_BACKGROUND,
    PRIORITY_NORMAL,
    PRIORITY_HIGH, // who works a moment for others
    PRIORITY_COUNT
};

// Whether a thread can be claimed; see park.c.
enum park_state : u32 { PARK_AWAKE, PARK_ASLEEP, PARK_CALLED };

#define ANY_CPU UINT32_MAX

struct wait_queue;
struct cpu;

// Messages, as counted by who sent and received them.
struct message_counts {
    u64 calls;  // to schemes
    u64 served; // calls received
};

struct thread {
    struct arch_context context;
    const char *name;
    u32 id;         // for people and traces: never used again
    u32 process_id; // likewise; 0: a kernel thread
    void (*entry)(void *);
    void *argument;
    struct aspace *aspace; // that it runs in, with a reference
    struct area *stack;    // AREA_STACK in there
    void *owner;           // the process, or NULL for a kernel thread
    void *block;           // struct thread_block, for the engine's host; or NULL
    u32 affinity;          // a bit for each CPU that it may run on
    enum thread_priority base_priority;

    // Atomic. Whose run queue is the thread's: changes while it is ready, under the lock of the
    // queue that it leaves.
    struct cpu *cpu;

    // Under the run queue's lock; a running thread may say under its wait queue's that it blocks:
    enum thread_state state;

    // Under the run queue's lock:
    struct thread *ready_next;

    // Atomic. What counts when one thread hands over to another, looked at as a whole, too: one
    // that neither lends nor borrows stands where its priority says.
    union {
        u32 standing;
        struct {
            // Under the run queue's lock: its own, or a higher one that is lent to it (lend.h).
            enum thread_priority priority;
            bool is_lender; // changed under the lock of lend.c: whether there is a borrower
            bool is_borrower;
        };
    };

    // Atomic, changed under the lock of lend.c:
    struct thread *lender;
    struct thread *borrower;

    // Owned by the thread, and interrupts on top of it:
    u32 preempt_count;

    // Under the wait queue's lock:
    struct list wait_link;   // linked while the thread waits and nobody woke it
    enum status wake_status; // what the wait will return; of a park: its claimer's

    // Atomic. Whose sleepers the thread is with: changed by itself, outside of waits, under the
    // lock of those it leaves.
    struct cpu *sleepers_cpu;

    // Under the lock of these sleepers:
    struct wait_queue *waiting_on; // while in a wait that a kill or a deadline can end
    struct timer timer;            // armed while that wait has a deadline

    // Atomic:
    u32 asked; // 0, THREAD_STOPPED, or THREAD_KILLED, which stays
    u32 park;  // enum park_state

    // Owned by the CPU that runs it, with interrupts off; in arch_ticks:
    u64 used_ticks;  // CPU time up to the last switch; written atomically, for others to read
    i64 slice_ticks; // what was left of its slice then; 0 or below: it is over

    // Changed by the thread itself, with interrupts off:
    struct cpu_share *share; // its process's

    // Written atomically by the thread itself, with preemption off; others read:
    struct message_counts messages;

    // Under the lock of the run queue that gives it a turn:
    struct share_turns share_turns;
    u64 turn_ticks; // how long its last turn was; 0: it had none yet
    u64 progress;   // turns that it has used up, in 1/PROGRESS_TURN (balance.c)

    // Under the reaper's lock:
    struct list dead_link;

    // What the thread lends to others (thread_lend). Last, for nobody clears it.
    bool has_lent;
    _Alignas(16) u8 lent[THREAD_LENT_BYTES];
};

// Makes the caller the idle thread of this CPU: from now on there is a current thread, and others
// can be made and started, but nothing runs before sched_run. On each CPU. Needs the heap.
void sched_init(void);

// There will be other CPUs: what only one can do in a quicker way ends here. After sched_init on
// the CPU that boots, before it starts another.
void sched_expect_company(void);

// Starts scheduling on this CPU. Needs address spaces. Interrupts may be on or off.
[[noreturn]] void sched_run(void);

// Makes a thread; thread_start runs it. Its stack is `stack_bytes` of address space, the lowest
// page of which stays a guard, and of which `stack_committed` are committed now. `name` must
// outlive the thread; `owner` and `account` may be NULL. ERR_NO_MEMORY, ERR_LIMIT.
struct thread_config {
    const char *name;
    void (*entry)(void *);
    void *argument;
    void *owner;
    struct aspace *aspace; // where it runs; NULL: the kernel's
    struct memory_account *account;
    struct cpu_share *share; // NULL: the kernel's
    u64 stack_bytes;
    u64 stack_committed;
    enum thread_priority priority;
    u32 affinity; // a bit for each CPU that it may run on, of which one runs; 0: all
};
MUST_USE enum status thread_create(const struct thread_config *config, struct thread **out);
void thread_start(struct thread *thread);

// Calls function(argument) in the address space of `host`, a thread that is not started, and on its
// stack: the running thread does so, and comes back. What is on the running thread's own stack may
// not be there meanwhile, so the argument must be for all. Thread context.
void thread_visit(struct thread *host, void (*function)(void *), void *argument);
void thread_discard(struct thread *thread); // one that was not started

// Ends the running thread. Its memory is freed by the scheduler afterwards.
[[noreturn]] void thread_exit(void);

// Names the running thread anew; nobody looks at the old name any more. Thread context.
void thread_rename(const char *name);

// From here on the running thread's turns are the kernel's: the share may go.
void thread_leave_share(void);

static inline struct thread *thread_current(void) {
    return arch_current();
}

// The address space of the running thread.
struct aspace *thread_aspace(void);

// A stack is mapped in its thread's address space alone, so what others are to touch while a thread
// waits must not be on it. This is memory for one such thing of the running thread, uninitialised,
// until it is given back.
static inline void *thread_lend(usize bytes) {
    struct thread *thread = thread_current();
    CHECK(bytes <= sizeof thread->lent && !thread->has_lent);
    thread->has_lent = true;
    return thread->lent;
}

static inline void thread_lend_end(void) {
    struct thread *thread = thread_current();
    ASSERT(thread->has_lent);
    thread->has_lent = false;
}

// Whether memory of the kernel can be touched by everybody: is on no stack in slots.
static inline bool is_for_all(const void *pointer) {
    struct virt_range slots = arch_slots_region();
    return (uptr)pointer - slots.start.value >= slots.bytes;
}

// Lets others have their turn first. Returns what thread_asked says then.
u32 thread_yield(void);

// Sleeps until `deadline_ns`. OK, or ERR_KILLED.
MUST_USE enum status thread_sleep_until(u64 deadline_ns);

// CPU time that the running thread has used.
u64 thread_cpu_time_ns(void);

// CPU time that a thread was charged for so far, at the end of its last slice or stay on a CPU. The
// caller sees to it that the thread does not exit meanwhile.
u64 thread_charged_ns(const struct thread *thread);

// Asks a thread to end: one that waits wakes with ERR_KILLED, and every later wait fails with it;
// one that runs generated code is redirected at its next interrupt. The caller sees to it that the
// thread does not exit meanwhile, by a lock that ranks before LOCK_TIMERS.
void thread_kill(struct thread *thread);

static inline bool thread_is_killed(const struct thread *thread) {
    // Pairs with the store in thread_kill.
    return __atomic_load_n(&thread->asked, __ATOMIC_ACQUIRE) == THREAD_KILLED;
}

// Asks a thread to stand still, unless it is to end, and takes that back: who stands still by then
// is the caller's to wake. As thread_kill; but waits go on.
void thread_stop(struct thread *thread);
void thread_continue(struct thread *thread);

// What a thread is asked.
static inline u32 thread_asked_of(const struct thread *thread) {
    // Pairs with the stores in thread.c.
    return __atomic_load_n(&thread->asked, __ATOMIC_ACQUIRE);
}

static inline u32 thread_asked(void) {
    return thread_asked_of(thread_current());
}

// One more message, by the running thread on this CPU. Preemption off.
extern struct cpu_messages {
    alignas(64) struct message_counts counts; // atomic, written by the CPU itself
} cpu_messages[ARCH_CPUS_MAX];

static inline void count_one(u64 *counter) {
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

static inline void thread_count_call(struct thread *running) {
    count_one(&running->messages.calls);
    count_one(&cpu_messages[arch_cpu_id()].counts.calls);
}

static inline void thread_count_served(struct thread *running) {
    count_one(&running->messages.served);
    count_one(&cpu_messages[arch_cpu_id()].counts.served);
}

// What the thread has counted so far. The caller sees to it that it does not exit meanwhile.
struct message_counts thread_messages(const struct thread *thread);

// A bit for each CPU that schedules.
u32 sched_online(void);

// What a CPU has done, and does.
struct cpu_stats {
    u64 busy_ns; // spent in threads
    u64 idle_ns;
    u64 switches;
    u64 taken; // threads that it took over from another CPU
    struct message_counts messages;
    u32 ready;        // threads that wait for it
    char running[32]; // name of the thread that runs, or "idle"
};

// False when that CPU does not schedule.
MUST_USE bool sched_cpu_stats(u32 cpu, struct cpu_stats *out);

// Asserts that every thread is where it should be, as far as that can be seen from this CPU.
void sched_check(void);

// Called by upcall_timer, upcall_wants_reschedule and upcall_interrupt_return: interrupts off.
void sched_timer(void);
bool sched_wants_switch(void);
void sched_preempt(void); // switches if that is wanted; returns when the thread runs again

// Preemption counting: while it is not zero the thread stays on its CPU and running; it must not
// block.
void preempt_disable(void);
void preempt_enable(void);
