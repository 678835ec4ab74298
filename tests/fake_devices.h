#pragma once
// Devices of the machine for unit tests (fake_arch.h): what the port is asked for is checked and
// counted, and a test raises interrupts.

#include "kernel/arch/arch.h"

#define FAKE_RANGE_START 0x4000000000ull // ranges from here on are devices, below is RAM
#define FAKE_RANGE_END   0x8000000000ull // and here addresses end
#define FAKE_LINES       24u             // of which 0 is the port's own, and 10 level-triggered

void fake_devices_start(void); // forgets everything

u32 fake_claims(void); // ranges and ports that are claimed
u32 fake_vectors(void);
u16 fake_port(u32 port); // what was written last
bool fake_is_masked(u32 number);

// As the device does: upcall_device, unless the interrupt is masked or nobody has it.
bool fake_raise(u32 number);
