// Vector instructions that need no thought about lanes: one machine instruction, or one and a
// negation; comparisons; bits; truth.
//
// x86 has one order for integers, signed greater-than. The others are its mirror image, its
// negation, or what a minimum tells: a <= b exactly when min(a, b) == a.

#include "engine/baseline/simd.h"

struct operand pop_loaded(struct baseline *c) {
    struct operand x = pop(c);
    operand_load(c, &x);
    return x;
}

struct operand pop_own(struct baseline *c) {
    struct operand x = pop(c);
    operand_own(c, &x, NULL);
    return x;
}

struct operand_pair pop_pair(struct baseline *c) {
    struct operand_pair pair;
    pair.b = pop(c);
    pair.a = pop(c);
    operand_load(c, &pair.b);
    operand_load(c, &pair.a);
    return pair;
}

struct operand_pair pop_pair_own(struct baseline *c) {
    struct operand_pair pair;
    pair.b = pop(c);
    pair.a = pop(c);
    operand_load(c, &pair.b);
    operand_own(c, &pair.a, &pair.b);
    return pair;
}

static void pair_swap(struct operand_pair *pair) {
    struct operand a = pair->a;
    pair->a = pair->b;
    pair->b = a;
}

static void vec_op(struct baseline *c, const struct simd_row *row, enum xmm to, enum xmm from) {
    if (vec_op_has_imm(row->op))
        asm_vec_rri(c->a, row->op, to, from, (u8)row->arg);
    else
        asm_vec_rr(c->a, row->op, to, from);
}

// op r, a
void simd_unary(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_loaded(c);
    enum xmm from = vec(&a);
    u8 to = reg_result(c, XMM_MASK, &a);
    vec_op(c, row, as_xmm(to), from);
    push_reg(c, VALUE_V128, to);
}

// -- Two operands -------------------------------------------------------------------------------

enum operand_order { ORDER_AS_IS, ORDER_ANY, ORDER_SWAPPED };

// Returns the result, pinned.
static u8 emit_pair(struct baseline *c, const struct simd_row *row, enum operand_order order) {
    struct operand_pair pair;
    pair.b = pop(c);
    pair.a = pop(c);
    bool b_is_better = !operand_is_own(c, &pair.a) && operand_is_own(c, &pair.b);
    if (order == ORDER_SWAPPED || (order == ORDER_ANY && b_is_better))
        pair_swap(&pair);
    operand_load(c, &pair.b);
    operand_own(c, &pair.a, &pair.b);
    vec_op(c, row, vec(&pair.a), vec(&pair.b));
    operand_release(c, &pair.b);
    return pair.a.reg;
}

void simd_binary(struct baseline *c, const struct simd_row *row) {
    push_reg(c, VALUE_V128, emit_pair(c, row, ORDER_AS_IS));
}

void simd_commutes(struct baseline *c, const struct simd_row *row) {
    push_reg(c, VALUE_V128, emit_pair(c, row, ORDER_ANY));
}

void simd_swapped(struct baseline *c, const struct simd_row *row) {
    push_reg(c, VALUE_V128, emit_pair(c, row, ORDER_SWAPPED));
}

// pcmpeqd xmm15, xmm15; pxor x, xmm15
static void vec_not(struct baseline *c, enum xmm x) {
    asm_vec_rr(c->a, VEC_PCMPEQD, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_PXOR, x, SCRATCH_XMM);
}

static void push_negated(struct baseline *c, u8 reg) {
    vec_not(c, as_xmm(reg));
    push_reg(c, VALUE_V128, reg);
}

void simd_not_commutes(struct baseline *c, const struct simd_row *row) {
    push_negated(c, emit_pair(c, row, ORDER_ANY));
}

void simd_not_binary(struct baseline *c, const struct simd_row *row) {
    push_negated(c, emit_pair(c, row, ORDER_AS_IS));
}

void simd_not_swapped(struct baseline *c, const struct simd_row *row) {
    push_negated(c, emit_pair(c, row, ORDER_SWAPPED));
}

// movaps xmm15, a; op xmm15, b; pcmpeq a, xmm15
static u8 emit_extreme_is_a(struct baseline *c, const struct simd_row *row) {
    struct operand_pair pair = pop_pair_own(c);
    asm_movaps_rr(c->a, SCRATCH_XMM, vec(&pair.a));
    asm_vec_rr(c->a, row->op, SCRATCH_XMM, vec(&pair.b));
    asm_vec_rr(c->a, (enum vec_op)((VEC_PCMPEQB & ~0xffu) | row->arg), vec(&pair.a), SCRATCH_XMM);
    operand_release(c, &pair.b);
    return pair.a.reg;
}

void simd_extreme_is_a(struct baseline *c, const struct simd_row *row) {
    push_reg(c, VALUE_V128, emit_extreme_is_a(c, row));
}

void simd_extreme_is_not_a(struct baseline *c, const struct simd_row *row) {
    push_negated(c, emit_extreme_is_a(c, row));
}

// -- Bits ---------------------------------------------------------------------------------------

// pxor r, r / pcmpeqd r, r / movaps r, [constant]
void simd_const(struct baseline *c, const struct simd_row *) {
    u64 low = c->insn.v128[0];
    u64 high = c->insn.v128[1];
    u8 to = reg_result(c, XMM_MASK, NULL);
    if ((low | high) == 0)
        asm_vec_rr(c->a, VEC_PXOR, as_xmm(to), as_xmm(to));
    else if ((low & high) == UINT64_MAX)
        asm_vec_rr(c->a, VEC_PCMPEQD, as_xmm(to), as_xmm(to));
    else
        asm_vec_rl(c->a, VEC_MOVAPS, as_xmm(to), vec_constant(c, low, high));
    push_reg(c, VALUE_V128, to);
}

void simd_not(struct baseline *c, const struct simd_row *) {
    push_negated(c, pop_own(c).reg);
}

// a where the mask is 1, b where it is 0: pxor a, b; pand a, mask; pxor a, b
void simd_bitselect(struct baseline *c, const struct simd_row *) {
    struct operand mask = pop_loaded(c);
    struct operand_pair pair = pop_pair_own(c);
    asm_vec_rr(c->a, VEC_PXOR, vec(&pair.a), vec(&pair.b));
    asm_vec_rr(c->a, VEC_PAND, vec(&pair.a), vec(&mask));
    asm_vec_rr(c->a, VEC_PXOR, vec(&pair.a), vec(&pair.b));
    operand_release(c, &mask);
    operand_release(c, &pair.b);
    push_reg(c, VALUE_V128, pair.a.reg);
}

// ptest a, a; setne
void simd_any_true(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    asm_vec_rr(c->a, VEC_PTEST, vec(&a), vec(&a));
    operand_release(c, &a);
    push_truth(c, flags_of(COND_NE));
}

// No lane is zero: pxor xmm15, xmm15; pcmpeq xmm15, a; ptest xmm15, xmm15; sete
void simd_all_true(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_loaded(c);
    asm_vec_rr(c->a, VEC_PXOR, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_rr(c->a, row->op, SCRATCH_XMM, vec(&a));
    asm_vec_rr(c->a, VEC_PTEST, SCRATCH_XMM, SCRATCH_XMM);
    operand_release(c, &a);
    push_truth(c, flags_of(COND_E));
}

// pmovmskb, movmskps, movmskpd r, a
// 16-bit lanes: movaps xmm15, a; packsswb xmm15, xmm15; pmovmskb r, xmm15; movzx r, r8
void simd_bitmask(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_loaded(c);
    u8 to = reg_result(c, GPR_MASK, NULL);
    if (row->arg == W16) {
        asm_movaps_rr(c->a, SCRATCH_XMM, vec(&a));
        asm_vec_rr(c->a, VEC_PACKSSWB, SCRATCH_XMM, SCRATCH_XMM);
        asm_movmsk(c->a, W8, as_gpr(to), SCRATCH_XMM);
        asm_movzx(c->a, W8, as_gpr(to), as_gpr(to));
    } else {
        asm_movmsk(c->a, (enum width)row->arg, as_gpr(to), vec(&a));
    }
    operand_release(c, &a);
    push_reg(c, VALUE_I32, to);
}
