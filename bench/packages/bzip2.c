// bzip2: sorting of blocks, and its Huffman codes, there and back.

#include <bzlib.h>

#include "bench/programs/bench.h"

#define SIZE 200000

static char plain[SIZE], packed[SIZE + SIZE / 2], back[SIZE];

// Called by the library, built without stdio, when it finds itself broken.
void bz_internal_error(int code) {
    fprintf(stderr, "bzip2: internal error %d\n", code);
    exit(1);
}

static void plain_fill(void) {
    struct bench_random random = {.state = 89};
    for (uint32_t len = 0; len < SIZE;) {
        uint32_t word = bench_next(&random) % 900;
        word = word * word / 900; // small numbers more often
        for (uint32_t i = 0; i < 2 + word % 8 && len < SIZE; i++)
            plain[len++] = (char)('a' + (word * 11 + i * i * 5) % 26);
        if (len < SIZE)
            plain[len++] = ' ';
    }
}

static uint64_t work(uint32_t rounds) {
    uint64_t sum = 0;
    plain_fill();
    for (uint32_t round = 0; round < rounds; round++) {
        unsigned packed_size = sizeof(packed);
        unsigned back_size = sizeof(back);
        plain[round * 1009 % SIZE] = 'x';
        if (BZ2_bzBuffToBuffCompress(packed, &packed_size, plain, SIZE, 2, 0, 0) != BZ_OK ||
            BZ2_bzBuffToBuffDecompress(back, &back_size, packed, packed_size, 0, 0) != BZ_OK ||
            back_size != SIZE || memcmp(plain, back, SIZE) != 0)
            exit(1);
        sum = bench_mix(sum, packed_size + (uint64_t)(uint8_t)packed[packed_size / 2]);
    }
    return sum;
}

BENCH_MAIN(13, work)
