// The names of this program, and their usages.

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "user/programs/tools/tools.h"
#include "user/sdk/start.h"

static const struct tool {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
} tools[] = {
    {"bench", run_bench,
     "[NAME...]\n\nMeasures this machine: how long what programs do all the time takes. With "
     "names,\n"
     "only those.\n"},
    {"dmesg", run_dmesg, "\n\nPrints the kernel's log.\n"},
    {"free", run_free, "[-k | -m]\n\nTells how much memory there is, in KiB or MiB.\n"},
    {"mount", run_mount,
     "\n\nTells which directories a program sees here, and what is behind them. There is nothing "
     "to\n"
     "be mounted: what a program sees is what it was given.\n"},
    {"nproc", run_nproc, "\n\nPrints how many CPUs there are.\n"},
    {"ps", run_ps,
     "[-l]\n\nLists the processes.\n\n"
     "  -l  all that the kernel tells: shares, messages, handles\n"},
    {"stty", run_stty,
     "[-a | -g | SETTING...]\n\nTells how the terminal is set that is its input, or sets it.\n\n"
     "  -a  in full\n"
     "  -g  as a word that sets it so again\n\n"
     "Settings, which a - before them takes back:\n\n"
     "  icanon   whole lines are read, which can be edited; otherwise each byte as it comes\n"
     "  echo     what is typed is shown\n"
     "  isig     Ctrl-C and Ctrl-Z are not read\n"
     "  icrnl    Enter is read as a newline\n"
     "  raw      none of these; -raw, cooked, sane: all of them\n"
     "  cbreak   no icanon\n"
     "  rows N, columns N, size   the size of a line that cannot tell; prints it\n"},
    {"timeout", run_timeout,
     "SECONDS PROGRAM [ARGUMENT...]\n\nRuns a program, and kills it, with all that it has "
     "started,\n"
     "when it takes longer. The status is the program's, or 124 when it was killed.\n"},
    {"top", run_top,
     "[-b] [-d SECONDS] [-n TIMES]\n\nShows what the processes and the CPUs do, again and "
     "again.\n\n"
     "  -b  as text, one after the other, as it always is elsewhere than on a terminal\n"
     "  -d  how long one picture stays (1)\n"
     "  -n  how many there are\n\n"
     "Keys: q ends it, space shows the next picture at once, c sorts by CPU time, m by memory,\n"
     "i by number.\n"},
    {"uptime", run_uptime, "\n\nTells how long the machine runs, and how much it does.\n"},
};

static const struct tool *tool; // that we are

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static const struct tool *find(const char *name) {
    const char *ending = strstr(name, ".wasm");
    usize len = ending == NULL ? strlen(name) : (usize)(ending - name);
    for (u32 i = 0; i < COUNT_OF(tools); i++) {
        if (strlen(tools[i].name) == len && strncmp(tools[i].name, name, len) == 0)
            return &tools[i];
    }
    return NULL;
}

int complain(const char *format, ...) {
    va_list args;
    fflush(stdout);
    fprintf(stderr, "%s: ", tool->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

static void print_usage(FILE *out) {
    const char *usage = tool->usage;
    fprintf(out, "usage: %s%s%s", tool->name, usage[0] == '\n' ? "" : " ", usage);
}

int misused(void) {
    print_usage(stderr);
    return 2;
}

u64 clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

int main(int argc, char **argv) {
    tool = argc == 0 ? NULL : find(base_name(argv[0]));
    if (tool == NULL && argc > 1 && (tool = find(argv[1])) != NULL) {
        argc--;
        argv++;
    }
    if (tool == NULL) {
        fprintf(stderr, "usage: tools NAME [ARGUMENT...], or by these names:");
        for (u32 i = 0; i < COUNT_OF(tools); i++)
            fprintf(stderr, " %s", tools[i].name);
        fputc('\n', stderr);
        return 2;
    }
    start_where_told();
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return 0;
    }
    int status = tool->run(argc, argv);
    return fflush(stdout) != 0 && status == 0 ? 1 : status;
}
