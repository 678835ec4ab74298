// Processes as POSIX has them, without fork: exec starts another process, waits for it and ends as
// it has ended; vfork is done in one process.
//
// vfork (a macro of posix.h) returns 0 at first, and the caller goes on as its own child. What the
// child does with descriptors before it calls exec is only noted, in a table of what each number
// is for it. exec starts the program with that, and goes back to vfork (longjmp), which now returns
// the child's number. A child that ends without exec has been a child all the same.
//
// The table is about numbers below SEEN_MAX. 0 to 2 are what the program gets, and of 3 to 9 those
// that we were given ourselves (a shell's `3<file`) or that the child has by dup2; it also gets our
// directories, and nothing else.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/ports/posix/include/setjmp.h"
#include "user/ports/posix/include/sys/resource.h"
#include "user/ports/posix/include/sys/wait.h"
#include "user/ports/posix/posix.h"
#include "user/sdk/kwast.h"
#include "user/sdk/program.h"
#include "user/sdk/start.h"

#define CHILDREN_MAX   64u
#define SEEN_MAX       64
#define WORDS_MAX      256u
#define NO_PROGRAM     127
#define STREAM_LAST    9 // numbers that a shell can redirect
#define STATUS_KILLED  9 // as SIGKILL
#define STATUS_ABORTED 6 // as SIGABRT
#define NICENESS_MAX   19
#define NEVER_RAN      0x40000000 // numbers of children that called no exec

extern char **environ;

struct child {
    pid_t id; // 0: this one is free
    kwast_handle process;
    int status;
    u64 cpu_ns;
    bool has_ended;
};

static struct child children[CHILDREN_MAX];
static int niceness;

// The child that we are, between vfork and exec.
static struct {
    bool is_one;
    bool is_starting;        // exec is at work: what it closes is what it has opened
    int is_really[SEEN_MAX]; // the descriptor behind each number; -1: none
    pid_t result;
} child;

jmp_buf posix_vfork_buffer;

// -- Descriptors of a child -----------------------------------------------------------------------

int __real_close(int fd);
int __real_dup2(int fd, int to);

static bool is_seen(int fd) {
    return fd >= 0 && fd < SEEN_MAX;
}

// Whether the number means nothing to the child any more.
static bool is_gone(int fd) {
    return is_seen(fd) && child.is_really[fd] < 0;
}

int __wrap_close(int fd) {
    if (!child.is_one || child.is_starting)
        return __real_close(fd);
    if (fd < 0 || is_gone(fd)) {
        errno = EBADF;
        return -1;
    }
    if (is_seen(fd))
        child.is_really[fd] = -1;
    return 0; // the others it does not hand on, and they are ours
}

int __wrap_dup2(int fd, int to) {
    if (!child.is_one)
        return __real_dup2(fd, to);
    if (!is_seen(fd) || !is_seen(to) || is_gone(fd)) {
        errno = EBADF;
        return -1;
    }
    child.is_really[to] = child.is_really[fd];
    return to;
}

void posix_vfork_begin(void) {
    child.is_one = true;
    for (int i = 0; i < SEEN_MAX; i++)
        child.is_really[i] = i;
}

pid_t posix_vfork_result(void) {
    return child.result;
}

// Back to who called vfork.
__attribute__((noreturn)) static void leave_child(pid_t result) {
    child.is_one = false;
    child.result = result;
    longjmp(posix_vfork_buffer, 1);
}

// -- Children -------------------------------------------------------------------------------------

static struct child *find_child(pid_t id) {
    for (u32 i = 0; i < CHILDREN_MAX; i++) {
        if (children[i].id == id)
            return &children[i];
    }
    return NULL;
}

// A place for one; NULL, and errno: there are too many.
static struct child *new_child(void) {
    struct child *found = find_child(0);
    if (found == NULL)
        errno = EAGAIN;
    return found;
}

static void note_end(struct child *of, const struct kwast_status *status) {
    of->has_ended = true;
    of->cpu_ns = status->cpu_ns;
    of->status = status->outcome == KWAST_EXITED    ? (int)((status->status & 0xff) << 8)
                 : status->outcome == KWAST_TRAPPED ? STATUS_ABORTED
                                                    : STATUS_KILLED;
    __real_close((int)of->process);
}

static void look(struct child *at, i64 timeout_ns) {
    struct kwast_status status;
    if (!at->has_ended && kwast_process_wait(at->process, timeout_ns, &status) == 0)
        note_end(at, &status);
}

// The first that ends, or has ended; NULL: none has yet (with WNOHANG), or waiting failed.
static struct child *wait_for_any(int options) {
    for (;;) {
        struct pollfd events[CHILDREN_MAX];
        nfds_t count = 0;
        for (u32 i = 0; i < CHILDREN_MAX; i++) {
            if (children[i].id == 0)
                continue;
            look(&children[i], 0);
            if (children[i].has_ended)
                return &children[i];
            events[count++] = (struct pollfd){.fd = (int)children[i].process, .events = POLLRDNORM};
        }
        if (count == 0 || (options & WNOHANG) != 0 || poll(events, count, -1) < 0)
            return NULL;
    }
}

static bool has_children(void) {
    for (u32 i = 0; i < CHILDREN_MAX; i++) {
        if (children[i].id != 0)
            return true;
    }
    return false;
}

pid_t wait4(pid_t process, int *status, int options, struct rusage *usage) {
    struct child *found = process > 0 ? find_child(process) : NULL;
    if (process > 0 ? found == NULL : !has_children()) {
        errno = ECHILD;
        return -1;
    }
    if (found != NULL)
        look(found, (options & WNOHANG) != 0 ? 0 : -1);
    else
        found = wait_for_any(options);
    if (found == NULL || !found->has_ended)
        return (options & WNOHANG) != 0 ? 0 : -1;
    pid_t id = found->id;
    if (status != NULL)
        *status = found->status;
    if (usage != NULL) {
        *usage = (struct rusage){.ru_stime.tv_sec = 0};
        usage->ru_utime.tv_sec = (time_t)(found->cpu_ns / 1000000000u);
        usage->ru_utime.tv_usec = (suseconds_t)(found->cpu_ns / 1000u % 1000000u);
    }
    found->id = 0;
    return id;
}

pid_t wait3(int *status, int options, struct rusage *usage) {
    return wait4(-1, status, options, usage);
}

pid_t waitpid(pid_t process, int *status, int options) {
    return wait4(process, status, options, NULL);
}

pid_t wait(int *status) {
    return waitpid(-1, status, 0);
}

// Signals that would not end a process that knows nothing of them, and 0.
static bool does_nothing(int number) {
    return number == 0 || number == SIGCHLD || number == SIGCONT || number == SIGURG ||
           number == SIGWINCH;
}

static bool is_about_stopping(int number) {
    return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

int kill(pid_t process, int number) {
    struct child *found = process > 0 ? find_child(process) : NULL;
    if (process == 0 || process == getpid())
        return raise(number);
    if (found == NULL) {
        errno = process > 0 ? ESRCH : EPERM;
        return -1;
    }
    if (found->has_ended || does_nothing(number))
        return 0;
    u32 error = number < 0 || number >= NSIG ? EINVAL
                : is_about_stopping(number)  ? ENOSYS
                                             : kwast_process_kill(found->process);
    if (error == 0)
        return 0;
    errno = (int)error;
    return -1;
}

// -- Starting -------------------------------------------------------------------------------------

int getpriority(int which, id_t who) {
    (void)which;
    (void)who;
    return niceness;
}

// It holds for what is started from now on.
int setpriority(int which, id_t who, int to) {
    (void)which;
    (void)who;
    niceness = to < 0 ? 0 : to > NICENESS_MAX ? NICENESS_MAX : to; // more than we have, nobody gets
    return 0;
}

int nice(int by) {
    setpriority(PRIO_PROCESS, 0, by > NICENESS_MAX ? NICENESS_MAX : niceness + by);
    return niceness;
}

// The usual share, less a fifth for each step.
static u32 share_of_niceness(void) {
    u32 share = KWAST_SHARE_USUAL;
    for (int i = 0; i < niceness; i++)
        share = share * 4 / 5;
    return niceness == 0 ? 0 : share == 0 ? 1 : share;
}

// Whether a program that is started has our stream of this number, if there is one.
static bool is_ours_to_give(int fd) {
    usize len;
    return fd < 3 || kwast_given_as(fd, &len) == KWAST_AS_STREAM;
}

static void give_streams(struct start *start) {
    __wasi_fdstat_t stat;
    for (int fd = 0; fd <= STREAM_LAST; fd++) {
        int from = child.is_one ? child.is_really[fd] : fd;
        bool is_known = from != fd || is_ours_to_give(fd);
        if (from >= 0 && is_known && __wasi_fd_fdstat_get(from, &stat) == 0)
            start_stream(start, (kwast_handle)from, (u32)fd);
    }
}

static bool is_variable(const char *entry, const char *name) {
    usize len = strlen(name);
    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

// `environment`, with our own idea of where we are.
static void give_environment(struct start *start, char *const *environment) {
    char here[4096] = "PWD=";
    for (; environment != NULL && *environment != NULL; environment++) {
        if (!is_variable(*environment, "PWD") && !is_variable(*environment, START_PIPES))
            start_variable(start, *environment);
    }
    if (getcwd(here + 4, sizeof here - 4) != NULL)
        start_variable(start, here);
}

// Tells `start` all that the program shall have.
static void prepare(struct start *start, const struct program *program, char *const *arguments,
                    char *const *environment) {
    start->limits.cpu_share = share_of_niceness();
    give_streams(start);
    start_our_directories(start);
    start_here(start);
    give_environment(start, environment);
    start_give_pipes(start, start_pipes());
    for (u32 i = 0; i < program->word_count; i++)
        start_argument(start, program->words[i]);
    bool skips_name = program->word_count != 0 && arguments[0] != NULL;
    for (char *const *argument = arguments + skips_name; *argument != NULL; argument++)
        start_argument(start, *argument);
}

static u32 start_program(const char *name, char *const *arguments, char *const *environment,
                         const char *path, struct child *made) {
    struct program program;
    struct start start;
    struct kwast_status status;
    u32 error = program_find(name, path, &program);
    if (error == 0) {
        start_init(&start, arguments[0] == NULL ? name : arguments[0]);
        prepare(&start, &program, arguments, environment);
        error = start_run(&start, program.path, &made->process);
        start_fini(&start);
    }
    program_fini(&program);
    if (error != 0)
        return error;
    error = kwast_process_status(made->process, &status);
    if (error != 0)
        __real_close((int)made->process);
    else
        *made = (struct child){.id = (pid_t)status.id, .process = made->process};
    return error;
}

// Starts what execve and its relatives name; NULL, and errno.
static struct child *start_child(const char *name, char *const *arguments, char *const *environment,
                                 const char *path) {
    struct child *made = new_child();
    if (made == NULL)
        return NULL;
    child.is_starting = true;
    u32 error = start_program(name, arguments, environment, path, made);
    child.is_starting = false;
    if (error == 0)
        return made;
    errno = (int)error;
    return NULL;
}

// exec: with vfork around it, or in our own place.
static int replace(const char *name, char *const *arguments, char *const *environment,
                   const char *path) {
    bool is_child = child.is_one;
    struct child *made = start_child(name, arguments, environment, path);
    if (made == NULL)
        return -1;
    if (is_child)
        leave_child(made->id);
    for (int fd = 0; fd <= STREAM_LAST; fd++) {
        if (is_ours_to_give(fd))
            __real_close(fd); // they are its alone
    }
    look(made, -1);
    int status = made->status;
    __wasi_proc_exit(WIFEXITED(status) ? (u32)WEXITSTATUS(status) : 128 + (u32)WTERMSIG(status));
}

int execve(const char *path, char *const *arguments, char *const *environment) {
    char slashed[4096] = "./";
    if (strchr(path, '/') == NULL && strlen(path) < sizeof slashed - 2)
        path = strcat(slashed, path);
    return replace(path, arguments, environment, NULL);
}

int execv(const char *path, char *const *arguments) {
    return execve(path, arguments, environ);
}

int execvp(const char *name, char *const *arguments) {
    const char *path = getenv("PATH");
    return replace(name, arguments, environ, path == NULL ? "/boot/bin" : path);
}

// The arguments of execl and execlp, which are ended by NULL.
static bool collect(char *words[WORDS_MAX], const char *first, va_list args) {
    u32 count = 0;
    for (const char *word = first; word != NULL; word = va_arg(args, const char *)) {
        if (count + 1 == WORDS_MAX) {
            errno = E2BIG;
            return false;
        }
        words[count++] = (char *)(uptr)word;
    }
    words[count] = NULL;
    return true;
}

int execl(const char *path, const char *argument, ...) {
    char *words[WORDS_MAX];
    va_list args;
    va_start(args, argument);
    bool fits = collect(words, argument, args);
    va_end(args);
    return fits ? execv(path, words) : -1;
}

int execlp(const char *name, const char *argument, ...) {
    char *words[WORDS_MAX];
    va_list args;
    va_start(args, argument);
    bool fits = collect(words, argument, args);
    va_end(args);
    return fits ? execvp(name, words) : -1;
}

// -- Ending ---------------------------------------------------------------------------------------

__attribute__((noreturn)) void __real_exit(int status);
__attribute__((noreturn)) void __real__exit(int status);
__attribute__((noreturn)) void __wrap_exit(int status);
__attribute__((noreturn)) void __wrap__exit(int status);

// A child ends that has called no exec.
static void end_child(int status) {
    static pid_t last = NEVER_RAN;
    struct child *made = new_child();
    if (made != NULL)
        *made = (struct child){.id = ++last, .status = (status & 0xff) << 8, .has_ended = true};
    leave_child(made == NULL ? -1 : made->id);
}

void __wrap_exit(int status) {
    if (child.is_one)
        end_child(status);
    __real_exit(status);
}

void __wrap__exit(int status) {
    if (child.is_one)
        end_child(status);
    __real__exit(status);
}

// -- Commands -------------------------------------------------------------------------------------

int pipe(int *fds) {
    kwast_handle reader;
    kwast_handle writer;
    u32 error = start_pipe(start_pipes(), &reader, &writer);
    if (error != 0) {
        errno = (int)error;
        return -1;
    }
    fds[0] = (int)reader;
    fds[1] = (int)writer;
    return 0;
}

// Starts `sh -c command` with descriptor `fd` replaced by `with` (-1: nothing is replaced).
static struct child *start_shell(const char *command, int fd, int with) {
    char *words[] = {"sh", "-c", (char *)(uptr)command, NULL};
    const char *path = getenv("PATH");
    fflush(NULL);
    posix_vfork_begin();
    if (with >= 0)
        child.is_really[fd] = with;
    struct child *made = start_child(words[0], words, environ, path == NULL ? "/boot/bin" : path);
    child.is_one = false;
    return made;
}

int system(const char *command) {
    int status;
    if (command == NULL)
        return 1;
    struct child *made = start_shell(command, 0, -1);
    if (made == NULL)
        return NO_PROGRAM << 8;
    return waitpid(made->id, &status, 0) < 0 ? -1 : status;
}

// Who is behind the streams of popen, by descriptor; 0: nobody.
static pid_t behind[SEEN_MAX];

FILE *popen(const char *command, const char *mode) {
    int ends[2];
    bool reads = mode[0] == 'r';
    if (pipe(ends) != 0)
        return NULL;
    int ours = ends[reads ? 0 : 1];
    int theirs = ends[reads ? 1 : 0];
    struct child *made = is_seen(ours) ? start_shell(command, reads ? 1 : 0, theirs) : NULL;
    FILE *stream = made == NULL ? NULL : fdopen(ours, reads ? "r" : "w");
    __real_close(theirs);
    if (stream == NULL)
        __real_close(ours);
    else
        behind[ours] = made->id;
    return stream;
}

int pclose(FILE *stream) {
    int fd = fileno(stream);
    int status = 0;
    pid_t process = is_seen(fd) ? behind[fd] : 0;
    if (process == 0) {
        errno = ECHILD;
        return -1;
    }
    behind[fd] = 0;
    fclose(stream);
    return waitpid(process, &status, 0) > 0 ? status : -1;
}
