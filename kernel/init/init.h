#pragma once
// Shared inside kernel/init: what the boot hands from step to step.

#include "engine/api/engine.h"
#include "kernel/arch/arch.h"
#include "kernel/ipc/object.h"
#include "kernel/proc/process.h"

// What the machine was started with. Fixed after boot.
struct boot_state {
    const struct boot_info *info;
    struct object *root; // of the boot archive; NULL when there is none
    u64 ready_ns;        // when the first thread ran
    u32 cpu_count;       // that run
};

// Runs what boot/run (`records`) says, over the link, and powers off.
[[noreturn]] void run_from_records(const struct boot_state *boot, struct bytes records);

// Without boot/run: starts the archive's bin/init.wasm as the first process, and powers off when it
// has ended well. Returns when there is no such program, or it could not be started, or it failed:
// all of which has been said.
void first_run(const struct boot_state *boot);

// The demonstration, then the prompt.
void demo_run(const struct boot_state *boot);
[[noreturn]] void prompt_run(const struct boot_state *boot);

// -- Programs (programs.c) ----------------------------------------------------------------------

// Reads, compiles and names a program of the archive. The caller releases *out. What went wrong is
// in `error`; *compile_ns is how long it took.
MUST_USE enum status program_load(const struct boot_state *boot, struct bytes path,
                                  struct module_error *error, u64 *compile_ns, struct module **out);

// The last part of a path: what a program is called in messages. NUL-terminated and cut to fit.
void program_name(struct bytes path, char *out, usize size);

// The handles of a program: descriptors 0 to 2. References are added.
#define STANDARD_HANDLES 3u
void program_streams(struct object *in, struct object *out, struct object *error,
                     struct handle *handles);

// A directory as a preopened one under the name `guest`. Takes over the reference, also when it
// fails. Owns what it returns.
MUST_USE enum status program_preopen(struct object *directory, struct bytes guest,
                                     struct handle *out);
void program_handle_drop(struct handle *handle);

// -- Interrupting (foreground.c) -----------------------------------------------------------------

// Ctrl-C, from the console or the link, kills the foreground process (NULL: nobody).
void foreground_init(void);
void foreground_interrupt(void); // from an interrupt

// Returns whether Ctrl-C came since the foreground was set before: whoever it was meant for, it has
// not ended `process`.
bool foreground_set(struct process *process);

// Whether Ctrl-C came since the foreground was set.
bool foreground_was_interrupted(void);
