#pragma once
// The framed link to who started the machine: abi/kwast/link.h over the port's byte stream.
//
// Frames are queued whole in a ring and pumped into the port from whatever context finds room, so a
// sender that is killed never leaves half a frame behind.

#include "abi/kwast/file.h"
#include "abi/kwast/link.h"
#include "base/list.h"
#include "base/status.h"
#include "base/string.h"
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

// Waits until everything has left the machine, or `deadline_ns`.
void link_flush(u64 deadline_ns);

// Takes up to `len` bytes of stdin; *got 0 is its end. Blocks until there are some. ERR_KILLED.
MUST_USE enum status link_stdin_read(void *to, usize len, usize *got);

// Bytes of stdin that can be read now; *ended: nothing comes after them.
usize link_stdin_available(bool *ended);

// Room for output without blocking, in bytes.
usize link_output_room(void);

// A request to the server of files at the other end, and its answer.
struct link_call {
    enum file_op op;
    u16 flags;
    u32 handle;
    u32 other;
    u64 words[2]; // and what was answered
    struct bytes path;
    struct bytes other_path;
    struct bytes data; // at most FILE_DATA_MAX
    void *to;          // where the answer's data goes, at most `room` bytes
    u32 room;
    u32 got; // of them

    // Private, under the link's lock:
    struct list pending_link;
    u32 tag;
    bool is_answered;
    enum status status;
};

// Sends the request and blocks until it is answered: what the answer says, or ERR_KILLED (then
// nobody knows whether it was done), ERR_CLOSED without a link. Thread context.
MUST_USE enum status link_call(struct link_call *call);

// A handle for FILE_OPEN, with the promise that its FILE_CLOSE can be sent at any time: blocks
// until there is room for that. ERR_LIMIT, ERR_KILLED.
MUST_USE enum status link_handle_reserve(u32 *out);

// Sends FILE_CLOSE, whether or not the handle was opened in the end. Never blocks or fails.
void link_handle_close(u32 handle);

// Woken when one of the answers above may have changed.
struct wait_queue *link_wait_queue(void);

// The port's interrupt: the link is readable or writable. Any context.
void link_interrupt(void);
