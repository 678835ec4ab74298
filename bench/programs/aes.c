// AES-128 in counter mode, byte by byte with a table for the substitution: byte loads, table
// look-ups, exclusive or.

#include "bench/programs/bench.h"

static uint8_t box[256];
static uint8_t keys[11][16];

static uint8_t twice(uint8_t value) {
    return (uint8_t)(value << 1 ^ (value & 0x80 ? 0x1b : 0));
}

// The substitution box: the inverse in GF(2^8) by walking a generator and its inverse, then the
// affine map.
static void box_fill(void) {
    uint8_t p = 1;
    uint8_t q = 1;
    do {
        p = (uint8_t)(p ^ twice(p));
        q ^= (uint8_t)(q << 1);
        q ^= (uint8_t)(q << 2);
        q ^= (uint8_t)(q << 4);
        if (q & 0x80)
            q ^= 0x09;
        uint8_t value = q;
        for (int shift = 1; shift <= 4; shift++)
            value ^= (uint8_t)(q << shift | q >> (8 - shift));
        box[p] = value ^ 0x63;
    } while (p != 1);
    box[0] = 0x63;
}

static void keys_fill(const uint8_t *key) {
    uint8_t round_constant = 1;
    memcpy(keys[0], key, 16);
    for (int round = 1; round <= 10; round++) {
        const uint8_t *last = keys[round - 1];
        for (int i = 0; i < 4; i++)
            keys[round][i] = last[i] ^ box[last[12 + (i + 1) % 4]];
        keys[round][0] ^= round_constant;
        for (int i = 4; i < 16; i++)
            keys[round][i] = last[i] ^ keys[round][i - 4];
        round_constant = twice(round_constant);
    }
}

static void substitute_and_shift(const uint8_t *from, uint8_t *to) {
    for (int column = 0; column < 4; column++) {
        for (int row = 0; row < 4; row++)
            to[4 * column + row] = box[from[4 * ((column + row) % 4) + row]];
    }
}

static void encrypt(uint8_t *data) {
    uint8_t shifted[16];
    for (int i = 0; i < 16; i++)
        data[i] ^= keys[0][i];
    for (int round = 1; round < 10; round++) {
        substitute_and_shift(data, shifted);
        for (int column = 0; column < 16; column += 4) {
            const uint8_t *in = shifted + column;
            uint8_t all = in[0] ^ in[1] ^ in[2] ^ in[3];
            for (int row = 0; row < 4; row++) {
                data[column + row] =
                    in[row] ^ all ^ twice(in[row] ^ in[(row + 1) % 4]) ^ keys[round][column + row];
            }
        }
    }
    substitute_and_shift(data, shifted);
    for (int i = 0; i < 16; i++)
        data[i] = shifted[i] ^ keys[10][i];
}

static uint64_t work(uint32_t rounds) {
    uint8_t key[16];
    uint64_t checksum = 0;
    for (int i = 0; i < 16; i++)
        key[i] = (uint8_t)(i * 17);
    box_fill();
    keys_fill(key);
    for (uint32_t round = 0; round < rounds; round++) {
        uint8_t counter[16] = {(uint8_t)round, (uint8_t)(round >> 8), (uint8_t)(round >> 16)};
        encrypt(counter);
        uint64_t first;
        memcpy(&first, counter, sizeof(first));
        checksum ^= first + round;
    }
    return checksum;
}

BENCH_MAIN(800000, work)
