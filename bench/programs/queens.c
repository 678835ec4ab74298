// All ways to place ten queens, by masks: recursion with several arguments.

#include "bench/programs/bench.h"

#define SIZE 10

__attribute__((noinline)) static uint32_t place(uint32_t columns, uint32_t left, uint32_t right) {
    uint32_t all = (1u << SIZE) - 1;
    if (columns == all)
        return 1;
    uint32_t count = 0;
    for (uint32_t free = all & ~(columns | left | right); free != 0; free &= free - 1) {
        uint32_t bit = free & -free;
        count += place(columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}

static uint64_t work(uint32_t rounds) {
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++)
        checksum = bench_mix(checksum, place(0, round & 1, 0));
    return checksum;
}

BENCH_MAIN(1200, work)
