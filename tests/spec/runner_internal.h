#pragma once
// Shared by the parts of the script runner.

#include "tests/spec/runner.h"
#include "tests/spec/spectest.h"

#define VALUES_MAX 2048u // 64-bit slots of parameters or results of one call

// An instance as a script knows it; or, where it could not be made because the engine lacks a
// proposal, that proposal's name.
struct target {
    struct instance *instance;
    const char *needs;
};

// A module that was defined and may be instantiated by its name, or as the latest. NULL when it
// needs a proposal.
struct definition {
    struct bytes text;
    struct module *module;
    const char *needs;
    struct definition *next;
};

// A name by which an instance is known: to actions ($name) or to importers (registered).
struct name {
    struct bytes text;
    bool is_registered;
    struct target target;
    struct name *next;
};

// What a thread of the script has to say, until its starter takes it.
struct note {
    struct spec_event event;
    char text[256];
    struct note *next;
};

// A thread that the script has started and not waited for.
struct worker {
    struct bytes name;
    void *thread;
    struct runner *runner;
    struct worker *next;
};

// One for the blob, and one for each thread of a script.
struct runner {
    struct engine *engine;
    struct thread_block *thread;
    const struct spec_host *host;
    struct spec_counts *total;
    struct spectest_funcs funcs;

    // The blob; `broken` sticks once a read went past its end.
    const u8 *at;
    const u8 *end;
    bool broken;

    // The script:
    struct bytes script;
    u32 features;     // of its edition
    u32 all_features; // of the engine
    bool as_edition;  // the first of two runs
    struct spec_counts counts;
    u8 *edition_verdicts; // of that run, by number of the command
    u32 edition_capacity;
    u32 command_number;
    bool segments_lifted; // a segment was written that was not to be
    struct store *store;
    struct spectest spectest;
    struct name *names;
    struct definition *definitions; // the latest first
    struct target latest;
    struct worker *workers;

    // Only of a thread:
    bool is_worker;
    struct note *notes; // the latest first

    // The command:
    enum script_command command;
    u32 line;
    bool failed;
    char failure[256];
    const char *needs;
    struct bytes accepted; // a module that was to be refused
    bool has_trapped_segment;
    u64 values[VALUES_MAX];
    u32 value_count;
    enum value_type value_types[VALUES_MAX]; // of results
};

// -- runner.c -----------------------------------------------------------------------------------

u64 read_number(struct runner *r, u32 bytes);
struct bytes read_text(struct runner *r);

// Notes the first failure of the command.
void fail(struct runner *r, const char *format, ...) PRINTF_LIKE(2, 3);
void check_text(struct runner *r, const char *text, struct bytes expected);

// Notes that the command depends on a proposal that the engine lacks.
void need(struct runner *r, const char *proposal);

void add_name(struct runner *r, struct bytes text, bool is_registered, struct target target);

// NULL when there is no such name.
const struct target *find_name(const struct runner *r, struct bytes text, bool is_registered);

// The instance of that $name, or the latest; NULL after noting why there is none.
struct instance *instance_named(struct runner *r, struct bytes text);

// Everything that a script has made. Threads that nobody waited for end first.
MUST_USE enum status script_open(struct runner *r);
void script_close(struct runner *r);

MUST_USE enum status run_commands(struct runner *r);

// -- runner_modules.c ---------------------------------------------------------------------------

void do_module(struct runner *r);
void do_definition(struct runner *r);
void do_instance(struct runner *r);
void do_assert_refused(struct runner *r);
void do_assert_unlinkable(struct runner *r);
void do_assert_uninstantiable(struct runner *r);

// The proposal that explains why the failed command of an earlier edition does not hold any more,
// as one feature bit, or 0.
u32 lifting_feature(struct runner *r);

// -- runner_actions.c ---------------------------------------------------------------------------

void do_action_command(struct runner *r);
void do_assert_return(struct runner *r);
void do_assert_trap(struct runner *r);
void do_assert_exception(struct runner *r);

// -- runner_threads.c ---------------------------------------------------------------------------

void do_thread(struct runner *r);
void do_wait(struct runner *r);

// Waits for the script's remaining threads and takes what they counted.
void end_workers(struct runner *r);
