// Tests of the reader: numbers at their limits, every truncation, names, counts, stickiness.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/decode/reader.h"

enum leb_kind { U32, U64, I32, I64, I33 };

static const char too_long[] = "integer representation too long";
static const char too_large[] = "integer too large";

static const struct leb_case {
    const char *name;
    enum leb_kind kind;
    u8 len;
    u8 bytes[12];
    u64 value;         // sign-extended
    const char *error; // NULL: it is read
} leb_cases[] = {
    {"zero", U32, 1, {0x00}, 0, NULL},
    {"largest of one byte", U32, 1, {0x7f}, 127, NULL},
    {"two bytes", U32, 2, {0xe5, 0x0e}, 0x765, NULL},
    {"padded zero is legal", U32, 2, {0x80, 0x00}, 0, NULL},
    {"padding up to five bytes", U32, 5, {0x81, 0x80, 0x80, 0x80, 0x00}, 1, NULL},
    {"largest u32", U32, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}, 0xffffffff, NULL},
    {"33rd bit", U32, 5, {0xff, 0xff, 0xff, 0xff, 0x1f}, 0, too_large},
    {"bit far up", U32, 5, {0x80, 0x80, 0x80, 0x80, 0x40}, 0, too_large},
    {"sixth byte", U32, 6, {0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 0, too_long},
    {"largest u64",
     U64,
     10,
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
     UINT64_MAX,
     NULL},
    {"65th bit",
     U64,
     10,
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
     0,
     too_large},
    {"eleventh byte",
     U64,
     11,
     {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00},
     0,
     too_long},
    {"minus one", I32, 1, {0x7f}, UINT64_MAX, NULL},
    {"63", I32, 1, {0x3f}, 63, NULL},
    {"minus 64", I32, 1, {0x40}, (u64)-64, NULL},
    {"64 takes two bytes", I32, 2, {0xc0, 0x00}, 64, NULL},
    {"minus one, padded", I32, 5, {0xff, 0xff, 0xff, 0xff, 0x7f}, UINT64_MAX, NULL},
    {"largest i32", I32, 5, {0xff, 0xff, 0xff, 0xff, 0x07}, 0x7fffffff, NULL},
    {"smallest i32", I32, 5, {0x80, 0x80, 0x80, 0x80, 0x78}, (u64)INT32_MIN, NULL},
    {"sign without its copies", I32, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}, 0, too_large},
    {"copies without the sign", I32, 5, {0x80, 0x80, 0x80, 0x80, 0x70}, 0, too_large},
    {"sixth byte of an i32", I32, 6, {0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 0, too_long},
    {"smallest i33", I33, 5, {0x80, 0x80, 0x80, 0x80, 0x70}, (u64)(-(1ll << 32)), NULL},
    {"largest i33", I33, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}, 0xffffffff, NULL},
    {"34th bit", I33, 5, {0xff, 0xff, 0xff, 0xff, 0x1f}, 0, too_large},
    {"smallest i64",
     I64,
     10,
     {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f},
     (u64)INT64_MIN,
     NULL},
    {"largest i64",
     I64,
     10,
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},
     INT64_MAX,
     NULL},
    {"65th bit of an i64",
     I64,
     10,
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
     0,
     too_large},
    {"eleventh byte of an i64",
     I64,
     11,
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
     0,
     too_long},
};

static u64 read_leb(struct reader *r, enum leb_kind kind) {
    switch (kind) {
    case U32:
        return reader_leb_u32(r);
    case U64:
        return reader_leb_u64(r);
    case I32:
        return (u64)(i64)reader_leb_i32(r);
    case I64:
        return (u64)reader_leb_i64(r);
    case I33:
        return (u64)reader_leb_i33(r);
    }
    return 0;
}

static void leb_accepts_and_rejects(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(leb_cases); i++) {
        const struct leb_case *c = &leb_cases[i];
        struct reader r;
        reader_init(&r, c->bytes, (struct bytes){c->bytes, c->len});
        u64 value = read_leb(&r, c->kind);
        assert_true(value == c->value);
        assert_int_equal(r.status, c->error == NULL ? OK : ERR_MALFORMED);
        if (c->error == NULL)
            assert_int_equal(reader_offset(&r), c->len);
        else
            assert_string_equal(r.error, c->error);
    }
}

static void leb_reports_every_truncation(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(leb_cases); i++) {
        const struct leb_case *c = &leb_cases[i];
        for (u32 len = 0; c->error == NULL && len < c->len; len++) {
            u8 copy[12]; // of the very length, so that reading too far would show
            memcpy(copy + sizeof(copy) - len, c->bytes, len);
            struct reader r;
            reader_init(&r, copy, (struct bytes){copy + sizeof(copy) - len, len});
            assert_true(read_leb(&r, c->kind) == 0);
            assert_int_equal(r.status, ERR_TRUNCATED);
            assert_int_equal(r.error_offset, sizeof(copy));
        }
    }
}

static void fixed_width_numbers_are_little_endian(void **state) {
    (void)state;
    const u8 bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    struct reader r;
    reader_init(&r, bytes, (struct bytes){bytes, sizeof(bytes)});
    assert_int_equal(reader_u32_le(&r), 0x04030201);
    assert_int_equal(reader_u64_le(&r), 0x0c0b0a0908070605);
    assert_int_equal(reader_u32_le(&r), 0); // two are left
    assert_int_equal(r.status, ERR_TRUNCATED);
    assert_int_equal(r.error_offset, 12);
}

static void the_first_failure_stays(void **state) {
    (void)state;
    const u8 bytes[] = {1, 2, 3};
    struct reader r;
    reader_init(&r, bytes, (struct bytes){bytes, sizeof(bytes)});
    assert_int_equal(reader_u8(&r), 1);
    reader_fail_number(&r, r.at, ERR_LIMIT, "first", 7);
    reader_fail(&r, ERR_INVALID, "second");
    reader_fail_number(&r, r.at, ERR_INVALID, "third", 8);
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_leb_u32(&r), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(r.status, ERR_LIMIT);
    assert_string_equal(r.error, "first");
    assert_int_equal(r.error_number, 7);
    assert_int_equal(r.error_offset, 1);
}

static const struct name_case {
    const char *name;
    const char *bytes;
    i32 error_at; // from the start of the name; -1: it is UTF-8
} name_cases[] = {
    {"empty", "", -1},
    {"ASCII", "plain", -1},
    {"smallest and largest of each length",
     "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80", -1},
    {"largest of all", "\xf4\x8f\xbf\xbf", -1},
    {"around the surrogates", "\xed\x9f\xbf\xee\x80\x80", -1},
    {"a surrogate", "\xed\xa0\x80", 0},
    {"beyond U+10FFFF", "\xf4\x90\x80\x80", 0},
    {"a byte that never occurs", "a\xf5\x80\x80\x80", 1},
    {"a continuation alone", "ab\x80", 2},
    {"two bytes too long a form", "\xc1\xbf", 0},
    {"three bytes too long a form", "\xe0\x9f\xbf", 0},
    {"four bytes too long a form", "\xf0\x8f\xbf\xbf", 0},
    {"cut off after one", "\xc3", 0},
    {"cut off after two", "\xe2\x82", 0},
    {"cut off after three", "a\xf0\x9f\x98", 1},
    {"interrupted", "\xe2\x82z", 0},
};

static void names_must_be_utf8(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(name_cases); i++) {
        const struct name_case *c = &name_cases[i];
        u8 bytes[32] = {(u8)strlen(c->bytes)};
        memcpy(bytes + 1, c->bytes, strlen(c->bytes));
        struct reader r;
        reader_init(&r, bytes, (struct bytes){bytes, 1 + strlen(c->bytes)});
        struct bytes name = reader_name(&r);
        if (c->error_at < 0) {
            assert_int_equal(r.status, OK);
            assert_true(bytes_equal_text(name, c->bytes));
            continue;
        }
        assert_int_equal(r.status, ERR_MALFORMED);
        assert_string_equal(r.error, "malformed UTF-8 encoding");
        assert_int_equal(r.error_offset, 1 + c->error_at);
        assert_int_equal(name.len, 0);
    }
}

static void runs_of_bytes_stay_inside(void **state) {
    (void)state;
    const u8 bytes[] = {2, 'a', 'b', 3, 'c', 'd'};
    struct reader r;
    reader_init(&r, bytes, (struct bytes){bytes, sizeof(bytes)});
    assert_true(bytes_equal_text(reader_bytes(&r), "ab"));
    assert_int_equal(reader_bytes(&r).len, 0);
    assert_string_equal(r.error, "length out of bounds");
    assert_int_equal(r.error_offset, 3);
}

static void counts_are_bounded_by_bytes_and_limit(void **state) {
    (void)state;
    const u8 bytes[] = {3, 0, 0, 0};
    struct reader r;
    reader_init(&r, bytes, (struct bytes){bytes, 4});
    assert_int_equal(reader_count(&r, 3, "too many"), 3);

    reader_init(&r, bytes, (struct bytes){bytes, 4});
    assert_int_equal(reader_count(&r, 2, "too many"), 0);
    assert_int_equal(r.status, ERR_LIMIT);
    assert_string_equal(r.error, "too many");
    assert_int_equal(r.error_number, 2);

    reader_init(&r, bytes, (struct bytes){bytes, 3});
    assert_int_equal(reader_count(&r, 3, "too many"), 0);
    assert_int_equal(r.status, ERR_TRUNCATED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leb_accepts_and_rejects),
        cmocka_unit_test(leb_reports_every_truncation),
        cmocka_unit_test(fixed_width_numbers_are_little_endian),
        cmocka_unit_test(the_first_failure_stays),
        cmocka_unit_test(names_must_be_utf8),
        cmocka_unit_test(runs_of_bytes_stay_inside),
        cmocka_unit_test(counts_are_bounded_by_bytes_and_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
