// Jacobi's method on a plane: each point becomes the mean of itself and its four neighbours.

#include "bench/programs/bench.h"

#define N 400

static double grid[2][N][N];

static void sweep(double from[N][N], double to[N][N]) {
    for (int i = 1; i < N - 1; i++) {
        for (int j = 1; j < N - 1; j++) {
            to[i][j] = 0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] + from[i - 1][j] +
                              from[i + 1][j]);
        }
    }
}

static uint64_t work(uint32_t rounds) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++)
            grid[0][i][j] = grid[1][i][j] = (double)(i * (j + 2) + 2) / N;
    }
    for (uint32_t round = 0; round < rounds; round++) {
        sweep(grid[0], grid[1]);
        sweep(grid[1], grid[0]);
    }
    uint64_t checksum = 0;
    for (int i = 0; i < N; i += 7)
        checksum = bench_mix(checksum, bench_bits(grid[0][i][N - 1 - i]));
    return checksum;
}

BENCH_MAIN(1000, work)
