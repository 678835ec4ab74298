// Runs random modules on the engine and writes what came out, a line of JSON for each case:
//
//     oracle generate SEED FIRST COUNT [DRAWS]   cases FIRST to FIRST + COUNT - 1 of our generator
//     oracle files FILE.wasm...                  one case for each file
//
// The numbers take the CPU levels in turn. A case is a function of SEED and its number; DRAWS
// limits the decisions of the generator, which makes cases smaller that begin in the same way.
// ORACLE_WITHOUT in the environment is a set of enum feature bits that are not used. Tallies go to
// stderr.

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "tests/oracle/case.h"
#include "tests/oracle/generate.h"
#include "tools/lib/host_linux.h"

#define VECTORS      3
#define CASE_SECONDS 300

static u64 current; // the case that runs, for the message of one that does not come back

static void on_alarm(int signal) {
    (void)signal;
    char text[64];
    int len = snprintf(text, sizeof text, "oracle: no end in case %" PRIu64 "\n", current);
    _exit(write(STDERR_FILENO, text, (usize)len) == len ? 2 : 3);
}

static void run(struct case_input *input, struct case_stats *stats) {
    current = input->number;
    input->vectors = VECTORS;
    input->cpu = (enum cpu_level)(input->number % CPU_LEVEL_COUNT);
    alarm(CASE_SECONDS);
    case_run(input, stdout, stats);
    alarm(0);
}

static u32 features(void) {
    const char *without = getenv("ORACLE_WITHOUT");
    return FEATURES_SUPPORTED & ~(u32)strtoul(without != NULL ? without : "0", NULL, 0);
}

static void run_generated(u64 seed, u64 number, u64 draws, struct case_stats *stats) {
    char label[64];
    snprintf(label, sizeof label, "seed %" PRIu64 " case %" PRIu64, seed, number);
    struct entropy e = entropy_of_seed(seed ^ (number + 1) * 0xd1342543de82ef95, draws);
    struct generated made;
    generate(&e, features(), &made);
    struct case_input input = {.module_count = made.count, .number = number, .label = label};
    for (u32 i = 0; i < made.count; i++)
        input.modules[i] = (struct bytes){made.modules[i].data, made.modules[i].len};
    run(&input, stats);
    for (u32 i = 0; i < made.count; i++)
        out_fini(&made.modules[i]);
}

static bool run_file(const char *path, u64 number, struct case_stats *stats) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    struct wasm_out bytes = {0};
    u8 block[4096];
    for (usize len; (len = fread(block, 1, sizeof block, file)) != 0;)
        out_bytes(&bytes, block, len);
    fclose(file);
    struct case_input input = {.module_count = 1, .number = number, .label = path};
    input.modules[0] = (struct bytes){bytes.data, bytes.len};
    run(&input, stats);
    out_fini(&bytes);
    return true;
}

static void report(const struct case_stats *stats) {
    fprintf(stderr, "%" PRIu64 " modules, %" PRIu64 " refused, %" PRIu64 " calls", stats->modules,
            stats->refused, stats->calls);
    for (u32 trap = 0; trap < TRAP_COUNT; trap++) {
        if (stats->traps[trap] != 0)
            fprintf(stderr, ", %s %" PRIu64,
                    trap == TRAP_NONE ? "returned" : trap_text((enum trap)trap),
                    stats->traps[trap]);
    }
    fputs("\n", stderr);
}

// Which instructions, of those that there is code for, the generator has left out.
static void report_missing(void) {
    u32 made = 0, missing = 0;
    for (u32 op = 0; op < OP_COUNT; op++) {
        if ((wasm_ops[op].feature & ~FEATURES_SUPPORTED) != 0)
            continue;
        if (generated_count((enum wasm_op)op) != 0) {
            made++;
            continue;
        }
        fprintf(stderr, "%s %s", missing++ == 0 ? "not generated:" : ",", wasm_ops[op].text);
    }
    fprintf(stderr, "%s%u instructions generated\n", missing == 0 ? "" : "\n", made);
}

int main(int argc, char **argv) {
    struct case_stats stats = {0};
    signal(SIGALRM, on_alarm);
    host_linux_neighbours(8 * GIB); // leaving a slot is not to go unnoticed
    if (argc >= 5 && strcmp(argv[1], "generate") == 0) {
        u64 seed = strtoull(argv[2], NULL, 0);
        u64 first = strtoull(argv[3], NULL, 0);
        u64 count = strtoull(argv[4], NULL, 0);
        u64 draws = argc > 5 ? strtoull(argv[5], NULL, 0) : UINT64_MAX;
        for (u64 n = first; n < first + count; n++)
            run_generated(seed, n, draws, &stats);
        report_missing();
    } else if (argc >= 3 && strcmp(argv[1], "files") == 0) {
        for (int i = 2; i < argc; i++) {
            if (!run_file(argv[i], (u64)i - 2, &stats)) {
                perror(argv[i]);
                return 66;
            }
        }
    } else {
        fputs("usage: oracle generate SEED FIRST COUNT [DRAWS]\n"
              "       oracle files FILE.wasm...\n",
              stderr);
        return 64;
    }
    report(&stats);
    return 0;
}
