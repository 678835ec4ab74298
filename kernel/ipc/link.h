#pragma once
// The framed link to who started the machine: abi/kwast/link.h over the port's byte stream.
//
// Frames are queued whole in a ring and pumped into the port from whatever context finds room, so a
// sender that is killed never leaves half a frame behind.

#include "abi/kwast/link.h"
#include "base/status.h"
#include "base/types.h"

struct wait_queue;

// Starts the link when the port has one; `interrupt` is called, from an interrupt, for
// LINK_INTERRUPT. False: there is no link.
bool link_init(void (*interrupt)(void));
bool link_is_up(void);

// Sends `len` bytes as one frame or several; blocks while the ring is full. ERR_KILLED, then some
// frames may have been sent. Thread context.
MUST_USE enum status link_send(enum link_type type, const void *data, usize len);

// Sends one frame if there is room for it now; never blocks. No spinlock is held.
MUST_USE bool link_try_send(enum link_type type, const void *data, usize len);

// Waits until everything has been handed to the port, or `deadline_ns`.
void link_flush(u64 deadline_ns);

// Takes up to `len` bytes of stdin; *got 0 is its end. Blocks until there are some. ERR_KILLED.
MUST_USE enum status link_stdin_read(void *to, usize len, usize *got);

// Bytes of stdin that can be read now; *ended: nothing comes after them.
usize link_stdin_available(bool *ended);

// Room for output without blocking, in bytes.
usize link_output_room(void);

// Woken when one of the answers above may have changed.
struct wait_queue *link_wait_queue(void);

// The port's interrupt: the link is readable or writable. Any context.
void link_interrupt(void);
