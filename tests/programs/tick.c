// Waits a second five times, by the monotonic clock and by poll_oneoff's timers, and says whether
// the time that passed is right.

#include <stdio.h>
#include <time.h>

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(void) {
    int wrong = 0;
    double start = seconds(CLOCK_MONOTONIC);
    double wall = seconds(CLOCK_REALTIME);
    for (int i = 1; i <= 5; i++) {
        double before = seconds(CLOCK_MONOTONIC);
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        double passed = seconds(CLOCK_MONOTONIC) - before;
        int fine = passed >= 1.0 && passed < 1.5;
        wrong += !fine;
        printf("tick %d%s\n", i, fine ? "" : " at the wrong time");
        fflush(stdout);
    }
    double total = seconds(CLOCK_MONOTONIC) - start;
    double wall_total = seconds(CLOCK_REALTIME) - wall;
    double apart = total > wall_total ? total - wall_total : wall_total - total;
    printf("total %s, clocks %s\n", total >= 5.0 && total < 7.0 ? "right" : "wrong",
           apart < 0.5 ? "agree" : "differ");
    return wrong != 0;
}
