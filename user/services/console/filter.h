#pragma once
// Between a program's output and the emulator: what it gets is always whole characters in UTF-8,
// and carriage returns before newlines. (libvterm writes beyond its memory when a character is cut
// off by another one.)

#include "base/types.h"

struct filter {
    u8 held[4]; // the beginning of a character
    u32 len;
    u32 need; // how many bytes it will have
};

#define FILTER_GROWTH 3u // bytes for each that comes in, and once more for what is held

// Filters `len` bytes; `out` has room for FILTER_GROWTH * (len + 1). Returns how many were stored.
usize filter_put(struct filter *filter, const char *bytes, usize len, char *out);
