#pragma once
// Cuts the byte stream of abi/kwast/link.h into frames, and makes frames.

#include "abi/kwast/link.h"
#include "base/string.h"

struct link_frames {
    u32 used;
    u8 buffer[sizeof(struct link_header) + LINK_PAYLOAD_MAX];
};

// Where to put up to *room bytes that arrive next; tell link_frames_arrived how many came.
void *link_frames_space(struct link_frames *frames, usize *room);
void link_frames_arrived(struct link_frames *frames, usize len);

enum link_next { LINK_NEXT_FRAME, LINK_NEXT_INCOMPLETE, LINK_NEXT_BROKEN };

// Looks at the first frame. LINK_NEXT_FRAME: `type` and `payload` (valid until link_frames_drop).
// LINK_NEXT_BROKEN: this is not our protocol.
MUST_USE enum link_next link_frames_peek(const struct link_frames *frames, u16 *type,
                                         struct bytes *payload);

// Removes the first frame, which link_frames_peek has shown to be complete.
void link_frames_drop(struct link_frames *frames);

// Reads a payload of exactly `len` bytes into `out`; false when it has another size.
MUST_USE bool link_payload_read(struct bytes payload, void *out, usize len);
