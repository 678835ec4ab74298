// Matrix product of doubles, C = C / 2 + A * B, in the order that walks all three by rows, as
// PolyBench's gemm does. Native compilers make vectors of it.

#include "bench/programs/bench.h"

#define N 160

static double a[N][N], b[N][N], c[N][N];

static void fill(void) {
    struct bench_random random = {.state = 1};
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)(bench_next(&random) % 1000) / 999.0;
            b[i][j] = (double)(bench_next(&random) % 1000) / 999.0;
        }
    }
}

static void multiply(void) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++)
            c[i][j] *= 0.5;
        for (int k = 0; k < N; k++) {
            for (int j = 0; j < N; j++)
                c[i][j] += a[i][k] * b[k][j];
        }
    }
}

static uint64_t work(uint32_t rounds) {
    fill();
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        multiply();
        checksum = bench_mix(checksum, bench_bits(c[round % N][N / 2]));
    }
    return checksum;
}

BENCH_MAIN(170, work)
