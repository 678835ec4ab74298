// Vectors of 128 bits: dot product of floats, saturated picture blending of bytes, sums of
// integers. Written with the compiler's vector extension, so that it is SSE2 natively and SIMD in
// WebAssembly.

#include "bench/programs/bench.h"

#define FLOATS 8192
#define PIXELS 32768

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));

static f32x4 left[FLOATS / 4], right[FLOATS / 4];
static u16x8 front[PIXELS / 8], behind[PIXELS / 8];

static float dot(void) {
    f32x4 sum = {0};
    for (int i = 0; i < FLOATS / 4; i++)
        sum += left[i] * right[i];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

// Mixes two pictures by `alpha` of 256 and keeps the brighter one where they differ too much.
static uint32_t blend(uint16_t alpha) {
    u16x8 weight = {alpha, alpha, alpha, alpha, alpha, alpha, alpha, alpha};
    u16x8 rest = 256 - weight;
    u16x8 sum = {0};
    for (int i = 0; i < PIXELS / 8; i++) {
        u16x8 mixed = (front[i] * weight + behind[i] * rest) >> 8;
        u16x8 brighter = (u16x8)(mixed > behind[i]);
        behind[i] = (mixed & brighter) | (behind[i] & ~brighter);
        sum += behind[i] ^ (mixed << 3);
    }
    i32x4 pairs = (i32x4)sum;
    return (uint32_t)(pairs[0] ^ pairs[1] ^ pairs[2] ^ pairs[3]);
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 61};
    for (int i = 0; i < FLOATS; i++) {
        left[i / 4][i % 4] = (float)(bench_next(&random) % 100) / 8;
        right[i / 4][i % 4] = (float)(bench_next(&random) % 100) / 16;
    }
    for (int i = 0; i < PIXELS; i++) {
        front[i / 8][i % 8] = (uint16_t)(bench_next(&random) % 256);
        behind[i / 8][i % 8] = (uint16_t)(bench_next(&random) % 256);
    }
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        left[round % (FLOATS / 4)] += 0.25f;
        checksum = bench_mix(checksum, bench_bits((double)dot()));
        checksum = bench_mix(checksum, blend((uint16_t)(round % 257)));
    }
    return checksum;
}

BENCH_MAIN(45000, work)
