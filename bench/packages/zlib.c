// zlib: a text compressed at two levels and decompressed again, with both its checksums.

#include <zlib.h>

#include "bench/programs/bench.h"

#define SIZE 300000

static unsigned char plain[SIZE], packed[SIZE + SIZE / 2], back[SIZE];

static void plain_fill(void) {
    struct bench_random random = {.state = 83};
    for (uint32_t len = 0; len < SIZE;) {
        uint32_t word = bench_next(&random) % 900;
        word = word * word / 900; // small numbers more often
        for (uint32_t i = 0; i < 2 + word % 8 && len < SIZE; i++)
            plain[len++] = (unsigned char)('a' + (word * 11 + i * i * 5) % 26);
        if (len < SIZE)
            plain[len++] = word % 13 == 0 ? '\n' : ' ';
    }
}

static uint64_t work(uint32_t rounds) {
    uint64_t sum = 0;
    plain_fill();
    for (uint32_t round = 0; round < rounds; round++) {
        uLongf packed_size = sizeof(packed);
        uLongf back_size = sizeof(back);
        plain[round * 1009 % SIZE] = (unsigned char)round;
        if (compress2(packed, &packed_size, plain, SIZE, round % 2 == 0 ? 6 : 2) != Z_OK ||
            uncompress(back, &back_size, packed, packed_size) != Z_OK || back_size != SIZE)
            exit(1);
        sum = bench_mix(sum, crc32(0, packed, (uInt)packed_size));
        sum = bench_mix(sum, adler32(1, back, SIZE));
    }
    return sum;
}

BENCH_MAIN(22, work)
