#pragma once
// Readiness: what a server says about something that it has opened for a client: whether a read or
// a write would find it ready now. The server holds an end of it, and says so whenever that
// changes; the client's channel (scheme.h) holds the other, where poll looks. So polling asks no
// server.
//
// When the server's end goes, everything is ready, and hung up: a read or write will say why. Where
// one server follows another (a scheme's root), the latest end counts.

#include "kernel/ipc/object.h"

struct ready;

// Nothing is ready at first. *end is a reference to the server's end, *ready one to what it says.
MUST_USE enum status ready_create(struct object **end, struct ready **ready);
void ready_release(struct ready *ready); // NULL is allowed

// Another end in place of the former one, which has no effect any more. Nothing is ready at first.
MUST_USE enum status ready_attach(struct ready *ready, struct object **end);

bool ready_is_end(const struct object *object);

// `events`: enum poll_events; `available`: bytes that a read would find. Any context.
void ready_set(struct object *end, u32 events, u64 available);

u32 ready_poll(struct ready *ready, u64 *available);
struct wait_queue *ready_queue(struct ready *ready); // woken when there is more
