#pragma once
// Data that programs compute with besides their linear memories and stacks, and that the kernel's C
// code reads and writes as it stands: instances, tables, exceptions. It is in frames of the
// programs' zone, mapped in one address space alone.

#include "kernel/mm/aspace.h"

// Zeroed memory aligned to 16. The running thread is in the address space. ERR_NO_MEMORY.
MUST_USE enum status data_alloc(struct aspace *as, u64 bytes, void **out);

// Gives it back; `bytes` is what was asked for. From any address space: nothing of it is touched.
// Thread context.
void data_free(struct aspace *as, void *data, u64 bytes);

// At boot, and what is called by aspace.c for each address space.
void data_register(void);
void data_init(struct aspace *as);
void data_trim(struct aspace *as); // gives back what is kept at hand
void data_check(struct aspace *as);
