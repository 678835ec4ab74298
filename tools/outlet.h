#pragma once
// A stream that may be slow to take what is written: standard output and error.

#include "base/string.h"

struct outlet {
    int fd;
    const char *name; // for messages
    u8 *pending;
    usize pending_start;
    usize pending_end;
    usize capacity;
};

// More than this much pending: take no more from the source.
#define OUTLET_FULL (256 * KIB)

void outlet_init(struct outlet *outlet, int fd, const char *name);
void outlet_fini(struct outlet *outlet);

void outlet_put(struct outlet *outlet, struct bytes bytes);

static inline usize outlet_pending(const struct outlet *outlet) {
    return outlet->pending_end - outlet->pending_start;
}

// Writes some of what is pending, once poll() has said that this does not block. Returns 0 or
// errno.
MUST_USE int outlet_flush(struct outlet *outlet);
