#pragma once
// The import module "kwast" for programs: abi/kwast/calls.h.

#include "base/status.h"

// Makes all calls importable. Once, at boot.
MUST_USE enum status kwast_register(void);
