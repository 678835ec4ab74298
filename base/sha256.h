#pragma once
// SHA-256 (FIPS 180-4).

#include "base/string.h"
#include "base/types.h"

#define SHA256_BYTES 32u

struct sha256 {
    u8 bytes[SHA256_BYTES];
};

void sha256(struct bytes data, struct sha256 *out);
