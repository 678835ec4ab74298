#pragma once
// Random numbers for programs and for the kernel: a ChaCha20 generator.

#include "base/string.h"
#include "base/types.h"

// Seeds from the hardware where it has a generator, and else from `boot_seed` and the jitter of the
// clock. Returns false when only jitter was to be had: the numbers are weak then.
bool random_init(struct bytes boot_seed);

// Fills `out` with `len` bytes. Any context but NMI.
void random_fill(void *out, usize len);

u64 random_u64(void);

// The ChaCha20 block function of RFC 8439: 64 bytes of key stream.
void chacha20_block(const u32 key[8], u32 counter, const u32 nonce[3], u8 out[64]);
