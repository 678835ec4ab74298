// Threads of a process.
//
// All threads run the same module, each in an instance of its own, which has its own globals and
// tables; what they share is the memory that the module imports. Everything that can fail happens
// in process_thread_start, on the thread that asks; what the new one does is run, release its
// instance and leave.
//
// How a process ends is decided once, by the first of: a thread that traps or exits, the first
// thread's return, a kill. Who decides has all the others killed; then each leaves by itself, and
// the first thread, which stays to the last, takes the process down.
//
// Making a stack and an instance takes ten times what most threads need to start and end. So some
// that return stay as spares, with both, until the process needs a thread again or ends: their
// instance is reset then, which is what a new one would be. A spare is nobody's thread: it is not
// killed, for it has nothing to do but wait for an order.
//
// Invariants:
//   1. thread_count is how many threads there are, spares too, or are being made by one that is
//      counted, so when it is 1 the first thread is alone and stays so;
//   2. a thread in process.threads has not ended: who holds process.lock may kill it;
//   3. no thread joins process.threads or process.spares once the process is ending;
//   4. who has taken a spare off process.spares gives it one order.
//
// Locks: process.lock, then what thread_kill takes; gone.lock by itself.

#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/proc_internal.h"
#include "kernel/sched/trace.h"

#define STACK_COMMITTED_FIRST (STACK_HEADROOM_BYTES + PAGE_SIZE)
#define THREAD_ID_MAX         0x1fffffffu
#define SPARES_MAX            4u

// -- Ending -------------------------------------------------------------------------------------

static void kill_all_locked(struct process *process, const struct thread *but) {
    LIST_FOR_EACH(node, &process->threads) {
        struct thread *thread = container_of(node, struct process_thread, link)->thread;
        if (thread != but)
            thread_kill(thread);
    }
}

static bool decide_locked(struct process *process, enum trap trap, u32 exit_status) {
    if (process->is_ending)
        return false;
    process->is_ending = true;
    process->trap = trap;
    process->exit_status = exit_status;
    return true;
}

bool process_end(struct process *process, enum trap trap, u32 exit_status) {
    spin_lock(&process->lock);
    bool decides = decide_locked(process, trap, exit_status);
    if (decides)
        kill_all_locked(process, thread_current());
    spin_unlock(&process->lock);
    return decides;
}

void process_kill(struct process *process) {
    trace(TRACE_KILL, process->id, 0, 0);
    spin_lock(&process->lock);
    decide_locked(process, TRAP_KILLED, 0);
    kill_all_locked(process, NULL);
    spin_unlock(&process->lock);
}

// -- Notes --------------------------------------------------------------------------------------
// Whether a process takes a number is decided in one step with what the number does, so that a
// process that says it takes it is not killed by it afterwards.

bool process_note_one(struct process *process, u32 number) {
    spin_lock(&process->lock);
    u32 bit = 1u << number;
    bool lives = !process->is_ending;
    bool takes = (process->notes.taken & bit) != 0;
    bool kills = !takes && (process->notes.ignored & bit) == 0;
    if (takes)
        process->notes.came |= bit;
    if (kills) {
        trace(TRACE_KILL, process->id, number, 0);
        decide_locked(process, TRAP_KILLED, number);
        kill_all_locked(process, NULL);
    }
    spin_unlock(&process->lock);
    return lives;
}

struct process_notes process_set_notes(struct process *process, u32 taken, u32 ignored) {
    spin_lock(&process->lock);
    struct process_notes before = process->notes;
    process->notes = (struct process_notes){.taken = taken, .ignored = ignored};
    spin_unlock(&process->lock);
    return before;
}

enum trap process_exit(struct process *process, u32 status) {
    process_end(process, TRAP_EXIT, status);
    return TRAP_EXIT;
}

// -- Standing still -----------------------------------------------------------------------------
// A thread that is asked to (thread_stop) finds out where its program would go on: at the end of a
// host call or helper (TRAP_PAUSED, host_pause), or in an interrupt of its code (upcalls.c). There
// it waits, holding nothing. Whoever takes the request back wakes it after that, and it looks at
// the request under the lock of the queue; a kill replaces the request and ends the wait.

static void stand_still(struct process *process) {
    enum status status = OK;
    wait_lock(&process->resumed);
    while (thread_asked() == THREAD_STOPPED && status == OK)
        status = wait_locked(&process->resumed, WAIT_FOREVER);
    wait_unlock(&process->resumed);
}

enum trap process_pause(void) {
    u32 asked;
    while ((asked = thread_asked()) == THREAD_STOPPED)
        stand_still(thread_current()->owner);
    return (enum trap)asked;
}

static void ask_locked(struct process *process, struct thread *thread) {
    if (process->stop != PROCESS_GOING)
        thread_stop(thread);
    else
        thread_continue(thread);
}

static void set_stop_locked(struct process *process, enum process_stop stop) {
    wait_lock(&process->ended);
    process->stop = stop;
    wake_all_locked(&process->ended);
    wait_unlock(&process->ended);
    LIST_FOR_EACH(node, &process->threads)
    ask_locked(process, container_of(node, struct process_thread, link)->thread);
    if (stop == PROCESS_GOING)
        wake_all(&process->resumed);
}

void process_set_stop(struct process *process, enum process_stop stop) {
    spin_lock(&process->lock);
    bool is_change = stop == PROCESS_GOING ? process->stop != stop : process->stop < stop;
    if (!process->is_ending && is_change)
        set_stop_locked(process, stop);
    spin_unlock(&process->lock);
}

// -- Finishing ----------------------------------------------------------------------------------

static bool is_accident(enum trap trap) {
    return trap != TRAP_NONE && trap != TRAP_EXIT && trap != TRAP_KILLED;
}

void process_thread_finish(struct process_thread *thread, enum trap trap) {
    bool ends_process = thread->id == 0 || trap != TRAP_NONE;
    if (is_accident(trap))
        trace(TRACE_TRAP, 0, trap, 0);
    if (ends_process && process_end(thread->process, trap, 0) && is_accident(trap))
        process_report_trap(thread, trap);
}

static struct process_usage usage_of(const struct thread *thread) {
    bool is_running = thread == thread_current();
    return (struct process_usage){
        .cpu_ns = is_running ? thread_cpu_time_ns() : thread_charged_ns(thread),
        .messages = thread_messages(thread),
    };
}

// Adds what a thread did since its program started.
static void add_usage(struct process_usage *sum, const struct process_usage *now,
                      const struct process_usage *before) {
    sum->cpu_ns +=
        now->cpu_ns > before->cpu_ns ? now->cpu_ns - before->cpu_ns : 0; // not charged yet
    sum->messages.calls += now->messages.calls - before->messages.calls;
    sum->messages.served += now->messages.served - before->messages.served;
}

// The running thread's program has ended: what it did is the process's from now on.
static void settle_locked(struct process_thread *thread) {
    struct process_usage now = usage_of(thread->thread);
    add_usage(&thread->process->past, &now, &thread->before);
    thread->before = now;
}

void process_thread_leave(struct process_thread *thread) {
    struct process *process = thread->process;
    struct thread *running = thread_current();
    preempt_disable();
    running->owner = NULL;
    running->block = NULL;
    preempt_enable();
    thread_rename("ended");
    thread_leave_share();
    stack_charge_kernel(running->stack);

    spin_lock(&process->lock);
    settle_locked(thread);
    thread->thread = NULL;
    if (!list_is_empty(&thread->link)) // else it was a spare
        list_remove(&thread->link);
    spin_unlock(&process->lock);
}

// -- Spares -------------------------------------------------------------------------------------

// Lets the running thread, which has returned, be a spare. False: it is to leave.
static bool retire(struct process_thread *thread) {
    struct process *process = thread->process;
    bool is_small = thread->thread->stack->accessible == STACK_COMMITTED_FIRST;
    if (!is_small || !instance_can_reset(thread->instance))
        return false;
    spin_lock(&process->lock);
    bool retires = !process->is_ending && process->spare_count < SPARES_MAX;
    if (retires) {
        settle_locked(thread);
        process->spare_count++;
        list_remove(&thread->link);
        list_push_front(&process->spares, &thread->link);
    }
    spin_unlock(&process->lock);
    return retires;
}

static struct process_thread *take_spare(struct process *process) {
    spin_lock(&process->lock);
    struct list *node = list_pop_front(&process->spares);
    if (node != NULL)
        process->spare_count--;
    spin_unlock(&process->lock);
    return node == NULL ? NULL : container_of(node, struct process_thread, link);
}

// The spare may be gone on return.
static void give_order(struct process_thread *spare, enum thread_order order) {
    wait_lock(&spare->told);
    spare->order = order;
    wake_one_locked(&spare->told);
    wait_unlock(&spare->told);
}

static enum thread_order wait_for_order(struct process_thread *spare) {
    wait_lock(&spare->told);
    while (spare->order == ORDER_NONE)
        wait_for_sure_locked(&spare->told);
    enum thread_order order = spare->order;
    spare->order = ORDER_NONE;
    wait_unlock(&spare->told);
    return order;
}

void process_threads_wait(struct process *process) {
    for (struct process_thread *spare; (spare = take_spare(process)) != NULL;)
        give_order(spare, ORDER_LEAVE);
    wait_lock(&process->gone);
    while (process->thread_count != 1)
        wait_for_sure_locked(&process->gone); // all others have been killed
    wait_unlock(&process->gone);
}

// -- Running ------------------------------------------------------------------------------------

enum status process_thread_create(struct process_thread *thread, void (*entry)(void *argument),
                                  void *argument) {
    struct process *process = thread->process;
    const struct thread_config config = {
        .name = process->name,
        .entry = entry,
        .argument = argument,
        .owner = process,
        .aspace = process->aspace,
        .account = &process->account,
        .share = &process->share,
        .stack_bytes = process->stack_bytes,
        .stack_committed = STACK_COMMITTED_FIRST,
        .priority = PRIORITY_NORMAL,
        .affinity = process->affinity,
    };
    enum status status = thread_create(&config, &thread->thread);
    if (status == OK)
        thread->thread->block = &thread->block;
    if (status == OK)
        thread->thread->process_id = process->id; // 0 for the first one, whose process has none yet
    return status;
}

void process_thread_enter(struct process_thread *thread) {
    struct thread *running = thread_current();
    thread->block.owner = running;
    thread->block.report = &thread->report;
    thread_block_set_limit(&thread->block, running->stack);
}

enum trap process_thread_begin(struct process_thread *thread) {
    enum trap trap = process_pause();
    if (trap == TRAP_NONE)
        trap = thread->trap;
    if (trap != TRAP_NONE)
        return trap;
    struct func_ref *start = instance_start_func(thread->instance);
    u64 none[1] = {0};
    return start == NULL ? TRAP_NONE : func_call(process_engine(), &thread->block, start, none);
}

// Another thread than the first is one less. The last thing that it does with the process but for
// its reference.
static void count_down(struct process *process) {
    wait_lock(&process->gone);
    // Pairs with the acquire in process_is_single.
    __atomic_store_n(&process->thread_count, process->thread_count - 1, __ATOMIC_RELEASE);
    if (process->thread_count == 1)
        wake_all_locked(&process->gone);
    wait_unlock(&process->gone);
}

static void run_program(struct process_thread *thread) {
    enum trap trap = process_thread_begin(thread);
    u64 values[] = {thread->id, thread->argument};
    if (trap == TRAP_NONE)
        trap = func_call(process_engine(), &thread->block, thread->entry, values);
    process_thread_finish(thread, trap);
}

static void process_thread_main(void *argument) {
    struct process_thread *thread = argument;
    struct process *process = thread->process;
    process_thread_enter(thread);
    do {
        run_program(thread);
    } while (retire(thread) && wait_for_order(thread) == ORDER_RUN);

    store_destroy(thread->store);
    scheme_party_leave(&process->party);
    process_thread_leave(thread);
    kfree(thread, sizeof *thread);
    count_down(process);
    process_release(process);
    thread_exit();
}

// -- Starting -----------------------------------------------------------------------------------

// Threads can share memory 0 only if that is an imported one, which is shared.
static bool has_shared_memory(const struct process *process) {
    return process->shared != NULL && process->memory != NULL;
}

static enum status find_entry(struct process_thread *thread) {
    struct extern_ref found;
    if (!instance_export(thread->instance, bytes_of("wasi_thread_start"), &found) ||
        found.kind != EXTERN_FUNC)
        return ERR_UNSUPPORTED;
    struct func_type type;
    func_ref_type(process_engine(), found.func, &type);
    bool is_right = type.param_count == 2 && type.result_count == 0 && type.types[0] == VALUE_I32 &&
                    type.types[1] == VALUE_I32;
    thread->entry = found.func;
    return is_right ? OK : ERR_UNSUPPORTED;
}

static enum status instantiate(struct process_thread *thread) {
    struct process *process = thread->process;
    enum status status = store_create(process_engine(), process, &thread->store);
    if (status != OK)
        return status;
    struct module_error error; // linking has gone well before
    status = instance_create(thread->store, process->module, process->imports, &error,
                             &thread->trap, &thread->instance);
    return status == OK ? find_entry(thread) : status;
}

static bool id_is_taken_locked(const struct process *process, u32 id) {
    LIST_FOR_EACH(node, &process->threads) {
        if (container_of(node, struct process_thread, link)->id == id)
            return true;
    }
    return false;
}

static u32 new_id_locked(struct process *process) {
    do {
        process->last_thread_id = process->last_thread_id % THREAD_ID_MAX + 1;
    } while (id_is_taken_locked(process, process->last_thread_id));
    return process->last_thread_id;
}

// ERR_KILLED: the process is ending.
static enum status join_process(struct process_thread *thread) {
    struct process *process = thread->process;
    spin_lock(&process->lock);
    enum status status = process->is_ending ? ERR_KILLED : OK;
    if (status == OK) {
        thread->id = new_id_locked(process);
        list_push_back(&process->threads, &thread->link);
        ask_locked(process, thread->thread); // a spare may remember something else
    }
    spin_unlock(&process->lock);
    return status;
}

static enum status make_thread(struct process *process, u32 argument, u32 *id) {
    struct process_thread *thread = kmalloc(sizeof *thread);
    if (thread == NULL)
        return ERR_NO_MEMORY;
    thread->process = process;
    thread->argument = argument;
    list_init(&thread->link);
    wait_queue_init(&thread->told);
    enum status status = instantiate(thread);
    if (status == OK)
        status = process_thread_create(thread, process_thread_main, thread);
    if (status != OK)
        goto fail_thread;
    status = join_process(thread);
    if (status != OK)
        goto fail_join;
    process_retain(process);
    *id = thread->id; // it may have ended when thread_start returns
    thread_start(thread->thread);
    return OK;

fail_join:
    thread_discard(thread->thread);
fail_thread:
    store_destroy(thread->store);
    kfree(thread, sizeof *thread);
    return status;
}

static enum status use_spare(struct process_thread *spare, u32 argument, u32 *id) {
    spare->argument = argument;
    spare->trap = instance_reset(spare->instance);
    enum status status = join_process(spare);
    *id = spare->id;
    give_order(spare, status == OK ? ORDER_RUN : ORDER_LEAVE);
    return status;
}

enum status process_thread_start(struct process *process, u32 argument, u32 *id) {
    if (!has_shared_memory(process))
        return ERR_UNSUPPORTED;
    if (process_is_single(process))
        handle_hints_clear(&process->handles);
    struct process_thread *spare = take_spare(process);
    if (spare != NULL)
        return use_spare(spare, argument, id);
    wait_lock(&process->gone);
    bool has_room = process->thread_count < process->thread_limit;
    if (has_room)
        __atomic_store_n(&process->thread_count, process->thread_count + 1, __ATOMIC_RELAXED);
    wait_unlock(&process->gone);
    if (!has_room)
        return ERR_LIMIT;
    enum status status = make_thread(process, argument, id);
    if (status != OK)
        count_down(process);
    return status;
}

// -- Looking ------------------------------------------------------------------------------------

struct process_usage process_usage(struct process *process) {
    spin_lock(&process->lock);
    struct process_usage sum = process->past;
    LIST_FOR_EACH(node, &process->threads) {
        const struct process_thread *thread = container_of(node, struct process_thread, link);
        struct process_usage now = usage_of(thread->thread);
        add_usage(&sum, &now, &thread->before);
    }
    spin_unlock(&process->lock);
    return sum;
}

u64 process_cpu_time_ns(struct process *process) {
    return process_usage(process).cpu_ns;
}

u64 process_thread_cpu_time_ns(void) {
    struct thread_block *block = thread_current()->block;
    u64 before_ns =
        block == NULL ? 0 : container_of(block, struct process_thread, block)->before.cpu_ns;
    return thread_cpu_time_ns() - before_ns;
}
