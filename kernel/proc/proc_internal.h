#pragma once
// Shared inside kernel/proc.

#include "engine/api/contract.h"
#include "kernel/mm/aspace.h"
#include "kernel/proc/process.h"

void engine_host_init(void);

// The area that is the linear memory at `base`. It stays: only whoever made it gives it back.
struct area *area_at(struct aspace *as, u64 base);

// The address space of a store's owner, which is a process, or NULL: the kernel's own.
static inline struct aspace *aspace_of(void *owner) {
    const struct process *process = owner;
    return process == NULL ? aspace_kernel() : process->aspace;
}

// Sets the limit that generated code compares with to what is committed of `stack`.
void thread_block_set_limit(struct thread_block *block, const struct area *stack);

// Lets the kernel pay for the stack of the running thread, which outlives its process by a moment.
void stack_charge_kernel(struct area *stack);

void memory_wait_init(void);

// Makes a thread that will run `entry(argument)` for the process; thread->thread is it.
MUST_USE enum status process_thread_create(struct process_thread *thread,
                                           void (*entry)(void *argument), void *argument);

// What the thread does first.
void process_thread_enter(struct process_thread *thread);

// What `thread` runs, up to its entry: the start function of its instance.
MUST_USE enum trap process_thread_begin(struct process_thread *thread);

// What its running came to: decides the process's end where it should, and reports a trap. The
// first thread ends the process whatever it returned with; others only with a trap.
void process_thread_finish(struct process_thread *thread, enum trap trap);

// Cuts the running thread loose from the process, which it may outlive by a moment: nobody kills it
// any more, and its time is in the process's sum.
void process_thread_leave(struct process_thread *thread);

// The first thread waits until all others have left.
void process_threads_wait(struct process *process);

// Decides how the process ends, unless that is done, and has its other threads end. True: it was
// this that decided.
bool process_end(struct process *process, enum trap trap, u32 exit_status);

// As process_note, for one.
bool process_note_one(struct process *process, u32 number);

// Has the threads of a process that is not ending stand still, or go on.
void process_set_stop(struct process *process, enum process_stop stop);

// Tells people why the process ended.
void process_report_trap(const struct process_thread *thread, enum trap trap);

// What a process's first thread runs after the start function: `_start`, or the export that was
// asked for, with its arguments taken from the process's. Prints the results of an invoked function
// to descriptor 1.
MUST_USE enum trap process_run_entry(struct process *process);

// Finds the entry and checks that it can be called. ERR_UNLINKABLE with the reason in `error`.
MUST_USE enum status process_check_entry(struct process *process, struct module_error *error);

// Resolves the module's imports among the registered ones: *out has one per import, on the heap. A
// shared memory, of whatever name, is for the caller to put in.
MUST_USE enum status imports_resolve(const struct module *module, struct module_error *error,
                                     struct extern_ref **out);
void imports_init(struct engine *engine);
