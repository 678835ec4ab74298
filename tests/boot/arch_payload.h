#pragma once
// Shared by the files of the port's test payload.

#include "kernel/arch/arch.h"

void PRINTF_LIKE(1, 2) payload_print(const char *format, ...);
void payload_check(bool ok, const char *name);

// What a copy of the payload's fails with.
enum status payload_copy_status(void);

// Whether reading a byte there faults.
bool payload_read_faults(u64 address);

i64 payload_frames_in_use(void); // that the port has taken and not given back

void payload_aspace_tests(void);
void payload_cpu_tests(u32 listed);
