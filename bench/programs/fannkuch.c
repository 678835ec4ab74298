// Fannkuch: over all permutations of 9 numbers, how often the prefix that the first names can be
// reversed until a 1 comes first. Small arrays, short loops, data-dependent branches.

#include "bench/programs/bench.h"

#define N 9

static uint32_t flips_of(const uint8_t *permutation) {
    uint8_t work[N];
    memcpy(work, permutation, N);
    uint32_t flips = 0;
    while (work[0] != 0) {
        int low = 0;
        int high = work[0];
        while (low < high) {
            uint8_t swap = work[low];
            work[low++] = work[high];
            work[high--] = swap;
        }
        flips++;
    }
    return flips;
}

// The next permutation in the order of rotations of growing prefixes; false after the last.
static int next(uint8_t *permutation, int *count) {
    for (int r = 1; r < N; r++) {
        uint8_t first = permutation[0];
        for (int i = 0; i < r; i++)
            permutation[i] = permutation[i + 1];
        permutation[r] = first;
        if (--count[r] > 0)
            return 1;
        count[r] = r + 1;
    }
    return 0;
}

static uint64_t work(uint32_t rounds) {
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        uint8_t permutation[N];
        int count[N];
        for (int i = 0; i < N; i++) {
            permutation[i] = (uint8_t)i;
            count[i] = i + 1;
        }
        uint32_t most = 0;
        int32_t sum = 0;
        int32_t sign = 1;
        do {
            uint32_t flips = flips_of(permutation);
            most = flips > most ? flips : most;
            sum += sign * (int32_t)flips;
            sign = -sign;
        } while (next(permutation, count));
        checksum = bench_mix(checksum, ((uint64_t)most << 32) | (uint32_t)sum);
    }
    return checksum;
}

BENCH_MAIN(14, work)
