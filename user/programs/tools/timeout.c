// timeout: a program that may run for so long.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/programs/tools/tools.h"
#include "user/sdk/program.h"
#include "user/sdk/start.h"

#define STATUS_LATE    124
#define STATUS_FAILED  125
#define STATUS_MISSING 127
#define STATUS_KILLED  137
#define STATUS_TRAPPED 134

extern char **environ;

static u32 start_command(char **words, kwast_handle *child) {
    struct program program;
    struct start start;
    u32 error = program_find(words[0], getenv("PATH"), &program);
    if (error == 0) {
        start_init(&start, words[0]);
        start_our_streams(&start);
        start_our_directories(&start);
        start_here(&start);
        for (char **entry = environ; *entry != NULL; entry++) {
            if (strncmp(*entry, START_PIPES "=", sizeof START_PIPES) != 0)
                start_variable(&start, *entry);
        }
        start_give_pipes(&start, start_pipes());
        for (u32 i = 0; i < program.word_count; i++)
            start_argument(&start, program.words[i]);
        for (char **word = words + (program.word_count != 0); *word != NULL; word++)
            start_argument(&start, *word);
        error = start_run(&start, program.path, child);
        start_fini(&start);
    }
    program_fini(&program);
    return error;
}

static int status_of(const struct kwast_status *status) {
    return status->outcome == KWAST_EXITED    ? (int)(status->status & 0xff)
           : status->outcome == KWAST_TRAPPED ? STATUS_TRAPPED
                                              : STATUS_KILLED;
}

int run_timeout(int argc, char **argv) {
    char *end;
    kwast_handle child;
    struct kwast_status status;
    double seconds = argc < 3 ? -1 : strtod(argv[1], &end);
    if (!(seconds >= 0) || seconds > 1e9 || *end != 0)
        return misused();
    u32 error = start_command(argv + 2, &child);
    if (error != 0) {
        complain("%s: %s", argv[2], strerror((int)error));
        return error == __WASI_ERRNO_NOENT ? STATUS_MISSING : STATUS_FAILED;
    }
    error = kwast_process_wait(child, (i64)(seconds * 1e9), &status);
    if (error == 0)
        return status_of(&status);
    kwast_process_kill_tree(child);
    kwast_process_wait(child, -1, &status);
    return status.outcome == KWAST_EXITED ? status_of(&status) : STATUS_LATE;
}
