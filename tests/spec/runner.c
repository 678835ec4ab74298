// The script runner: reads commands from a blob, does what they say, counts what holds.
//
// A script's modules live in one store, which goes when the next script begins; each thread of a
// script has a runner and a store of its own, and shares memories. Names are slices of the blob.

#include "tests/spec/runner_internal.h"

#include "base/fmt.h"
#include "engine/api/host.h"

// -- Reading --------------------------------------------------------------------------------------

u64 read_number(struct runner *r, u32 bytes) {
    if ((usize)(r->end - r->at) < bytes) {
        r->broken = true;
        return 0;
    }
    u64 number = 0;
    for (u32 i = 0; i < bytes; i++)
        number |= (u64)*r->at++ << (8 * i);
    return number;
}

struct bytes read_text(struct runner *r) {
    u32 len = (u32)read_number(r, 4);
    if ((usize)(r->end - r->at) < len) {
        r->broken = true;
        return (struct bytes){r->at, 0};
    }
    struct bytes text = {r->at, len};
    r->at += len;
    return text;
}

// -- Reporting ------------------------------------------------------------------------------------

void fail(struct runner *r, const char *format, ...) {
    if (r->failed || r->needs != NULL)
        return;
    r->failed = true;
    va_list args;
    va_start(args, format);
    fmt_string_va(r->failure, sizeof r->failure, format, args);
    va_end(args);
}

void need(struct runner *r, const char *proposal) {
    if (!r->failed)
        r->needs = proposal;
}

// Whether one text starts with the other: scripts abbreviate, and some say more than an engine.
static bool texts_agree(const char *text, struct bytes expected) {
    usize len = strlen(text);
    if (expected.len < len)
        len = expected.len;
    return memcmp(text, expected.data, len) == 0;
}

void check_text(struct runner *r, const char *text, struct bytes expected) {
    if (!texts_agree(text, expected))
        fail(r, "expected \"%.*s\", got \"%s\"", (int)expected.len, (const char *)expected.data,
             text);
}

// A thread of a script leaves it for its starter to say.
static void report(struct runner *r, enum spec_verdict verdict, const char *text) {
    struct spec_event event = {verdict, r->command, r->line, r->script, text};
    if (!r->is_worker) {
        r->host->event(r->host->context, &event);
        return;
    }
    struct note *note = host_alloc(sizeof *note);
    if (note == NULL)
        return; // it is counted all the same
    *note = (struct note){.event = event, .next = r->notes};
    fmt_string(note->text, sizeof note->text, "%s", text);
    note->event.text = note->text;
    r->notes = note;
}

// -- Names ----------------------------------------------------------------------------------------

const struct target *find_name(const struct runner *r, struct bytes text, bool is_registered) {
    for (const struct name *name = r->names; name != NULL; name = name->next) {
        if (name->is_registered == is_registered && bytes_equal(name->text, text))
            return &name->target;
    }
    return NULL;
}

void add_name(struct runner *r, struct bytes text, bool is_registered, struct target target) {
    struct name *name = host_alloc(sizeof *name);
    if (name == NULL) {
        fail(r, "out of memory");
        return;
    }
    *name = (struct name){text, is_registered, target, r->names};
    r->names = name;
}

static struct target target_named(struct runner *r, struct bytes text) {
    const struct target *target = text.len == 0 ? &r->latest : find_name(r, text, false);
    if (target != NULL && target->needs != NULL)
        need(r, target->needs);
    else if (target == NULL || target->instance == NULL)
        fail(r, "no module \"%.*s\"", (int)text.len, (const char *)text.data);
    return target != NULL ? *target : (struct target){0};
}

struct instance *instance_named(struct runner *r, struct bytes text) {
    return target_named(r, text).instance;
}

static void do_register(struct runner *r) {
    struct bytes as = read_text(r);
    struct target target = target_named(r, read_text(r));
    if (!r->failed)
        add_name(r, as, true, target);
}

// -- Commands -------------------------------------------------------------------------------------

static void do_command(struct runner *r) {
    switch (r->command) {
    case SCRIPT_MODULE:
        return do_module(r);
    case SCRIPT_DEFINITION:
        return do_definition(r);
    case SCRIPT_INSTANCE:
        return do_instance(r);
    case SCRIPT_REGISTER:
        return do_register(r);
    case SCRIPT_ACTION:
        return do_action_command(r);
    case SCRIPT_THREAD:
        return do_thread(r);
    case SCRIPT_WAIT:
        return do_wait(r);
    case SCRIPT_ASSERT_RETURN:
        return do_assert_return(r);
    case SCRIPT_ASSERT_TRAP:
    case SCRIPT_ASSERT_EXHAUSTION:
        return do_assert_trap(r);
    case SCRIPT_ASSERT_EXCEPTION:
        return do_assert_exception(r);
    case SCRIPT_ASSERT_INVALID:
    case SCRIPT_ASSERT_MALFORMED:
        return do_assert_refused(r);
    case SCRIPT_ASSERT_UNLINKABLE:
        return do_assert_unlinkable(r);
    case SCRIPT_ASSERT_UNINSTANTIABLE:
        return do_assert_uninstantiable(r);
    case SCRIPT_ASSERT_TEXT:
        (void)read_text(r);
        return;
    case SCRIPT_BEGIN:
    case SCRIPT_COMMAND_COUNT:
        break;
    }
    r->broken = true;
}

// Keeps what the command came to in the first of two runs. That costs a byte each.
static enum status remember(struct runner *r, enum spec_verdict verdict) {
    if (r->command_number == r->edition_capacity) {
        u32 capacity = r->edition_capacity == 0 ? 1024 : r->edition_capacity * 2;
        u8 *verdicts = host_alloc(capacity);
        if (verdicts == NULL)
            return ERR_NO_MEMORY;
        if (r->edition_verdicts != NULL)
            memcpy(verdicts, r->edition_verdicts, r->edition_capacity);
        host_free(r->edition_verdicts, r->edition_capacity);
        r->edition_verdicts = verdicts;
        r->edition_capacity = capacity;
    }
    r->edition_verdicts[r->command_number] = verdict;
    return OK;
}

// The verdict with all features, given that with the features of the edition.
static enum spec_verdict judge_again(struct runner *r, enum spec_verdict verdict) {
    if (r->edition_verdicts[r->command_number] == SPEC_FAILED)
        return SPEC_FAILED; // and reported then
    u32 feature = verdict == SPEC_FAILED ? lifting_feature(r) : 0;
    if (feature != 0) {
        report(r, SPEC_LIFTED, feature_name(feature));
        return SPEC_LIFTED;
    }
    if (verdict == SPEC_FAILED)
        report(r, SPEC_FAILED, r->failure);
    return verdict;
}

static enum spec_verdict verdict_of(const struct runner *r) {
    if (r->failed)
        return SPEC_FAILED;
    if (r->needs != NULL)
        return SPEC_NEEDS;
    return r->command == SCRIPT_ASSERT_TEXT ? SPEC_TEXT : SPEC_PASSED;
}

static enum status end_command(struct runner *r) {
    enum spec_verdict verdict = verdict_of(r);
    enum status status = OK;
    if (r->as_edition) {
        if (verdict == SPEC_FAILED)
            report(r, verdict, r->failure);
        status = remember(r, verdict);
    } else {
        if (r->features != r->all_features)
            verdict = judge_again(r, verdict);
        else if (verdict == SPEC_FAILED)
            report(r, verdict, r->failure);
        if (verdict == SPEC_NEEDS)
            report(r, verdict, r->needs);
        r->counts.of[verdict][r->command]++;
    }
    r->command_number++;
    return status;
}

// Up to the end of the blob or the beginning of the next script.
enum status run_commands(struct runner *r) {
    while (r->at != r->end && *r->at != SCRIPT_BEGIN) {
        r->command = (enum script_command)read_number(r, 1);
        r->line = (u32)read_number(r, 4);
        r->failed = false;
        r->needs = NULL;
        r->accepted = (struct bytes){0};
        r->has_trapped_segment = false;
        if (r->broken)
            return ERR_MALFORMED;
        do_command(r);
        if (r->broken)
            return ERR_MALFORMED;
        enum status status = end_command(r);
        if (status != OK)
            return status;
    }
    return OK;
}

// -- Scripts --------------------------------------------------------------------------------------

enum status script_open(struct runner *r) {
    r->command_number = 0;
    r->segments_lifted = false;
    enum status status = store_create(r->engine, NULL, &r->store);
    if (status != OK)
        return status;
    return spectest_create(r->store, &r->funcs, &r->spectest);
}

void script_close(struct runner *r) {
    end_workers(r);
    while (r->names != NULL) {
        struct name *name = r->names;
        r->names = name->next;
        host_free(name, sizeof *name);
    }
    while (r->definitions != NULL) {
        struct definition *definition = r->definitions;
        r->definitions = definition->next;
        module_release(definition->module);
        host_free(definition, sizeof *definition);
    }
    store_destroy(r->store);
    r->store = NULL;
    r->latest = (struct target){0};
}

static enum status run_once(struct runner *r) {
    enum status status = script_open(r);
    if (status == OK)
        status = run_commands(r);
    script_close(r);
    return status;
}

static enum status run_script(struct runner *r) {
    if (read_number(r, 1) != SCRIPT_BEGIN)
        return ERR_MALFORMED;
    (void)read_number(r, 4);
    r->script = read_text(r);
    u32 features = (u32)read_number(r, 4);
    if (r->broken)
        return ERR_MALFORMED;
    r->features = features == 0 ? r->all_features : features & r->all_features;

    const u8 *start = r->at;
    enum status status = OK;
    if (r->features != r->all_features) {
        r->as_edition = true;
        engine_set_features(r->engine, r->features);
        status = run_once(r);
        engine_set_features(r->engine, r->all_features);
        r->as_edition = false;
        r->at = start;
    }
    r->counts = (struct spec_counts){0}; // threads have counted
    if (status == OK)
        status = run_once(r);
    spec_counts_add(r->total, &r->counts);
    r->host->script_end(r->host->context, r->script, &r->counts);
    return status;
}

enum status spec_run(struct engine *engine, struct thread_block *thread, struct bytes blob,
                     const struct spec_host *host, struct spec_counts *counts) {
    *counts = (struct spec_counts){0};
    usize magic = strlen(SCRIPT_MAGIC);
    if (blob.len < magic || memcmp(blob.data, SCRIPT_MAGIC, magic) != 0)
        return ERR_MALFORMED;
    struct runner *r = host_alloc(sizeof *r);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->engine = engine;
    r->thread = thread;
    r->host = host;
    r->total = counts;
    r->all_features = engine_features(engine);
    r->at = blob.data + magic;
    r->end = blob.data + blob.len;
    enum status status = spectest_funcs_create(engine, &r->funcs);
    while (status == OK && r->at != r->end)
        status = run_script(r);
    host_free(r->edition_verdicts, r->edition_capacity);
    host_free(r, sizeof *r);
    return status;
}

// -- Counts ---------------------------------------------------------------------------------------

void spec_counts_add(struct spec_counts *to, const struct spec_counts *from) {
    for (u32 verdict = 0; verdict < SPEC_VERDICT_COUNT; verdict++) {
        for (u32 i = 0; i < SCRIPT_COMMAND_COUNT; i++)
            to->of[verdict][i] += from->of[verdict][i];
    }
}

struct spec_sums spec_counts_sum(const struct spec_counts *counts) {
    struct spec_sums sums = {0};
    for (u32 verdict = 0; verdict < SPEC_VERDICT_COUNT; verdict++) {
        u32 first = verdict == SPEC_FAILED ? 0 : SCRIPT_ASSERT_RETURN;
        for (u32 i = first; i < SCRIPT_COMMAND_COUNT; i++)
            sums.of[verdict] += counts->of[verdict][i];
    }
    const u32 *needs = counts->of[SPEC_NEEDS];
    sums.missing_modules = needs[SCRIPT_MODULE] + needs[SCRIPT_DEFINITION] + needs[SCRIPT_INSTANCE];
    return sums;
}

const char *spec_command_name(enum script_command command) {
    static const char *const names[SCRIPT_COMMAND_COUNT] = {
        [SCRIPT_BEGIN] = "script",
        [SCRIPT_MODULE] = "module",
        [SCRIPT_DEFINITION] = "definition",
        [SCRIPT_INSTANCE] = "instance",
        [SCRIPT_REGISTER] = "register",
        [SCRIPT_ACTION] = "action",
        [SCRIPT_THREAD] = "thread",
        [SCRIPT_WAIT] = "wait",
        [SCRIPT_ASSERT_RETURN] = "assert_return",
        [SCRIPT_ASSERT_TRAP] = "assert_trap",
        [SCRIPT_ASSERT_EXHAUSTION] = "assert_exhaustion",
        [SCRIPT_ASSERT_EXCEPTION] = "assert_exception",
        [SCRIPT_ASSERT_INVALID] = "assert_invalid",
        [SCRIPT_ASSERT_MALFORMED] = "assert_malformed",
        [SCRIPT_ASSERT_UNLINKABLE] = "assert_unlinkable",
        [SCRIPT_ASSERT_UNINSTANTIABLE] = "assert_uninstantiable",
        [SCRIPT_ASSERT_TEXT] = "assert_malformed (text)",
    };
    return command < SCRIPT_COMMAND_COUNT ? names[command] : "?";
}
