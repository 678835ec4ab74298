// Floating point numbers as text, against the C library of the host.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/proc/float_text.h"
#include "tests/fake_arch.h"

static u64 bits_64(double value) {
    u64 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static u32 bits_32(float value) {
    u32 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void expect_parse(const char *text) {
    u64 got;
    if (!float_parse(bytes_of(text), FLOAT_64, &got) || got != bits_64(strtod(text, NULL)))
        fail_msg("%s as f64", text);
    if (!float_parse(bytes_of(text), FLOAT_32, &got) || got != bits_32(strtof(text, NULL)))
        fail_msg("%s as f32", text);
}

static void numbers_are_read_as_the_library_reads_them(void **) {
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "-1",
        "1.5",
        "0.1",
        "3.14159265358979",
        "1e0",
        "1E5",
        "1e+5",
        "1e-5",
        ".5",
        "5.",
        "123456789012345678901234567890",
        "0.000000000000000000000001",
        "1e308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e309",
        "1e400",
        "1e401",
        "1e99999",
        "1e-307",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "5e-324",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1e-400",
        "1e-99999",
        "3.4028235e38",
        "3.4028236e38",
        "1.17549435e-38",
        "1.4e-45",
        "0.7e-45",
        "0.71e-45",
        "9007199254740993",
        "9007199254740992.99999999999",
        "16777217",
        "16777216.99",
        "0e99999",
        "8.5",
        "2.5",
        "0.30000000000000004",
        "000000000000000000000001",
    };
    fake_machine_start_simple(16 * MIB);
    for (u32 i = 0; i < COUNT_OF(texts); i++)
        expect_parse(texts[i]);
}

static void words_are_read(void **) {
    u64 got;
    fake_machine_start_simple(16 * MIB);
    assert_true(float_parse(bytes_of("inf"), FLOAT_32, &got) && got == 0x7f800000);
    assert_true(float_parse(bytes_of("-inf"), FLOAT_64, &got) && got == 0xfffull << 52);
    assert_true(float_parse(bytes_of("nan"), FLOAT_32, &got) && got == 0x7fc00000);
    assert_true(float_parse(bytes_of("nan"), FLOAT_64, &got) && got == 0x7ff8ull << 48);
}

static void anything_else_is_refused(void **) {
    static const char *const texts[] = {"",    "-",  ".",    "-.",       "e5",    "1e",
                                        "1e+", "1x", "x1",   "1.2.3",    " 1",    "1 ",
                                        "--1", "+1", "0x10", "infinity", "1e5.5", "1_000"};
    fake_machine_start_simple(16 * MIB);
    for (u32 i = 0; i < COUNT_OF(texts); i++) {
        u64 got = 77;
        assert_false(float_parse(bytes_of(texts[i]), FLOAT_64, &got));
        assert_int_equal(got, 77);
    }
    char digits[FLOAT_DIGITS_MAX + 2];
    u64 got;
    memset(digits, '9', sizeof digits);
    assert_true(float_parse((struct bytes){(u8 *)digits, FLOAT_DIGITS_MAX}, FLOAT_64, &got));
    assert_false(float_parse((struct bytes){(u8 *)digits, FLOAT_DIGITS_MAX + 1}, FLOAT_64, &got));
}

static void numbers_are_written_as_people_do(void **) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1.0, "1"},
        {-2.5, "-2.5"},
        {0.1, "0.1"},
        {100.0, "100"},
        {1e20, "100000000000000000000"},
        {1e21, "1e21"},
        {1.5e-7, "0.00000015"},
        {1.5e-8, "1.5e-8"},
        {123456.789, "123456.789"},
        {1e300, "1e300"},
        {5e-324, "5e-324"},
        {9.99, "9.99"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {2e-300, "2e-300"},
        {1.25e30, "1.25e30"},
        {99999999999999990000.0, "99999999999999980000"},
        {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"},
    };
    char out[FLOAT_TEXT_BYTES];
    fake_machine_start_simple(16 * MIB);
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        usize len = float_format(bits_64(cases[i].value), FLOAT_64, out);
        if (!bytes_equal_text((struct bytes){(u8 *)out, len}, cases[i].text))
            fail_msg("%s came out as %.*s", cases[i].text, (int)len, out);
    }
    assert_int_equal(float_format(0x40200000, FLOAT_32, out), 3);
    assert_memory_equal(out, "2.5", 3);
    assert_int_equal(float_format(bits_32(0.1f), FLOAT_32, out), 3);
    assert_memory_equal(out, "0.1", 3);
    assert_int_equal(float_format(0x7f800000, FLOAT_32, out), 3);
    assert_memory_equal(out, "inf", 3);
    assert_int_equal(float_format(0xffc00000, FLOAT_32, out), 4);
    assert_memory_equal(out, "-nan", 4);
}

// Whatever is written reads back, here and in the library, and is no longer than 17 digits.
static void what_is_written_reads_back(void **) {
    u64 seed = 11;
    fake_machine_start_simple(16 * MIB);
    for (u32 i = 0; i < 600; i++) {
        char out[FLOAT_TEXT_BYTES + 1] = {0};
        u64 bits = fake_random(&seed);
        u64 back;
        if (i % 4 == 0)
            bits &= 0x800fffffffffffff; // subnormal
        if ((bits >> 52 & 0x7ff) == 0x7ff)
            continue;
        usize len = float_format(bits, FLOAT_64, out);
        assert_true(len < FLOAT_TEXT_BYTES);
        assert_true(float_parse((struct bytes){(u8 *)out, len}, FLOAT_64, &back));
        assert_int_equal(back, bits);
        assert_int_equal(bits_64(strtod(out, NULL)), bits);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_as_the_library_reads_them),
        cmocka_unit_test(words_are_read),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(numbers_are_written_as_people_do),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
