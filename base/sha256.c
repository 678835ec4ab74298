// SHA-256 (FIPS 180-4, section 6.2).

#include "base/sha256.h"

#define BLOCK_BYTES 64u
#define ROUNDS      64u
#define STATE_WORDS 8u

// Section 4.2.2.
static const u32 constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static u32 rotate(u32 x, u32 by) {
    return x >> by | x << (32 - by);
}

static u32 load_big_endian(const u8 *at) {
    return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3];
}

static void store_big_endian(u8 *at, u32 value) {
    for (u32 i = 0; i < 4; i++)
        at[i] = (u8)(value >> (24 - 8 * i));
}

// Section 6.2.2.
static void add_block(u32 state[STATE_WORDS], const u8 *block) {
    u32 w[ROUNDS];
    for (u32 t = 0; t < 16; t++)
        w[t] = load_big_endian(block + 4 * (usize)t);
    for (u32 t = 16; t < ROUNDS; t++) {
        u32 s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        u32 s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    u32 a = state[0], b = state[1], c = state[2], d = state[3];
    u32 e = state[4], f = state[5], g = state[6], h = state[7];
    for (u32 t = 0; t < ROUNDS; t++) {
        u32 s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        u32 t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[t] + w[t];
        u32 s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        u32 t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const u32 added[STATE_WORDS] = {a, b, c, d, e, f, g, h};
    for (u32 i = 0; i < STATE_WORDS; i++)
        state[i] += added[i];
}

void sha256(struct bytes data, struct sha256 *out) {
    u32 state[STATE_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}; // section 5.3.3
    usize at = 0;
    for (; data.len - at >= BLOCK_BYTES; at += BLOCK_BYTES)
        add_block(state, data.data + at);

    // Section 5.1.1: a one bit, zeros, and the length in bits at the end of a block.
    u8 last[2 * BLOCK_BYTES] = {0};
    usize rest = data.len - at;
    if (rest != 0)
        memcpy(last, data.data + at, rest);
    last[rest] = 0x80;
    usize last_bytes = rest + 1 + 8 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
    u64 bits = (u64)data.len * 8;
    store_big_endian(last + last_bytes - 8, (u32)(bits >> 32));
    store_big_endian(last + last_bytes - 4, (u32)bits);
    for (usize i = 0; i < last_bytes; i += BLOCK_BYTES)
        add_block(state, last + i);
    for (u32 i = 0; i < STATE_WORDS; i++)
        store_big_endian(out->bytes + 4 * (usize)i, state[i]);
}
