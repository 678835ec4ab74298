// What POSIX says of functions that user/ports/posix has: the same is true of Linux, for which this
// is compiled, too. Tells what is not, and what it ends with is whether anything was.
//
//   posix FOLDER PROGRAM     an empty folder to work in, and some program that is there

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define UNTOUCHED 12345 // in errno
#define IS(what)  (is_true((what), #what, __LINE__))

static int failures;
static int signals;

static void is_true(bool is, const char *what, int line) {
    if (is)
        return;
    printf("posix.c:%d: not so: %s (errno %d)\n", line, what, errno);
    failures++;
}

static void count_signal(int number) {
    (void)number;
    signals++;
}

static bool is_open(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0;
}

// The lowest number that is free.
static int next_number(void) {
    int fd = dup(1);
    close(fd);
    return fd;
}

static void try_descriptors(void) {
    int first = next_number();
    errno = UNTOUCHED;
    int copy = dup(1);
    IS(copy == first && errno == UNTOUCHED);
    IS(dup2(copy, copy) == copy);
    IS(dup2(1, copy + 3) == copy + 3 && !is_open(copy + 1) && !is_open(copy + 2));
    errno = UNTOUCHED;
    IS(dup2(1, copy) == copy && errno == UNTOUCHED); // in place of what is there
    close(copy + 3);
    close(copy);
    IS(dup2(copy, copy) == -1 && errno == EBADF);
    IS(dup2(copy, 1) == -1 && errno == EBADF && is_open(1));
    IS(dup(copy) == -1 && errno == EBADF);
    IS(dup2(1, -1) == -1 && errno == EBADF);
    IS(next_number() == first);
}

static void try_signals(void) {
    struct sigaction before;
    struct sigaction action = {.sa_handler = count_signal};
    IS(sigaction(SIGUSR1, NULL, &before) == 0 && before.sa_handler == SIG_DFL);
    IS(sigaction(SIGUSR1, &action, NULL) == 0);
    IS(sigaction(SIGUSR1, NULL, &before) == 0 && before.sa_handler == count_signal);
    IS(raise(SIGUSR1) == 0 && signals == 1); // asking has changed nothing
    IS(kill(getpid(), SIGUSR1) == 0 && signals == 2);
    IS(sigaction(10000, NULL, &before) == -1 && errno == EINVAL);
}

static void try_broken_pipes(void) {
    int ends[2];
    struct sigaction action = {.sa_handler = count_signal};
    IS(pipe(ends) == 0);
    IS(write(ends[1], "", 0) == 0 && read(ends[0], &ends, 0) == 0); // nothing waits for nothing
    close(ends[0]);
    signals = 0;
    sigaction(SIGPIPE, &action, NULL);
    IS(write(ends[1], "x", 1) == -1 && errno == EPIPE && signals == 1);
    signal(SIGPIPE, SIG_IGN);
    IS(write(ends[1], "x", 1) == -1 && errno == EPIPE && signals == 1);
    signal(SIGPIPE, SIG_DFL);
    close(ends[1]);
}

static void try_paths(const char *folder) {
    char found[PATH_MAX];
    char expected[PATH_MAX];
    IS(chdir(folder) == 0 && realpath(".", expected) != NULL);
    close(open("file", O_CREAT | O_WRONLY, 0600));
    IS(mkdir("inner", 0700) == 0 && symlink("inner", "link") == 0 && symlink("loop", "loop") == 0);
    IS(symlink("twice/../inner", "back") == 0 && symlink("inner", "twice") == 0);
    IS(realpath("link/../inner/.", found) != NULL &&
       strcmp(found + strlen(expected), "/inner") == 0);
    IS(realpath("back", found) != NULL && strcmp(found + strlen(expected), "/inner") == 0);
    IS(realpath("inner/..", found) != NULL && strcmp(found, expected) == 0);
    IS(realpath("/", found) != NULL && strcmp(found, "/") == 0);
    IS(realpath("/..", found) != NULL && strcmp(found, "/") == 0);
    IS(realpath("", found) == NULL && errno == ENOENT);
    IS(realpath("missing", found) == NULL && errno == ENOENT);
    IS(realpath("missing/..", found) == NULL && errno == ENOENT);
    IS(realpath("file/..", found) == NULL && errno == ENOTDIR);
    IS(realpath("loop", found) == NULL && errno == ELOOP);
}

// Each link leads through the one before it twice: without a limit to all of them together this
// would not end in our time.
static void try_many_links(void) {
    char name[16];
    char target[64];
    char found[PATH_MAX];
    IS(symlink(".", "l0") == 0);
    for (int i = 1; i < 36; i++) {
        snprintf(name, sizeof name, "l%d", i);
        snprintf(target, sizeof target, "l%d/l%d", i - 1, i - 1);
        IS(symlink(target, name) == 0);
    }
    IS(realpath("l2", found) != NULL);
    IS(realpath("l35", found) == NULL && errno == ELOOP);
}

static void try_terminals(void) {
    struct termios mode;
    int file = open("file", O_RDONLY);
    IS(tcgetattr(file, &mode) == -1 && errno == ENOTTY);
    close(file);
    IS(tcgetattr(file, &mode) == -1 && errno == EBADF);
}

static pid_t start(const char *program, const char *argument) {
    pid_t child = vfork();
    if (child == 0) {
        execl(program, program, argument, NULL);
        _exit(126);
    }
    return child;
}

static void try_children(const char *program) {
    int status;
    int first = next_number();
    IS(wait(&status) == -1 && errno == ECHILD);
    pid_t child = start(program, "exit");
    IS(child > 0 && waitpid(child, &status, 0) == child);
    IS(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    IS(waitpid(child, &status, 0) == -1 && errno == ECHILD);
    IS(kill(child, 0) == -1 && errno == ESRCH);
    child = start("/no/such/program", NULL);
    IS(child > 0 && wait(&status) == child && WEXITSTATUS(status) == 126);
    child = start(program, "sleep");
    IS(waitpid(child, &status, WNOHANG) == 0);
    IS(kill(child, SIGCONT) == 0 && kill(child, SIGCHLD) == 0 && kill(child, SIGWINCH) == 0);
    IS(waitpid(child, &status, WNOHANG) == 0); // they end nobody
    IS(kill(child, 10000) == -1 && errno == EINVAL);
    IS(waitpid(child, &status, WNOHANG) == 0);
    IS(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    IS(next_number() == first);
}

// What a child closes stays ours.
static void try_closing_children(const char *program) {
    int status;
    IS(dup2(1, 70) == 70);
    pid_t child = vfork();
    if (child == 0) {
        close(1);
        close(70);
        execl(program, program, "exit", NULL);
        _exit(126);
    }
    IS(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    IS(is_open(1) && is_open(70));
    close(70);
}

static void try_commands(void) {
    char line[64] = "";
    int first = next_number();
    FILE *stream = popen("echo said; exit 3", "r");
    IS(stream != NULL && fgets(line, sizeof line, stream) != NULL && strcmp(line, "said\n") == 0);
    int status = pclose(stream);
    IS(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    stream = popen("cat > from-popen", "w");
    IS(stream != NULL && fputs("written", stream) >= 0 && pclose(stream) == 0);
    struct stat info;
    IS(stat("from-popen", &info) == 0 && info.st_size == 7);
    status = system("exit 5");
    IS(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    IS(system(NULL) != 0);
    IS(next_number() == first);
}

static void try_niceness(void) {
    int before = getpriority(PRIO_PROCESS, 0);
    IS(nice(0) == before);
    IS(nice(1000) == 19 && getpriority(PRIO_PROCESS, 0) == 19);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "exit") == 0)
        return 7;
    if (argc == 2 && strcmp(argv[1], "sleep") == 0)
        return (int)sleep(1000);
    if (argc != 3) {
        fprintf(stderr, "usage: posix FOLDER PROGRAM\n");
        return 2;
    }
    try_descriptors();
    try_signals();
    try_broken_pipes();
    try_paths(argv[1]);
    try_many_links();
    try_terminals();
    try_children(argv[2]);
    try_closing_children(argv[2]);
    try_commands();
    try_niceness();
    printf("posix: %d failures\n", failures);
    return failures != 0;
}
