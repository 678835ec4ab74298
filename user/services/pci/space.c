// Configuration space, by memory and by ports.
//
// The memory is mapped bus by bus, when the bus is first asked for: 1 MiB each, of which a machine
// has few. A bus that cannot be mapped is reached by the ports, as are those that the memory does
// not have.
//
// Firmware that is wrong about where it is would have us write into some device's registers: so the
// first function is read both ways before anything is written.

#include "user/services/pci/space.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ADDRESS_PORT 0xcf8u
#define PORTS        8u
#define DATA         4u // offset of the data's port
#define ENABLE       (1u << 31)
#define BUSES        256u
#define BUS_BYTES    (1u << 20)
#define NOTHING      UINT32_MAX

static struct {
    kwast_handle ports;
    kwast_handle range; // KWAST_NO_HANDLE: there is none, or it is not believed
    u32 first_bus;
    u32 bus_count;
    u8 *buses[BUSES];     // mapped
    bool is_tried[BUSES]; // to be mapped
} space = {.range = KWAST_NO_HANDLE};

// -- By ports -------------------------------------------------------------------------------------

static void select_register(pci_place place, u32 at) {
    kwast_port_out(space.ports, 0, 4, ENABLE | (u32)place << 8 | (at & 0xfc));
}

static u32 ports_read(pci_place place, u32 at, u32 width) {
    u32 value = NOTHING;
    if (at >= CONFIG_EXTENDED)
        return NOTHING >> (32 - 8 * width);
    select_register(place, at);
    kwast_port_in(space.ports, DATA + (at & 3), width, &value);
    return value;
}

static void ports_write(pci_place place, u32 at, u32 width, u32 value) {
    if (at >= CONFIG_EXTENDED)
        return;
    select_register(place, at);
    kwast_port_out(space.ports, DATA + (at & 3), width, value);
}

// -- By memory ------------------------------------------------------------------------------------

static u8 *map_bus(u32 index) {
    u8 *memory = aligned_alloc(KWAST_PAGE_BYTES, BUS_BYTES);
    if (memory != NULL && kwast_memory_map(space.range, (u64)index * BUS_BYTES, memory, BUS_BYTES,
                                           KWAST_READ | KWAST_WRITE) == 0)
        return memory;
    free(memory);
    return NULL;
}

// Where the function's is in memory; NULL: nowhere.
static volatile void *memory_at(pci_place place, u32 at) {
    u32 index = (place >> 8) - space.first_bus; // below the first it is more than there are
    if (space.range == KWAST_NO_HANDLE || index >= space.bus_count)
        return NULL;
    if (!space.is_tried[index])
        space.buses[index] = map_bus(index);
    space.is_tried[index] = true;
    u8 *bus = space.buses[index];
    return bus == NULL ? NULL : bus + (place & 0xff) * CONFIG_BYTES + at;
}

u32 space_bytes(pci_place place) {
    return memory_at(place, 0) != NULL ? CONFIG_BYTES : CONFIG_EXTENDED;
}

u32 config_read(pci_place place, u32 at, u32 width) {
    volatile void *memory = memory_at(place, at);
    if (memory == NULL)
        return ports_read(place, at, width);
    return width == 1   ? *(volatile u8 *)memory
           : width == 2 ? *(volatile u16 *)memory
                        : *(volatile u32 *)memory;
}

void config_write(pci_place place, u32 at, u32 width, u32 value) {
    volatile void *memory = memory_at(place, at);
    if (memory == NULL)
        ports_write(place, at, width, value);
    else if (width == 1)
        *(volatile u8 *)memory = (u8)value;
    else if (width == 2)
        *(volatile u16 *)memory = (u16)value;
    else
        *(volatile u32 *)memory = value;
}

// -- The start ------------------------------------------------------------------------------------

// The same by both ways; or the ports know of nothing, as where there are none.
static bool is_believable(pci_place first) {
    u32 by_ports = ports_read(first, CONFIG_VENDOR, 4);
    return by_ports == NOTHING || by_ports == config_read(first, CONFIG_VENDOR, 4);
}

u32 space_init(kwast_handle machine, const struct kwast_machine *description) {
    pci_place first = (pci_place)(description->pci_first_bus << 8);
    u32 error = kwast_device_ports(machine, ADDRESS_PORT, PORTS, &space.ports);
    if (error != 0 || description->pci_config_bytes == 0)
        return error;
    space.first_bus = description->pci_first_bus;
    space.bus_count = (u32)(description->pci_config_bytes / BUS_BYTES);
    error = kwast_device_range(machine, description->pci_config_address,
                               description->pci_config_bytes, KWAST_UNCACHED, &space.range);
    if (error != 0)
        space.range = KWAST_NO_HANDLE;
    else if (!is_believable(first))
        error = EIO;
    if (error != 0) {
        fprintf(stderr,
                "pci: no configuration space at %llx, as the firmware says: by ports alone\n",
                (unsigned long long)description->pci_config_address);
        space.bus_count = 0;
    }
    return 0;
}
