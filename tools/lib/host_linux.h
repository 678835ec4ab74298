#pragma once
// The engine's host (engine/api/host.h) as a Linux process, for tools and tests. x86-64 only.

#include "engine/api/engine.h"

// Installs the handlers that turn faults in generated code into traps of `engine`; NULL takes the
// engine away again. One engine at a time. Faults elsewhere go where they went before.
void host_linux_engine(struct engine *engine);

// Prepares `thread` for func_call on the running thread's own stack: generated code gets
// `stack_bytes` of it below the caller. Installs an alternate signal stack.
void host_linux_thread(struct thread_block *thread, usize stack_bytes);

// Frees the running thread's signal stack, before the thread ends.
void host_linux_thread_end(void);

#define HOST_LINUX_STACK_BYTES (1 * MIB)

// The `nth` host_alloc, host_memory_reserve, host_memory_grow, host_code_reserve or
// host_code_publish from now on fails, counted from 1, once; 0: none.
void host_linux_fail_nth(u64 nth);

// Whether a failure that was asked for has happened.
bool host_linux_has_failed(void);

// host_is_stopping says so the `nth` time from now on, and from then on; 0: never. For tests of one
// thread.
void host_linux_stop_nth(u64 nth);

// No more than `bytes` may be charged by host_charge at a time; UINT64_MAX, the default, is no
// limit. What is charged now.
void host_linux_charge_limit(u64 bytes);
u64 host_linux_charged(void);

// Puts `bytes` of accessible memory before and behind every slot from now on, so that an access
// that leaves its slot does not happen to fault. For tests; before any memory is reserved.
void host_linux_neighbours(u64 bytes);

// Whether memories take the images of their modules by themselves, and can be used again; at first
// they do not. For tests.
void host_linux_images(bool wanted);

// What the last module that ended had of the host (module_host_data).
void *host_linux_ended_data(void);

// What is allocated and not yet freed: heap blocks, memory slots and code ranges.
u64 host_linux_live_count(void);
