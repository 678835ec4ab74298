#pragma once
// Shared inside kernel/proc.

#include "engine/api/contract.h"
#include "kernel/mm/aspace.h"
#include "kernel/proc/process.h"

void engine_host_init(void);

// Sets the limit that generated code compares with to what is committed of `stack`.
void thread_block_set_limit(struct thread_block *block, const struct area *stack);

// Lets the kernel pay for the stack of the running thread, which outlives its process by a moment.
void stack_charge_kernel(struct area *stack);

// What a process's thread runs after the start function: `_start`, or the export that was asked
// for, with its arguments taken from the process's. Prints the results of an invoked function to
// descriptor 1.
MUST_USE enum trap process_run_entry(struct process *process);

// Finds the entry and checks that it can be called. ERR_UNLINKABLE with the reason in `error`.
MUST_USE enum status process_check_entry(struct process *process, struct module_error *error);

// Resolves the module's imports among the registered ones: *out has one per import, on the heap.
MUST_USE enum status imports_resolve(const struct module *module, struct module_error *error,
                                     struct extern_ref **out);
void imports_init(struct engine *engine);
