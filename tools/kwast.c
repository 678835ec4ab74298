// The `kwast` command: runs and examines WebAssembly programs from a Linux host.

#include "tools/kwast.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/types.h"
#include "tools/lib/machine.h"
#include "tools/lib/report.h"

static const char help[] =
    "usage: kwast COMMAND ...\n"
    "\n"
    "  run [OPTIONS] PROGRAM.wasm [ARGS...]   boot Kwast with a program\n"
    "  compile PROGRAM.wasm                   compile only; sizes and speed\n"
    "  wast [OPTIONS] FOLDER...               run the specification's converted scripts\n"
    "  trace IN -o OUT.json                   convert a trace for Perfetto\n"
    "  bench [OPTIONS] [NAME...]              measure against other engines\n"
    "  help                                   this text\n"
    "\n"
    "kwast COMMAND --help says more about a command.\n";

static int help_main(int, char **) {
    fputs(help, stdout);
    return EXIT_OK;
}

// A program of its own beside this one: it needs a library that would make every start slower.
static int wast_main(int, char **argv) {
    char path[PATH_MAX];
    if (!program_beside("wast", path, sizeof path))
        return EXIT_ERROR;
    execv(path, argv);
    report_error(path, "%s", strerror(errno));
    return EXIT_ERROR;
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", run_main},     {"compile", compile_main}, {"wast", wast_main},   {"bench", bench_main},
    {"trace", trace_main}, {"help", help_main},       {"--help", help_main}, {"-h", help_main},
};

// A descriptor 0, 1 or 2 that is closed would be taken by the next file opened here. It is filled
// such that using it for its purpose fails as it would have failed.
static void fill_standard_descriptors(void) {
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < (int)COUNT_OF(modes); fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
            abort();
    }
}

void assert_failed(const char *file, int line, const char *what) {
    fprintf(stderr, "kwast: bug: %s:%d: %s\n", file, line, what);
    abort();
}

int main(int argc, char **argv) {
    fill_standard_descriptors();
    if (argc < 2) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    for (usize i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    report_error(argv[1], "unknown command; see kwast help");
    return EXIT_USAGE;
}
