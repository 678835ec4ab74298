#pragma once
// Code memory: ranges of arch_code_region that are first written, then executable. Between
// reservation and publication the frames of a range are mapped nowhere; writes go through
// short-lived windows. So no frame is ever writable and executable at once through any mapping.
// Thread context.

#include "kernel/arch/arch.h"

void code_init(void);

// Reserves room for `bytes` (not zero) of code, filled with ARCH_CODE_FILL; stores its page-aligned
// address. ERR_NO_MEMORY.
MUST_USE enum status code_reserve(u64 bytes, struct virt_addr *out);

// Copies into a range that is not yet published. Writing outside of one stops the machine.
void code_write(struct virt_addr address, const void *from, u64 len);

// Makes a reserved range executable and readable, for good. ERR_NO_MEMORY: nothing changed.
MUST_USE enum status code_publish(struct virt_addr address);

// Gives a range back, published or not. Nothing runs in it any more.
void code_release(struct virt_addr address);

struct code_stats {
    u64 ranges;
    u64 bytes; // of whole pages
};
void code_stats(struct code_stats *out);
void code_check(void);
