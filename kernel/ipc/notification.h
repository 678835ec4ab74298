#pragma once
// Notifications: a word of bits that anybody who may signals, and somebody takes. Signals are
// or-ed, so however many come, they take no memory.

#include "kernel/ipc/object.h"

MUST_USE enum status notification_create(struct object **out);
bool notification_is(const struct object *object);

// Any context.
void notification_signal(struct object *object, u64 bits);

// Waits until a bit is set and takes them all. ERR_TIMED_OUT, ERR_KILLED.
MUST_USE enum status notification_take(struct object *object, u64 deadline_ns, u64 *bits);
