// Two ways to the same line. A driver that dies gives it back to the kernel, and is started again:
// so what is typed is taken from the kernel first, which had it first, and what is shown goes to
// the driver's stream, or else to the kernel, which refuses it while somebody else has the line.

#include "user/services/console/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/math.h"

#define KERNEL_IN   0
#define KERNEL_OUT  1
#define SAID        2
#define KEPT_BYTES  65536u
#define PIECE_BYTES 4096u

static struct {
    int line; // -1: there is none
    bool has_kernel_ended;
    char kept[KEPT_BYTES]; // shown nowhere yet: the beginning, if it is too much
    usize kept_len;
} device = {.line = -1};

// False: reading it would stop us.
static bool never_wait(int fd) {
    int flags = fcntl(fd, F_GETFL);
    bool is_done = flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) >= 0;
    if (!is_done)
        perror("console: a device");
    return is_done;
}

void device_init(void) {
    device.has_kernel_ended = !never_wait(KERNEL_IN);
    (void)never_wait(SAID);
}

static void drop_line(void) {
    close(device.line);
    device.line = -1;
}

// Returns how much was written, in the end; 0: nothing can be.
static usize write_some(int to, const char *text, usize len) {
    struct pollfd event = {.fd = to, .events = POLLWRNORM};
    ssize_t put;
    while ((put = write(to, text, len)) < 0 && errno == EAGAIN)
        poll(&event, 1, -1);
    return put > 0 ? (usize)put : 0;
}

// The kernel makes a line's newlines of its own. A piece is cut so that it fits when there are two
// bytes for each.
static usize write_to_line(const char *text, usize len) {
    char piece[PIECE_BYTES];
    usize taken = 0;
    usize put = 0;
    for (; taken < len && put + 2 <= sizeof piece; taken++) {
        if (text[taken] == '\n')
            piece[put++] = '\r';
        piece[put++] = text[taken];
    }
    for (usize done = 0; done < put;) {
        usize some = write_some(device.line, piece + done, put - done);
        if (some == 0) {
            drop_line();
            return 0; // some of it may come twice
        }
        done += some;
    }
    return taken;
}

// Returns how much was shown.
static usize show(const char *text, usize len) {
    usize done = 0;
    while (done < len) {
        usize some = device.line >= 0 ? write_to_line(text + done, len - done)
                                      : write_some(KERNEL_OUT, text + done, len - done);
        if (some == 0 && device.line < 0)
            break;
        done += some;
    }
    return done;
}

static void show_kept(void) {
    usize done = device.kept_len == 0 ? 0 : show(device.kept, device.kept_len);
    memmove(device.kept, device.kept + done, device.kept_len - done);
    device.kept_len -= done;
}

void device_show(const char *text, usize len) {
    show_kept();
    usize done = device.kept_len == 0 ? show(text, len) : 0;
    usize left = min_u64(len - done, KEPT_BYTES - device.kept_len);
    memcpy(device.kept + device.kept_len, text + done, left);
    device.kept_len += left;
}

bool device_use_line(kwast_handle line) {
    // A terminal may be one of this service, which would wait for itself.
    if (isatty((int)line) || !never_wait((int)line)) {
        close((int)line);
        return false;
    }
    if (device.line >= 0)
        drop_line();
    device.line = (int)line;
    show_kept();
    return true;
}

u32 device_events(struct pollfd *events) {
    u32 count = 0;
    if (!device.has_kernel_ended)
        events[count++] = (struct pollfd){.fd = KERNEL_IN, .events = POLLRDNORM};
    events[count++] = (struct pollfd){.fd = SAID, .events = POLLRDNORM};
    if (device.line >= 0)
        events[count++] = (struct pollfd){.fd = device.line, .events = POLLRDNORM};
    else if (device.kept_len != 0)
        events[count++] = (struct pollfd){.fd = KERNEL_OUT, .events = POLLWRNORM};
    return count;
}

// Reads what there is; -1: the end, or an error.
static ssize_t read_some(int from, char *to, usize size) {
    ssize_t got = read(from, to, size);
    if (got < 0 && errno == EAGAIN)
        return 0;
    return got == 0 ? -1 : got;
}

usize device_read(char *typed, usize size, bool *has_ended) {
    ssize_t got = 0;
    show_kept();
    if (!device.has_kernel_ended) {
        got = read_some(KERNEL_IN, typed, size);
        device.has_kernel_ended = got < 0;
    }
    if (got <= 0 && device.line >= 0) {
        got = read_some(device.line, typed, size);
        if (got < 0)
            drop_line();
    }
    *has_ended = device.has_kernel_ended && device.line < 0;
    return got > 0 ? (usize)got : 0;
}

usize device_read_said(char *text, usize size) {
    ssize_t got = read_some(SAID, text, size);
    return got > 0 ? (usize)got : 0;
}
