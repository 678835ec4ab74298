// Tests of the opcode table: every row can be found, and its types are what its signature says.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/ops/ops.h"

static void every_row_is_found_by_its_code(void **state) {
    (void)state;
    for (u32 op = 0; op < OP_COUNT; op++) {
        assert_int_equal(wasm_op_find(wasm_ops[op].code), op);
        if (wasm_ops[op].code < 0x100)
            assert_int_equal(wasm_op_find_plain((u8)wasm_ops[op].code), op);
    }
}

static void codes_without_a_row_are_not_found(void **state) {
    (void)state;
    u32 found = 0;
    for (u32 code = 0; code < 0x110000; code++) {
        enum wasm_op op = wasm_op_find(code);
        if (op == OP_COUNT)
            continue;
        assert_int_equal(wasm_ops[op].code, code);
        found++;
    }
    assert_int_equal(found, OP_COUNT);
    assert_int_equal(wasm_op_find(0x27), OP_COUNT);    // nothing
    assert_int_equal(wasm_op_find(0xff), OP_COUNT);    // nothing
    assert_int_equal(wasm_op_find(0xfc012), OP_COUNT); // the first that is free
    assert_int_equal(wasm_op_find(0xfd09a), OP_COUNT); // a gap
    assert_int_equal(wasm_op_find(0xfd114), OP_COUNT); // behind the last
    assert_int_equal(wasm_op_find(0xfe04f), OP_COUNT); // behind the last
    assert_int_equal(wasm_op_find(0xfd200), OP_COUNT); // not that of 0xfe000
    assert_int_equal(wasm_op_find(UINT32_MAX), OP_COUNT);
}

static enum value_type letter_type(char letter) {
    switch (letter) {
    case 'i':
        return VALUE_I32;
    case 'I':
        return VALUE_I64;
    case 'f':
        return VALUE_F32;
    case 'F':
        return VALUE_F64;
    case 'v':
        return VALUE_V128;
    case 'a':
    case 'b':
    case 'n':
        return VALUE_I32;
    default:
        fail_msg("letter %c in a signature", letter);
        return VALUE_I32;
    }
}

static void types_agree_with_signatures(void **state) {
    (void)state;
    for (u32 op = 0; op < OP_COUNT; op++) {
        const struct wasm_op_types *types = &wasm_op_types[op];
        const char *signature = wasm_ops[op].signature;
        assert_int_equal(types->immediate, wasm_ops[op].immediate);
        assert_int_equal(types->feature, wasm_ops[op].feature);
        if (strcmp(signature, "*") == 0) {
            assert_int_equal(types->param_count, WASM_OP_SPECIAL);
            continue;
        }
        const char *colon = strchr(signature, ':');
        assert_non_null(colon);
        assert_int_equal(types->param_count, colon - signature);
        for (u32 i = 0; i < types->param_count; i++)
            assert_int_equal(types->params[i], letter_type(signature[i]));
        for (u32 i = 0; i < COUNT_OF(types->params); i++)
            assert_int_equal(types->params_mask >> 8 * i & 0xff, i < types->param_count ? 0xff : 0);
        assert_int_equal(types->result, colon[1] == 0 ? 0 : letter_type(colon[1]));
        assert_true(strlen(colon) <= 2);
        assert_int_equal(types->has_address, strpbrk(signature, "abn") != NULL);
    }
}

static void some_rows_are_as_the_specification_has_them(void **state) {
    (void)state;
    assert_string_equal(wasm_ops[OP_I64_STORE32].text, "i64.store32");
    assert_int_equal(wasm_ops[OP_I64_STORE32].code, 0x3e);
    assert_int_equal(wasm_ops[OP_I64_STORE32].immediate, IMM_MEM4);
    assert_int_equal(wasm_op_types[OP_I64_STORE32].params[1], VALUE_I64);
    assert_int_equal(wasm_ops[OP_TABLE_FILL].code, 0xfc011);
    assert_int_equal(wasm_ops[OP_F64_PROMOTE_F32].code, 0xbb);
    assert_int_equal(wasm_op_types[OP_F64_PROMOTE_F32].result, VALUE_F64);
    assert_int_equal(wasm_ops[OP_I32_EXTEND8_S].feature, FEATURE_SIGN_EXTENSION);
    assert_int_equal(wasm_ops[OP_V128_STORE64_LANE].code, 0xfd05b);
    assert_int_equal(wasm_ops[OP_V128_STORE64_LANE].immediate, IMM_MEM8_LANE);
    assert_int_equal(wasm_op_types[OP_V128_STORE64_LANE].params[1], VALUE_V128);
    assert_int_equal(wasm_ops[OP_F64X2_CONVERT_LOW_I32X4_U].code, 0xfd0ff);
    assert_int_equal(wasm_ops[OP_I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S].code, 0xfd113);
    assert_int_equal(wasm_op_types[OP_I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S].param_count, 3);
    assert_int_equal(wasm_ops[OP_I64_ATOMIC_RMW32_CMPXCHG_U].code, 0xfe04e);
    assert_int_equal(wasm_ops[OP_I64_ATOMIC_RMW32_CMPXCHG_U].immediate, IMM_ATOMIC4);
    assert_true(wasm_op_types[OP_MEMORY_SIZE].has_address);
    assert_false(wasm_op_types[OP_DATA_DROP].has_address);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_by_its_code),
        cmocka_unit_test(codes_without_a_row_are_not_found),
        cmocka_unit_test(types_agree_with_signatures),
        cmocka_unit_test(some_rows_are_as_the_specification_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
