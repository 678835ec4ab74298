#pragma once
// How a preemptive switch is seen from outside: two programs read the clock all the time. Where one
// sees a gap, the other ran. From the last reading before a gap to the other's first one after its
// own gap lies one switch, and as much of a turn of the loop on both sides as one turn has.

#include <stdio.h>

#include "base/types.h"

#define GAPS_MAX   1000u
#define GAP_NS_MIN 300000u    // no turn of the loop takes that long, and every slice does
#define WATCH_NS   400000000u // long enough for many slices

struct gaps {
    u64 turn_ns; // the least that one turn of the loop took
    u32 count;
    struct gap {
        u64 last_ns;
        u64 next_ns;
    } at[GAPS_MAX];
};

static inline void gaps_watch(struct gaps *gaps, u64 (*now_ns)(void)) {
    gaps->turn_ns = UINT64_MAX;
    gaps->count = 0;
    u64 last_ns = now_ns();
    u64 end_ns = last_ns + WATCH_NS;
    while (last_ns < end_ns && gaps->count < GAPS_MAX) {
        u64 next_ns = now_ns();
        if (next_ns - last_ns >= GAP_NS_MIN)
            gaps->at[gaps->count++] = (struct gap){last_ns, next_ns};
        else if (next_ns - last_ns < gaps->turn_ns)
            gaps->turn_ns = next_ns - last_ns;
        last_ns = next_ns;
    }
}

static inline void gaps_print(FILE *to, const char *who, const struct gaps *gaps) {
    fprintf(to, "\ngaps %s %llu", who, (unsigned long long)gaps->turn_ns);
    for (u32 i = 0; i < gaps->count; i++)
        fprintf(to, " %llu %llu", (unsigned long long)gaps->at[i].last_ns,
                (unsigned long long)gaps->at[i].next_ns);
    fprintf(to, " done\n");
    fflush(to);
}
