// Sites come back as they were packed, and common ones take two bytes.

#include "engine/runtime/sites.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/types.h"

static const struct sites_case {
    const char *name;
    u32 count;
    struct code_site sites[4];
    usize bytes;
} cases[] = {
    {"none", 0, {{0, 0, TRAP_NONE}}, 0},
    {"a call", 1, {{5, 60, TRAP_NONE}}, 2},
    {"near the one before", 2, {{5, 5, TRAP_NONE}, {67, 68, TRAP_MEMORY_BOUNDS}}, 4},
    {"further", 2, {{5, 5, TRAP_NONE}, {68, 69, TRAP_NONE}}, 6},
    {"both at one offset", 2, {{9, 3, TRAP_NONE}, {9, 4, TRAP_UNREACHABLE}}, 5},
    {"back in the bytecode", 2, {{9, 40, TRAP_NONE}, {9, 4, TRAP_NONE}}, 4},
    {"the highest offsets",
     3,
     {{0, UINT32_MAX, TRAP_NONE},
      {UINT32_MAX, 0, TRAP_STACK_OVERFLOW},
      {UINT32_MAX, 0x80000000, TRAP_MEMORY_BOUNDS}},
     2 + 8 + 6},
    {"the highest trap", 1, {{1, 1, TRAP_COUNT - 1}}, 3},
};

static void sites_come_back(void **state) {
    (void)state;
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        const struct sites_case *c = &cases[i];
        u8 packed[4 * SITE_PACKED_MAX];
        usize bytes = sites_pack(c->sites, c->count, packed);
        if (bytes != c->bytes)
            fail_msg("%s: %zu bytes", c->name, bytes);
        struct site_reader r = {.at = packed, .end = packed + bytes};
        for (u32 s = 0; s < c->count; s++) {
            assert_true(site_next(&r));
            assert_int_equal(r.site.code_offset, c->sites[s].code_offset);
            assert_int_equal(r.site.wasm_offset, c->sites[s].wasm_offset);
            assert_int_equal(r.site.trap, c->sites[s].trap);
        }
        assert_false(site_next(&r));
    }
}

// The extremes of each field, in every combination, are within the bound.
static void no_site_takes_more_than_the_bound(void **state) {
    (void)state;
    static const u32 offsets[] = {0, 62, 63, 190, 191, UINT32_MAX};
    for (u32 i = 0; i < COUNT_OF(offsets); i++) {
        for (u32 j = 0; j < COUNT_OF(offsets); j++) {
            struct code_site site = {offsets[i], offsets[j], TRAP_UNREACHABLE};
            u8 packed[SITE_PACKED_MAX];
            struct site_reader r = {.at = packed, .end = packed + sites_pack(&site, 1, packed)};
            assert_in_range(r.end - packed, 1, SITE_PACKED_MAX);
            assert_true(site_next(&r));
            assert_int_equal(r.site.code_offset, site.code_offset);
            assert_int_equal(r.site.wasm_offset, site.wasm_offset);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_come_back),
        cmocka_unit_test(no_site_takes_more_than_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
