// Collects the counts of scripts and tells of them by suite, which is the folder in their name.

#include "tools/wast_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"

struct script_result {
    char *name;
    int suite_len; // of the name
    struct spec_sums sums;
};

// How many exceptions of one kind there were in one script because of one proposal: refusals that
// were lifted, or modules that are missing.
struct tally {
    enum spec_verdict verdict;
    char *script;
    int suite_len;
    char *proposal;
    u32 count;
};

struct wast_report {
    bool each;
    struct script_result *scripts;
    u32 script_count;
    struct tally *tallies;
    u32 tally_count;
    struct spec_counts total;
};

struct wast_report *wast_report_create(bool each) {
    struct wast_report *report = calloc(1, sizeof *report);
    if (report == NULL)
        abort();
    report->each = each;
    return report;
}

void wast_report_free(struct wast_report *report) {
    for (u32 i = 0; i < report->script_count; i++)
        free(report->scripts[i].name);
    for (u32 i = 0; i < report->tally_count; i++) {
        free(report->tallies[i].script);
        free(report->tallies[i].proposal);
    }
    free(report->scripts);
    free(report->tallies);
    free(report);
}

static char *copy_text(const char *text, usize len) {
    char *copy = strndup(text, len);
    if (copy == NULL)
        abort();
    return copy;
}

static int suite_len(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash != NULL ? (int)(slash - name) : 0;
}

// -- Collecting -----------------------------------------------------------------------------------

static bool is_module(enum script_command command) {
    return command == SCRIPT_MODULE || command == SCRIPT_DEFINITION || command == SCRIPT_INSTANCE;
}

static struct tally *find_tally(struct wast_report *report, const struct spec_event *event) {
    for (u32 i = report->tally_count; i > 0; i--) { // most likely the last
        struct tally *tally = &report->tallies[i - 1];
        if (tally->verdict == event->verdict && bytes_equal_text(event->script, tally->script) &&
            strcmp(tally->proposal, event->text) == 0)
            return tally;
    }
    report->tallies = realloc(report->tallies, (report->tally_count + 1) * sizeof *report->tallies);
    if (report->tallies == NULL)
        abort();
    struct tally *tally = &report->tallies[report->tally_count++];
    *tally = (struct tally){
        .verdict = event->verdict,
        .script = copy_text((const char *)event->script.data, event->script.len),
        .proposal = copy_text(event->text, strlen(event->text)),
    };
    tally->suite_len = suite_len(tally->script);
    return tally;
}

void wast_report_event(void *context, const struct spec_event *event) {
    struct wast_report *report = context;
    bool failed = event->verdict == SPEC_FAILED;
    if (!failed && (event->verdict == SPEC_LIFTED || is_module(event->command)))
        find_tally(report, event)->count++;
    if (!failed && !report->each)
        return;
    const char *what = failed ? "" : event->verdict == SPEC_LIFTED ? "lifted by " : "needs ";
    printf("%.*s:%u: %s: %s%s\n", (int)event->script.len, (const char *)event->script.data,
           event->line, spec_command_name(event->command), what, event->text);
    fflush(stdout);
}

void wast_report_script(void *context, struct bytes script, const struct spec_counts *counts) {
    struct wast_report *report = context;
    spec_counts_add(&report->total, counts);
    report->scripts =
        realloc(report->scripts, (report->script_count + 1) * sizeof *report->scripts);
    if (report->scripts == NULL)
        abort();
    struct script_result *result = &report->scripts[report->script_count++];
    result->name = copy_text((const char *)script.data, script.len);
    result->suite_len = suite_len(result->name);
    result->sums = spec_counts_sum(counts);
    if (report->each) {
        printf("%s: %u passed, %u failed\n", result->name, result->sums.of[SPEC_PASSED],
               result->sums.of[SPEC_FAILED]);
        fflush(stdout);
    }
}

// -- The table ------------------------------------------------------------------------------------

static bool same_suite(const char *a, int a_len, const char *b, int b_len) {
    return a_len == b_len && memcmp(a, b, (usize)a_len) == 0;
}

static void add_sums(struct spec_sums *to, const struct spec_sums *from) {
    for (u32 i = 0; i < SPEC_VERDICT_COUNT; i++)
        to->of[i] += from->of[i];
    to->missing_modules += from->missing_modules;
}

static void print_row(const char *name, int name_len, u32 files, const struct spec_sums *sums) {
    printf("%-28.*s %6u %8u %7u %7u %7u %9u %9u\n", name_len, name, files, sums->of[SPEC_PASSED],
           sums->of[SPEC_FAILED], sums->of[SPEC_TEXT], sums->of[SPEC_LIFTED], sums->missing_modules,
           sums->of[SPEC_NEEDS]);
}

static void print_commands(const struct spec_counts *counts) {
    for (u32 i = SCRIPT_ASSERT_RETURN; i < SCRIPT_ASSERT_TEXT; i++)
        printf("  %-24s %8u passed %6u failed\n", spec_command_name((enum script_command)i),
               counts->of[SPEC_PASSED][i], counts->of[SPEC_FAILED][i]);
}

static void print_table(const struct wast_report *report) {
    printf("%-28s %6s %8s %7s %7s %7s %9s %9s\n", "suite", "files", "passed", "failed", "text",
           "lifted", "missing", "need them");
    struct spec_sums total = {0};
    for (u32 i = 0; i < report->script_count; i++) {
        const struct script_result *first = &report->scripts[i];
        bool is_first = true;
        for (u32 j = 0; j < i && is_first; j++)
            is_first = !same_suite(report->scripts[j].name, report->scripts[j].suite_len,
                                   first->name, first->suite_len);
        if (!is_first)
            continue;
        struct spec_sums sums = {0};
        u32 files = 0;
        for (u32 j = i; j < report->script_count; j++) {
            const struct script_result *result = &report->scripts[j];
            if (!same_suite(result->name, result->suite_len, first->name, first->suite_len))
                continue;
            add_sums(&sums, &result->sums);
            files++;
        }
        bool is_named = first->suite_len != 0;
        print_row(is_named ? first->name : ".", is_named ? first->suite_len : 1, files, &sums);
        add_sums(&total, &sums);
    }
    print_row("total", 5, report->script_count, &total);
}

// -- Exceptions, by name --------------------------------------------------------------------------

static void print_lifted(const struct wast_report *report) {
    for (u32 i = 0; i < report->tally_count; i++) {
        const struct tally *tally = &report->tallies[i];
        if (tally->verdict == SPEC_LIFTED)
            printf("lifted: %s: %u by %s\n", tally->script, tally->count, tally->proposal);
    }
}

static const struct script_result *find_script(const struct wast_report *report, const char *suite,
                                               const char *file) {
    for (u32 i = 0; i < report->script_count; i++) {
        const struct script_result *result = &report->scripts[i];
        if (same_suite(result->name, result->suite_len, suite, (int)strlen(suite)) &&
            strcmp(strrchr(result->name, '/') + 1, file) == 0)
            return result;
    }
    return NULL;
}

// What became of the same file of edition 2.0, where that was given too.
static const char *earlier_result(const struct wast_report *report, const char *name) {
    const char *slash = strrchr(name, '/');
    const struct script_result *earlier =
        find_script(report, "2.0", slash != NULL ? slash + 1 : name);
    if (earlier == NULL)
        return "";
    return earlier->sums.of[SPEC_FAILED] == 0 && earlier->sums.of[SPEC_NEEDS] == 0
               ? "; the edition of 2.0 passes whole"
               : "; the edition of 2.0 does not pass";
}

static void print_missing(const struct wast_report *report) {
    for (u32 i = 0; i < report->script_count; i++) {
        const struct script_result *result = &report->scripts[i];
        if (result->sums.missing_modules == 0 && result->sums.of[SPEC_NEEDS] == 0)
            continue;
        printf("missing: %s: %u modules", result->name, result->sums.missing_modules);
        for (u32 j = 0; j < report->tally_count; j++) {
            const struct tally *tally = &report->tallies[j];
            if (tally->verdict == SPEC_NEEDS && strcmp(tally->script, result->name) == 0)
                printf(", %u for %s", tally->count, tally->proposal);
        }
        printf("; %u assertions%s\n", result->sums.of[SPEC_NEEDS],
               earlier_result(report, result->name));
    }
}

bool wast_report_finish(struct wast_report *report) {
    if (report->each) {
        print_lifted(report);
        print_missing(report);
        print_commands(&report->total);
    }
    print_table(report);
    fflush(stdout);
    struct spec_sums sums = spec_counts_sum(&report->total);
    return sums.of[SPEC_FAILED] == 0 && sums.of[SPEC_PASSED] != 0;
}
