#pragma once
// The boot archive of one run (abi/kwast/boot.h).

#include "tools/options.h"

// Makes the archive in an anonymous file in memory. Returns its descriptor, or -1 after saying why.
// Stores the archive's size.
MUST_USE int boot_archive_create(const struct run_options *options, u64 *bytes);

// Whether the machine reaches the preopened directories themselves, by the file protocol: directory
// N of the options is its root N. Otherwise it gets copies.
bool has_real_directories(const struct run_options *options);
