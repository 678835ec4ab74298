#pragma once
// What the configuration space of PCI functions says. What a device says is not believed: lists are
// bounded, offsets are checked. How it is reached is another matter (space.h).

#include "base/types.h"

#define CONFIG_BYTES    4096u // of a function of PCI Express
#define CONFIG_EXTENDED 256u  // where what the others do not have begins
#define BARS            6u

// bus << 8 | slot << 3 | function
typedef u16 pci_place;

enum config_register : u8 {
    CONFIG_VENDOR = 0x00,
    CONFIG_DEVICE = 0x02,
    CONFIG_COMMAND = 0x04,
    CONFIG_STATUS = 0x06,
    CONFIG_CLASS = 0x08, // class, subclass, interface, revision
    CONFIG_HEADER = 0x0e,
    CONFIG_BAR = 0x10,
    CONFIG_SECONDARY_BUS = 0x19,
    CONFIG_SUBSYSTEM = 0x2c,
    CONFIG_CAPABILITIES = 0x34,
    CONFIG_LINE = 0x3c,
};

enum config_command : u16 {
    COMMAND_PORTS = 1 << 0,
    COMMAND_MEMORY = 1 << 1,
    COMMAND_MASTER = 1 << 2,
    COMMAND_NO_LINE = 1 << 10,
};

enum config_capability : u8 {
    CAPABILITY_MSI = 0x05,
    CAPABILITY_EXPRESS = 0x10,
    CAPABILITY_MSIX = 0x11,
    CAPABILITY_ADVANCED = 0x13,
};

enum bar_kind : u8 { BAR_NONE, BAR_MEMORY, BAR_PORTS };

struct bar {
    enum bar_kind kind;
    u64 address;
    u64 bytes;
};

// `width` is 1, 2 or 4, `at` a multiple of it, below CONFIG_BYTES. What is not there reads as ones.
u32 config_read(pci_place place, u32 at, u32 width);
void config_write(pci_place place, u32 at, u32 width, u32 value);

// Where a capability is; 0: the function has none.
u32 config_capability(pci_place place, enum config_capability kind);

// Capabilities of PCI Express, in the function's order.
struct config_extended {
    u16 kind;
    u16 at;
};
u32 config_extended(pci_place place, struct config_extended *out, u32 most);

// What BAR `index` is; the function does not answer while that is found out. One that nobody gave
// an address is BAR_NONE. *next is the index behind it.
struct bar config_bar(pci_place place, u32 index, u32 *next);

// Calls `found` for every function that there is. Bridges are followed as the firmware has set them
// up.
void config_enumerate(void (*found)(pci_place place));
