// The time of day, as a program sees it that may or may not set it.
//
//   wall until SECONDS    waits for that time, and says when it has come
//   wall set SECONDS      sets it, and says what came of that, and whether monotonic time jumped
//   wall tell             says it

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOUR 3600

static long long seconds_of(clockid_t clock) {
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? now.tv_sec : -1;
}

static int until(long long seconds) {
    const struct timespec at = {.tv_sec = seconds};
    printf("waiting for %lld\n", seconds);
    fflush(stdout);
    int error = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL);
    bool is_then = seconds_of(CLOCK_REALTIME) >= seconds;
    printf("%s %lld\n", error == 0 && is_then ? "it is" : "wrong: it is not", seconds);
    return error;
}

static int set(const char *seconds) {
    long long before = seconds_of(CLOCK_MONOTONIC);
    int file = open("/kernel/clock", O_WRONLY);
    // WASI's libc opens it all the same, without the right to write.
    if (file < 0 || dprintf(file, "%s\n", seconds) < 0) {
        printf("not for us: %s\n", strerror(errno));
        return 0;
    }
    close(file);
    long long passed = seconds_of(CLOCK_REALTIME) - atoll(seconds);
    bool is_set = passed >= 0 && passed < HOUR;
    bool has_jumped = seconds_of(CLOCK_MONOTONIC) - before >= HOUR;
    printf("%s\n", has_jumped ? "wrong: all clocks jumped" : is_set ? "set" : "not set");
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "until") == 0)
        return until(atoll(argv[2]));
    if (argc == 3 && strcmp(argv[1], "set") == 0)
        return set(argv[2]);
    printf("%lld\n", seconds_of(CLOCK_REALTIME));
    return 0;
}
