// `kwast bench`: hands over to the harness in bench/, which is Python. It lies in the source tree
// that this command was built in.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/types.h"
#include "tools/kwast.h"
#include "tools/lib/report.h"

#define PATH_BYTES 4096
#define PYTHON     "/usr/bin/python3"

// The folder bench/ beside an ancestor of this program: build/kwast and build/release/kwast both
// find it.
static bool harness_path(char *out, usize size) {
    char folder[PATH_BYTES];
    ssize_t len = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    folder[len < 0 ? 0 : len] = '\0';
    for (char *slash; (slash = strrchr(folder, '/')) != NULL;) {
        *slash = '\0';
        int written = snprintf(out, size, "%s/bench/__main__.py", folder);
        if (written > 0 && (usize)written < size && access(out, R_OK) == 0)
            return true;
    }
    return false;
}

int bench_main(int argc, char **argv) {
    char harness[PATH_BYTES];
    if (!harness_path(harness, sizeof(harness))) {
        report_error("bench", "no folder bench/ above this program: run it in its source tree");
        return EXIT_ERROR;
    }
    char **command = calloc((usize)argc + 2, sizeof(*command));
    if (command == NULL)
        abort();
    command[0] = PYTHON;
    command[1] = harness;
    for (int i = 1; i < argc; i++)
        command[i + 1] = argv[i];
    execv(PYTHON, command);
    report_error(PYTHON, "%s (Debian's package python3)", strerror(errno));
    free(command);
    return EXIT_ERROR;
}
