// Base64 there and back, and CRC-32 by table over both: bytes, shifts, masks.

#include "bench/programs/bench.h"

#define BYTES 49152
#define CHARS (BYTES / 3 * 4)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static uint8_t plain[BYTES], back[BYTES], values[256];
static char text[CHARS];
static uint32_t table[256];

static void tables_fill(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
        table[i] = value;
    }
    for (uint8_t i = 0; i < 64; i++)
        values[(uint8_t)alphabet[i]] = i;
}

static uint32_t crc(uint32_t sum, const void *data, uint32_t len) {
    const uint8_t *bytes = data;
    sum = ~sum;
    for (uint32_t i = 0; i < len; i++)
        sum = table[(sum ^ bytes[i]) & 0xff] ^ sum >> 8;
    return ~sum;
}

static void encode(void) {
    char *to = text;
    for (uint32_t i = 0; i < BYTES; i += 3) {
        uint32_t group = (uint32_t)plain[i] << 16 | (uint32_t)plain[i + 1] << 8 | plain[i + 2];
        *to++ = alphabet[group >> 18];
        *to++ = alphabet[group >> 12 & 63];
        *to++ = alphabet[group >> 6 & 63];
        *to++ = alphabet[group & 63];
    }
}

static void decode(void) {
    uint8_t *to = back;
    for (uint32_t i = 0; i < CHARS; i += 4) {
        uint32_t group = 0;
        for (uint32_t j = 0; j < 4; j++)
            group = group << 6 | values[(uint8_t)text[i + j]];
        *to++ = (uint8_t)(group >> 16);
        *to++ = (uint8_t)(group >> 8);
        *to++ = (uint8_t)group;
    }
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 11};
    tables_fill();
    for (uint32_t i = 0; i < BYTES; i++)
        plain[i] = (uint8_t)bench_next(&random);
    uint32_t sum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        plain[round % BYTES] ^= (uint8_t)round;
        encode();
        decode();
        sum = crc(crc(sum, text, CHARS), back, BYTES);
        if (memcmp(plain, back, BYTES) != 0)
            return 0;
    }
    return sum;
}

BENCH_MAIN(700, work)
