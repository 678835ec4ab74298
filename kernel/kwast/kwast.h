#pragma once
// The import module "kwast" for programs: abi/kwast/calls.h.

#include "base/status.h"
#include "engine/api/engine.h"

// Makes all calls importable. Once, at boot.
MUST_USE enum status kwast_register(void);

// Those that map: for engine_config.
extern const struct import_name kwast_mapping_imports[];
extern const u32 kwast_mapping_import_count;
