#pragma once
// Runs scripts in a machine of its own: the kernel with the script runner as its payload.

#include "base/string.h"
#include "tools/lib/machine.h"
#include "tools/wast_report.h"

// Boots the machine with the blob and passes on to `report` what it says. Whether it came to its
// end.
MUST_USE bool wast_machine_run(enum machine_kind kind, enum cpu_level cpu, struct bytes blob,
                               struct wast_report *report);
