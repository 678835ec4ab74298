#pragma once
// The boot archive of one run (abi/kwast/boot.h).

#include "tools/options.h"

// Preopened directory N of the options is root N of the file protocol. Makes the archive in an
// anonymous file in memory. Returns its descriptor, or -1 after saying why. Stores the archive's
// size.
MUST_USE int boot_archive_create(const struct run_options *options, u64 *bytes);
