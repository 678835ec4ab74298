// The link: a stream socket to who started the machine. SIGIO is its interrupt.
//
// A machine whose starter is gone has nothing left to do, so it ends.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/arch/hosted/hosted.h"

#define STATUS_ABANDONED 1u

static struct {
    int fd;    // -1: none
    bool full; // atomic
} wire = {.fd = -1};

void link_start(int fd) {
    if (fd < 0)
        return;
    // Devices interrupt the first CPU, which is the thread that starts the machine.
    const struct f_owner_ex owner = {F_OWNER_TID, (pid_t)syscall(SYS_gettid)};
    bool fine =
        fcntl(fd, F_SETOWN_EX, &owner) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) == 0;
    if (!fine)
        start_fail("the link's descriptor %d: %s", fd, strerror(errno));
    wire.fd = fd;
}

bool arch_link_present(void) {
    return wire.fd >= 0;
}

int link_poll_fd(short *events) {
    *events = (short)(POLLIN | (__atomic_load_n(&wire.full, __ATOMIC_RELAXED) ? POLLOUT : 0));
    return wire.fd;
}

usize arch_link_write(const void *from, usize len) {
    int keep = errno;
    ssize_t done;
    do
        done = send(wire.fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (done < 0 && errno == EINTR);
    if (done < 0 && errno != EAGAIN)
        arch_power_off(STATUS_ABANDONED);
    __atomic_store_n(&wire.full, done < (ssize_t)len, __ATOMIC_RELAXED);
    errno = keep;
    return done < 0 ? 0 : (usize)done;
}

// The socket keeps what it has taken, whatever becomes of this process.
bool arch_link_is_sent(void) {
    return true;
}

usize arch_link_read(void *to, usize len) {
    int keep = errno;
    ssize_t got;
    do
        got = recv(wire.fd, to, len, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        arch_power_off(STATUS_ABANDONED);
    errno = keep;
    return got < 0 ? 0 : (usize)got;
}
