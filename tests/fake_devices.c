// Devices for unit tests (fake_devices.h).

#include "tests/fake_devices.h"

#include "base/assert.h"
#include "base/math.h"

#define PORTS      0x10000u
#define OWN_PORT   0x20u
#define BAD_PORT   0xcf9u
#define LEVEL_LINE 10u

struct fake_vector {
    bool is_taken;
    bool is_line;
    bool is_level;
    bool is_masked;
    u32 line;
};

static struct {
    u32 claims;
    u16 ports[PORTS];
    struct fake_vector vectors[ARCH_INTERRUPTS_MAX];
} fake;

void fake_devices_start(void) {
    fake = (typeof(fake)){};
}

u32 fake_claims(void) {
    return fake.claims;
}

u32 fake_vectors(void) {
    u32 count = 0;
    for (u32 i = 0; i < ARCH_INTERRUPTS_MAX; i++)
        count += fake.vectors[i].is_taken;
    return count;
}

u16 fake_port(u32 port) {
    return fake.ports[port];
}

bool arch_devices_present(void) {
    return true;
}

void arch_devices_describe(struct arch_devices *out) {
    *out = (struct arch_devices){};
}

enum status arch_range_claim(struct phys_addr start, u64 bytes) {
    u64 end;
    CHECK(is_aligned(start.value | bytes, PAGE_SIZE));
    if (!add_u64(start.value, bytes, &end) || end > FAKE_RANGE_END)
        return ERR_INVALID;
    if (start.value < FAKE_RANGE_START)
        return ERR_NO_ACCESS;
    fake.claims++;
    return OK;
}

void arch_range_release(struct phys_addr start, u64 bytes) {
    CHECK(start.value >= FAKE_RANGE_START && bytes != 0 && fake.claims != 0);
    fake.claims--;
}

enum status arch_ports_claim(u32 first, u32 count) {
    if (!range_fits(first, count, PORTS))
        return ERR_INVALID;
    if (first <= OWN_PORT && first + count > OWN_PORT)
        return ERR_NO_ACCESS;
    fake.claims++;
    return OK;
}

void arch_ports_release(u32 first, u32 count) {
    CHECK(range_fits(first, count, PORTS) && fake.claims != 0);
    fake.claims--;
}

u32 arch_port_read(u32 port, u32 width) {
    CHECK(range_fits(port, width, PORTS));
    return fake.ports[port];
}

enum status arch_port_write(u32 port, u32 width, u32 value) {
    CHECK(range_fits(port, width, PORTS));
    if (port == BAD_PORT)
        return ERR_NO_ACCESS;
    fake.ports[port] = (u16)value;
    return OK;
}

// A test that raises interrupts brings the kernel's own.
[[gnu::weak]] void upcall_device(u32) {
    CHECK(false);
}

// -- Interrupts -----------------------------------------------------------------------------------

static struct fake_vector *take_vector(u32 *number) {
    for (u32 i = 0; i < ARCH_INTERRUPTS_MAX; i++) {
        if (fake.vectors[i].is_taken)
            continue;
        fake.vectors[i] = (struct fake_vector){.is_taken = true};
        *number = i;
        return &fake.vectors[i];
    }
    return NULL;
}

enum status arch_interrupt_claim(u32 line, u32 *number, bool *is_level) {
    if (line >= FAKE_LINES)
        return ERR_INVALID;
    if (line == 0)
        return ERR_NO_ACCESS;
    for (u32 i = 0; i < ARCH_INTERRUPTS_MAX; i++) {
        const struct fake_vector *vector = &fake.vectors[i];
        if (vector->is_taken && vector->is_line && vector->line == line)
            return ERR_BUSY;
    }
    struct fake_vector *vector = take_vector(number);
    if (vector == NULL)
        return ERR_NO_SPACE;
    vector->is_line = true;
    vector->line = line;
    vector->is_level = line == LEVEL_LINE;
    *is_level = vector->is_level;
    return OK;
}

enum status arch_message_claim(u32 *number, u64 *address, u32 *data) {
    if (take_vector(number) == NULL)
        return ERR_NO_SPACE;
    *address = 0xfee00000;
    *data = *number;
    return OK;
}

void arch_interrupt_release(u32 number) {
    CHECK(fake.vectors[number].is_taken);
    fake.vectors[number] = (struct fake_vector){};
}

void arch_interrupt_unmask(u32 number) {
    fake.vectors[number].is_masked = false;
}

bool fake_is_masked(u32 number) {
    return fake.vectors[number].is_masked;
}

bool fake_raise(u32 number) {
    struct fake_vector *vector = &fake.vectors[number];
    if (!vector->is_taken || vector->is_masked)
        return false;
    vector->is_masked = vector->is_level;
    upcall_device(number);
    return true;
}
