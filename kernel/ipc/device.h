#pragma once
// What drivers hold of a machine: the machine itself, I/O ports, interrupts; physical ranges and
// memory for devices are memory objects (memory_object.h). Who has the machine makes the others.
//
// A range and a port belong to one object at a time, which gives them back when it goes.

#include "base/list.h"
#include "kernel/ipc/object.h"

// -- Claims ---------------------------------------------------------------------------------------

enum device_kind : u8 { DEVICE_RANGE, DEVICE_PORTS };

struct device_claim {
    struct list link;
    enum device_kind kind;
    u64 first;
    u64 count; // bytes, ports
};

// ERR_BUSY: a part of it belongs to somebody. ERR_INVALID, ERR_NO_ACCESS: as arch.h says.
MUST_USE enum status device_claim(struct device_claim *claim, enum device_kind kind, u64 first,
                                  u64 count);
void device_release(struct device_claim *claim);

// -- Objects --------------------------------------------------------------------------------------

// The machine, not a new reference: it lives for good. NULL where no devices are.
struct object *machine_object(void);
bool machine_is(const struct object *object);

MUST_USE enum status ports_create(u64 first, u64 count, struct object **out);
bool ports_is(const struct object *object);

// ERR_INVALID: not within, or `width` is none. ERR_NO_ACCESS: the port forbids it.
MUST_USE enum status ports_read(struct object *object, u64 offset, u32 width, u32 *value);
MUST_USE enum status ports_write(struct object *object, u64 offset, u32 width, u32 value);

// The interrupt of a line, or of a message, *data written to *address. Errors as of arch.h.
MUST_USE enum status interrupt_create_line(u32 line, struct object **out);
MUST_USE enum status interrupt_create_message(u64 *address, u32 *data, struct object **out);
bool interrupt_is(const struct object *object);

// Unmasks it, if it was; waits until it has come, and says how often since the last time.
// ERR_TIMED_OUT, ERR_KILLED.
MUST_USE enum status interrupt_take(struct object *object, u64 deadline_ns, u64 *count);

// The port's interrupt of that number has come. On the interrupt stack.
void interrupt_raise(u32 number);
