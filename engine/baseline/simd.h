#pragma once
// Vector instructions, inside the baseline compiler. Most are one machine instruction: emit_simd.c
// has a row for each, which names a template and the machine instruction to fill in.
//
// The scratch registers are xmm15 and r11. A template that needs more takes them with reg_alloc
// before it decides on its result's register. What is read besides operands are constants behind
// the function (vec_constant), and memory, with exactly the width that the instruction says.
//
// The comments name AVX forms, of three operands. Without AVX, `op r, a, b` is `movaps r, a; op r,
// b`, and no move where r is a.

#include "engine/baseline/baseline_internal.h"
#include "engine/x64/asm_vec.h"

struct simd_row {
    void (*emit)(struct baseline *c, const struct simd_row *row);
    enum vec_op op;
    u16 arg; // see each template
};

// -- Small facts --------------------------------------------------------------------------------

static inline enum xmm vec(const struct operand *x) {
    ASSERT(x->kind == SLOT_REG);
    return as_xmm(x->reg);
}

static inline u64 repeat8(u8 value) {
    return value * 0x0101010101010101u;
}

static inline u64 repeat16(u16 value) {
    return value * 0x0001000100010001u;
}

static inline u64 repeat32(u32 value) {
    return value * 0x0000000100000001u;
}

// op to, [constant], both halves being `half`
static inline void vec_op_repeated(struct baseline *c, enum vec_op op, enum xmm to, u64 half) {
    asm_vec_rl(c->a, op, to, vec_constant(c, half, half));
}

// op to, x, [constant]
static inline void vec_op3_repeated(struct baseline *c, enum vec_op op, enum xmm to, enum xmm x,
                                    u64 half) {
    asm_vec_rrl(c->a, op, to, x, vec_constant(c, half, half));
}

#define HIGH_HALF 0xee // pshufd: the upper eight bytes, twice

static inline u8 xmm_alloc(struct baseline *c) {
    return reg_alloc(c, XMM_MASK);
}

// Pops b, then a; `a` may be overwritten, and `b` is in another register.
struct operand_pair {
    struct operand a;
    struct operand b;
};
struct operand_pair pop_pair_own(struct baseline *c);
// The same, with both where they are.
struct operand_pair pop_pair(struct baseline *c);
struct operand pop_own(struct baseline *c);
// A result for a sequence whose first instruction alone reads `a`, which is released.
static inline u8 vec_result(struct baseline *c, const struct operand *a) {
    return reg_result(c, XMM_MASK, a);
}
struct operand pop_loaded(struct baseline *c);

// The lowest lane of `x` in all its lanes.
void vec_spread(struct baseline *c, enum width w, enum xmm x);

// -- emit_simd_basic.c --------------------------------------------------------------------------
// arg: the immediate, where `op` takes one.

void simd_unary(struct baseline *c, const struct simd_row *row);        // op r, a
void simd_binary(struct baseline *c, const struct simd_row *row);       // op a, b
void simd_commutes(struct baseline *c, const struct simd_row *row);     // op a, b or op b, a
void simd_swapped(struct baseline *c, const struct simd_row *row);      // op b, a
void simd_not_commutes(struct baseline *c, const struct simd_row *row); // not (op a, b)
void simd_not_binary(struct baseline *c, const struct simd_row *row);
void simd_not_swapped(struct baseline *c, const struct simd_row *row);
// a == op(a, b): an order told by a minimum or maximum. arg: the pcmpeq's opcode byte.
void simd_extreme_is_a(struct baseline *c, const struct simd_row *row);
void simd_extreme_is_not_a(struct baseline *c, const struct simd_row *row);
void simd_const(struct baseline *c, const struct simd_row *row);
void simd_not(struct baseline *c, const struct simd_row *row);
void simd_bitselect(struct baseline *c, const struct simd_row *row);
void simd_laneselect(struct baseline *c, const struct simd_row *row); // arg: enum width
void simd_any_true(struct baseline *c, const struct simd_row *row);
void simd_all_true(struct baseline *c, const struct simd_row *row); // op: the lanes' pcmpeq
void simd_bitmask(struct baseline *c, const struct simd_row *row);  // arg: enum width

// -- emit_simd_int.c ----------------------------------------------------------------------------

void simd_negate(struct baseline *c, const struct simd_row *row);    // op: the lanes' psub
void simd_abs64(struct baseline *c, const struct simd_row *row);     //
void simd_popcnt(struct baseline *c, const struct simd_row *row);    //
void simd_shift(struct baseline *c, const struct simd_row *row);     // arg: enum vec_shift
void simd_shift8(struct baseline *c, const struct simd_row *row);    // the same of 16-bit lanes
void simd_shift8_s(struct baseline *c, const struct simd_row *row);  //
void simd_shift64_s(struct baseline *c, const struct simd_row *row); //
void simd_mul64(struct baseline *c, const struct simd_row *row);     //
void simd_q15mulr(struct baseline *c, const struct simd_row *row);   //
// Of the low or (arg 1) the high lanes.
void simd_extend_high(struct baseline *c, const struct simd_row *row); // op: pmovsx or pmovzx
void simd_extmul8(struct baseline *c, const struct simd_row *row);     // op: pmovsx or pmovzx
void simd_extmul16(struct baseline *c, const struct simd_row *row);    // op: pmulhw or pmulhuw
void simd_extmul32(struct baseline *c, const struct simd_row *row);    // op: pmuldq or pmuludq
void simd_extadd8_s(struct baseline *c, const struct simd_row *row);   //
void simd_extadd8_u(struct baseline *c, const struct simd_row *row);   //
void simd_extadd16_s(struct baseline *c, const struct simd_row *row);  //
void simd_extadd16_u(struct baseline *c, const struct simd_row *row);  //
void simd_dot_add(struct baseline *c, const struct simd_row *row);     //

// -- emit_simd_float.c --------------------------------------------------------------------------
// arg: enum fwidth, where the two differ by more than `op`.

void simd_float_abs(struct baseline *c, const struct simd_row *row);
void simd_float_neg(struct baseline *c, const struct simd_row *row);
void simd_float_min(struct baseline *c, const struct simd_row *row);
void simd_float_max(struct baseline *c, const struct simd_row *row);
void simd_madd(struct baseline *c, const struct simd_row *row);  // a * b + c
void simd_nmadd(struct baseline *c, const struct simd_row *row); // c - a * b
void simd_convert_u(struct baseline *c, const struct simd_row *row);
void simd_convert_low_u(struct baseline *c, const struct simd_row *row);
void simd_trunc_sat_s(struct baseline *c, const struct simd_row *row);
void simd_trunc_sat_u(struct baseline *c, const struct simd_row *row);
void simd_trunc_sat_f64_s(struct baseline *c, const struct simd_row *row);
void simd_trunc_sat_f64_u(struct baseline *c, const struct simd_row *row);

// -- emit_simd_lane.c ---------------------------------------------------------------------------
// arg: enum width of the lanes.

void simd_splat(struct baseline *c, const struct simd_row *row);
void simd_splat_float(struct baseline *c, const struct simd_row *row);
void simd_extract(struct baseline *c, const struct simd_row *row);   // zero-extended
void simd_extract_s(struct baseline *c, const struct simd_row *row); // sign-extended to an i32
void simd_extract_float(struct baseline *c, const struct simd_row *row);
void simd_replace(struct baseline *c, const struct simd_row *row);
void simd_replace_float(struct baseline *c, const struct simd_row *row);
void simd_swizzle(struct baseline *c, const struct simd_row *row);
void simd_shuffle(struct baseline *c, const struct simd_row *row);

// -- emit_simd_memory.c -------------------------------------------------------------------------

void simd_load(struct baseline *c, const struct simd_row *row);       // op r, [m]
void simd_load_splat(struct baseline *c, const struct simd_row *row); // arg: W8, W16 or W32
void simd_store(struct baseline *c, const struct simd_row *row);
void simd_load_lane(struct baseline *c, const struct simd_row *row);  // arg: enum width
void simd_store_lane(struct baseline *c, const struct simd_row *row); // arg: enum width
