// The console: the terminal. Output goes to standard error. Input is standard input, unless the
// link brings the program's; a terminal then delivers each key as it is typed, Ctrl-C too, because
// editing and echo are the kernel's. There is no signal for input: the descriptor may be shared
// with others, who would notice. An idle machine waits for it, a busy one looks at each tick of the
// timer.

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/fmt.h"
#include "kernel/arch/hosted/hosted.h"

#define STATUS_SIGNAL 128

static struct {
    bool reads;
    bool is_terminal;
    bool ended; // atomic
    struct termios before;
    struct termios own;
} console_state;

bool arch_console_write(const char *text, usize len) {
    int keep = errno;
    while (len != 0) {
        ssize_t done = write(STDERR_FILENO, text, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            break; // nobody reads it
        text += done;
        len -= (usize)done;
    }
    errno = keep;
    return true;
}

bool arch_console_is_lent(void) {
    return false;
}

static void console_sink(UNUSED void *context, const char *text, usize len) {
    arch_console_write(text, len);
}

void console_print(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fmt_write(console_sink, NULL, format, args);
    va_end(args);
}

void start_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    console_print("Kwast cannot start: ");
    fmt_write(console_sink, NULL, format, args);
    console_print("\n");
    va_end(args);
    _exit(1);
}

bool console_has_input(void) {
    int keep = errno;
    struct pollfd source = {.fd = console_poll_fd(), .events = POLLIN};
    bool ready = source.fd >= 0 && poll(&source, 1, 0) > 0;
    errno = keep;
    return ready;
}

bool arch_console_read(u8 *out) {
    if (!console_has_input())
        return false;
    int keep = errno;
    ssize_t got = read(STDIN_FILENO, out, 1);
    // A terminal that is gone is an error, and would be one for ever.
    bool ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    __atomic_store_n(&console_state.ended, ended, __ATOMIC_RELAXED); // it orders nothing
    errno = keep;
    return got > 0;
}

bool arch_console_ended(void) {
    return __atomic_load_n(&console_state.ended, __ATOMIC_RELAXED);
}

int console_poll_fd(void) {
    return console_state.reads && !arch_console_ended() ? STDIN_FILENO : -1;
}

void arch_console_size(u32 *columns, u32 *rows) {
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0)
        size = (struct winsize){0};
    *columns = size.ws_col;
    *rows = size.ws_row;
}

static void end_signal(int number) {
    console_stop();
    _exit(STATUS_SIGNAL + number);
}

// After having been stopped: the shell has had the terminal meanwhile.
static void continue_signal(int) {
    int keep = errno;
    tcsetattr(STDIN_FILENO, TCSANOW, &console_state.own);
    errno = keep;
}

void console_start(void) {
    console_state.reads = !arch_link_present();
    console_state.is_terminal =
        console_state.reads && tcgetattr(STDIN_FILENO, &console_state.before) == 0;
    if (!console_state.is_terminal)
        return;
    console_state.own = console_state.before;
    console_state.own.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    console_state.own.c_cc[VINTR] = _POSIX_VDISABLE;
    static const int ends[] = {SIGTERM, SIGHUP, SIGQUIT, SIGINT, SIGABRT};
    for (u32 i = 0; i < COUNT_OF(ends); i++)
        signal(ends[i], end_signal);
    signal(SIGCONT, continue_signal);
    tcsetattr(STDIN_FILENO, TCSANOW, &console_state.own);
}

void console_stop(void) {
    if (console_state.is_terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &console_state.before);
}
