// Setting the time of day: a file of the kernel's does that, for those who can open it to be
// written. Everybody else is told what POSIX tells who is not root.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/ports/posix/posix.h"

#define CLOCK_PATH "/kernel/clock" // kernel/init/kernel_files.h
#define NS_PER_S   1000000000l
#define US_PER_S   1000000l
#define LINE_BYTES 48u

static int refuse(int error) {
    errno = error;
    return -1;
}

int clock_settime(clockid_t clock, const struct timespec *time) {
    char line[LINE_BYTES];
    if (clock != CLOCK_REALTIME || time->tv_sec < 0 || time->tv_nsec < 0 ||
        time->tv_nsec >= NS_PER_S)
        return refuse(EINVAL);
    int len = snprintf(line, sizeof line, "%lld.%09ld\n", (long long)time->tv_sec, time->tv_nsec);
    // Without the right to write WASI's libc opens it all the same, and only writing fails.
    int file = open(CLOCK_PATH, O_WRONLY);
    ssize_t put = file < 0 ? -1 : write(file, line, (size_t)len);
    int error = errno;
    if (file >= 0)
        close(file);
    if (put == len)
        return 0;
    return refuse(put < 0 && error == EINVAL ? EINVAL : EPERM);
}

int settimeofday(const struct timeval *time, const struct timezone *zone) {
    (void)zone; // everybody has UTC
    if (time == NULL)
        return 0;
    if (time->tv_usec < 0 || time->tv_usec >= US_PER_S)
        return refuse(EINVAL);
    const struct timespec precise = {time->tv_sec, (long)time->tv_usec * 1000};
    return clock_settime(CLOCK_REALTIME, &precise);
}
