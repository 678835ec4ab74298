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
    for (u32 code = 0; code < 0x20000; code++) {
        enum wasm_op op = wasm_op_find(code);
        if (op == OP_COUNT)
            continue;
        assert_int_equal(wasm_ops[op].code, code);
        found++;
    }
    assert_int_equal(found, OP_COUNT);
    assert_int_equal(wasm_op_find(0x06), OP_COUNT);   // try
    assert_int_equal(wasm_op_find(0xff), OP_COUNT);   // nothing
    assert_int_equal(wasm_op_find(0xfc12), OP_COUNT); // the first that is free
    assert_int_equal(wasm_op_find(0xfd00), OP_COUNT); // v128.load
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
        if (strcmp(signature, "*") == 0) {
            assert_int_equal(types->param_count, WASM_OP_SPECIAL);
            continue;
        }
        const char *colon = strchr(signature, ':');
        assert_non_null(colon);
        assert_int_equal(types->param_count, colon - signature);
        for (u32 i = 0; i < types->param_count; i++)
            assert_int_equal(types->params[i], letter_type(signature[i]));
        assert_int_equal(types->result, colon[1] == 0 ? 0 : letter_type(colon[1]));
        assert_true(strlen(colon) <= 2);
    }
}

static void some_rows_are_as_the_specification_has_them(void **state) {
    (void)state;
    assert_string_equal(wasm_ops[OP_I64_STORE32].text, "i64.store32");
    assert_int_equal(wasm_ops[OP_I64_STORE32].code, 0x3e);
    assert_int_equal(wasm_ops[OP_I64_STORE32].immediate, IMM_MEM4);
    assert_int_equal(wasm_op_types[OP_I64_STORE32].params[1], VALUE_I64);
    assert_int_equal(wasm_ops[OP_TABLE_FILL].code, 0xfc11);
    assert_int_equal(wasm_ops[OP_F64_PROMOTE_F32].code, 0xbb);
    assert_int_equal(wasm_op_types[OP_F64_PROMOTE_F32].result, VALUE_F64);
    assert_int_equal(wasm_ops[OP_I32_EXTEND8_S].feature, FEATURE_SIGN_EXTENSION);
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
