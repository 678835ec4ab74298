#pragma once
// Runs specification scripts against the engine. Freestanding: the same on the host, in the kernel
// as a Linux process, and in ring 0.
//
// A script of an earlier edition is run twice: with the features of its edition alone, where all
// must hold, and with all that the engine has. An assertion that holds in the first run and not in
// the second is "lifted" if one later proposal explains that, and failed otherwise:
//   - a module is accepted that was to be refused, and the edition with that one proposal accepts
//     it too;
//   - a module does not fail to link but traps in an active segment, or a later action sees what
//     that wrote: bulk memory operations made this so.

#include "engine/api/engine.h"
#include "tests/spec/script.h"

enum spec_verdict : u8 {
    SPEC_PASSED,
    SPEC_FAILED,
    SPEC_TEXT,   // a malformed module in text form, which is not for an engine
    SPEC_LIFTED, // a later edition has it otherwise
    SPEC_NEEDS,  // it is, or depends on, a module that needs a proposal that is not supported
    SPEC_VERDICT_COUNT
};

struct spec_counts {
    u32 of[SPEC_VERDICT_COUNT][SCRIPT_COMMAND_COUNT];
};

// Sums over the assertions; those that failed over all commands.
struct spec_sums {
    u32 of[SPEC_VERDICT_COUNT];
    u32 missing_modules; // that need a proposal which is not supported
};
struct spec_sums spec_counts_sum(const struct spec_counts *counts);
void spec_counts_add(struct spec_counts *to, const struct spec_counts *from);

const char *spec_command_name(enum script_command command);

// A command that neither passed nor is text. The texts live until the function returns.
struct spec_event {
    enum spec_verdict verdict;
    enum script_command command;
    u32 line;
    struct bytes script;
    const char *text; // why it failed, or the proposal's name
};

// What the runner asks of its surroundings. `event` and `script_end` are called by the thread that
// called spec_run.
struct spec_host {
    void *context;
    void (*event)(void *context, const struct spec_event *event);
    void (*script_end)(void *context, struct bytes script, const struct spec_counts *counts);

    // Starts a thread that calls `main` with a thread block of its own; waits for its end and frees
    // it.
    enum status (*thread_start)(void *context,
                                void (*main)(void *argument, struct thread_block *block),
                                void *argument, void **thread);
    void (*thread_join)(void *context, void *thread);
};

// Executes a blob, with `thread` as the thread that calls into WebAssembly. ERR_MALFORMED when it
// is not a script blob, ERR_NO_MEMORY when the runner itself ran out; assertions that fail are
// counted in *counts, which is for the whole blob.
MUST_USE enum status spec_run(struct engine *engine, struct thread_block *thread, struct bytes blob,
                              const struct spec_host *host, struct spec_counts *counts);
