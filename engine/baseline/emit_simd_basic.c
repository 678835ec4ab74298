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

// op to, x, y / op to, x, [folded load] / op to, x, [home of y]
static void vec_op3(struct baseline *c, const struct simd_row *row, u8 to,
                    const struct operand_pair *from) {
    enum xmm x = vec(&from->a);
    if (vec_op_has_imm(row->op))
        asm_vec_rrri(c->a, row->op, as_xmm(to), x, vec(&from->b), (u8)row->arg);
    else if (from->b.kind == SLOT_REG)
        asm_vec_rrr(c->a, row->op, as_xmm(to), x, vec(&from->b));
    else if (from->b.kind == SLOT_LOAD)
        asm_vec_rrm(c->a, row->op, as_xmm(to), x, folded_load(c));
    else
        asm_vec_rrm(c->a, row->op, as_xmm(to), x, operand_home(c, &from->b));
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

// Whether `pair` is better with its operands the other way round, if they may be so: the left one
// is to be overwritten, or read from a register; with AVX the prefix is shorter when the right one
// is one of the lower eight.
static bool swap_is_better(const struct baseline *c, const struct operand_pair *pair) {
    const struct operand *a = &pair->a;
    const struct operand *b = &pair->b;
    if (!c->target.has_avx)
        return !operand_is_own(c, a) && operand_is_own(c, b);
    if (a->kind != SLOT_REG || b->kind != SLOT_REG)
        return a->kind != SLOT_REG && b->kind == SLOT_REG;
    return vec(a) < XMM8 && vec(b) >= XMM8;
}

// Returns the result, pinned.
static u8 emit_pair(struct baseline *c, const struct simd_row *row, enum operand_order order) {
    struct operand_pair pair;
    pair.b = pop(c);
    pair.a = pop(c);
    if (order == ORDER_SWAPPED || (order == ORDER_ANY && swap_is_better(c, &pair)))
        pair_swap(&pair);
    // Homes are not aligned: only AVX forms take them.
    if (!c->target.has_avx || vec_op_has_imm(row->op))
        operand_load(c, &pair.b);
    u8 to = xmm_result(c, &pair.a, &pair.b);
    vec_op3(c, row, to, &pair);
    return to;
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

// pcmpeqd xmm15, xmm15; pxor r, x, xmm15
static void vec_not(struct baseline *c, enum xmm to, enum xmm x) {
    asm_vec_rr(c->a, VEC_PCMPEQD, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_rrr(c->a, VEC_PXOR, to, x, SCRATCH_XMM);
}

static void push_negated(struct baseline *c, u8 reg) {
    vec_not(c, as_xmm(reg), as_xmm(reg));
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

// op xmm15, a, b; pcmpeq r, a, xmm15
static u8 emit_extreme_is_a(struct baseline *c, const struct simd_row *row) {
    struct operand_pair pair = pop_pair(c);
    asm_vec_rrr(c->a, row->op, SCRATCH_XMM, vec(&pair.a), vec(&pair.b));
    enum vec_op equal = (enum vec_op)((VEC_PCMPEQB & ~0xffu) | row->arg);
    enum xmm a = vec(&pair.a);
    operand_release(c, &pair.b);
    u8 to = vec_result(c, &pair.a);
    asm_vec_rrr(c->a, equal, as_xmm(to), a, SCRATCH_XMM);
    return to;
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
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    vec_not(c, as_xmm(to), vec(&a));
    push_reg(c, VALUE_V128, to);
}

// a where the mask is 1, b where it is 0: pxor r, a, b; pand r, mask; pxor r, b
void simd_bitselect(struct baseline *c, const struct simd_row *) {
    struct operand mask = pop_loaded(c);
    struct operand_pair pair = pop_pair(c);
    u8 to = vec_result(c, &pair.a);
    asm_vec_rrr(c->a, VEC_PXOR, as_xmm(to), vec(&pair.a), vec(&pair.b));
    asm_vec_rr(c->a, VEC_PAND, as_xmm(to), vec(&mask));
    asm_vec_rr(c->a, VEC_PXOR, as_xmm(to), vec(&pair.b));
    operand_release(c, &mask);
    operand_release(c, &pair.b);
    push_reg(c, VALUE_V128, to);
}

// Relaxed: a lane of the mask may be all ones, all zeros, or told by its sign.
//   vblendv r, b, a, mask
void simd_laneselect(struct baseline *c, const struct simd_row *row) {
    if (!c->target.has_avx) {
        simd_bitselect(c, row);
        return;
    }
    struct operand mask = pop_loaded(c);
    struct operand_pair pair = pop_pair(c);
    struct vec_blend from = {.x = vec(&pair.b), .y = vec(&pair.a), .mask = vec(&mask)};
    operand_release(c, &mask);
    u8 to = xmm_result(c, &pair.a, &pair.b);
    asm_blendv(c->a, (enum width)row->arg, as_xmm(to), from);
    push_reg(c, VALUE_V128, to);
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
// 16-bit lanes: packsswb xmm15, a, a; pmovmskb r, xmm15; movzx r, r8
void simd_bitmask(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_loaded(c);
    u8 to = reg_result(c, GPR_MASK, NULL);
    if (row->arg == W16) {
        asm_vec_rrr(c->a, VEC_PACKSSWB, SCRATCH_XMM, vec(&a), vec(&a));
        asm_movmsk(c->a, W8, as_gpr(to), SCRATCH_XMM);
        asm_movzx(c->a, W8, as_gpr(to), as_gpr(to));
    } else {
        asm_movmsk(c->a, (enum width)row->arg, as_gpr(to), vec(&a));
    }
    operand_release(c, &a);
    push_reg(c, VALUE_I32, to);
}
