#pragma once
// The way to PCI configuration space: memory (ECAM) where the firmware says that there is some, and
// for what is not in it the ports that every PC chipset has, which reach its first 256 bytes. It is
// read and written by config_read and config_write (config.h).

#include "user/sdk/kwast.h"
#include "user/services/pci/config.h"

// An error number of WASI.
u32 space_init(kwast_handle machine, const struct kwast_machine *description);

// How much of the function's can be reached: CONFIG_BYTES, or CONFIG_EXTENDED.
u32 space_bytes(pci_place place);
