// Whether the cursor is behind something, after text that comes in one piece and byte by byte.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/services/console/cursor.h"

static void the_cursor_is_behind_what_ended_no_line(void **) {
    static const struct {
        const char *text;
        bool is_in_line;
    } cases[] = {
        {"", false},
        {"a", true},
        {"\xc3\xa4", true},
        {"a\n", false},
        {"a\nb", true},
        {"50%\r", false},
        {"\a\b", false},
        {"a\x1b[m", true},
        {"a\n\x1b[31;1m\x1b[K", false},
        {"a\x1b[24;1H", false},
        {"a\x1b[H\x1b[2J", false},
        {"a\x1b[Hb", true},
        {"\x1b]0;title\a", false},
        {"\x1b]0;title\x1b\\", false},
        {"\x1b"
         "7",
         false},
        {"a\n\x1b(B", false},
        {"a\n\x1b(Bb", true},
        {"\x1bPstring\x1b\\", false},
        {"\x1b_string\x1b\\", false},
        {"\x1b[3\x1b[m", false}, // a sequence that breaks another one off
        {"\x1b[3\x1b[mb", true},
        {"\x1b]0;title\x1b[m", false},
        {"\x1b]0;title\x1b[mb", true},
        {"\x1b[3\x18"
         "1",
         true},
        {"\x1b]0;title\x1a", false},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        struct cursor whole = {};
        struct cursor by_bytes = {};
        cursor_write(&whole, cases[i].text, strlen(cases[i].text));
        assert_int_equal(whole.is_in_line, cases[i].is_in_line);
        for (const char *at = cases[i].text; *at != 0; at++) // as it comes
            cursor_write(&by_bytes, at, 1);
        assert_int_equal(by_bytes.is_in_line, cases[i].is_in_line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_cursor_is_behind_what_ended_no_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
