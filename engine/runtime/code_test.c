// The way back from an address: to the code object, the function, the site.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/runtime/runtime.h"
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

// Three functions: the first has no sites; the second ends with a call.
static const struct code_site sites[][3] = {
    {},
    {{0, 200, TRAP_NONE}, {4, 201, TRAP_UNREACHABLE}, {48, 202, TRAP_NONE}},
    {{0, 300, TRAP_UNREACHABLE}, {6, 302, TRAP_NONE}, {6, 301, TRAP_MEMORY_BOUNDS}},
};
static struct code_func funcs[] = {{.entry = 0}, {.entry = 16}, {.entry = 64}};
static u8 packed[3][3 * SITE_PACKED_MAX];
static struct module no_module;

static struct code_object make_object(void) {
    for (u32 i = 1; i < COUNT_OF(funcs); i++) {
        funcs[i].sites = packed[i];
        funcs[i].site_bytes = (u32)sites_pack(sites[i], 3, packed[i]);
    }
    return (struct code_object){
        .address = 0x1000,
        .bytes = 80,
        .module = &no_module,
        .func_count = COUNT_OF(funcs),
        .first_func = 5,
        .funcs = funcs,
    };
}

static void functions_are_found_by_offset(void **state) {
    (void)state;
    static const struct {
        u32 offset;
        u32 func;
    } cases[] = {{0, 5}, {15, 5}, {16, 6}, {63, 6}, {64, 7}, {79, 7}, {80, NO_FUNC}};
    struct code_object object = make_object();
    for (u32 i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(code_object_func(&object, cases[i].offset), cases[i].func);
    object.module = NULL; // thunks
    assert_int_equal(code_object_func(&object, 0), NO_FUNC);
}

static void sites_are_found_exactly_or_before(void **state) {
    (void)state;
    static const struct {
        u32 offset;
        u32 trap; // bytecode offset of the site of a trap, or 0
        u32 call;
        u32 before;
    } cases[] = {
        {0, 0, 0, 0},    {15, 0, 0, 0},   {16, 0, 0, 0},     {17, 0, 0, 200}, {20, 201, 0, 200},
        {21, 0, 0, 201}, {63, 0, 0, 201}, {64, 300, 202, 0}, {65, 0, 0, 300}, {70, 301, 302, 300},
        {71, 0, 0, 301}, {79, 0, 0, 301}, {80, 0, 0, 0},
    };
    struct code_object object = make_object();
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u32 offset = cases[i].offset;
        struct code_site site;
        bool found = code_object_site(&object, SITE_TRAP, offset, &site);
        assert_int_equal(found ? site.wasm_offset : 0, cases[i].trap);
        assert_true(!found || (site.code_offset == offset && site.trap != TRAP_NONE));
        found = code_object_site(&object, SITE_CALL, offset, &site);
        assert_int_equal(found ? site.wasm_offset : 0, cases[i].call);
        assert_true(!found || (site.code_offset == offset && site.trap == TRAP_NONE));
        found = code_object_site_before(&object, offset, &site);
        assert_int_equal(found ? site.wasm_offset : 0, cases[i].before);
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
