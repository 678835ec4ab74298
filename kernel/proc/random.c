// The random number generator: ChaCha20 with fast key erasure.
//
// Each request takes a key of its own from the generator, whose key is replaced in the same step:
// output is made outside the lock, and neither an earlier nor a concurrent request's bytes follow
// from what is in memory afterwards. Fresh hardware randomness is mixed in every RESEED_REQUESTS.

#include "kernel/proc/random.h"

#include "base/math.h"
#include "kernel/sync/spinlock.h"

#define RESEED_REQUESTS 256u
#define JITTER_ROUNDS   4096u
#define JITTER_EXTRA    64u // beside a hardware generator: a little that it does not know
#define KEY_WORDS       8u
#define KEY_BYTES       32u

static struct {
    struct spinlock lock;

    // Under lock:
    u32 key[KEY_WORDS];
    u32 requests; // since the last reseeding
} generator;

static u32 rotate_left(u32 value, u32 count) {
    return value << count | value >> (32 - count);
}

static void quarter_round(u32 *s, u32 a, u32 b, u32 c, u32 d) {
    s[a] += s[b];
    s[d] = rotate_left(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate_left(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate_left(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate_left(s[b] ^ s[c], 7);
}

void chacha20_block(const u32 key[8], u32 counter, const u32 nonce[3], u8 out[64]) {
    u32 start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    u32 state[16];
    memcpy(start + 4, key, KEY_BYTES);
    start[12] = counter;
    memcpy(start + 13, nonce, 3 * sizeof *nonce);
    memcpy(state, start, sizeof state);
    for (u32 round = 0; round < 10; round++) {
        for (u32 i = 0; i < 4; i++) // columns
            quarter_round(state, i, i + 4, i + 8, i + 12);
        for (u32 i = 0; i < 4; i++) // diagonals
            quarter_round(state, i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12);
    }
    for (u32 i = 0; i < 16; i++) {
        u32 word = state[i] + start[i]; // little-endian, as the machine is
        memcpy(out + i * sizeof word, &word, sizeof word);
    }
}

// Replaces `key` by the first half of its key stream and stores the second half, if wanted.
static void advance(u32 key[KEY_WORDS], u32 *half) {
    static const u32 zero_nonce[3];
    u8 block[64];
    chacha20_block(key, 0, zero_nonce, block);
    memcpy(key, block, KEY_BYTES);
    if (half != NULL)
        memcpy(half, block + KEY_BYTES, KEY_BYTES);
    memset(block, 0, sizeof block);
    __asm__ volatile("" : : "r"(block) : "memory"); // the erasure is meant
}

// Mixes bytes into the key, through the cipher after each 32 of them.
static void absorb(const void *data, usize len) {
    const u8 *at = data;
    while (len != 0) {
        u8 piece[KEY_BYTES] = {0};
        usize take = min_u64(len, sizeof piece);
        memcpy(piece, at, take);
        for (u32 i = 0; i < KEY_WORDS; i++) {
            u32 word;
            memcpy(&word, piece + i * sizeof word, sizeof word);
            generator.key[i] ^= word;
        }
        advance(generator.key, NULL);
        at += take;
        len -= take;
    }
}

// What the clock's low bits give: the time that a fixed piece of work takes, again and again.
static void absorb_jitter(u32 rounds) {
    u64 before = arch_clock_ns();
    for (u32 i = 0; i < rounds; i++) {
        u64 now = arch_clock_ns();
        u64 step = now - before;
        generator.key[i % KEY_WORDS] =
            rotate_left(generator.key[i % KEY_WORDS], 7) ^ (u32)step ^ (u32)now;
        before = now;
        if (i % 64 == 63)
            advance(generator.key, NULL);
    }
}

bool random_init(struct bytes boot_seed) {
    spin_init(&generator.lock, LOCK_ENGINE_REGISTRY, "random");
    u8 hardware[KEY_BYTES];
    usize got = arch_random(hardware, sizeof hardware);
    absorb(hardware, got);
    absorb(boot_seed.data, boot_seed.len);
    absorb_jitter(got == sizeof hardware ? JITTER_EXTRA : JITTER_ROUNDS);
    return got == sizeof hardware || boot_seed.len >= KEY_BYTES / 2;
}

void random_fill(void *out, usize len) {
    u32 key[KEY_WORDS];
    u8 hardware[KEY_BYTES];
    usize got = 0;

    spin_lock(&generator.lock);
    bool is_due = ++generator.requests >= RESEED_REQUESTS;
    if (is_due)
        generator.requests = 0;
    spin_unlock(&generator.lock);
    if (is_due)
        got = arch_random(hardware, sizeof hardware);

    spin_lock(&generator.lock);
    absorb(hardware, got);
    advance(generator.key, key);
    spin_unlock(&generator.lock);

    // Counter 32 bits, 64 bytes each: far beyond any request, which is bounded by a memory's size.
    static const u32 zero_nonce[3];
    u8 block[64];
    u8 *at = out;
    for (u32 counter = 0; len != 0; counter++) {
        usize take = min_u64(len, sizeof block);
        chacha20_block(key, counter, zero_nonce, block);
        memcpy(at, block, take);
        at += take;
        len -= take;
    }
    memset(block, 0, sizeof block);
    memset(key, 0, sizeof key);
    __asm__ volatile("" : : "r"(block), "r"(key) : "memory");
}

u64 random_u64(void) {
    u64 value;
    random_fill(&value, sizeof value);
    return value;
}
