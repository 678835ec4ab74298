// Tests of the instance layout: parts in order, aligned, apart, and not too large.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/math.h"
#include "engine/decode/layout.h"

static void an_empty_module_needs_the_head_only(void **state) {
    (void)state;
    struct module_decl decl = {};
    struct instance_layout layout;
    assert_int_equal(layout_compute(&decl, &layout), OK);
    assert_int_equal(layout.size, INSTANCE_HEAD_BYTES);
}

static void parts_follow_each_other(void **state) {
    (void)state;
    // Odd counts, so that every alignment is exercised.
    for (u32 odd = 1; odd < 200; odd += 2) {
        struct module_decl decl = {.memory_count = odd + 4,
                                   .table_count = odd,
                                   .tag_count = odd + 6,
                                   .func_count = 3 * odd,
                                   .func_import_count = odd + 1,
                                   .global_count = odd + 2,
                                   .global_import_count = 1,
                                   .func_ref_count = odd};
        struct instance_layout layout;
        assert_int_equal(layout_compute(&decl, &layout), OK);
        assert_int_equal(layout.memories, INSTANCE_HEAD_BYTES);
        assert_true(layout.tables >= layout_memory(&layout, odd + 4));
        assert_true(layout.tags >= layout_table(&layout, odd));
        assert_true(layout.imports >= layout_tag(&layout, odd + 6));
        assert_true(layout.global_ptrs >= layout_import(&layout, odd + 1));
        assert_true(layout.global_cells >= layout_global_ptr(&layout, odd + 2));
        assert_true(layout.func_refs >= layout_global_cell(&layout, odd + 1));
        assert_int_equal(layout.size, layout_func_ref(&layout, odd));
        assert_true(is_aligned(layout.tables | layout.imports | layout.global_ptrs, 8));
        assert_true(is_aligned(layout.global_cells | layout.func_refs, 16));
    }
}

static void too_large_an_instance_is_refused(void **state) {
    (void)state;
    struct instance_layout layout;
    u32 most = (u32)((2 * GIB - INSTANCE_HEAD_BYTES - 1) / FUNC_REF_BYTES);
    struct module_decl decl = {.func_ref_count = most};
    assert_int_equal(layout_compute(&decl, &layout), OK);
    decl.func_ref_count = most + 1;
    assert_int_equal(layout_compute(&decl, &layout), ERR_LIMIT);
    decl.func_ref_count = UINT32_MAX;
    decl.table_count = UINT32_MAX;
    assert_int_equal(layout_compute(&decl, &layout), ERR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_module_needs_the_head_only),
        cmocka_unit_test(parts_follow_each_other),
        cmocka_unit_test(too_large_an_instance_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
