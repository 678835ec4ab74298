// Integers of 64 bits and floats of 32: division, remainder, shifts by variables, bit counts and
// the conversions between all of them.

#include "bench/programs/bench.h"

#define COUNT 1024

static uint64_t words[COUNT];
static float floats[COUNT];

static uint64_t greatest_divisor(uint64_t one, uint64_t other) {
    while (other != 0) {
        uint64_t rest = one % other;
        one = other;
        other = rest;
    }
    return one;
}

static uint64_t integers(void) {
    uint64_t sum = 0;
    for (int i = 1; i < COUNT; i++) {
        uint64_t word = words[i];
        uint32_t by = (uint32_t)(word & 63);
        word = word << by | word >> (-by & 63);
        sum += (uint64_t)__builtin_popcountll(word) + (uint64_t)__builtin_clzll(word | 1);
        sum ^= (uint64_t)((int64_t)word / (int64_t)((words[i - 1] & 0xffff) + 1));
        words[i] = word + sum;
    }
    return sum + greatest_divisor(words[1], words[2] | 1);
}

static uint64_t conversions(void) {
    float total = 0;
    for (int i = 0; i < COUNT; i++) {
        float value = floats[i] * 0.75f + (float)(int32_t)(words[i] & 0xfff);
        value = value < 0 ? -value : value;
        floats[i] = (float)((double)__builtin_sqrtf(value) + (double)(words[i] >> 52));
        total += (float)(uint8_t)(int32_t)floats[i];
    }
    return (uint64_t)total;
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 73};
    uint64_t checksum = 0;
    for (int i = 0; i < COUNT; i++) {
        words[i] = (uint64_t)bench_next(&random) << 32 | bench_next(&random);
        floats[i] = (float)(bench_next(&random) % 1000);
    }
    for (uint32_t round = 0; round < rounds; round++)
        checksum = bench_mix(bench_mix(checksum, integers()), conversions());
    return checksum;
}

BENCH_MAIN(25000, work)
