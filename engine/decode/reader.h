#pragma once
// A bounded byte reader with a sticky error: after the first failure every read returns zero and
// the position stops moving, so callers check once per section, not once per byte.

#include "base/status.h"
#include "base/string.h"
#include "base/types.h"

struct reader {
    const u8 *at;
    const u8 *end;
    const u8 *start; // of the whole module, for offsets
    enum status status;
    u32 error_offset;      // of the first failure, from `start`
    const char *error;     // static text of the first failure
    bool error_has_number; // then the number belongs at the end of the text
    u32 error_number;
};

void reader_init(struct reader *r, const u8 *module, struct bytes part);

// Notes the first failure at the current position (or at `where`) and stops the reader.
void reader_fail(struct reader *r, enum status status, const char *why);
void reader_fail_at(struct reader *r, const u8 *where, enum status status, const char *why);

// The same for texts that end in a number: an index or a limit.
void reader_fail_number(struct reader *r, const u8 *where, enum status status, const char *why,
                        u32 number);

static inline usize reader_left(const struct reader *r) {
    return (usize)(r->end - r->at);
}

static inline u32 reader_offset(const struct reader *r) {
    return (u32)(r->at - r->start);
}

// The text of running out of bytes, for those who read ahead of the functions below.
extern const char reader_unexpected_end[];

static inline u8 reader_u8(struct reader *r) {
    if (reader_left(r) == 0) {
        reader_fail(r, ERR_TRUNCATED, reader_unexpected_end);
        return 0;
    }
    return *r->at++;
}

u32 reader_u32_le(struct reader *r);
u64 reader_u64_le(struct reader *r);
i64 reader_leb_i33(struct reader *r);

// The general case of the functions below.
u32 reader_leb_u32_long(struct reader *r);
u64 reader_leb_u64_long(struct reader *r);
i32 reader_leb_i32_long(struct reader *r);
i64 reader_leb_i64_long(struct reader *r);

// Most numbers take one byte.
static inline u32 reader_leb_u32(struct reader *r) {
    if (r->at < r->end && *r->at < 0x80)
        return *r->at++;
    return reader_leb_u32_long(r);
}

static inline u64 reader_leb_u64(struct reader *r) {
    if (r->at < r->end && *r->at < 0x80)
        return *r->at++;
    return reader_leb_u64_long(r);
}

static inline i32 reader_leb_i32(struct reader *r) {
    if (r->at < r->end && *r->at < 0x80)
        return (i32)((u32)*r->at++ << 25) >> 25;
    return reader_leb_i32_long(r);
}

static inline i64 reader_leb_i64(struct reader *r) {
    if (r->at < r->end && *r->at < 0x80)
        return (i64)((u64)*r->at++ << 57) >> 57;
    return reader_leb_i64_long(r);
}

// A length followed by that many bytes.
struct bytes reader_bytes(struct reader *r);

// The same, checked to be UTF-8.
struct bytes reader_name(struct reader *r);

// An element count of at most `limit`. Every element takes at least one byte, so a count larger
// than the bytes left is malformed; this also bounds the caller's loop and its allocation. The
// text of the refusal is `what` and the limit.
u32 reader_count(struct reader *r, u32 limit, const char *what);
