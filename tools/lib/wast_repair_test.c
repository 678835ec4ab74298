// The repair changes the one byte that is wrong, and nothing in any other module.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/lib/wast_repair.h"

#define HEAD  "\0asm\1\0\0\0"
#define TYPES "\1\4\1\x60\0\0"

static void only_the_fault_is_repaired(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        usize len;
        usize offset; // of the repaired count
        u8 count;     // 0: left alone
    } cases[] = {
#define MODULE(literal) HEAD TYPES literal, sizeof(HEAD TYPES literal) - 1
        {"two imports, one entry", MODULE("\2\x0f\2\1m\0\x7f\2\1a\0\0\1b\4\0\0"), 16, 1},
        {"three imports, two entries", MODULE("\2\x14\3\1m\1x\0\0\1n\0\x7f\2\1a\0\0\1b\0\0"), 16,
         2},
        {"as it should be", MODULE("\2\x0f\1\1m\0\x7f\2\1a\0\0\1b\4\0\0"), 0, 0},
        {"no compact entry", MODULE("\2\7\1\1m\1x\0\0"), 0, 0},
        {"a count of neither", MODULE("\2\x0f\3\1m\0\x7f\2\1a\0\0\1b\4\0\0"), 0, 0},
        {"cut", MODULE("\2\x0f\2\1m\0\x7f\2\1a\0\0\1b\4\0"), 0, 0},
        {"cut in the section", MODULE("\2\x0c\2\1m\0\x7f\2\1a\0\0\1b"), 0, 0},
        {"no imports", MODULE("\3\2\1\0"), 0, 0},
        {"a global", MODULE("\2\x0f\2\1m\0\x7f\2\1a\0\0\1b\3\x7f\0"), 0, 0},
        {"not a module", "\0asm\2\0\0\0\2\1\0", 11, 0, 0},
        {"nothing", "", 0, 0, 0},
#undef MODULE
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        u8 bytes[64];
        memcpy(bytes, cases[i].bytes, cases[i].len);
        if (wast_repair_imports(bytes, cases[i].len) != (cases[i].count != 0))
            fail_msg("%s", cases[i].name);
        if (cases[i].count != 0) {
            assert_int_equal(bytes[cases[i].offset], cases[i].count);
            bytes[cases[i].offset] = (u8)cases[i].bytes[cases[i].offset];
        }
        assert_memory_equal(bytes, cases[i].bytes, cases[i].len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_fault_is_repaired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
