// Compression with a window and a hash of three bytes, then decompression and comparison.

#include "bench/programs/bench.h"

#define SIZE      100000
#define HASHES    4096
#define MIN_MATCH 3
#define MAX_MATCH 130

static uint8_t plain[SIZE], packed[2 * SIZE], back[SIZE];
static int32_t heads[HASHES];

// Text of words that come again, as texts do.
static void plain_fill(void) {
    struct bench_random random = {.state = 53};
    uint32_t len = 0;
    while (len < SIZE) {
        uint32_t word = bench_next(&random) % 400;
        word = word * word / 400; // small numbers more often
        for (uint32_t i = 0; i < 3 + word % 6 && len < SIZE; i++)
            plain[len++] = (uint8_t)('a' + (word * 7 + i * i * 3) % 26);
        if (len < SIZE)
            plain[len++] = ' ';
    }
}

static uint32_t match_length(uint32_t one, uint32_t other) {
    uint32_t len = 0;
    while (other + len < SIZE && len < MAX_MATCH && plain[one + len] == plain[other + len])
        len++;
    return len;
}

// A literal is 0 and the byte; a match is its length, and the distance in two bytes.
static uint32_t pack(void) {
    uint32_t out = 0;
    for (int i = 0; i < HASHES; i++)
        heads[i] = -1;
    for (uint32_t at = 0; at < SIZE;) {
        uint32_t len = 0;
        uint32_t distance = 0;
        if (at + MIN_MATCH <= SIZE) {
            uint32_t key = plain[at] | (uint32_t)plain[at + 1] << 8 | (uint32_t)plain[at + 2] << 16;
            int32_t *head = &heads[key * 2654435761u >> 20];
            if (*head >= 0 && at - (uint32_t)*head < 65536) {
                distance = at - (uint32_t)*head;
                len = match_length((uint32_t)*head, at);
            }
            *head = (int32_t)at;
        }
        if (len >= MIN_MATCH) {
            packed[out++] = (uint8_t)len;
            packed[out++] = (uint8_t)distance;
            packed[out++] = (uint8_t)(distance >> 8);
            at += len;
        } else {
            packed[out++] = 0;
            packed[out++] = plain[at++];
        }
    }
    return out;
}

static void unpack(uint32_t count) {
    uint32_t out = 0;
    for (uint32_t at = 0; at < count;) {
        uint32_t len = packed[at++];
        if (len == 0) {
            back[out++] = packed[at++];
            continue;
        }
        uint32_t distance = packed[at] | (uint32_t)packed[at + 1] << 8;
        at += 2;
        for (; len > 0; len--, out++)
            back[out] = back[out - distance];
    }
}

static uint64_t work(uint32_t rounds) {
    uint64_t checksum = 0;
    plain_fill();
    for (uint32_t round = 0; round < rounds; round++) {
        plain[round * 31 % SIZE] = (uint8_t)round;
        uint32_t count = pack();
        unpack(count);
        for (uint32_t i = 0; i < SIZE; i++) {
            if (plain[i] != back[i])
                return 0;
        }
        checksum = bench_mix(checksum, count);
    }
    return checksum;
}

BENCH_MAIN(450, work)
