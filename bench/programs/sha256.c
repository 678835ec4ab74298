// SHA-256 of a growing chain of blocks: rotations, additions and many live values.

#include "bench/programs/bench.h"

static uint32_t constants[64];
static uint32_t state[8];

// The first 32 bits of the fractional part of the cube root of the n-th prime, or of the square
// root, by bisection over integers.
static uint32_t root_fraction(uint32_t prime, int degree) {
    uint64_t low = 0;
    uint64_t high = 1ull << 36;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        unsigned __int128 power = (unsigned __int128)middle * middle;
        unsigned __int128 target = (unsigned __int128)prime << 64;
        if (degree == 3) {
            power = (power >> 32) * middle;
            target = (unsigned __int128)prime << 64;
        }
        if (power <= target)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

static void start(void) {
    uint32_t found = 0;
    for (uint32_t candidate = 2; found < 64; candidate++) {
        uint32_t divisor = 2;
        while (divisor * divisor <= candidate && candidate % divisor != 0)
            divisor++;
        if (divisor * divisor <= candidate)
            continue;
        if (found < 8)
            state[found] = root_fraction(candidate, 2);
        constants[found++] = root_fraction(candidate, 3);
    }
}

static uint32_t rotate(uint32_t value, int by) {
    return (value >> by) | (value << (32 - by));
}

static void block(const uint8_t *bytes) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 |
               (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
        uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

static uint64_t work(uint32_t rounds) {
    uint8_t bytes[64];
    start();
    for (int i = 0; i < 64; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (uint32_t round = 0; round < rounds; round++) {
        memcpy(bytes, state, 32);
        block(bytes);
    }
    return (uint64_t)state[0] << 32 | state[7];
}

BENCH_MAIN(800000, work)
