// Float arithmetic and comparison. All of it is SSE, so rounding and NaN results are IEEE's; the
// operations that x86 lacks (min, max with signed zeros and NaN, copysign) are built from bits.

#include "engine/baseline/baseline_internal.h"

#define F32_SIGN 0x80000000u
#define F64_SIGN 0x8000000000000000u

// mov r11, bits; movq xmm15, r11
static void load_mask(struct baseline *c, enum value_type type, bool sign) {
    u64 bits = type == VALUE_F32 ? F32_SIGN : F64_SIGN;
    if (!sign)
        bits = type == VALUE_F32 ? (u32)~bits : ~bits;
    value_const(c, type, xmm_reg(SCRATCH_XMM), bits);
}

// op a, b / op a, [home]
void emit_float_binary(struct baseline *c, enum sse_op op, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    bool commutes = op == SSE_ADD || op == SSE_MUL;
    if (commutes && !operand_is_own(c, &a) && operand_is_own(c, &b)) {
        struct operand t = a;
        a = b;
        b = t;
    }
    if (b.kind != SLOT_HOME)
        operand_load(c, &b);
    operand_own(c, &a, &b);
    if (b.kind == SLOT_REG)
        asm_sse_rr(c->a, op, type_fwidth(type), as_xmm(a.reg), as_xmm(b.reg));
    else
        asm_sse_rm(c->a, op, type_fwidth(type), as_xmm(a.reg), operand_home(c, &b));
    operand_release(c, &b);
    push_reg(c, type, a.reg);
}

// Equal operands may be zeros of both signs: or keeps the minus for min, and drops it for max. The
// sum of two values of which one is a NaN is a quiet NaN. minss and maxss do the rest.
//   ucomis a, b; jp nan; jne differ; orps/andps a, b; jmp done
//   nan: adds a, b; jmp done; differ: mins/maxs a, b; done:
void emit_float_minmax(struct baseline *c, enum sse_op op, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    struct label nan = {0};
    struct label differ = {0};
    struct label done = {0};
    enum fwidth w = type_fwidth(type);
    operand_load(c, &b);
    operand_own(c, &a, &b);
    enum xmm x = as_xmm(a.reg);
    enum xmm y = as_xmm(b.reg);
    asm_ucomis(c->a, w, x, y);
    asm_jcc(c->a, COND_P, &nan);
    asm_jcc(c->a, COND_NE, &differ);
    asm_sse_rr(c->a, op == SSE_MIN ? SSE_OR : SSE_AND, w, x, y);
    asm_jmp(c->a, &done);
    asm_bind(c->a, &nan);
    asm_sse_rr(c->a, SSE_ADD, w, x, y);
    asm_jmp(c->a, &done);
    asm_bind(c->a, &differ);
    asm_sse_rr(c->a, op, w, x, y);
    asm_bind(c->a, &done);
    operand_release(c, &b);
    push_reg(c, type, a.reg);
}

// xmm15 = all but the sign; andps a, xmm15; andnps xmm15, b; orps a, xmm15
void emit_float_copysign(struct baseline *c, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    enum fwidth w = type_fwidth(type);
    operand_load(c, &b);
    operand_own(c, &a, &b);
    load_mask(c, type, false);
    asm_sse_rr(c->a, SSE_AND, w, as_xmm(a.reg), SCRATCH_XMM);
    asm_sse_rr(c->a, SSE_ANDN, w, SCRATCH_XMM, as_xmm(b.reg));
    asm_sse_rr(c->a, SSE_OR, w, as_xmm(a.reg), SCRATCH_XMM);
    operand_release(c, &b);
    push_reg(c, type, a.reg);
}

// xmm15 = mask; andps a, xmm15 (abs) / xorps a, xmm15 (neg)
void emit_float_sign(struct baseline *c, enum sse_op op, enum value_type type) {
    struct operand a = pop(c);
    operand_own(c, &a, NULL);
    load_mask(c, type, op == SSE_XOR);
    asm_sse_rr(c->a, op, type_fwidth(type), as_xmm(a.reg), SCRATCH_XMM);
    push_reg(c, type, a.reg);
}

// rounds r, a, mode
void emit_float_round(struct baseline *c, enum round_mode mode, enum value_type type) {
    struct operand a = pop(c);
    operand_load(c, &a);
    u8 to = reg_result(c, XMM_MASK, &a);
    asm_rounds(c->a, type_fwidth(type), mode, as_xmm(to), as_xmm(a.reg));
    push_reg(c, type, to);
}

// sqrts r, a
void emit_float_sqrt(struct baseline *c, enum value_type type) {
    struct operand a = pop(c);
    operand_load(c, &a);
    u8 to = reg_result(c, XMM_MASK, &a);
    asm_sse_rr(c->a, SSE_SQRT, type_fwidth(type), as_xmm(to), as_xmm(a.reg));
    push_reg(c, type, to);
}

// ucomis sets carry, zero and parity when unordered, so `above` and `above or equal` are false for
// NaN; less-than compares the other way round. Equality must look at parity.
// ucomis a, b; setcc
void emit_float_compare(struct baseline *c, enum wasm_op op, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    operand_load(c, &b);
    operand_load(c, &a);
    bool swap = op == OP_F32_LT || op == OP_F32_LE;
    const struct operand *x = swap ? &b : &a;
    const struct operand *y = swap ? &a : &b;
    asm_ucomis(c->a, type_fwidth(type), as_xmm(x->reg), as_xmm(y->reg));
    operand_release(c, &a);
    operand_release(c, &b);

    struct flags flags = flags_of(op == OP_F32_LT || op == OP_F32_GT ? COND_A : COND_AE);
    if (op == OP_F32_EQ)
        flags = (struct flags){.cond = COND_E, .parity = PARITY_AND_CLEAR};
    else if (op == OP_F32_NE)
        flags = (struct flags){.cond = COND_NE, .parity = PARITY_OR_SET};
    push_truth(c, flags);
}
