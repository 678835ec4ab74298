#pragma once
// Shared inside kernel/kwast: how a call is declared, and the ways to what it was given. The rules
// are those of kernel/wasi: handles first, then rights, then addresses; where results go is checked
// before anything changes; what a program's memory says is read once, and checked in the kernel.

#include "abi/kwast/calls.h"
#include "kernel/proc/process.h"

typedef enum status (*kwast_func)(struct process *process, const u64 *args);

#define KWAST_CALL(name, parameters)                                                               \
    enum status kwast_##name(struct process *process, const u64 *args);
#include "kernel/kwast/calls.def"
#undef KWAST_CALL

// What a handle must name.
typedef bool (*object_test)(const struct object *object);

// Looks a handle up. The object has a reference: release it. ERR_BAD_HANDLE; ERR_DENIED when it is
// of another kind (`is` may be NULL: any) or lacks a right.
MUST_USE enum status kwast_handle(struct process *process, u64 number, object_test is, u64 rights,
                                  struct handle *out);
MUST_USE enum status kwast_object(struct process *process, u64 number, object_test is, u64 rights,
                                  struct object **out);

// Puts a handle into the process's table and its number to `out`, or neither. Takes over the
// reference in either case.
MUST_USE enum status kwast_give(struct process *process, const struct handle *handle, u64 out);

// Copies out of and into the process's memory.
MUST_USE enum status kwast_get(struct process *process, u64 from, void *to, u64 len);
MUST_USE enum status kwast_put(struct process *process, u64 to, const void *from, u64 len);
MUST_USE enum status kwast_check(struct process *process, u64 address, u64 len);

// Copies a string of 1 to `max` bytes in.
MUST_USE enum status kwast_get_text(struct process *process, u64 from, u64 len, u64 max, u8 *to);

// What a timeout means: WAIT_FOREVER when it is negative.
u64 kwast_deadline(u64 timeout_ns);
