// The `wast` command: converts scripts, runs them in this process, reports.

#include "tools/wast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/spec/runner.h"
#include "tools/lib/host_linux.h"
#include "tools/wast_json.h"

struct options {
    const char *blob; // write there instead of running
    bool quiet;       // failures and the total only
    int first_script; // index into argv
};

static bool parse_options(int argc, char **argv, struct options *out) {
    *out = (struct options){.first_script = 1};
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--quiet") == 0)
            out->quiet = true;
        else if (strcmp(argv[i], "--blob") == 0 && i + 1 < argc)
            out->blob = argv[++i];
        else
            return false;
    }
    out->first_script = i;
    return i < argc;
}

// -- Reports
// ----------------------------------------------------------------------------------------

static void print_failure(void *context, struct bytes script, u32 line, enum script_command command,
                          const char *text) {
    (void)context;
    printf("%.*s:%u: %s: %s\n", (int)script.len, (const char *)script.data, line,
           spec_command_name(command), text);
}

static void print_sums(const char *name, int name_len, const struct spec_counts *counts) {
    struct spec_sums sums = spec_counts_sum(counts);
    printf("%.*s: %u passed, %u failed", name_len, name, sums.passed, sums.failed);
    if (sums.skipped != 0)
        printf(", %u text only", sums.skipped);
    if (sums.lifted != 0)
        printf(", %u refusals lifted by a later edition", sums.lifted);
    printf("\n");
}

static void print_script(void *context, struct bytes script, const struct spec_counts *counts) {
    const struct options *options = context;
    if (!options->quiet)
        print_sums((const char *)script.data, (int)script.len, counts);
    fflush(stdout);
}

static void print_total(const struct spec_counts *counts) {
    for (u32 i = SCRIPT_MODULE; i < SCRIPT_COMMAND_COUNT; i++)
        printf("  %-24s %6u passed %6u failed\n", spec_command_name((enum script_command)i),
               counts->passed[i], counts->failed[i]);
    print_sums("total", 5, counts);
}

// -- Running
// ----------------------------------------------------------------------------------------

static enum status run_blob(struct engine *engine, struct bytes blob, const struct options *options,
                            struct spec_counts *counts) {
    struct thread_block thread = {0};
    host_linux_engine(engine);
    host_linux_thread(&thread, HOST_LINUX_STACK_BYTES);
    struct spec_sink sink = {
        .context = (void *)options, .failure = print_failure, .script_end = print_script};
    enum status status = spec_run(engine, &thread, blob, &sink, counts);
    host_linux_engine(NULL);
    return status;
}

static int run(struct bytes blob, const struct options *options) {
    struct engine_config config = {.segment = SEGMENT_GS, .features = FEATURES_SUPPORTED};
    struct engine *engine;
    enum status status = engine_create(&config, &engine);
    struct spec_counts counts = {0};
    if (status == OK) {
        status = run_blob(engine, blob, options, &counts);
        engine_destroy(engine);
    }
    if (status != OK) {
        fprintf(stderr, "kwast: wast: %s\n", status_text(status));
        return 1;
    }
    print_total(&counts);
    return spec_counts_sum(&counts).failed == 0 ? 0 : 1;
}

// -- Converting
// -------------------------------------------------------------------------------------

static bool convert_all(int argc, char **argv, int first, FILE *out) {
    fputs(SCRIPT_MAGIC, out);
    for (int i = first; i < argc; i++) {
        if (!wast_json_convert(argv[i], out))
            return false;
    }
    return fflush(out) == 0 && ferror(out) == 0;
}

static int write_blob(int argc, char **argv, const struct options *options) {
    FILE *out = fopen(options->blob, "wb");
    if (out == NULL) {
        fprintf(stderr, "kwast: %s: cannot be written\n", options->blob);
        return 1;
    }
    bool converted = convert_all(argc, argv, options->first_script, out);
    return fclose(out) == 0 && converted ? 0 : 1;
}

static int run_scripts(int argc, char **argv, const struct options *options) {
    char *blob = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&blob, &len);
    if (out == NULL)
        return 1;
    bool converted = convert_all(argc, argv, options->first_script, out);
    fclose(out);
    int result = converted ? run((struct bytes){(const u8 *)blob, len}, options) : 1;
    free(blob);
    return result;
}

int wast_main(int argc, char **argv) {
    struct options options;
    if (!parse_options(argc, argv, &options)) {
        fprintf(stderr, "usage: kwast wast [--quiet] [--blob OUT] SCRIPT.json...\n");
        return 2;
    }
    return options.blob != NULL ? write_blob(argc, argv, &options)
                                : run_scripts(argc, argv, &options);
}
