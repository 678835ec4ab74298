// Packing sites. Each is relative to the one before it:
//
//   head         kind in the low two bits; above them how much further the code offset is, or
//                DELTA_MORE
//   LEB128       with DELTA_MORE: how much further than that
//   trap         with KIND_OTHER
//   LEB128       how much further the bytecode offset is, the sign in the lowest bit: what is cold
//                comes last in the code
//
// Invariant: what is read was written by sites_pack, so that no number is cut off or too large.

#include "engine/runtime/sites.h"

#include "base/assert.h"

enum kind { KIND_CALL, KIND_MEMORY_BOUNDS, KIND_OTHER };

#define KIND_BITS  2
#define DELTA_MORE 63u

static inline u8 *put_leb(u8 *at, u32 value) {
    for (; value >= 0x80; value >>= 7)
        *at++ = (u8)(value | 0x80);
    *at++ = (u8)value;
    return at;
}

static u32 get_leb(const u8 **at) {
    u32 value = 0;
    for (u32 shift = 0;; shift += 7) {
        u8 byte = *(*at)++;
        value |= (u32)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
        ASSERT(shift < 28);
    }
}

static enum kind kind_of(enum trap trap) {
    if (trap == TRAP_NONE)
        return KIND_CALL;
    return trap == TRAP_MEMORY_BOUNDS ? KIND_MEMORY_BOUNDS : KIND_OTHER;
}

usize sites_pack(const struct code_site *sites, u32 count, u8 *out) {
    u8 *at = out;
    u32 code_offset = 0;
    u32 wasm_offset = 0;
    for (u32 i = 0; i < count; i++) {
        const struct code_site *site = &sites[i];
        ASSERT(site->code_offset >= code_offset);
        u32 further = site->code_offset - code_offset;
        u32 moved = site->wasm_offset - wasm_offset;
        moved = moved << 1 ^ ((moved & 1u << 31) != 0 ? UINT32_MAX : 0);
        enum kind kind = kind_of(site->trap);
        code_offset = site->code_offset;
        wasm_offset = site->wasm_offset;
        if (further < DELTA_MORE && kind != KIND_OTHER && moved < 0x80) { // nearly all
            *at++ = (u8)(further << KIND_BITS | kind);
            *at++ = (u8)moved;
            continue;
        }
        *at++ = (u8)((further < DELTA_MORE ? further : DELTA_MORE) << KIND_BITS | kind);
        if (further >= DELTA_MORE)
            at = put_leb(at, further - DELTA_MORE);
        if (kind == KIND_OTHER)
            *at++ = (u8)site->trap;
        at = put_leb(at, moved);
    }
    return (usize)(at - out);
}

bool site_next(struct site_reader *r) {
    ASSERT(r->at <= r->end);
    if (r->at == r->end)
        return false;
    u8 head = *r->at++;
    u32 further = head >> KIND_BITS;
    if (further == DELTA_MORE)
        further += get_leb(&r->at);
    r->site.code_offset += further;
    switch ((enum kind)(head & ((1 << KIND_BITS) - 1))) {
    case KIND_CALL:
        r->site.trap = TRAP_NONE;
        break;
    case KIND_MEMORY_BOUNDS:
        r->site.trap = TRAP_MEMORY_BOUNDS;
        break;
    case KIND_OTHER:
        r->site.trap = (enum trap) * r->at++;
        break;
    }
    u32 moved = get_leb(&r->at);
    r->site.wasm_offset += moved >> 1 ^ ((moved & 1) != 0 ? UINT32_MAX : 0);
    return true;
}
