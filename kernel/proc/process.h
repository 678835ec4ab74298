#pragma once
// Processes: instances of a module, one for each thread, with a handle table, limits, an exit
// status.

#include "engine/api/engine.h"
#include "kernel/ipc/handle.h"
#include "kernel/ipc/map_set.h"
#include "kernel/ipc/scheme.h"
#include "kernel/mm/guest.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait.h"

// Whether a process stands still. Its threads wait where their programs would go on: in host calls
// at the end of the call.
enum process_stop : u8 {
    PROCESS_GOING,
    PROCESS_STOPPED,
    PROCESS_TREE_STOPPED, // and what it starts does, too
};

// How it goes on with a process.
enum process_state : u8 { PROCESS_IS_RUNNING, PROCESS_IS_STOPPED, PROCESS_HAS_ENDED };

// How a process ended.
enum process_outcome : u8 { PROCESS_EXITED, PROCESS_TRAPPED, PROCESS_KILLED };

struct process_times {
    u64 started_ns; // when its first thread began, by the kernel's clock
    u64 instantiate_ns;
    u64 run_ns;
};

// A list of strings, each NUL-terminated, one after the other.
struct string_list {
    u32 count;
    u32 bytes; // with the NULs
    char *data;
};

struct program;

// What the threads of a process have done so far.
struct process_usage {
    u64 cpu_ns;
    struct message_counts messages;
};

// A thread of a process, with an instance of the module in a store of its own.
struct process_thread {
    struct process *process;
    u32 id;       // what the program knows it by; 0: the first
    u32 argument; // of wasi_thread_start
    struct store *store;
    struct instance *instance;
    struct func_ref *entry; // wasi_thread_start; of the first thread NULL
    enum trap trap;         // of an active segment that did not fit, or TRAP_NONE
    struct thread_block block;
    struct trap_report report;
    struct process_usage before; // what `thread` had done

    // Under process.lock:
    struct thread *thread; // NULL once it has ended
    struct list link;      // in process.threads, or process.spares

    // Under `told.lock`, for a spare one:
    struct wait_queue told;
    enum thread_order { ORDER_NONE, ORDER_RUN, ORDER_LEAVE } order;
};

struct process {
    u32 id;
    u32 ref_count; // atomic
    char name[32];
    struct module *module;
    struct program *program;    // the module's
    struct memory *memory;      // memory 0 of every thread; NULL: none
    struct area *area;          // that it is
    struct extern_ref *imports; // what instances are linked against, one for each of the module's
    struct store *shared;       // owns the memories among them; NULL: there are none
    struct aspace *aspace;      // its domain, with a reference; once it has ended NULL (under lock)
    struct handle_table handles;
    struct scheme_party party; // what it has received as a server
    struct memory_account account;
    bool is_service; // it may use what is kept for such when memory is short (frame.h)
    struct cpu_share share;
    u32 share_value;         // 1 to CPU_SHARE_MAX
    u32 affinity;            // a bit for each CPU that its threads may run on
    u64 kept_bytes;          // charged to it, while it has the module and its strings
    struct string_list args; // until it ends
    struct string_list env;
    struct object *error_stream; // where a trap report goes; may be NULL
    char *invoke;                // export to call, NULL: _start
    u64 stack_bytes;             // of each thread, with a guard
    u32 thread_limit;
    struct process_thread first;

    struct spinlock lock;

    // Under lock:
    struct list threads; // that have not ended
    struct list spares;  // that wait for being used again
    u32 spare_count;
    u32 last_thread_id;
    struct process_usage past; // of those that have ended
    bool is_ending;            // how is decided: trap and exit_status stay from then on
    enum trap trap;
    u32 exit_status;

    enum process_stop stop; // changed under ended.lock, too

    struct process_notes {
        u32 taken; // a bit for each number
        u32 ignored;
        u32 came;
    } notes;

    struct wait_queue resumed; // where threads stand still

    struct wait_queue gone; // the first thread waits here until it is the last
    u32 thread_count;       // atomic, changed under gone.lock by threads of the process

    // Under `ended.lock`:
    struct wait_queue ended;
    bool has_ended;
    enum process_outcome outcome;
    struct process_times times;

    // Under the process table's lock:
    struct list table_link;
    struct process *parent; // NULL: the kernel
    struct list children;   // alive
    struct list child_link;
};

struct process_config {
    const char *name;
    struct module *module; // retained
    struct string_list args;
    struct string_list env;
    bool gives_strings;     // args and env, which are on the heap, are taken over on OK, not copied
    struct process *parent; // NULL: the kernel
    struct aspace *aspace;  // its domain; NULL: the kernel's, shared by `sip` processes
    u64 memory_limit;       // bytes, with stacks and module; 0: the default
    bool is_service;        // it may use the reserve, and is promised what it is granted
    u64 stack_limit;        // bytes; 0: the default
    u32 handle_limit;       // 0: the default
    u32 thread_limit;       // 0: the default
    u32 cpu_share;          // 1 to CPU_SHARE_MAX; 0: the usual one
    u32 affinity;           // a bit for each CPU that it may run on, of which one runs; 0: all
    const struct handle *handles; // numbered from 0, object NULL: none; references (and names of
    u32 handle_count;             // preopens) are taken over on OK
    struct object *error_stream;
    const char *invoke;
};

#define PROCESS_MEMORY_DEFAULT  (1 * GIB)
#define PROCESS_STACK_DEFAULT   (1 * MIB)
#define PROCESS_THREADS_DEFAULT 64u

// The engine's host comes first: an engine needs it to be made.
void process_early_init(void);
void process_init(struct engine *engine);
struct engine *process_engine(void);

// Adds a string at the end of a list that owns its memory. string_list_fini frees it.
MUST_USE enum status string_list_add(struct string_list *list, struct bytes text);
MUST_USE enum status string_list_copy(const struct string_list *from, struct string_list *out);
void string_list_fini(struct string_list *list);

// Makes and starts a process. Linking happens here: ERR_UNLINKABLE with the reason in `error`.
// The caller owns a reference.
MUST_USE enum status process_spawn(const struct process_config *config, struct module_error *error,
                                   struct process **out);
void process_retain(struct process *process);
void process_release(struct process *process);

// The domain that a process is in, with a reference. ERR_NOT_FOUND: it has ended.
MUST_USE enum status process_aspace_get(struct process *process, struct aspace **out);

// Waits for its end. OK, ERR_KILLED when the waiter is, ERR_TIMED_OUT.
MUST_USE enum status process_wait(struct process *process, u64 deadline_ns);
bool process_has_ended(struct process *process);
void process_kill(struct process *process);

// The same with all that descend from it: who is killed has no more children.
void process_kill_tree(struct process *process);

// Has a process stand still, and go on; nothing happens to one that does, or is ending. With `tree`
// all that descend from it, too, and when it is stopped what it starts. What it is in goes on as
// far as it is the kernel's: a wait ends, a call is answered, but its program sees it afterwards.
// One whose parent ends goes on, and with it what was stopped with its tree.
void process_stop(struct process *process, bool tree);
void process_continue(struct process *process, bool tree);

// Tells it (with `tree` all that descend from it, too) a number below 32: it is among those that
// came for who takes it, nothing to who ignores it, and kills anyone else. False: it is ending.
bool process_note(struct process *process, u32 number, bool tree);

// What it takes and ignores from now on. Returns how it was before; what came is taken.
struct process_notes process_set_notes(struct process *process, u32 taken, u32 ignored);

// 0: its parent is the kernel.
u32 process_parent_id(struct process *process);

enum process_state process_state(struct process *process);

// Waits until its state is not `known`. OK, ERR_KILLED when the waiter is, ERR_TIMED_OUT.
MUST_USE enum status process_wait_change(struct process *process, enum process_state known,
                                         u64 deadline_ns);

// The running thread, where its program would go on, stands still while it is asked to.
// TRAP_KILLED: it is to end.
MUST_USE enum trap process_pause(void);

// The live process `id`, with a reference, if it is `root` or descends from it (NULL: wherever it
// comes from). NULL: there is none.
struct process *process_find(u32 id, const struct process *root);

// Makes `process` the one that inherits the children of those that end, until it ends itself; from
// then on the kernel does.
void process_set_init(struct process *process);

// Visits every live process, in the order of ids, each under the table's lock, which is let go now
// and then: who comes or goes meanwhile may be seen or not.
void process_for_each(void (*visit)(struct process *process, void *context), void *context);

static inline struct process *process_of(struct instance *instance) {
    return instance_owner(instance);
}

// Whether the running thread is the only one of its process. Then no other can use its handles
// before it starts one.
static inline bool process_is_single(const struct process *process) {
    // Pairs with the release in count_down: what the others did is done.
    return __atomic_load_n(&process->thread_count, __ATOMIC_ACQUIRE) == 1;
}

struct process *process_current(void); // of the running thread, or NULL

// The process's memory 0 as it is now. All its threads have the same.
static inline struct guest_memory process_memory(const struct process *process) {
    const struct memory *memory = process->memory;
    if (memory == NULL)
        return (struct guest_memory){.aspace = process->aspace, .bytes = 0};
    return (struct guest_memory){
        process->aspace, {memory->base}, memory_bytes(memory), process->area};
}

// What the running process has mapped, made now if there is nothing yet. It stays as long as the
// process runs. ERR_NO_MEMORY.
MUST_USE enum status process_maps(struct process *process, struct map_set **out);

// Blocks while the aligned 32-bit word of a frame is what is expected, until it is woken. The
// caller keeps the frame. ERR_WOULD_BLOCK: it is something else. ERR_TIMED_OUT, ERR_KILLED.
MUST_USE enum status memory_word_wait(struct phys_addr word, u32 expected, u64 deadline_ns);

// Wakes up to `count` that wait for the word, the oldest first; returns how many.
u32 memory_word_wake(struct phys_addr word, u32 count);

// What all its threads did, those that have ended too. Exact for the running thread; of another
// that runs at the moment the time since it was last charged, at most a slice, is not in it.
struct process_usage process_usage(struct process *process);
u64 process_cpu_time_ns(struct process *process);

// CPU time of the running thread, since its program started.
u64 process_thread_cpu_time_ns(void);

// Ends the running process, unless that is under way already: host functions return what this
// returns.
enum trap process_exit(struct process *process, u32 status);

// Starts a thread of the running process: a new instance of the module, which shares the imported
// memory, and in which wasi_thread_start(*id, argument) is called. ERR_UNSUPPORTED: the module is
// not made for threads (it imports no shared memory as memory 0, or exports no such function).
// ERR_LIMIT, ERR_NO_MEMORY, ERR_KILLED: nothing has changed.
MUST_USE enum status process_thread_start(struct process *process, u32 argument, u32 *id);

// Registration of what programs can import: kernel/wasi calls it at start. The engine calls `code`
// without further ado, so that ends by process_call_end.
struct host_import {
    const char *module;
    const char *name;
    const char *signature; // as in wasm_ops.def: "iiI:i"
    host_func code;
    host_direct direct; // instead, if not NULL: it knows the process by process_current
    void *context;
};
// The table must live for good.
MUST_USE enum status process_register_imports(const struct host_import *imports, u32 count);

STATIC_ASSERT(TRAP_KILLED == THREAD_KILLED && TRAP_PAUSED == THREAD_STOPPED && TRAP_NONE == 0,
              "as thread_asked has them");

// How every host function ends that does not end the process: a kill or a stop that came during the
// call takes effect before the program goes on.
static inline enum trap process_call_end(void) {
    return (enum trap)thread_asked();
}
