#pragma once
// The machine's devices, for drivers: handles that are made for a service when it starts.

#include "user/services/init/manifest.h"

// Looks for the machine among the descriptors that the kernel gave us.
void machine_find(void);

// Makes a handle for what the manifest claims. *out is KWAST_NO_HANDLE where there are no devices,
// or not this one. Returns an error number of WASI: of something that is there and cannot be had.
// `pci` is the server end of the PCI service's scheme, or KWAST_NO_HANDLE.
u32 machine_claim(const struct claim *claim, kwast_handle pci, kwast_handle *out);

bool machine_is_there(void);
bool machine_has_screen(void);
