#pragma once
// Takes a byte stream apart into frames of abi/kwast/link.h. The stream is not trusted: a bad
// header ends it for good, and no length is believed beyond LINK_PAYLOAD_MAX.

#include "abi/kwast/link.h"
#include "base/string.h"
#include "base/types.h"

struct frame_parser {
    u8 header[sizeof(struct link_header)];
    u32 header_len; // bytes of the header that have come
    u32 left;       // bytes of the payload that have not
    u16 type;
    bool is_broken;

    // Called with each piece of a payload, in order; `left` bytes of the frame are still to come.
    // A frame without payload is one empty piece.
    void (*piece)(void *context, u16 type, struct bytes piece, u32 left);
    void *context;
};

void frame_parser_feed(struct frame_parser *parser, struct bytes data);
