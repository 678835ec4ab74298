#pragma once
// The frame of a benchmark program: one file, one kernel of computation, one number as its result.
//
// A program does the same work whatever compiles it: sizes are fixed, integers have fixed widths,
// and nothing depends on libc's own algorithms (sin, qsort, rand), because the checksums of native
// code and WebAssembly must be equal. The argument overrides the number of rounds; with 0 the
// program does all but its work, which tells what starting it costs.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// `work(rounds)` returns a checksum; main prints it.
#define BENCH_MAIN(default_rounds, work)                                                           \
    int main(int argc, char **argv) {                                                              \
        uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : (default_rounds);                   \
        printf("%016llx\n", (unsigned long long)(work)(rounds));                                   \
        return 0;                                                                                  \
    }

// A stream of numbers that is the same everywhere (xorshift64*).
struct bench_random {
    uint64_t state;
};

static inline uint32_t bench_next(struct bench_random *random) {
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return (uint32_t)((random->state * 0x2545f4914f6cdd1dull) >> 32);
}

// One more value into a checksum.
static inline uint64_t bench_mix(uint64_t sum, uint64_t value) {
    sum = (sum ^ value) * 0x9e3779b97f4a7c15ull;
    return sum ^ (sum >> 29);
}

// The bits of a double: results have to agree to the last one.
static inline uint64_t bench_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}
