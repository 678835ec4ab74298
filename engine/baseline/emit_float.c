// Float arithmetic and comparison. All of it is SSE, so rounding and NaN results are IEEE's; the
// operations that x86 lacks (min, max with signed zeros and NaN, copysign) are built from bits.

#include "engine/baseline/baseline_internal.h"

#include "engine/x64/asm_vec.h"

#define F32_SIGN 0x80000000u
#define F64_SIGN 0x8000000000000000u

// A constant of the sign bits, or of all others.
static struct label *mask_constant(struct baseline *c, enum value_type type, bool sign) {
    u64 bits = type == VALUE_F32 ? (u64)F32_SIGN << 32 | F32_SIGN : F64_SIGN;
    if (!sign)
        bits = ~bits;
    return vec_constant(c, bits, bits);
}

// op r, a, b / op r, a, [home] / op r, a, [folded load] / op r, a, [constant]; without AVX, r is a.
void emit_float_binary(struct baseline *c, enum sse_op op, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    bool commutes = op == SSE_ADD || op == SSE_MUL;
    bool swap = operand_is_const(&a) ? !operand_is_const(&b) : operand_is_own(c, &b);
    if (commutes && !operand_is_own(c, &a) && swap) {
        struct operand t = a;
        a = b;
        b = t;
    }
    u8 to = xmm_result(c, &a, &b);
    enum xmm r = as_xmm(to);
    enum xmm x = as_xmm(a.reg);
    enum fwidth w = type_fwidth(type);
    if (b.kind == SLOT_REG)
        asm_sse_rrr(c->a, op, w, r, x, as_xmm(b.reg));
    else if (b.kind == SLOT_CONST)
        asm_sse_rrl(c->a, op, w, r, x, vec_constant(c, b.value, 0));
    else if (b.kind == SLOT_LOAD)
        asm_sse_rrm(c->a, op, w, r, x, folded_load(c));
    else
        asm_sse_rrm(c->a, op, w, r, x, operand_home(c, &b));
    push_reg(c, type, to);
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

// movsd xmm15, [all but the sign]; andps a, xmm15; andnps xmm15, b; orps a, xmm15
void emit_float_copysign(struct baseline *c, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    enum fwidth w = type_fwidth(type);
    operand_load(c, &b);
    operand_own(c, &a, &b);
    asm_loadf_label(c->a, F64, SCRATCH_XMM, mask_constant(c, type, false));
    asm_sse_rr(c->a, SSE_AND, w, as_xmm(a.reg), SCRATCH_XMM);
    asm_sse_rr(c->a, SSE_ANDN, w, SCRATCH_XMM, as_xmm(b.reg));
    asm_sse_rr(c->a, SSE_OR, w, as_xmm(a.reg), SCRATCH_XMM);
    operand_release(c, &b);
    push_reg(c, type, a.reg);
}

// andps r, a, [all but the sign] (abs) / xorps r, a, [the sign] (neg)
void emit_float_sign(struct baseline *c, enum sse_op op, enum value_type type) {
    struct operand a = pop(c);
    operand_load(c, &a);
    u8 to = reg_result(c, XMM_MASK, &a);
    bool negates = op == SSE_XOR;
    asm_vec_rrl(c->a, negates ? VEC_XORPS : VEC_ANDPS, as_xmm(to), as_xmm(a.reg),
                mask_constant(c, type, negates));
    push_reg(c, type, to);
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
// ucomis a, b / ucomis a, [home] / ucomis a, [folded load]; setcc
void emit_float_compare(struct baseline *c, enum wasm_op op, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    bool swap = op == OP_F32_LT || op == OP_F32_LE;
    struct operand *x = swap ? &b : &a;
    struct operand *y = swap ? &a : &b;
    if (operand_is_const(y))
        operand_load(c, y);
    operand_load(c, x);
    enum fwidth w = type_fwidth(type);
    if (y->kind == SLOT_REG)
        asm_ucomis(c->a, w, as_xmm(x->reg), as_xmm(y->reg));
    else if (y->kind == SLOT_LOAD)
        asm_ucomis_m(c->a, w, as_xmm(x->reg), folded_load(c));
    else
        asm_ucomis_m(c->a, w, as_xmm(x->reg), operand_home(c, y));
    operand_release(c, &a);
    operand_release(c, &b);

    struct flags flags = flags_of(op == OP_F32_LT || op == OP_F32_GT ? COND_A : COND_AE);
    if (op == OP_F32_EQ)
        flags = (struct flags){.cond = COND_E, .parity = PARITY_AND_CLEAR};
    else if (op == OP_F32_NE)
        flags = (struct flags){.cond = COND_NE, .parity = PARITY_OR_SET};
    push_truth(c, flags);
}
