#pragma once
// Physical memory for the unit tests of what reads firmware's and loaders' data.

#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "kernel/arch/x86_64/early.h"

#define FAKE_PIECES_MAX 16

// Each piece is an allocation of its own, so that AddressSanitizer sees a read beyond its end.
static struct {
    u32 count;
    struct {
        u64 phys;
        u64 bytes;
        u8 *data;
    } pieces[FAKE_PIECES_MAX];
} fake_phys;

const void *boot_phys(u64 phys, u64 len) {
    for (u32 i = 0; i < fake_phys.count; i++) {
        u64 offset = phys - fake_phys.pieces[i].phys;
        if (phys >= fake_phys.pieces[i].phys && range_fits(offset, len, fake_phys.pieces[i].bytes))
            return fake_phys.pieces[i].data + offset;
    }
    return NULL;
}

static u8 *fake_phys_put(u64 phys, const void *data, u64 bytes) {
    u32 i = fake_phys.count++;
    CHECK(i < FAKE_PIECES_MAX);
    fake_phys.pieces[i].phys = phys;
    fake_phys.pieces[i].bytes = bytes;
    fake_phys.pieces[i].data = malloc(bytes == 0 ? 1 : bytes);
    if (bytes != 0)
        memcpy(fake_phys.pieces[i].data, data, bytes);
    return fake_phys.pieces[i].data;
}

static void fake_phys_clear(void) {
    for (u32 i = 0; i < fake_phys.count; i++)
        free(fake_phys.pieces[i].data);
    fake_phys.count = 0;
}
