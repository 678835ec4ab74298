#pragma once
// The only way into a program's memory. An address inside a program's linear memory is a type that
// C cannot dereference; every copy is checked against the memory's size with overflow-safe
// arithmetic, is fault-safe, reads each byte once, and returns a status. Never under a spinlock.

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/mapping.h"

// An offset into a linear memory.
struct guest_addr {
    u64 value;
};

struct area;

// A linear memory as it is at this moment: where it is mapped, base and size. What is in another
// address space than the running thread's is copied through windows; who asks for that sees to it
// that the address space stays, with its areas.
struct guest_memory {
    struct aspace *aspace;
    struct virt_addr base;
    u64 bytes;
    struct area *area; // that it is; NULL: nothing can be mapped over its pages
};

// Copies between the kernel and any address space, where its areas reach. ERR_FAULT: they do not.
MUST_USE enum status aspace_read(struct aspace *as, void *to, struct virt_addr from, u64 len);
MUST_USE enum status aspace_write(struct aspace *as, struct virt_addr to, const void *from,
                                  u64 len);

// ERR_FAULT when [addr, addr + len) is not all inside, or shows a device; ERR_NO_MEMORY when a page
// has no frame; ERR_NO_ACCESS when it is written to and mapped for reading only.
MUST_USE enum status guest_read(const struct guest_memory *memory, void *to, struct guest_addr from,
                                u64 len);
MUST_USE enum status guest_write(const struct guest_memory *memory, struct guest_addr to,
                                 const void *from, u64 len);
MUST_USE enum status guest_fill(const struct guest_memory *memory, struct guest_addr to, u8 byte,
                                u64 len);
MUST_USE enum status guest_copy(const struct guest_memory *to_memory, struct guest_addr to,
                                const struct guest_memory *from_memory, struct guest_addr from,
                                u64 len);

// Whether the range is inside, and ordinary memory, without touching it.
MUST_USE static inline bool guest_range_ok(const struct guest_memory *memory,
                                           struct guest_addr addr, u64 len) {
    return range_fits(addr.value, len, memory->bytes) &&
           (memory->area == NULL || !area_shows_device(memory->area, addr.value, len));
}

// For structures of so many words that the copy is best made inline: as guest_read and guest_write,
// of the running thread's own memory.
MUST_USE __attribute__((always_inline)) static inline enum status
guest_read_words(const struct guest_memory *memory, void *to, struct guest_addr from, u32 words) {
    ASSERT(memory->bytes == 0 || aspace_is_current(memory->aspace));
    if (!guest_range_ok(memory, from, (u64)words * sizeof(u64)))
        return ERR_FAULT;
    return arch_copy_words_from(to, (struct virt_addr){memory->base.value + from.value}, words);
}

MUST_USE __attribute__((always_inline)) static inline enum status
guest_write_words(const struct guest_memory *memory, struct guest_addr to, const void *from,
                  u32 words) {
    ASSERT(memory->bytes == 0 || aspace_is_current(memory->aspace));
    if (!guest_range_ok(memory, to, (u64)words * sizeof(u64)))
        return ERR_FAULT;
    return arch_copy_words_to((struct virt_addr){memory->base.value + to.value}, from, words);
}
