// The way back from an address: to the code object, the function, the site.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/runtime/code.h"
#include "tools/lib/host_linux.h"

static void objects_are_found_by_address(void **state) {
    (void)state;
    struct code_registry codes;
    code_registry_init(&codes);
    struct code_object objects[40];
    // Entered in an order that is neither ascending nor descending; 0x80 bytes each 0x100.
    for (u32 i = 0; i < COUNT_OF(objects); i++) {
        u32 place = i * 7 % (u32)COUNT_OF(objects);
        objects[place] = (struct code_object){.address = 0x1000 + 0x100 * place, .bytes = 0x80};
        assert_int_equal(code_registry_add(&codes, &objects[place]), OK);
    }
    assert_null(code_registry_find(&codes, 0));
    assert_null(code_registry_find(&codes, 0xfff));
    assert_null(code_registry_find(&codes, UINT64_MAX));
    for (u32 i = 0; i < COUNT_OF(objects); i++) {
        u64 address = objects[i].address;
        assert_ptr_equal(code_registry_find(&codes, address), &objects[i]);
        assert_ptr_equal(code_registry_find(&codes, address + 0x7f), &objects[i]);
        assert_null(code_registry_find(&codes, address + 0x80));
    }
    for (u32 i = 0; i < COUNT_OF(objects); i += 2)
        code_registry_remove(&codes, &objects[i]);
    for (u32 i = 0; i < COUNT_OF(objects); i++) {
        struct code_object *expected = i % 2 == 0 ? NULL : &objects[i];
        assert_ptr_equal(code_registry_find(&codes, objects[i].address), expected);
        if (expected != NULL)
            code_registry_remove(&codes, expected);
    }
    code_registry_fini(&codes);
}

static void a_failed_growth_changes_nothing(void **state) {
    (void)state;
    struct code_registry codes;
    code_registry_init(&codes);
    struct code_object objects[17];
    for (u32 i = 0; i < COUNT_OF(objects); i++) {
        objects[i] = (struct code_object){.address = 0x1000 * (i + 1), .bytes = 1};
        host_linux_fail_nth(1);
        enum status status = code_registry_add(&codes, &objects[i]);
        if (status == ERR_NO_MEMORY) {
            assert_int_equal(codes.count, i);
            assert_null(code_registry_find(&codes, objects[i].address));
            assert_int_equal(code_registry_add(&codes, &objects[i]), OK);
        } else {
            assert_int_equal(status, OK);
        }
        assert_ptr_equal(code_registry_find(&codes, objects[i].address), &objects[i]);
    }
    host_linux_fail_nth(0);
    for (u32 i = 0; i < COUNT_OF(objects); i++)
        code_registry_remove(&codes, &objects[i]);
    code_registry_fini(&codes);
}

static u32 entries[] = {0, 16, 64};
static struct code_site sites[] = {
    {4, 100, TRAP_UNREACHABLE},    {20, 200, TRAP_NONE}, {20, 201, TRAP_UNREACHABLE},
    {70, 300, TRAP_MEMORY_BOUNDS}, {70, 299, TRAP_NONE},
};
static const struct code_object object = {
    .address = 0x1000,
    .bytes = 80,
    .func_count = COUNT_OF(entries),
    .first_func = 5,
    .entries = entries,
    .site_count = COUNT_OF(sites),
    .sites = sites,
};

static void functions_are_found_by_offset(void **state) {
    (void)state;
    static const struct {
        u32 offset;
        u32 func;
    } cases[] = {{0, 5}, {15, 5}, {16, 6}, {63, 6}, {64, 7}, {79, 7}, {80, NO_FUNC}};
    for (u32 i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(code_object_func(&object, cases[i].offset), cases[i].func);
    struct code_object thunks = {.address = 0x1000, .bytes = 80};
    assert_int_equal(code_object_func(&thunks, 0), NO_FUNC);
}

static void sites_are_found_exactly_or_before(void **state) {
    (void)state;
    for (u32 offset = 0; offset < 80; offset++) {
        const struct code_site *trap = NULL;
        const struct code_site *call = NULL;
        u32 before = NO_FUNC;
        for (u32 i = 0; i < COUNT_OF(sites); i++) {
            if (sites[i].code_offset == offset && sites[i].trap != TRAP_NONE)
                trap = &sites[i];
            if (sites[i].code_offset == offset && sites[i].trap == TRAP_NONE)
                call = &sites[i];
            if (sites[i].code_offset < offset)
                before = sites[i].code_offset;
        }
        assert_ptr_equal(code_object_site(&object, SITE_TRAP, offset), trap);
        assert_ptr_equal(code_object_site(&object, SITE_CALL, offset), call);
        const struct code_site *found = code_object_site_before(&object, offset);
        assert_int_equal(found != NULL ? found->code_offset : NO_FUNC, before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_found_by_address),
        cmocka_unit_test(a_failed_growth_changes_nothing),
        cmocka_unit_test(functions_are_found_by_offset),
        cmocka_unit_test(sites_are_found_exactly_or_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
