// Loops that the compiler turns into vector instructions, and the same ones as it would not: prints
// a checksum for each kind of element, once for both, and fails where they differ.

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define COUNT  1003 // not a multiple of any number of lanes
#define ROUNDS 100

struct data {
    float f[3][COUNT];
    double d[2][COUNT];
    int64_t q[COUNT];
    int32_t w[2][COUNT];
    uint32_t u[COUNT];
    int16_t h[2][COUNT];
    uint8_t b[2][COUNT];
};

static uint32_t random_next(uint32_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void fill(struct data *x) {
    uint32_t seed = 12345;
    for (int i = 0; i < COUNT; i++) {
        x->f[0][i] = (float)(random_next(&seed) % 1000) * 0.25f;
        x->f[1][i] = (float)(random_next(&seed) % 77) * 0.5f;
        x->d[0][i] = random_next(&seed) % 100;
        x->d[1][i] = random_next(&seed) % 50;
        x->q[i] = random_next(&seed);
        for (int k = 0; k < 2; k++) {
            x->w[k][i] = (int32_t)random_next(&seed);
            x->h[k][i] = (int16_t)random_next(&seed);
            x->b[k][i] = (uint8_t)random_next(&seed);
        }
        x->u[i] = random_next(&seed);
    }
}

static int saturated(int value) {
    return value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value;
}

static inline __attribute__((always_inline)) void mix(struct data *x, int by) {
    for (int i = 0; i < COUNT; i++) {
        x->f[2][i] = x->f[0][i] * x->f[1][i] + x->f[2][i];
        x->f[2][i] = x->f[2][i] > 1e6f ? -x->f[2][i] / 3 : x->f[2][i];
    }
    for (int i = 0; i < COUNT; i++) {
        x->d[0][i] = x->d[1][i] / (x->d[0][i] + 1.5) + x->w[0][i];
        x->d[1][i] = sqrt(fabs(x->d[0][i])) + floor(x->d[1][i]) + x->u[i];
    }
    for (int i = 0; i < COUNT; i++) {
        x->w[0][i] = (x->w[0][i] * x->w[1][i] | 1) + (x->w[0][i] >> by);
        x->w[1][i] ^= x->w[0][i] < x->w[1][i] ? x->w[0][i] : x->w[1][i];
    }
    for (int i = 0; i < COUNT; i++) {
        x->b[0][i] = (uint8_t)((x->b[0][i] + x->b[1][i] + 1) >> 1);
        x->b[1][i] = x->b[0][i] > x->b[1][i] ? x->b[0][i] - x->b[1][i] : x->b[1][i] << 3;
    }
    for (int i = 0; i < COUNT; i++) {
        x->h[0][i] = (int16_t)saturated(x->h[0][i] + x->h[1][i]);
        x->h[1][i] = (int16_t)((x->h[0][i] * x->h[1][i]) >> 15);
    }
    for (int i = 0; i < COUNT; i++) {
        x->u[i] *= 2654435761u;
        x->f[0][i] = (float)x->u[i];
        x->f[1][i] = (float)(int32_t)x->u[i];
        x->q[i] = x->q[i] * x->w[0][i] + x->h[0][i];
        x->q[i] = (x->q[i] < 0 ? -x->q[i] : x->q[i]) >> by;
    }
}

__attribute__((noinline, target("simd128"))) static void mix_vectors(struct data *x, int by) {
    mix(x, by);
}

__attribute__((noinline)) static void mix_scalars(struct data *x, int by) {
    mix(x, by);
}

static int report(const char *kind, const void *vectors, const void *scalars, size_t bytes) {
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = sum * 31 + ((const uint8_t *)vectors)[i];
    int same = memcmp(vectors, scalars, bytes) == 0;
    printf("%-4s %016llx %s\n", kind, (unsigned long long)sum, same ? "same" : "DIFFERENT");
    return !same;
}

int main(void) {
    static struct data vectors, scalars;
    fill(&vectors);
    fill(&scalars);
    for (int round = 0; round < ROUNDS; round++) {
        mix_vectors(&vectors, round % 31);
        mix_scalars(&scalars, round % 31);
    }
    int failed = 0;
#define REPORT(kind, member)                                                                       \
    failed |= report(kind, vectors.member, scalars.member, sizeof vectors.member)
    REPORT("f32", f);
    REPORT("f64", d);
    REPORT("i64", q);
    REPORT("i32", w);
    REPORT("u32", u);
    REPORT("i16", h);
    REPORT("u8", b);
    return failed;
}
