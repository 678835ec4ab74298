// Float vectors: signs, minimum and maximum, conversions. Comparisons and arithmetic are single
// machine instructions, with the results of IEEE 754.

#include "engine/baseline/simd.h"

#define F32_2_POW_31 0x4f000000u
#define F64_2_POW_52 0x4330000000000000u

// The sign bit of each lane.
static u64 signs(const struct simd_row *row) {
    return row->arg == F32 ? repeat32(0x80000000) : 0x8000000000000000;
}

// andps a, [all but the signs]
void simd_float_abs(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_own(c);
    vec_op_repeated(c, VEC_ANDPS, vec(&a), ~signs(row));
    push_reg(c, VALUE_V128, a.reg);
}

// xorps a, [signs]
void simd_float_neg(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_own(c);
    vec_op_repeated(c, VEC_XORPS, vec(&a), signs(row));
    push_reg(c, VALUE_V128, a.reg);
}

// -- Minimum and maximum ------------------------------------------------------------------------
// minps and maxps give their second operand for zeros of both signs and for NaN. So both orders are
// computed: where they differ, a zero's sign or a NaN is in one of them.

// xmm15 = op(a, b); the result, pinned, = op(b, a). Pops both.
static u8 both_orders(struct baseline *c, enum vec_op op) {
    struct operand_pair pair = pop_pair(c);
    u8 to = reg_result(c, XMM_MASK, NULL);
    asm_movaps_rr(c->a, SCRATCH_XMM, vec(&pair.a));
    asm_vec_rr(c->a, op, SCRATCH_XMM, vec(&pair.b));
    asm_movaps_rr(c->a, as_xmm(to), vec(&pair.b));
    asm_vec_rr(c->a, op, as_xmm(to), vec(&pair.a));
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
    asm_vec_shift_i(c->a, single ? VEC_SHIFT_PSRLD : VEC_SHIFT_PSRLQ, x, single ? 10 : 13);
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

// -- Relaxed multiplication and addition: two roundings -----------------------------------------

// mulps a, b; addps a, c
void simd_madd(struct baseline *c, const struct simd_row *row) {
    struct operand sum = pop_loaded(c);
    struct operand_pair pair = pop_pair_own(c);
    asm_vec_rr(c->a, row->arg == F32 ? VEC_MULPS : VEC_MULPD, vec(&pair.a), vec(&pair.b));
    asm_vec_rr(c->a, row->arg == F32 ? VEC_ADDPS : VEC_ADDPD, vec(&pair.a), vec(&sum));
    operand_release(c, &pair.b);
    operand_release(c, &sum);
    push_reg(c, VALUE_V128, pair.a.reg);
}

// movaps xmm15, a; mulps xmm15, b; subps c, xmm15
void simd_nmadd(struct baseline *c, const struct simd_row *row) {
    struct operand sum = pop(c);
    struct operand_pair pair = pop_pair(c);
    operand_own(c, &sum, NULL);
    asm_movaps_rr(c->a, SCRATCH_XMM, vec(&pair.a));
    asm_vec_rr(c->a, row->arg == F32 ? VEC_MULPS : VEC_MULPD, SCRATCH_XMM, vec(&pair.b));
    asm_vec_rr(c->a, row->arg == F32 ? VEC_SUBPS : VEC_SUBPD, vec(&sum), SCRATCH_XMM);
    operand_release(c, &pair.a);
    operand_release(c, &pair.b);
    push_reg(c, VALUE_V128, sum.reg);
}

// -- From integers ------------------------------------------------------------------------------

// Lower and upper 16 bits each convert exactly (the upper ones halved, to be signed); only the last
// addition rounds.
//   movaps xmm15, a; pslld xmm15, 16; psrld xmm15, 16; psubd a, xmm15; cvtdq2ps xmm15, xmm15
//   psrld a, 1; cvtdq2ps a, a; addps a, a; addps a, xmm15
void simd_convert_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_own(c);
    asm_movaps_rr(c->a, SCRATCH_XMM, vec(&a));
    asm_vec_shift_i(c->a, VEC_SHIFT_PSLLD, SCRATCH_XMM, 16);
    asm_vec_shift_i(c->a, VEC_SHIFT_PSRLD, SCRATCH_XMM, 16);
    asm_vec_rr(c->a, VEC_PSUBD, vec(&a), SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_CVTDQ2PS, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_shift_i(c->a, VEC_SHIFT_PSRLD, vec(&a), 1);
    asm_vec_rr(c->a, VEC_CVTDQ2PS, vec(&a), vec(&a));
    asm_vec_rr(c->a, VEC_ADDPS, vec(&a), vec(&a));
    asm_vec_rr(c->a, VEC_ADDPS, vec(&a), SCRATCH_XMM);
    push_reg(c, VALUE_V128, a.reg);
}

// Below the exponent of 2^52, an integer is that much more.
//   punpckldq a, [upper half of 2^52]; subpd a, [2^52]
void simd_convert_low_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_own(c);
    vec_op_repeated(c, VEC_PUNPCKLDQ, vec(&a), repeat32(F64_2_POW_52 >> 32));
    vec_op_repeated(c, VEC_SUBPD, vec(&a), F64_2_POW_52);
    push_reg(c, VALUE_V128, a.reg);
}

// -- To integers --------------------------------------------------------------------------------
// cvttps2dq gives 80000000 for what does not fit: right when it is too small, and by one bit's
// inversion of all when it is too large.

// movaps xmm15, a; cmpordps xmm15, xmm15; andps a, xmm15   (NaN becomes 0)
// movaps xmm15, [2^31]; cmpleps xmm15, a; cvttps2dq a, a; pxor a, xmm15
void simd_trunc_sat_s(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_own(c);
    asm_movaps_rr(c->a, SCRATCH_XMM, vec(&a));
    asm_vec_rri(c->a, VEC_CMPPS, SCRATCH_XMM, SCRATCH_XMM, CMP_ORD);
    asm_vec_rr(c->a, VEC_ANDPS, vec(&a), SCRATCH_XMM);
    vec_op_repeated(c, VEC_MOVAPS, SCRATCH_XMM, repeat32(F32_2_POW_31));
    asm_vec_rri(c->a, VEC_CMPPS, SCRATCH_XMM, vec(&a), CMP_LE);
    asm_vec_rr(c->a, VEC_CVTTPS2DQ, vec(&a), vec(&a));
    asm_vec_rr(c->a, VEC_PXOR, vec(&a), SCRATCH_XMM);
    push_reg(c, VALUE_V128, a.reg);
}

// What is 2^31 or more converts to 80000000, and what it is more is added: 0 when it is less,
// 7fffffff when that does not fit either.
//   pxor xmm15, xmm15; maxps a, xmm15                        (NaN and negative become 0)
//   movaps t, [2^31]; movaps xmm15, a; subps xmm15, t; cmpleps t, xmm15
//   cvttps2dq xmm15, xmm15; pxor xmm15, t; pxor t, t; pmaxsd xmm15, t
//   cvttps2dq a, a; paddd a, xmm15
void simd_trunc_sat_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_own(c);
    u8 temp = xmm_alloc(c);
    enum xmm t = as_xmm(temp);
    asm_vec_rr(c->a, VEC_PXOR, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_MAXPS, vec(&a), SCRATCH_XMM);
    vec_op_repeated(c, VEC_MOVAPS, t, repeat32(F32_2_POW_31));
    asm_movaps_rr(c->a, SCRATCH_XMM, vec(&a));
    asm_vec_rr(c->a, VEC_SUBPS, SCRATCH_XMM, t);
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
//   movaps xmm15, a; cmpordpd xmm15, xmm15; andps xmm15, [2^31 - 1]; minpd a, xmm15; cvttpd2dq a, a
void simd_trunc_sat_f64_s(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_own(c);
    asm_movaps_rr(c->a, SCRATCH_XMM, vec(&a));
    asm_vec_rri(c->a, VEC_CMPPD, SCRATCH_XMM, SCRATCH_XMM, CMP_ORD);
    vec_op_repeated(c, VEC_ANDPS, SCRATCH_XMM, 0x41dfffffffc00000);
    asm_vec_rr(c->a, VEC_MINPD, vec(&a), SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_CVTTPD2DQ, vec(&a), vec(&a));
    push_reg(c, VALUE_V128, a.reg);
}

// Added to 2^52, an integer is in the low bits.
//   pxor xmm15, xmm15; maxpd a, xmm15; minpd a, [2^32 - 1]; roundpd a, a, truncate
//   addpd a, [2^52]; shufps a, xmm15, 0 2 0 2
void simd_trunc_sat_f64_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_own(c);
    asm_vec_rr(c->a, VEC_PXOR, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_MAXPD, vec(&a), SCRATCH_XMM);
    vec_op_repeated(c, VEC_MINPD, vec(&a), 0x41efffffffe00000);
    asm_vec_rri(c->a, VEC_ROUNDPD, vec(&a), vec(&a), VEC_ROUND(ROUND_TRUNC));
    vec_op_repeated(c, VEC_ADDPD, vec(&a), F64_2_POW_52);
    asm_vec_rri(c->a, VEC_SHUFPS, vec(&a), SCRATCH_XMM, 0x88);
    push_reg(c, VALUE_V128, a.reg);
}
