#pragma once
// WASI for programs: preview 1, the import module "wasi_snapshot_preview1", and preview 0, which is
// "wasi_unstable".

#include "base/status.h"
#include "base/types.h"

// Makes all calls importable. Once, at boot.
MUST_USE enum status wasi_register(void);

// The error number that a status is to programs.
u16 wasi_error_number(enum status status);

// Rights of the handles that a program starts with, as WASI numbers them.
u64 wasi_stream_rights(bool readable, bool writable);
u64 wasi_directory_rights(void);  // of a preopened directory itself
u64 wasi_inheriting_rights(void); // of what is opened below it
