// Which points of a grid belong to the Mandelbrot set: a short loop of doubles that all stay in
// registers, with an exit that cannot be foreseen.

#include "bench/programs/bench.h"

#define SIZE  256
#define LIMIT 200

static int steps(double re, double im) {
    double x = 0;
    double y = 0;
    int step = 0;
    while (step < LIMIT && x * x + y * y <= 4) {
        double next = x * x - y * y + re;
        y = 2 * x * y + im;
        x = next;
        step++;
    }
    return step;
}

static uint64_t work(uint32_t rounds) {
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        double shift = (double)round / 1024;
        for (int row = 0; row < SIZE; row++) {
            uint64_t sum = 0;
            for (int column = 0; column < SIZE; column++)
                sum += (uint64_t)steps(column * 2.5 / SIZE - 1.8 + shift, row * 2.4 / SIZE - 1.2);
            checksum = bench_mix(checksum, sum);
        }
    }
    return checksum;
}

BENCH_MAIN(22, work)
