// The engine's heap in unit tests, on malloc: AddressSanitizer sees every overrun, each block knows
// its size so that host_free can check the caller's, and the n-th allocation can be made to fail.
//
// The definitions are weak: a test that links the whole Linux host gets that host's heap.

#include "tests/fake_host.h"

#include <stdlib.h>

#include "base/assert.h"
#include "engine/api/host.h"

// In front of each block; keeps it aligned to 16.
struct header {
    usize bytes;
    usize unused;
};
STATIC_ASSERT(sizeof(struct header) == 16, "alignment of blocks");

static struct {
    u64 fail_in; // counts down to the failing allocation; 0: off
    bool failed;
    u64 bytes;
    u64 peak;
} fake;

void fake_host_fail_nth(u64 n) {
    fake.fail_in = n;
    fake.failed = false;
}

bool fake_host_failed(void) {
    return fake.failed;
}

u64 fake_host_bytes(void) {
    return fake.bytes;
}

u64 fake_host_peak(void) {
    return fake.peak;
}

void fake_host_peak_reset(void) {
    fake.peak = fake.bytes;
}

[[gnu::weak]] void *host_alloc(usize bytes) {
    CHECK(bytes != 0);
    if (fake.fail_in != 0 && --fake.fail_in == 0) {
        fake.failed = true;
        return NULL;
    }
    struct header *header = calloc(1, sizeof(*header) + bytes);
    if (header == NULL)
        return NULL;
    header->bytes = bytes;
    fake.bytes += bytes;
    if (fake.peak < fake.bytes)
        fake.peak = fake.bytes;
    return header + 1;
}

[[gnu::weak]] void host_free(void *memory, usize bytes) {
    if (memory == NULL)
        return;
    struct header *header = (struct header *)memory - 1;
    CHECK(header->bytes == bytes);
    fake.bytes -= bytes;
    free(header);
}
