// PCI configuration space by mechanism #1 (ports 0xcf8 and 0xcfc), which every PC chipset has.
//
// The tree of buses is walked from bus 0 through the bridges that the firmware configured, so that
// only buses that exist are asked. What a device's configuration space says is not trusted: lists
// are bounded, offsets and sizes are checked before they are used.

#include "kernel/arch/x86_64/pci.h"

#include "base/math.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/io.h"

enum pci_register {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SECONDARY_BUS = 0x19,
    PCI_CAPABILITIES = 0x34,
};

enum {
    COMMAND_IO = 1 << 0,
    COMMAND_MEMORY = 1 << 1,
    COMMAND_MASTER = 1 << 2,
    COMMAND_NO_INTX = 1 << 10,
    STATUS_CAPABILITIES = 1 << 4,

    HEADER_BRIDGE = 1,
    HEADER_KIND_MASK = 0x7f,
    HEADER_MULTIFUNCTION = 0x80,

    BAR_IO = 1 << 0,
    BAR_KIND_MASK = 3 << 1,
    BAR_64_BIT = 2 << 1,
    BAR_FLAGS = 0xf,

    MSIX_CONTROL = 2, // offsets within the capability
    MSIX_TABLE = 4,
    MSIX_ENABLE = 1 << 15,
    MSIX_MASK_ALL = 1 << 14,
    MSIX_SIZE_MASK = 0x7ff, // entries, less one
    MSIX_BIR_MASK = 7,
};

#define ADDRESS_PORT     0xcf8
#define DATA_PORT        0xcfc
#define CONFIG_BYTES     256
#define CAPABILITIES_MAX 48 // as many as fit behind the header
#define NO_DEVICE        0xffff

static void select(const struct pci_device *device, u32 offset) {
    ASSERT(offset < CONFIG_BYTES);
    io_write32(ADDRESS_PORT, 1u << 31 | (u32)device->bus << 16 | (u32)device->slot << 11 |
                                 (u32)device->function << 8 | (offset & ~3u));
}

u8 pci_read8(const struct pci_device *device, u32 offset) {
    select(device, offset);
    return io_read8((u16)(DATA_PORT + (offset & 3)));
}

u16 pci_read16(const struct pci_device *device, u32 offset) {
    ASSERT((offset & 1) == 0);
    select(device, offset);
    return io_read16((u16)(DATA_PORT + (offset & 2)));
}

u32 pci_read32(const struct pci_device *device, u32 offset) {
    ASSERT((offset & 3) == 0);
    select(device, offset);
    return io_read32(DATA_PORT);
}

void pci_write16(const struct pci_device *device, u32 offset, u16 value) {
    ASSERT((offset & 1) == 0);
    select(device, offset);
    io_write16((u16)(DATA_PORT + (offset & 2)), value);
}

void pci_write32(const struct pci_device *device, u32 offset, u32 value) {
    ASSERT((offset & 3) == 0);
    select(device, offset);
    io_write32(DATA_PORT, value);
}

// -- Finding a device -----------------------------------------------------------------------------

struct bus_walk {
    u16 vendor;
    const u16 *ids;
    u32 id_count;
    u64 pending[4]; // one bit per bus: seen behind a bridge, not yet walked
    u64 walked[4];
};

static void walk_note_bus(struct bus_walk *walk, u8 bus) {
    if ((walk->walked[bus / 64] >> bus % 64 & 1) == 0)
        walk->pending[bus / 64] |= 1ull << bus % 64;
}

static bool walk_next_bus(struct bus_walk *walk, u8 *out) {
    for (u32 word = 0; word < COUNT_OF(walk->pending); word++) {
        if (walk->pending[word] == 0)
            continue;
        u32 bit = (u32)__builtin_ctzll(walk->pending[word]);
        walk->pending[word] &= walk->pending[word] - 1;
        walk->walked[word] |= 1ull << bit;
        *out = (u8)(word * 64 + bit);
        return true;
    }
    return false;
}

static bool is_wanted(const struct bus_walk *walk, const struct pci_device *device) {
    if (device->vendor != walk->vendor)
        return false;
    for (u32 i = 0; i < walk->id_count; i++) {
        if (device->id == walk->ids[i])
            return true;
    }
    return false;
}

// Looks at all functions in one slot; a bridge's secondary bus is noted for later.
static bool walk_slot(struct bus_walk *walk, u8 bus, u8 slot, struct pci_device *out) {
    u32 function_count = 1;
    for (u32 function = 0; function < function_count; function++) {
        struct pci_device device = {.bus = bus, .slot = slot, .function = (u8)function};
        device.vendor = pci_read16(&device, PCI_VENDOR);
        if (device.vendor == NO_DEVICE)
            continue;
        device.id = pci_read16(&device, PCI_DEVICE);
        if (is_wanted(walk, &device)) {
            *out = device;
            return true;
        }

        u8 header = pci_read8(&device, PCI_HEADER_TYPE);
        if (function == 0 && (header & HEADER_MULTIFUNCTION) != 0)
            function_count = 8;
        if ((header & HEADER_KIND_MASK) == HEADER_BRIDGE)
            walk_note_bus(walk, pci_read8(&device, PCI_SECONDARY_BUS));
    }
    return false;
}

bool pci_find(u16 vendor, const u16 *ids, u32 id_count, struct pci_device *out) {
    struct bus_walk walk = {.vendor = vendor, .ids = ids, .id_count = id_count};
    walk_note_bus(&walk, 0);
    u8 bus;
    while (walk_next_bus(&walk, &bus)) {
        for (u8 slot = 0; slot < 32; slot++) {
            if (walk_slot(&walk, bus, slot, out))
                return true;
        }
    }
    return false;
}

// -- What a found device offers -------------------------------------------------------------------

u32 pci_capability(const struct pci_device *device, u8 kind, u32 after) {
    if ((pci_read16(device, PCI_STATUS) & STATUS_CAPABILITIES) == 0)
        return 0;
    u32 at = pci_read8(device, PCI_CAPABILITIES) & ~3u;
    bool reached = after == 0;
    for (u32 i = 0; i < CAPABILITIES_MAX && at != 0; i++) {
        if (reached && pci_read8(device, at) == kind)
            return at;
        reached = reached || at == after;
        at = pci_read8(device, at + 1) & ~3u;
    }
    return 0;
}

bool pci_bar(const struct pci_device *device, u32 index, u64 *phys, u64 *bytes) {
    if (index >= PCI_BAR_COUNT)
        return false;
    u32 low_at = PCI_BAR0 + 4 * index;
    u32 low = pci_read32(device, low_at);
    bool wide = (low & BAR_KIND_MASK) == BAR_64_BIT;
    if ((low & BAR_IO) != 0 || (wide && index + 1 == PCI_BAR_COUNT))
        return false;
    u32 high = wide ? pci_read32(device, low_at + 4) : 0;

    // The size is what stays zero of all ones; the device must not answer meanwhile.
    u16 command = pci_read16(device, PCI_COMMAND);
    pci_write16(device, PCI_COMMAND, command & (u16) ~(COMMAND_IO | COMMAND_MEMORY));
    pci_write32(device, low_at, UINT32_MAX);
    u64 mask = (u64)UINT32_MAX << 32 | (pci_read32(device, low_at) & ~(u32)BAR_FLAGS);
    pci_write32(device, low_at, low);
    if (wide) {
        pci_write32(device, low_at + 4, UINT32_MAX);
        mask = (u64)pci_read32(device, low_at + 4) << 32 | (mask & UINT32_MAX);
        pci_write32(device, low_at + 4, high);
    }
    pci_write16(device, PCI_COMMAND, command);

    u64 size = ~mask + 1;
    u64 start = (u64)high << 32 | (low & ~(u32)BAR_FLAGS);
    u64 end;
    if ((mask & UINT32_MAX) == 0 && !wide)
        return false;
    if (start == 0 || size == 0 || !add_u64(start, size, &end))
        return false;
    *phys = start;
    *bytes = size;
    return true;
}

void pci_enable(const struct pci_device *device) {
    u16 command = pci_read16(device, PCI_COMMAND);
    command |= COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX;
    pci_write16(device, PCI_COMMAND, command);
}

// One entry of the table in device memory.
struct msix_entry {
    u32 address_low;
    u32 address_high;
    u32 data;
    u32 control; // bit 0: masked
};

bool pci_msix_start(const struct pci_device *device, u8 vector) {
    u32 at = pci_capability(device, PCI_CAPABILITY_MSIX, 0);
    if (at == 0 || at + MSIX_TABLE + 4 > CONFIG_BYTES)
        return false;
    u16 control = pci_read16(device, at + MSIX_CONTROL);
    u32 count = (control & MSIX_SIZE_MASK) + 1u;
    u32 table_at = pci_read32(device, at + MSIX_TABLE);
    u64 offset = table_at & ~(u32)MSIX_BIR_MASK;

    u64 phys;
    u64 bytes;
    if (!pci_bar(device, table_at & MSIX_BIR_MASK, &phys, &bytes))
        return false;
    if (!range_fits(offset, count * sizeof(struct msix_entry), bytes))
        return false;
    volatile struct msix_entry *table = mmio_map(phys + offset, count * sizeof(struct msix_entry));
    if (table == NULL)
        return false;

    pci_write16(device, at + MSIX_CONTROL, control | MSIX_ENABLE | MSIX_MASK_ALL);
    for (u32 i = 0; i < count; i++)
        table[i].control = 1;
    struct msi_message message = irq_msi_message(vector);
    table[0].address_low = (u32)message.address;
    table[0].address_high = (u32)(message.address >> 32);
    table[0].data = message.data;
    table[0].control = 0;
    pci_write16(device, at + MSIX_CONTROL, (control & (u16)~MSIX_MASK_ALL) | MSIX_ENABLE);
    return true;
}
