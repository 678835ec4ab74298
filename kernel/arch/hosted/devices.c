// Devices for programs: a Linux process has none.

#include "base/assert.h"
#include "kernel/arch/hosted/hosted.h"

bool arch_devices_present(void) {
    return false;
}

void arch_devices_describe(struct arch_devices *out) {
    *out = (struct arch_devices){};
}

enum status arch_range_claim(struct phys_addr start, u64 bytes) {
    (void)start;
    (void)bytes;
    return ERR_INVALID;
}

void arch_range_release(struct phys_addr start, u64 bytes) {
    (void)start;
    (void)bytes;
    CHECK(!"claimed");
}

enum status arch_ports_claim(u32 first, u32 count) {
    (void)first;
    (void)count;
    return ERR_INVALID;
}

void arch_ports_release(u32 first, u32 count) {
    (void)first;
    (void)count;
    CHECK(!"claimed");
}

u32 arch_port_read(u32 port, u32 width) {
    (void)port;
    (void)width;
    CHECK(!"claimed");
    return 0;
}

enum status arch_port_write(u32 port, u32 width, u32 value) {
    (void)port;
    (void)width;
    (void)value;
    return ERR_NO_ACCESS;
}

enum status arch_interrupt_claim(u32 line, u32 *number, bool *is_level) {
    (void)line;
    (void)number;
    (void)is_level;
    return ERR_INVALID;
}

enum status arch_message_claim(u32 *number, u64 *address, u32 *data) {
    (void)number;
    (void)address;
    (void)data;
    return ERR_NO_SPACE;
}

void arch_interrupt_release(u32 number) {
    (void)number;
    CHECK(!"claimed");
}

void arch_interrupt_unmask(u32 number) {
    (void)number;
    CHECK(!"claimed");
}
