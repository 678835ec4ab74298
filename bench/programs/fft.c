// Fast Fourier transform, radix 2, in place, of 4096 complex doubles; there and back.

#include "bench/programs/bench.h"

#define LOG_N 12
#define N     (1 << LOG_N)

struct complex {
    double re;
    double im;
};

static struct complex data[N];
// roots[s] is the principal root of unity of order 2^(s+1), by the half-angle formulas: libm's
// sines differ between systems in the last bit.
static struct complex roots[LOG_N];

static void roots_fill(void) {
    roots[0] = (struct complex){-1, 0};
    roots[1] = (struct complex){0, 1};
    for (int s = 2; s < LOG_N; s++) {
        double cosine = __builtin_sqrt((1 + roots[s - 1].re) / 2);
        roots[s] = (struct complex){cosine, roots[s - 1].im / (2 * cosine)};
    }
}

static void reverse_bits(void) {
    for (uint32_t i = 1, j = 0; i < N; i++) {
        uint32_t bit = N >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            struct complex swap = data[i];
            data[i] = data[j];
            data[j] = swap;
        }
    }
}

// `sign` is -1 for the transform, 1 for its inverse (without the division).
static void transform(double sign) {
    reverse_bits();
    for (int s = 0; s < LOG_N; s++) {
        uint32_t half = 1u << s;
        struct complex root = {roots[s].re, sign * roots[s].im};
        struct complex w = {1, 0};
        for (uint32_t j = 0; j < half; j++) {
            for (uint32_t i = j; i < N; i += 2 * half) {
                struct complex low = data[i];
                struct complex high = data[i + half];
                struct complex product = {high.re * w.re - high.im * w.im,
                                          high.re * w.im + high.im * w.re};
                data[i] = (struct complex){low.re + product.re, low.im + product.im};
                data[i + half] = (struct complex){low.re - product.re, low.im - product.im};
            }
            w = (struct complex){w.re * root.re - w.im * root.im, w.re * root.im + w.im * root.re};
        }
    }
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 3};
    roots_fill();
    for (int i = 0; i < N; i++)
        data[i] = (struct complex){(double)(bench_next(&random) % 4096) / 4096.0, 0};
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        transform(-1);
        checksum = bench_mix(checksum, bench_bits(data[round % N].re));
        transform(1);
        for (int i = 0; i < N; i++)
            data[i] = (struct complex){data[i].re / N, data[i].im / N};
    }
    return checksum;
}

BENCH_MAIN(1300, work)
