// The `wast` command: finds scripts, converts them, runs them here or in a machine, reports.

#include "tools/wast.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/spec/runner.h"
#include "tools/lib/host_linux.h"
#include "tools/lib/report.h"
#include "tools/wast_find.h"
#include "tools/wast_json.h"
#include "tools/wast_machine.h"
#include "tools/wast_report.h"

static const char usage[] =
    "usage: kwast wast [--machine host|hosted|qemu] [--cpu LEVEL] [--each] FOLDER|SCRIPT.json...\n"
    "\n"
    "Runs the specification's converted scripts (JSON with .wasm files beside it) and prints a "
    "table\n"
    "with a row for each suite, which is a folder.\n"
    "\n"
    "  --machine host    the engine as a part of this program (the default)\n"
    "  --machine hosted  the whole kernel as a Linux process (build/spec-hosted)\n"
    "  --machine qemu    the kernel on a machine of its own, in ring 0 (build/spec.elf)\n"
    "  --cpu LEVEL       what compiled code may use: native (the default), avx or baseline\n"
    "  --each            tell of each script and each exception as well\n"
    "\n"
    "Columns: passed and failed assertions; `text`, modules in text form that were to be "
    "malformed\n"
    "as text, which is not for an engine; `lifted`, refusals of an earlier edition that a later\n"
    "proposal has lifted (scripts in folders 1.0 and 2.0 are run as that edition too, where all "
    "must\n"
    "hold); `missing`, modules that need typed function references or garbage collection; `need\n"
    "them`, assertions that such a module is the subject of, or that depend on one.\n";

enum place { PLACE_HOST, PLACE_HOSTED, PLACE_QEMU };

struct options {
    enum place place;
    enum cpu_level cpu;
    bool each;
    int first_script; // index into argv
};

static bool parse_place(const char *text, enum place *out) {
    static const char *const names[] = {"host", "hosted", "qemu"};
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum place)i;
            return true;
        }
    }
    return false;
}

static bool parse_value(const char *name, const char *value, struct options *out) {
    if (strcmp(name, "--cpu") == 0)
        return cpu_level_named(bytes_of(value), &out->cpu);
    return strcmp(name, "--machine") == 0 && parse_place(value, &out->place);
}

static bool parse_options(int argc, char **argv, struct options *out) {
    *out = (struct options){.first_script = 1};
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--each") == 0)
            out->each = true;
        else if (i + 1 >= argc || !parse_value(argv[i], argv[i + 1], out))
            return false;
        else
            i++;
    }
    out->first_script = i;
    return i < argc;
}

// -- Running here ---------------------------------------------------------------------------------

struct script_thread {
    pthread_t thread;
    void (*main)(void *argument, struct thread_block *block);
    void *argument;
};

static void *thread_main(void *argument) {
    struct script_thread *thread = argument;
    struct thread_block block = {0};
    host_linux_thread(&block, HOST_LINUX_STACK_BYTES);
    thread->main(thread->argument, &block);
    host_linux_thread_end();
    return NULL;
}

static enum status thread_start(void *context,
                                void (*main)(void *argument, struct thread_block *block),
                                void *argument, void **out) {
    (void)context;
    struct script_thread *thread = malloc(sizeof *thread);
    if (thread == NULL)
        return ERR_NO_MEMORY;
    *thread = (struct script_thread){.main = main, .argument = argument};
    if (pthread_create(&thread->thread, NULL, thread_main, thread) != 0) {
        free(thread);
        return ERR_NO_MEMORY;
    }
    *out = thread;
    return OK;
}

static void thread_join(void *context, void *joined) {
    (void)context;
    struct script_thread *thread = joined;
    pthread_join(thread->thread, NULL);
    free(thread);
}

static bool run_here(struct bytes blob, enum cpu_level cpu, struct wast_report *report) {
    struct engine_config config = {
        .segment = SEGMENT_GS, .features = FEATURES_SUPPORTED, .cpu = cpu};
    struct engine *engine;
    enum status status = engine_create(&config, &engine);
    if (status == OK) {
        struct thread_block thread = {0};
        host_linux_engine(engine);
        host_linux_thread(&thread, HOST_LINUX_STACK_BYTES);
        struct spec_host host = {
            .context = report,
            .event = wast_report_event,
            .script_end = wast_report_script,
            .thread_start = thread_start,
            .thread_join = thread_join,
        };
        struct spec_counts counts;
        status = spec_run(engine, &thread, blob, &host, &counts);
        host_linux_engine(NULL);
        engine_destroy(engine);
    }
    if (status != OK)
        report_error("scripts", "%s", status_text(status));
    return status == OK;
}

// -- The command ----------------------------------------------------------------------------------

static bool find_all(int argc, char **argv, int first, struct wast_scripts *scripts) {
    for (int i = first; i < argc; i++) {
        if (!wast_find(argv[i], scripts))
            return false;
    }
    return true;
}

static bool convert_all(const struct wast_scripts *scripts, FILE *out) {
    fputs(SCRIPT_MAGIC, out);
    for (u32 i = 0; i < scripts->count; i++) {
        if (!wast_json_convert(&scripts->list[i], out))
            return false;
    }
    return true;
}

static bool run(const struct wast_scripts *scripts, const struct options *options) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        abort();
    bool done = convert_all(scripts, out);
    if (fclose(out) != 0)
        abort();
    struct wast_report *report = wast_report_create(options->each);
    struct bytes blob = {(const u8 *)text, len};
    if (done && options->place == PLACE_HOST)
        done = run_here(blob, options->cpu, report);
    else if (done)
        done = wast_machine_run(options->place == PLACE_QEMU ? MACHINE_QEMU : MACHINE_HOSTED,
                                options->cpu, blob, report);
    done = done && wast_report_finish(report);
    wast_report_free(report);
    free(text);
    return done;
}

int wast_main(int argc, char **argv) {
    struct options options;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_OK;
    }
    if (!parse_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    struct wast_scripts scripts = {0};
    bool done = find_all(argc, argv, options.first_script, &scripts) && run(&scripts, &options);
    wast_scripts_fini(&scripts);
    return done ? EXIT_OK : EXIT_ERROR;
}
