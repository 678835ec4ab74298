// LU decomposition in place, without pivoting, of a matrix that is dominated by its diagonal.

#include "bench/programs/bench.h"

#define N 200

static double origin[N][N], a[N][N];

static void fill(void) {
    struct bench_random random = {.state = 7};
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++)
            origin[i][j] = (double)(bench_next(&random) % 512) / 512.0 + (i == j ? N : 0);
    }
}

static void decompose(void) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < i; j++) {
            for (int k = 0; k < j; k++)
                a[i][j] -= a[i][k] * a[k][j];
            a[i][j] /= a[j][j];
        }
        for (int j = i; j < N; j++) {
            for (int k = 0; k < i; k++)
                a[i][j] -= a[i][k] * a[k][j];
        }
    }
}

static uint64_t work(uint32_t rounds) {
    fill();
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        memcpy(a, origin, sizeof(a));
        a[0][0] += round;
        decompose();
        checksum = bench_mix(checksum, bench_bits(a[N - 1][N - 1]));
    }
    return checksum;
}

BENCH_MAIN(110, work)
