// The receiving half of the link's framing: a state machine that keeps nothing but the header that
// it is in, so the sender cannot make it hold memory.

#include "kernel/ipc/frame_parser.h"

#include "base/math.h"

static void take_header(struct frame_parser *parser) {
    struct link_header header;
    memcpy(&header, parser->header, sizeof header);
    if (header.magic != LINK_MAGIC || header.len > LINK_PAYLOAD_MAX) {
        parser->is_broken = true;
        return;
    }
    parser->type = header.type;
    parser->left = header.len;
    if (header.len == 0) {
        parser->header_len = 0;
        parser->piece(parser->context, header.type, (struct bytes){parser->header, 0}, 0);
    }
}

void frame_parser_feed(struct frame_parser *parser, struct bytes data) {
    while (data.len != 0 && !parser->is_broken) {
        usize take;
        if (parser->header_len < sizeof parser->header) {
            take = min_u64(sizeof parser->header - parser->header_len, data.len);
            memcpy(parser->header + parser->header_len, data.data, take);
            parser->header_len += (u32)take;
            if (parser->header_len == sizeof parser->header)
                take_header(parser);
        } else {
            take = min_u64(parser->left, data.len);
            parser->left -= (u32)take;
            if (parser->left == 0)
                parser->header_len = 0;
            parser->piece(parser->context, parser->type, (struct bytes){data.data, take},
                          parser->left);
        }
        data.data += take;
        data.len -= take;
    }
}
