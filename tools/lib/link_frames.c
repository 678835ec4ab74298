// The host's side of the link's framing. What arrives is not trusted: a wrong magic number or a
// length over the limit is reported, never followed.

#include "tools/lib/link_frames.h"

#include "base/assert.h"

static struct link_header first_header(const struct link_frames *frames) {
    struct link_header header;
    memcpy(&header, frames->buffer, sizeof(header));
    return header;
}

void *link_frames_space(struct link_frames *frames, usize *room) {
    *room = sizeof(frames->buffer) - frames->used;
    return frames->buffer + frames->used;
}

void link_frames_arrived(struct link_frames *frames, usize len) {
    CHECK(len <= sizeof(frames->buffer) - frames->used);
    frames->used += (u32)len;
}

enum link_next link_frames_peek(const struct link_frames *frames, u16 *type,
                                struct bytes *payload) {
    if (frames->used < sizeof(struct link_header))
        return LINK_NEXT_INCOMPLETE;
    struct link_header header = first_header(frames);
    if (header.magic != LINK_MAGIC || header.len > LINK_PAYLOAD_MAX)
        return LINK_NEXT_BROKEN;
    if (frames->used - sizeof(header) < header.len)
        return LINK_NEXT_INCOMPLETE;
    *type = header.type;
    *payload = (struct bytes){frames->buffer + sizeof(header), header.len};
    return LINK_NEXT_FRAME;
}

void link_frames_drop(struct link_frames *frames) {
    usize whole = sizeof(struct link_header) + first_header(frames).len;
    CHECK(whole <= frames->used);
    frames->used -= (u32)whole;
    memmove(frames->buffer, frames->buffer + whole, frames->used);
}

bool link_payload_read(struct bytes payload, void *out, usize len) {
    if (payload.len != len)
        return false;
    memcpy(out, payload.data, len);
    return true;
}
