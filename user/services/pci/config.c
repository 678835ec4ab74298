// What the configuration space of a function says.

#include "user/services/pci/config.h"

#include "base/math.h"

#define STATUS_HAS_LIST  (1u << 4)
#define CAPABILITIES_MAX 48u // as many as fit behind the header
#define HEADER_MULTIPLE  0x80u
#define HEADER_KIND      0x7fu
#define HEADER_BRIDGE    1u
#define BAR_IS_PORTS     (1u << 0)
#define BAR_KIND         (3u << 1)
#define BAR_WIDE         (2u << 1)
#define BAR_FLAGS        0xfu
#define BAR_PORTS_FLAGS  0x3u
#define BRIDGE_BARS      2u
#define PORTS_END        0x10000u
#define BUSES            256u
#define SLOTS            32u
#define NOBODY           0xffffu

u32 config_capability(pci_place place, enum config_capability kind) {
    if ((config_read(place, CONFIG_STATUS, 2) & STATUS_HAS_LIST) == 0)
        return 0;
    u32 at = config_read(place, CONFIG_CAPABILITIES, 1) & ~3u;
    for (u32 i = 0; i < CAPABILITIES_MAX && at != 0; i++) {
        u32 head = config_read(place, at, 2);
        if ((head & 0xff) == kind)
            return at;
        at = head >> 8 & ~3u;
    }
    return 0;
}

u32 config_extended(pci_place place, struct config_extended *out, u32 most) {
    u32 count = 0;
    for (u32 at = CONFIG_EXTENDED; at >= CONFIG_EXTENDED && count < most;) {
        u32 head = config_read(place, at, 4);
        if (head == 0 || head == UINT32_MAX)
            break; // there are none
        out[count++] = (struct config_extended){(u16)head, (u16)at};
        at = head >> 20 & ~3u;
    }
    return count;
}

// -- BARs -----------------------------------------------------------------------------------------

// What stays zero of all ones tells the size.
static u32 probe(pci_place place, u32 at, u32 value) {
    config_write(place, at, 4, UINT32_MAX);
    u32 mask = config_read(place, at, 4);
    config_write(place, at, 4, value);
    return mask;
}

static struct bar ports_bar(u32 value, u32 mask) {
    u32 first = value & ~BAR_PORTS_FLAGS & (PORTS_END - 1);
    u32 count = (~(mask & ~BAR_PORTS_FLAGS) + 1) & (PORTS_END - 1);
    if (first == 0 || count == 0 || first + count > PORTS_END)
        return (struct bar){.kind = BAR_NONE};
    return (struct bar){BAR_PORTS, first, count};
}

static struct bar memory_bar(u64 value, u64 mask) {
    u64 start = value & ~(u64)BAR_FLAGS;
    u64 bytes = ~(mask & ~(u64)BAR_FLAGS) + 1;
    u64 end;
    if (start == 0 || bytes == 0 || !is_power_of_two(bytes) || !is_aligned(start, bytes) ||
        !add_u64(start, bytes, &end))
        return (struct bar){.kind = BAR_NONE};
    return (struct bar){BAR_MEMORY, start, bytes};
}

struct bar config_bar(pci_place place, u32 index, u32 *next) {
    u32 header = config_read(place, CONFIG_HEADER, 1) & HEADER_KIND;
    u32 count = header == HEADER_BRIDGE ? BRIDGE_BARS : header == 0 ? BARS : 0;
    u32 at = CONFIG_BAR + 4 * index;
    *next = index + 1;
    if (index >= count)
        return (struct bar){.kind = BAR_NONE};
    u32 low = config_read(place, at, 4);
    bool is_ports = (low & BAR_IS_PORTS) != 0;
    bool is_wide = !is_ports && (low & BAR_KIND) == BAR_WIDE && index + 1 < count;
    u32 high = is_wide ? config_read(place, at + 4, 4) : 0;
    *next += is_wide;

    u32 command = config_read(place, CONFIG_COMMAND, 2);
    config_write(place, CONFIG_COMMAND, 2, command & ~(u32)(COMMAND_PORTS | COMMAND_MEMORY));
    u32 low_mask = probe(place, at, low);
    u32 high_mask = is_wide ? probe(place, at + 4, high) : UINT32_MAX;
    config_write(place, CONFIG_COMMAND, 2, command);

    if (low_mask == 0)
        return (struct bar){.kind = BAR_NONE};
    return is_ports ? ports_bar(low, low_mask)
                    : memory_bar((u64)high << 32 | low, (u64)high_mask << 32 | low_mask);
}

// -- What there is --------------------------------------------------------------------------------

struct walk {
    bool is_known[BUSES]; // seen behind a bridge
    bool is_walked[BUSES];
};

static void walk_slot(struct walk *walk, u32 bus, u32 slot, void (*found)(pci_place place)) {
    u32 count = 1;
    for (u32 function = 0; function < count; function++) {
        pci_place place = (pci_place)(bus << 8 | slot << 3 | function);
        if (config_read(place, CONFIG_VENDOR, 2) == NOBODY)
            continue;
        u32 header = config_read(place, CONFIG_HEADER, 1);
        if (function == 0 && (header & HEADER_MULTIPLE) != 0)
            count = 8;
        if ((header & HEADER_KIND) == HEADER_BRIDGE)
            walk->is_known[config_read(place, CONFIG_SECONDARY_BUS, 1) & (BUSES - 1)] = true;
        found(place);
    }
}

void config_enumerate(void (*found)(pci_place place)) {
    static struct walk walk;
    walk = (struct walk){.is_known[0] = true};
    for (u32 bus = 0; bus < BUSES;) {
        if (!walk.is_known[bus] || walk.is_walked[bus]) {
            bus++;
            continue;
        }
        walk.is_walked[bus] = true;
        for (u32 slot = 0; slot < SLOTS; slot++)
            walk_slot(&walk, bus, slot, found);
        bus = 0; // a bridge may lead to a lower number
    }
}
