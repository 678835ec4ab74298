#pragma once
// PCI devices, as far as this port's own drivers need them: finding one, its registers, its
// interrupt. Configuration space is reached through I/O ports; everything here runs at boot, on one
// CPU.

#include "base/types.h"

struct pci_device {
    u8 bus;
    u8 slot;
    u8 function;
    u16 vendor;
    u16 id;
};

#define PCI_BAR_COUNT 6

u8 pci_read8(const struct pci_device *device, u32 offset);
u16 pci_read16(const struct pci_device *device, u32 offset);
u32 pci_read32(const struct pci_device *device, u32 offset);
void pci_write16(const struct pci_device *device, u32 offset, u16 value);
void pci_write32(const struct pci_device *device, u32 offset, u32 value);

// Finds the first device of `vendor` whose device id is one of the `id_count` in `ids`.
MUST_USE bool pci_find(u16 vendor, const u16 *ids, u32 id_count, struct pci_device *out);

// The offset of the next capability `kind` after the one at `after` (0: the first one), or 0. Ends
// on every list, circular ones too.
u32 pci_capability(const struct pci_device *device, u8 kind, u32 after);

#define PCI_CAPABILITY_VENDOR 0x09
#define PCI_CAPABILITY_MSIX   0x11

// Where a memory BAR is and how long. False for an I/O BAR, one that is absent, or one that the
// firmware gave no address.
MUST_USE bool pci_bar(const struct pci_device *device, u32 index, u64 *phys, u64 *bytes);

// Lets the device answer memory accesses and master the bus, without its legacy interrupt line.
void pci_enable(const struct pci_device *device);

// Routes entry 0 of the device's MSI-X table to `vector`, leaves all others masked, and turns MSI-X
// on. False when the device has none, or its table cannot be mapped.
MUST_USE bool pci_msix_start(const struct pci_device *device, u8 vector);
