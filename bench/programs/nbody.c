// The outer planets for some thousand years: forces between five bodies, leap-frog steps.

#include "bench/programs/bench.h"

#define BODIES 5

struct body {
    double x, y, z;
    double vx, vy, vz;
    double mass;
};

// Sun, Jupiter, Saturn, Uranus and Neptune, roughly: units are AU, days and solar masses.
static struct body bodies[BODIES] = {
    {0, 0, 0, 0, 0, 0, 1},
    {4.841, -1.160, -0.104, 0.001660, 0.007699, -0.000069, 0.000954},
    {8.343, 4.125, -0.404, -0.002767, 0.004998, 0.000023, 0.000286},
    {12.894, -15.111, -0.223, 0.002965, 0.002378, -0.000030, 0.0000437},
    {15.380, -25.919, 0.179, 0.002681, 0.001628, -0.000095, 0.0000515},
};

#define GRAVITY 0.0002959122

static void advance(double days) {
    for (int i = 0; i < BODIES; i++) {
        struct body *one = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *other = &bodies[j];
            double dx = one->x - other->x;
            double dy = one->y - other->y;
            double dz = one->z - other->z;
            double square = dx * dx + dy * dy + dz * dz;
            double pull = GRAVITY * days / (square * __builtin_sqrt(square));
            one->vx -= dx * other->mass * pull;
            one->vy -= dy * other->mass * pull;
            one->vz -= dz * other->mass * pull;
            other->vx += dx * one->mass * pull;
            other->vy += dy * one->mass * pull;
            other->vz += dz * one->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += days * bodies[i].vx;
        bodies[i].y += days * bodies[i].vy;
        bodies[i].z += days * bodies[i].vz;
    }
}

static uint64_t work(uint32_t rounds) {
    for (uint32_t round = 0; round < rounds; round++)
        advance(1.0);
    uint64_t checksum = 0;
    for (int i = 0; i < BODIES; i++)
        checksum =
            bench_mix(bench_mix(checksum, bench_bits(bodies[i].x)), bench_bits(bodies[i].vy));
    return checksum;
}

BENCH_MAIN(3500000, work)
