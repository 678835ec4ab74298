// Calls and little else: Fibonacci's numbers, Ackermann's function, Takeuchi's function.

#include "bench/programs/bench.h"

__attribute__((noinline)) static uint32_t fibonacci(uint32_t n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

__attribute__((noinline)) static uint32_t ackermann(uint32_t m, uint32_t n) {
    if (m == 0)
        return n + 1;
    return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

__attribute__((noinline)) static int32_t takeuchi(int32_t x, int32_t y, int32_t z) {
    if (y >= x)
        return z;
    return takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

static uint64_t work(uint32_t rounds) {
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        checksum = bench_mix(checksum, fibonacci(25 + round % 3));
        checksum = bench_mix(checksum, ackermann(2, 200 + round % 3));
        checksum = bench_mix(checksum, (uint64_t)takeuchi(14, 8, (int32_t)(round % 3)));
    }
    return checksum;
}

BENCH_MAIN(250, work)
