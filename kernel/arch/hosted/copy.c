// The C side of the fault-safe copies.

#include "kernel/arch/hosted/hosted.h"

enum status arch_copy_from(void *to, struct virt_addr from, usize len) {
    CHECK(memory_is_current(from.value, len));
    return copy_guarded((uptr)to, from.value, len);
}

enum status arch_copy_to(struct virt_addr to, const void *from, usize len) {
    CHECK(memory_is_current(to.value, len));
    return copy_guarded(to.value, (uptr)from, len);
}

enum status arch_copy_between(struct virt_addr to, struct virt_addr from, usize len) {
    CHECK(memory_is_current(to.value, len) && memory_is_current(from.value, len));
    return copy_guarded(to.value, from.value, len);
}

enum status arch_fill(struct virt_addr to, u8 byte, usize len) {
    CHECK(memory_is_current(to.value, len));
    return fill_guarded(to.value, byte * 0x0101010101010101ull, len);
}
