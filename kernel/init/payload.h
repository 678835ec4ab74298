#pragma once
// What `wast=1` in boot/run starts. The product has no such payload; the kernel that the
// specification's tests run in is linked with another file in place of payload.c.

#include "base/string.h"
#include "base/types.h"

// Runs the script and reports over the link. Returns the status for the exit frame. False: this
// kernel has no payload.
bool payload_run(struct bytes script, u32 *exit_status);
