// Relaxed vector instructions, whose results engines may choose: with operands for which there is
// only one choice. Indices and masks are whole, numbers are small integers: sums and products of
// them are exact, fused or not, and there is no NaN and no negative zero.

#include "tests/oracle/body.h"

static void vector_const(struct body *b, u64 lanes) {
    body_op(b, OP_V128_CONST);
    out_bytes(&b->code, &lanes, sizeof lanes);
    out_bytes(&b->code, &lanes, sizeof lanes);
}

static void masked(struct body *b, u64 mask) {
    body_value(b, VALUE_V128);
    vector_const(b, mask);
    body_op(b, OP_V128_AND);
}

// (v128.and v mask); convert
static void converted(struct body *b, u64 mask, enum wasm_op convert) {
    masked(b, mask);
    body_op(b, convert);
}

// Integers of at most nine bits and a sign.
static void small_integers(struct body *b, enum wasm_op convert) {
    body_value(b, VALUE_V128);
    body_op(b, OP_I32_CONST);
    out_signed(&b->code, 22);
    body_op(b, OP_I32X4_SHR_S);
    body_op(b, convert);
}

static void selection(struct body *b, enum wasm_op compare) {
    for (u32 i = 0; i < 4; i++)
        body_value(b, VALUE_V128);
    body_op(b, compare);
    body_pop(b, 1);
}

static void operands(struct body *b, enum wasm_op op) {
    const struct wasm_op_types *types = &wasm_op_types[op];
    switch (op) {
    case OP_I8X16_RELAXED_SWIZZLE:
        body_value(b, VALUE_V128);
        masked(b, 0x0f0f0f0f0f0f0f0f);
        return;
    case OP_I32X4_RELAXED_TRUNC_F32X4_S:
        small_integers(b, OP_F32X4_CONVERT_I32X4_S);
        return;
    case OP_I32X4_RELAXED_TRUNC_F32X4_U:
        converted(b, 0x00ffffff00ffffff, OP_F32X4_CONVERT_I32X4_U);
        return;
    case OP_I32X4_RELAXED_TRUNC_F64X2_S_ZERO:
        converted(b, UINT64_MAX, OP_F64X2_CONVERT_LOW_I32X4_S);
        return;
    case OP_I32X4_RELAXED_TRUNC_F64X2_U_ZERO:
        converted(b, UINT64_MAX, OP_F64X2_CONVERT_LOW_I32X4_U);
        return;
    case OP_I8X16_RELAXED_LANESELECT:
        return selection(b, OP_I8X16_GT_S);
    case OP_I16X8_RELAXED_LANESELECT:
        return selection(b, OP_I16X8_LT_U);
    case OP_I32X4_RELAXED_LANESELECT:
        return selection(b, OP_I32X4_GE_S);
    case OP_I64X2_RELAXED_LANESELECT:
        return selection(b, OP_I64X2_LT_S);
    case OP_I16X8_RELAXED_Q15MULR_S: // never the least number twice
        body_value(b, VALUE_V128);
        masked(b, 0x7fff7fff7fff7fff);
        return;
    case OP_I16X8_RELAXED_DOT_I8X16_I7X16_S:
    case OP_I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S:
        body_value(b, VALUE_V128);
        masked(b, 0x7f7f7f7f7f7f7f7f);
        if (types->param_count == 3)
            body_value(b, VALUE_V128);
        return;
    default:
        for (u32 i = 0; i < types->param_count; i++)
            small_integers(b, wasm_ops[op].text[1] == '3' ? OP_F32X4_CONVERT_I32X4_S
                                                          : OP_F64X2_CONVERT_LOW_I32X4_S);
    }
}

void body_relaxed(struct body *b) {
    u32 count = OP_I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S - OP_I8X16_RELAXED_SWIZZLE + 1;
    enum wasm_op op = (enum wasm_op)(OP_I8X16_RELAXED_SWIZZLE + entropy_below(b->e, count));
    operands(b, op);
    body_pop(b, wasm_op_types[op].param_count);
    body_op(b, op);
    body_push(b, VALUE_V128, true);
}
