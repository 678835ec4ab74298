// What a program writes, and what of it reaches the emulator.

#include "user/services/console/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BAD "\xef\xbf\xbd"

static const struct case_ {
    const char *in;
    const char *out;
} cases[] = {
    {"plain\x1b[1m text", "plain\x1b[1m text"},
    {"a\nb\r\n", "a\r\nb\r\r\n"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    {"\xe0\xa0\x80\xed\x9f\xbf", "\xe0\xa0\x80\xed\x9f\xbf"},
    {"\x80\xbf", BAD BAD},
    {"\x9b"
     "1m",
     BAD "1m"},
    {"\xc0\xaf", BAD BAD},
    {"\xe0\x80x", BAD BAD "x"},
    {"\xed\xa0\x80", BAD BAD BAD},
    {"\xf4\x90", BAD BAD},
    {"\xf5\xff", BAD BAD},
    {"\xc3x", BAD "x"},
    {"\xe4\xb8\n", BAD "\r\n"},
    {"\xe4\xc3\xa4", BAD "\xc3\xa4"},
    {"x\xe4\xb8", "x"},
};

// However it is cut into pieces.
static void only_whole_characters_pass(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        usize len = strlen(cases[i].in);
        for (usize cut = 0; cut <= len; cut++) {
            struct filter filter = {0};
            // Just as much room as is promised, so that a sanitizer sees more.
            char *out = malloc(FILTER_GROWTH * (cut + 1));
            char *rest = malloc(FILTER_GROWTH * (len - cut + 1));
            usize first = filter_put(&filter, cases[i].in, cut, out);
            usize second = filter_put(&filter, cases[i].in + cut, len - cut, rest);
            assert_int_equal(first + second, strlen(cases[i].out));
            assert_memory_equal(out, cases[i].out, first);
            assert_memory_equal(rest, cases[i].out + first, second);
            free(out);
            free(rest);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_whole_characters_pass)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
