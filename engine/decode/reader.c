// Reading numbers, names and byte runs out of a hostile binary.
//
// Invariants:
//  1. start <= at <= end, always: a failed reader has at == end, so that every later read fails
//     without a check of its own, and loops over what is left stop.
//  2. Only the first failure is kept; it says where in the module it happened.
//  3. A read that fails returns zero, never part of a value.

#include "engine/decode/reader.h"

#include "base/assert.h"

const char reader_unexpected_end[] = "unexpected end of section or function";

void reader_init(struct reader *r, const u8 *module, struct bytes part) {
    *r = (struct reader){.at = part.data, .end = part.data + part.len, .start = module};
}

void reader_fail_at(struct reader *r, const u8 *where, enum status status, const char *why) {
    ASSERT(status != OK);
    if (r->status == OK) {
        r->status = status;
        r->error = why;
        r->error_offset = (u32)(where - r->start);
    }
    r->at = r->end;
}

void reader_fail(struct reader *r, enum status status, const char *why) {
    reader_fail_at(r, r->at, status, why);
}

void reader_fail_number(struct reader *r, const u8 *where, enum status status, const char *why,
                        u32 number) {
    if (r->status == OK) {
        r->error_has_number = true;
        r->error_number = number;
    }
    reader_fail_at(r, where, status, why);
}

static u64 little_endian(struct reader *r, u32 len) {
    if (reader_left(r) < len) {
        reader_fail(r, ERR_TRUNCATED, reader_unexpected_end);
        return 0;
    }
    u64 value = 0;
    for (u32 i = 0; i < len; i++)
        value |= (u64)r->at[i] << 8 * i;
    r->at += len;
    return value;
}

u32 reader_u32_le(struct reader *r) {
    return (u32)little_endian(r, 4);
}

u64 reader_u64_le(struct reader *r) {
    return little_endian(r, 8);
}

static const char too_long[] = "integer representation too long";
static const char too_large[] = "integer too large";

static u64 leb_unsigned(struct reader *r, u32 bits) {
    u64 value = 0;
    for (u32 shift = 0;; shift += 7) {
        const u8 *where = r->at;
        u8 byte = reader_u8(r);
        if (r->status != OK)
            return 0;
        u32 room = bits - shift; // in the last byte less than 7
        if (room < 7 && (byte & 0x80) != 0) {
            reader_fail_at(r, where, ERR_MALFORMED, too_long);
            return 0;
        }
        if (room < 7 && byte >> room != 0) {
            reader_fail_at(r, where, ERR_MALFORMED, too_large);
            return 0;
        }
        value |= (u64)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
}

static i64 leb_signed(struct reader *r, u32 bits) {
    u64 value = 0;
    for (u32 shift = 0;; shift += 7) {
        const u8 *where = r->at;
        u8 byte = reader_u8(r);
        if (r->status != OK)
            return 0;
        u32 room = bits - shift;
        if (room < 7 && (byte & 0x80) != 0) {
            reader_fail_at(r, where, ERR_MALFORMED, too_long);
            return 0;
        }
        i64 low = (i64)((u64)byte << 57) >> 57; // the seven bits, sign-extended
        // The bits from the sign up must be copies of it.
        if (room < 7 && low >> (room - 1) != 0 && low >> (room - 1) != -1) {
            reader_fail_at(r, where, ERR_MALFORMED, too_large);
            return 0;
        }
        if ((byte & 0x80) == 0)
            return (i64)(value | (u64)low << shift);
        value |= (u64)(byte & 0x7f) << shift;
    }
}

u32 reader_leb_u32_long(struct reader *r) {
    return (u32)leb_unsigned(r, 32);
}

u64 reader_leb_u64_long(struct reader *r) {
    return leb_unsigned(r, 64);
}

i32 reader_leb_i32_long(struct reader *r) {
    return (i32)leb_signed(r, 32);
}

i64 reader_leb_i64_long(struct reader *r) {
    return leb_signed(r, 64);
}

i64 reader_leb_i33(struct reader *r) {
    return leb_signed(r, 33);
}

struct bytes reader_bytes(struct reader *r) {
    const u8 *where = r->at;
    u32 len = reader_leb_u32(r);
    if (len > reader_left(r))
        reader_fail_at(r, where, ERR_TRUNCATED, "length out of bounds");
    if (r->status != OK)
        return (struct bytes){};
    struct bytes bytes = {r->at, len};
    r->at += len;
    return bytes;
}

// The length of the UTF-8 sequence at `at`, or 0 when it is malformed: cut off, not the shortest
// form, a surrogate, or beyond U+10FFFF.
static u32 utf8_sequence(const u8 *at, usize left) {
    u8 first = at[0];
    if (first < 0x80)
        return 1;

    u32 len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < len)
        return 0;
    // The first byte narrows what the second may be; the others are any continuation byte.
    u8 low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    u8 high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (u32 i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

struct bytes reader_name(struct reader *r) {
    struct bytes name = reader_bytes(r);
    for (usize at = 0; at < name.len;) {
        u32 len = utf8_sequence(name.data + at, name.len - at);
        if (len == 0) {
            reader_fail_at(r, name.data + at, ERR_MALFORMED, "malformed UTF-8 encoding");
            return (struct bytes){};
        }
        at += len;
    }
    return name;
}

u32 reader_count(struct reader *r, u32 limit, const char *what) {
    const u8 *where = r->at;
    u32 count = reader_leb_u32(r);
    if (count > reader_left(r))
        reader_fail_at(r, where, ERR_TRUNCATED,
                       reader_left(r) == 0 ? reader_unexpected_end : "length out of bounds");
    else if (count > limit)
        reader_fail_number(r, where, ERR_LIMIT, what, limit);
    return r->status == OK ? count : 0;
}
