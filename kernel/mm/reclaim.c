// Who keeps memory at hand.

#include "kernel/mm/reclaim.h"

#include "base/assert.h"

#define TRIMMERS_MAX 4u

static struct {
    // Fixed after boot:
    void (*trimmers[TRIMMERS_MAX])(void);
    u32 count;
} reclaimers;

void reclaim_register(void (*trim)(void)) {
    for (u32 i = 0; i < reclaimers.count; i++) {
        if (reclaimers.trimmers[i] == trim)
            return; // a test boots more than once
    }
    CHECK(reclaimers.count < TRIMMERS_MAX);
    reclaimers.trimmers[reclaimers.count++] = trim;
}

void reclaim(void) {
    for (u32 i = 0; i < reclaimers.count; i++)
        reclaimers.trimmers[i]();
}
