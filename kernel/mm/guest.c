// Checked copies between kernel and program memory. The bounds are checked here; the port's copy
// functions survive faults, and a fault in bounds commits the page.

#include "kernel/mm/guest.h"

static struct virt_addr address_in(const struct guest_memory *memory, struct guest_addr addr) {
    return (struct virt_addr){memory->base.value + addr.value};
}

enum status guest_read(const struct guest_memory *memory, void *to, struct guest_addr from,
                       u64 len) {
    if (!guest_range_ok(memory, from, len))
        return ERR_FAULT;
    return len == 0 ? OK : arch_copy_from(to, address_in(memory, from), len);
}

enum status guest_write(const struct guest_memory *memory, struct guest_addr to, const void *from,
                        u64 len) {
    if (!guest_range_ok(memory, to, len))
        return ERR_FAULT;
    return len == 0 ? OK : arch_copy_to(address_in(memory, to), from, len);
}

enum status guest_fill(const struct guest_memory *memory, struct guest_addr to, u8 byte, u64 len) {
    if (!guest_range_ok(memory, to, len))
        return ERR_FAULT;
    return len == 0 ? OK : arch_fill(address_in(memory, to), byte, len);
}

enum status guest_copy(const struct guest_memory *to_memory, struct guest_addr to,
                       const struct guest_memory *from_memory, struct guest_addr from, u64 len) {
    if (!guest_range_ok(to_memory, to, len) || !guest_range_ok(from_memory, from, len))
        return ERR_FAULT;
    if (len == 0)
        return OK;
    return arch_copy_between(address_in(to_memory, to), address_in(from_memory, from), len);
}
