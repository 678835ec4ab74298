#pragma once
// Runs specification scripts against the engine. Freestanding: the same on the host and in ring 0.

#include "engine/api/engine.h"
#include "tests/spec/script.h"

// Counts by command. `skipped` is what an engine cannot judge: modules in text form. `lifted` are
// refusals that a later edition of the specification has lifted: where two disagree it counts.
struct spec_counts {
    u32 passed[SCRIPT_COMMAND_COUNT];
    u32 failed[SCRIPT_COMMAND_COUNT];
    u32 skipped[SCRIPT_COMMAND_COUNT];
    u32 lifted[SCRIPT_COMMAND_COUNT];
};

// Sums over the assertions; `failed` counts every command.
struct spec_sums {
    u32 passed;
    u32 failed;
    u32 skipped;
    u32 lifted;
};
struct spec_sums spec_counts_sum(const struct spec_counts *counts);

const char *spec_command_name(enum script_command command);

// Who hears about it. Texts live until the function returns.
struct spec_sink {
    void *context;
    void (*failure)(void *context, struct bytes script, u32 line, enum script_command command,
                    const char *text);
    void (*script_end)(void *context, struct bytes script, const struct spec_counts *counts);
};

// Executes a blob, with `thread` as the thread that calls into WebAssembly. ERR_MALFORMED when it
// is not a script blob, ERR_NO_MEMORY when the runner itself ran out; assertions that fail are
// counted in *counts, which is for the whole blob.
MUST_USE enum status spec_run(struct engine *engine, struct thread_block *thread, struct bytes blob,
                              const struct spec_sink *sink, struct spec_counts *counts);
