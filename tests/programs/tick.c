// Waits a second five times, by the monotonic clock and by poll_oneoff's timers, and says whether
// the time that passed is right: never too short. With an argument, not too long either, which is
// for machines whose time does not depend on what else runs beside them.

#include <stdio.h>
#include <time.h>

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// How far the wall clock is from the monotonic one, read `*spread` seconds apart at most.
static double apart(double *spread) {
    double before = seconds(CLOCK_MONOTONIC);
    double wall = seconds(CLOCK_REALTIME);
    *spread = seconds(CLOCK_MONOTONIC) - before;
    return wall - before;
}

int main(int argc, char **argv) {
    (void)argv;
    double late = argc > 1 ? 0.5 : 1e9;
    int wrong = 0;
    double first_spread, last_spread;
    double first_apart = apart(&first_spread);
    double start = seconds(CLOCK_MONOTONIC);
    for (int i = 1; i <= 5; i++) {
        double before = seconds(CLOCK_MONOTONIC);
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        double passed = seconds(CLOCK_MONOTONIC) - before;
        int fine = passed >= 1.0 && passed < 1.0 + late;
        wrong += !fine;
        printf("tick %d%s\n", i, fine ? "" : " at the wrong time");
        fflush(stdout);
    }
    double total = seconds(CLOCK_MONOTONIC) - start;
    double drift = apart(&last_spread) - first_apart;
    int agree = drift < 0.5 + last_spread && drift > -0.5 - first_spread;
    printf("total %s, clocks %s\n", total >= 5.0 && total < 5.0 + 4 * late ? "right" : "wrong",
           agree ? "agree" : "differ");
    return wrong != 0;
}
