// Float vectors: signs, minimum and maximum, conversions. Comparisons and arithmetic are single
// machine instructions, with the results of IEEE 754.

#include "engine/baseline/simd.h"

#define F32_2_POW_31 0x4f000000u
#define F64_2_POW_52 0x4330000000000000u

// The sign bit of each lane.
static u64 signs(const struct simd_row *row) {
    return row->arg == F32 ? repeat32(0x80000000) : 0x8000000000000000;
}

// andps r, a, [all but the signs]
void simd_float_abs(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    vec_op3_repeated(c, VEC_ANDPS, as_xmm(to), vec(&a), ~signs(row));
    push_reg(c, VALUE_V128, to);
}

// xorps r, a, [signs]
void simd_float_neg(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    vec_op3_repeated(c, VEC_XORPS, as_xmm(to), vec(&a), signs(row));
    push_reg(c, VALUE_V128, to);
}

// -- Minimum and maximum ------------------------------------------------------------------------
// minps and maxps give their second operand for zeros of both signs and for NaN. So both orders are
// computed: where they differ, a zero's sign or a NaN is in one of them.

// xmm15 = op(a, b); the result, pinned, = op(b, a). Pops both.
static u8 both_orders(struct baseline *c, enum vec_op op) {
    struct operand_pair pair = pop_pair(c);
    u8 to = reg_result(c, XMM_MASK, NULL);
    asm_vec_rrr(c->a, op, SCRATCH_XMM, vec(&pair.a), vec(&pair.b));
    asm_vec_rrr(c->a, op, as_xmm(to), vec(&pair.b), vec(&pair.a));
    operand_release(c, &pair.a);
    operand_release(c, &pair.b);
    return to;
}

// x = xmm15 with the payload cleared of what is a NaN in xmm15 or in x.
//   cmpunordps x, xmm15; [orps xmm15, x;] psrld x, 10; andnps x, xmm15
enum nan_bits { NAN_MADE_QUIET, NAN_AS_IT_IS };

static void canonical(struct baseline *c, const struct simd_row *row, enum xmm x,
                      enum nan_bits nan) {
    bool single = row->arg == F32;
    asm_vec_rri(c->a, single ? VEC_CMPPS : VEC_CMPPD, x, SCRATCH_XMM, CMP_UNORD);
    if (nan == NAN_AS_IT_IS)
        asm_vec_rr(c->a, VEC_ORPS, SCRATCH_XMM, x);
    asm_vec_shift_i(c->a, single ? VEC_SHIFT_PSRLD : VEC_SHIFT_PSRLQ, x, x, single ? 10 : 13);
    asm_vec_rr(c->a, VEC_ANDNPS, x, SCRATCH_XMM);
}

// Or keeps the minus of a zero and all that makes a NaN one.
//   xmm15 = min(a, b); r = min(b, a); orps xmm15, r; canonical r
void simd_float_min(struct baseline *c, const struct simd_row *row) {
    u8 to = both_orders(c, row->op);
    asm_vec_rr(c->a, VEC_ORPS, SCRATCH_XMM, as_xmm(to));
    canonical(c, row, as_xmm(to), NAN_AS_IT_IS);
    push_reg(c, VALUE_V128, to);
}

// The difference in bits is a minus zero where the signs of zeros differ: -0 - -0 is +0. For a NaN
// the subtraction gives a quiet one.
//   xmm15 = max(a, b); r = max(b, a); xorps r, xmm15; orps xmm15, r; subps xmm15, r; canonical r
void simd_float_max(struct baseline *c, const struct simd_row *row) {
    u8 to = both_orders(c, row->op);
    asm_vec_rr(c->a, VEC_XORPS, as_xmm(to), SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_ORPS, SCRATCH_XMM, as_xmm(to));
    asm_vec_rr(c->a, row->arg == F32 ? VEC_SUBPS : VEC_SUBPD, SCRATCH_XMM, as_xmm(to));
    canonical(c, row, as_xmm(to), NAN_MADE_QUIET);
    push_reg(c, VALUE_V128, to);
}

// -- Relaxed multiplication and addition: two roundings, or one with FMA ------------------------

// Overwrites a factor that is nobody else's, else the sum.
//   vfmadd213 a, b, c / vfmadd231 c, a, b
static void emit_fma(struct baseline *c, const struct simd_row *row, bool negated) {
    enum fwidth w = (enum fwidth)row->arg;
    struct operand sum = pop(c);
    operand_load(c, &sum);
    struct operand_pair pair = pop_pair(c);
    if (operand_is_own(c, &pair.a) && !operand_is_replaced(c, &sum)) {
        asm_fma(c->a, negated ? FMA_NMADD_213 : FMA_MADD_213, w, vec(&pair.a), vec(&pair.b),
                vec(&sum));
        operand_release(c, &sum);
        operand_release(c, &pair.b);
        push_reg(c, VALUE_V128, pair.a.reg);
        return;
    }
    operand_own(c, &sum, NULL); // in another register than the factors, which are pinned
    asm_fma(c->a, negated ? FMA_NMADD_231 : FMA_MADD_231, w, vec(&sum), vec(&pair.a), vec(&pair.b));
    operand_release(c, &pair.a);
    operand_release(c, &pair.b);
    push_reg(c, VALUE_V128, sum.reg);
}

// mulps r, a, b; addps r, c
void simd_madd(struct baseline *c, const struct simd_row *row) {
    if (c->target.has_fma) {
        emit_fma(c, row, false);
        return;
    }
    struct operand sum = pop_loaded(c);
    struct operand_pair pair = pop_pair(c);
    u8 to = vec_result(c, &pair.a);
    asm_vec_rrr(c->a, row->arg == F32 ? VEC_MULPS : VEC_MULPD, as_xmm(to), vec(&pair.a),
                vec(&pair.b));
    asm_vec_rr(c->a, row->arg == F32 ? VEC_ADDPS : VEC_ADDPD, as_xmm(to), vec(&sum));
    operand_release(c, &pair.b);
    operand_release(c, &sum);
    push_reg(c, VALUE_V128, to);
}

// mulps xmm15, a, b; subps r, c, xmm15
void simd_nmadd(struct baseline *c, const struct simd_row *row) {
    if (c->target.has_fma) {
        emit_fma(c, row, true);
        return;
    }
    struct operand sum = pop_loaded(c);
    struct operand_pair pair = pop_pair(c);
    asm_vec_rrr(c->a, row->arg == F32 ? VEC_MULPS : VEC_MULPD, SCRATCH_XMM, vec(&pair.a),
                vec(&pair.b));
    operand_release(c, &pair.a);
    operand_release(c, &pair.b);
    u8 to = vec_result(c, &sum);
    asm_vec_rrr(c->a, row->arg == F32 ? VEC_SUBPS : VEC_SUBPD, as_xmm(to), vec(&sum), SCRATCH_XMM);
    push_reg(c, VALUE_V128, to);
}

// -- From integers ------------------------------------------------------------------------------

// Lower and upper 16 bits each convert exactly (the upper ones halved, to be signed); only the last
// addition rounds.
//   pslld xmm15, a, 16; psrld xmm15, 16; psubd a, xmm15; cvtdq2ps xmm15, xmm15
//   psrld a, 1; cvtdq2ps a, a; addps a, a; addps a, xmm15
void simd_convert_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_own(c);
    asm_vec_shift_i(c->a, VEC_SHIFT_PSLLD, SCRATCH_XMM, vec(&a), 16);
    asm_vec_shift_i(c->a, VEC_SHIFT_PSRLD, SCRATCH_XMM, SCRATCH_XMM, 16);
    asm_vec_rr(c->a, VEC_PSUBD, vec(&a), SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_CVTDQ2PS, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_shift_i(c->a, VEC_SHIFT_PSRLD, vec(&a), vec(&a), 1);
    asm_vec_rr(c->a, VEC_CVTDQ2PS, vec(&a), vec(&a));
    asm_vec_rr(c->a, VEC_ADDPS, vec(&a), vec(&a));
    asm_vec_rr(c->a, VEC_ADDPS, vec(&a), SCRATCH_XMM);
    push_reg(c, VALUE_V128, a.reg);
}

// Below the exponent of 2^52, an integer is that much more.
//   punpckldq r, a, [upper half of 2^52]; subpd r, [2^52]
void simd_convert_low_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    vec_op3_repeated(c, VEC_PUNPCKLDQ, as_xmm(to), vec(&a), repeat32(F64_2_POW_52 >> 32));
    vec_op_repeated(c, VEC_SUBPD, as_xmm(to), F64_2_POW_52);
    push_reg(c, VALUE_V128, to);
}

// -- To integers --------------------------------------------------------------------------------
// cvttps2dq gives 80000000 for what does not fit: right when it is too small, and by one bit's
// inversion of all when it is too large.

// cmpordps xmm15, a, a; andps r, a, xmm15                  (NaN becomes 0)
// movaps xmm15, [2^31]; cmpleps xmm15, r; cvttps2dq r, r; pxor r, xmm15
void simd_trunc_sat_s(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    enum xmm r = as_xmm(to);
    asm_vec_rrri(c->a, VEC_CMPPS, SCRATCH_XMM, vec(&a), vec(&a), CMP_ORD);
    asm_vec_rrr(c->a, VEC_ANDPS, r, vec(&a), SCRATCH_XMM);
    vec_op_repeated(c, VEC_MOVAPS, SCRATCH_XMM, repeat32(F32_2_POW_31));
    asm_vec_rri(c->a, VEC_CMPPS, SCRATCH_XMM, r, CMP_LE);
    asm_vec_rr(c->a, VEC_CVTTPS2DQ, r, r);
    asm_vec_rr(c->a, VEC_PXOR, r, SCRATCH_XMM);
    push_reg(c, VALUE_V128, to);
}

// What is 2^31 or more converts to 80000000, and what it is more is added: 0 when it is less,
// 7fffffff when that does not fit either.
//   pxor xmm15, xmm15; maxps a, xmm15                        (NaN and negative become 0)
//   movaps t, [2^31]; subps xmm15, a, t; cmpleps t, xmm15
//   cvttps2dq xmm15, xmm15; pxor xmm15, t; pxor t, t; pmaxsd xmm15, t
//   cvttps2dq a, a; paddd a, xmm15
void simd_trunc_sat_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_own(c);
    u8 temp = xmm_alloc(c);
    enum xmm t = as_xmm(temp);
    asm_vec_rr(c->a, VEC_PXOR, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_MAXPS, vec(&a), SCRATCH_XMM);
    vec_op_repeated(c, VEC_MOVAPS, t, repeat32(F32_2_POW_31));
    asm_vec_rrr(c->a, VEC_SUBPS, SCRATCH_XMM, vec(&a), t);
    asm_vec_rri(c->a, VEC_CMPPS, t, SCRATCH_XMM, CMP_LE);
    asm_vec_rr(c->a, VEC_CVTTPS2DQ, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_PXOR, SCRATCH_XMM, t);
    asm_vec_rr(c->a, VEC_PXOR, t, t);
    asm_vec_rr(c->a, VEC_PMAXSD, SCRATCH_XMM, t);
    asm_vec_rr(c->a, VEC_CVTTPS2DQ, vec(&a), vec(&a));
    asm_vec_rr(c->a, VEC_PADDD, vec(&a), SCRATCH_XMM);
    reg_release(c, temp);
    push_reg(c, VALUE_V128, a.reg);
}

// minpd gives its second operand for NaN: the limit, masked to 0 there.
//   cmpordpd xmm15, a, a; andps xmm15, [2^31 - 1]; minpd r, a, xmm15; cvttpd2dq r, r
void simd_trunc_sat_f64_s(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    asm_vec_rrri(c->a, VEC_CMPPD, SCRATCH_XMM, vec(&a), vec(&a), CMP_ORD);
    vec_op_repeated(c, VEC_ANDPS, SCRATCH_XMM, 0x41dfffffffc00000);
    asm_vec_rrr(c->a, VEC_MINPD, as_xmm(to), vec(&a), SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_CVTTPD2DQ, as_xmm(to), as_xmm(to));
    push_reg(c, VALUE_V128, to);
}

// Added to 2^52, an integer is in the low bits.
//   pxor xmm15, xmm15; maxpd r, a, xmm15; minpd r, [2^32 - 1]; roundpd r, r, truncate
//   addpd r, [2^52]; shufps r, xmm15, 0 2 0 2
void simd_trunc_sat_f64_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    enum xmm r = as_xmm(to);
    asm_vec_rr(c->a, VEC_PXOR, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_rrr(c->a, VEC_MAXPD, r, vec(&a), SCRATCH_XMM);
    vec_op_repeated(c, VEC_MINPD, r, 0x41efffffffe00000);
    asm_vec_rri(c->a, VEC_ROUNDPD, r, r, VEC_ROUND(ROUND_TRUNC));
    vec_op_repeated(c, VEC_ADDPD, r, F64_2_POW_52);
    asm_vec_rri(c->a, VEC_SHUFPS, r, SCRATCH_XMM, 0x88);
    push_reg(c, VALUE_V128, to);
}
