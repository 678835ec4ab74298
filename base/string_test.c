// The kernel's memory and string functions, under other names, against the C library's; and the
// texts of the status codes.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define memcpy  own_memcpy
#define memmove own_memmove
#define memset  own_memset
#define memcmp  own_memcmp
#define strlen  own_strlen
#define strcmp  own_strcmp
#include "base/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp

#include "base/status.h"

#define BYTES 96u

static void fill(u8 *bytes) {
    for (u32 i = 0; i < BYTES; i++)
        bytes[i] = (u8)(i * 5 + 1);
}

static void copies_equal_the_library_at_every_distance(void **) {
    for (u32 from = 0; from < 20; from++) {
        for (u32 to = 0; to < 20; to++) {
            for (u32 len = 0; len < 70; len += 3) {
                u8 own[BYTES], reference[BYTES];
                fill(own);
                fill(reference);
                assert_ptr_equal(own_memmove(own + to, own + from, len), own + to);
                memmove(reference + to, reference + from, len);
                assert_memory_equal(own, reference, BYTES);
            }
        }
    }
}

static void copies_and_fills_keep_to_their_range(void **) {
    for (u32 at = 0; at < 9; at++) {
        for (u32 len = 0; len < 40; len++) {
            u8 source[BYTES], own[BYTES] = {0}, reference[BYTES] = {0};
            fill(source);
            assert_ptr_equal(own_memcpy(own + at, source, len), own + at);
            memcpy(reference + at, source, len);
            assert_memory_equal(own, reference, BYTES);
            assert_ptr_equal(own_memset(own + at, 0x1ee, len), own + at);
            memset(reference + at, 0xee, len);
            assert_memory_equal(own, reference, BYTES);
        }
    }
}

static int sign(int value) {
    return (value > 0) - (value < 0);
}

static void comparisons_are_of_unsigned_bytes(void **) {
    static const char *const texts[] = {"", "a", "ab", "b", "\x80", "a\x80", "abc"};
    for (usize i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(own_strlen(texts[i]), strlen(texts[i]));
        for (usize k = 0; k < COUNT_OF(texts); k++) {
            assert_int_equal(sign(own_strcmp(texts[i], texts[k])),
                             sign(strcmp(texts[i], texts[k])));
            assert_int_equal(sign(own_memcmp(texts[i], texts[k], 1)),
                             sign(memcmp(texts[i], texts[k], 1)));
        }
    }
    assert_int_equal(own_memcmp("x", "y", 0), 0);
}

static void every_status_has_its_own_text(void **) {
    for (u32 i = 0; i < STATUS_COUNT; i++) {
        assert_true(strlen(status_text((enum status)i)) > 0);
        for (u32 k = 0; k < i; k++)
            assert_string_not_equal(status_text((enum status)i), status_text((enum status)k));
    }
    assert_string_equal(status_text((enum status)STATUS_COUNT), "unknown status");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_equal_the_library_at_every_distance),
        cmocka_unit_test(copies_and_fills_keep_to_their_range),
        cmocka_unit_test(comparisons_are_of_unsigned_bytes),
        cmocka_unit_test(every_status_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
