// The spectral norm of an infinite matrix's corner, by the power method: conversions of integers,
// divisions of doubles, a function called in the innermost loop.

#include "bench/programs/bench.h"

#define N 300

static double u[N], v[N], t[N];

__attribute__((noinline)) static double element(int i, int j) {
    return 1.0 / (double)((i + j) * (i + j + 1) / 2 + i + 1);
}

static void multiply(const double *from, double *to, int transposed) {
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < N; j++)
            sum += (transposed ? element(j, i) : element(i, j)) * from[j];
        to[i] = sum;
    }
}

static uint64_t work(uint32_t rounds) {
    for (int i = 0; i < N; i++)
        u[i] = 1;
    for (uint32_t round = 0; round < rounds; round++) {
        multiply(u, t, 0);
        multiply(t, v, 1);
        multiply(v, t, 0);
        multiply(t, u, 1);
    }
    double upper = 0;
    double lower = 0;
    for (int i = 0; i < N; i++) {
        upper += u[i] * v[i];
        lower += v[i] * v[i];
    }
    return bench_mix(bench_bits(upper), bench_bits(lower));
}

BENCH_MAIN(120, work)
