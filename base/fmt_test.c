// Formatting: every conversion, flag and length, and cutting at the buffer's end.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fmt.h"
#include "base/string.h"

#define EXPECT(expected, ...)                                                                      \
    do {                                                                                           \
        char text[64];                                                                             \
        assert_int_equal(fmt_string(text, sizeof text, __VA_ARGS__), strlen(expected));            \
        assert_string_equal(text, expected);                                                       \
    } while (0)

static void numbers_are_formatted(void **state) {
    (void)state;
    EXPECT("0", "%d", 0);
    EXPECT("-2147483648", "%d", INT32_MIN);
    EXPECT("-9223372036854775808", "%ld", INT64_MIN);
    EXPECT("18446744073709551615", "%zu", SIZE_MAX);
    EXPECT("   42", "%5d", 42);
    EXPECT("42   |", "%-5d|", 42);
    EXPECT("-0042", "%05d", -42);
    EXPECT("0000beef", "%08x", 0xbeef);
    EXPECT("BEEF", "%X", 0xbeef);
    EXPECT("0xff", "%p", (void *)0xff);
}

static void text_is_formatted(void **state) {
    (void)state;
    EXPECT("[abc]", "[%s]", "abc");
    EXPECT("[ab]", "[%.*s]", 2, "abc");
    EXPECT("[  abc]", "[%5s]", "abc");
    EXPECT("[abc  ]", "[%-5s]", "abc");
    EXPECT("(null)", "%s", (const char *)NULL);
    EXPECT("100%", "%d%%", 100);
    EXPECT("x", "%c", 'x');
}

static void long_text_is_cut_and_measured(void **state) {
    (void)state;
    char text[4];
    assert_int_equal(fmt_string(text, sizeof text, "%s", "abcdef"), 6);
    assert_string_equal(text, "abc");
    assert_int_equal(fmt_string(NULL, 0, "%s", "abcdef"), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_formatted),
        cmocka_unit_test(text_is_formatted),
        cmocka_unit_test(long_text_is_cut_and_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
