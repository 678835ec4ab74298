// Integer vector arithmetic that is more than one machine instruction.

#include "engine/baseline/simd.h"

// -- Signs and counts ---------------------------------------------------------------------------

// pxor r, r; psub r, a
void simd_negate(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_loaded(c);
    u8 to = reg_result(c, XMM_MASK, NULL);
    asm_vec_rr(c->a, VEC_PXOR, as_xmm(to), as_xmm(to));
    asm_vec_rr(c->a, row->op, as_xmm(to), vec(&a));
    operand_release(c, &a);
    push_reg(c, VALUE_V128, to);
}

// The sign as a mask m: (a ^ m) - m.
//   pxor xmm15, xmm15; pcmpgtq xmm15, a; pxor r, a, xmm15; psubq r, xmm15
void simd_abs64(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    asm_vec_rr(c->a, VEC_PXOR, SCRATCH_XMM, SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_PCMPGTQ, SCRATCH_XMM, vec(&a));
    asm_vec_rrr(c->a, VEC_PXOR, as_xmm(to), vec(&a), SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_PSUBQ, as_xmm(to), SCRATCH_XMM);
    push_reg(c, VALUE_V128, to);
}

// Looks both halves of each byte up in a table of 16.
//   pand xmm15, a, [0f]; movaps r, [table]; pshufb r, xmm15
//   psrlw a, 4; pand a, [0f]; movaps xmm15, [table]; pshufb xmm15, a; paddb r, xmm15
void simd_popcnt(struct baseline *c, const struct simd_row *) {
    static const u64 table[] = {0x0302020102010100, 0x0403030203020201};
    struct operand a = pop_own(c);
    u8 to = xmm_alloc(c);
    struct label *counts = vec_constant(c, table[0], table[1]);
    vec_op3_repeated(c, VEC_PAND, SCRATCH_XMM, vec(&a), repeat8(0x0f));
    asm_vec_rl(c->a, VEC_MOVAPS, as_xmm(to), counts);
    asm_vec_rr(c->a, VEC_PSHUFB, as_xmm(to), SCRATCH_XMM);
    asm_vec_shift_i(c->a, VEC_SHIFT_PSRLW, vec(&a), vec(&a), 4);
    vec_op_repeated(c, VEC_PAND, vec(&a), repeat8(0x0f));
    asm_vec_rl(c->a, VEC_MOVAPS, SCRATCH_XMM, counts);
    asm_vec_rr(c->a, VEC_PSHUFB, SCRATCH_XMM, vec(&a));
    asm_vec_rr(c->a, VEC_PADDB, as_xmm(to), SCRATCH_XMM);
    operand_release(c, &a);
    push_reg(c, VALUE_V128, to);
}

// -- Shifts -------------------------------------------------------------------------------------
// Counts are taken modulo the lanes' width. Bytes are shifted as parts of 16-bit lanes.

// r11d = count modulo `lane_bits`: mov r11d, count; and r11d, mask
static void shift_count(struct baseline *c, struct operand *count, u32 lane_bits) {
    operand_load(c, count);
    asm_mov_rr(c->a, W32, SCRATCH, as_gpr(count->reg));
    asm_alu_ri(c->a, ALU_AND, W32, SCRATCH, (i32)lane_bits - 1);
    operand_release(c, count);
}

// The lanes' width is in the opcode byte: 71, 72, 73.
static u32 shift_lane_bits(enum vec_shift shift) {
    return 16u << ((shift >> 8) - 0x71);
}

// psllw r, a, imm / mov r11d, count; and r11d, mask; movd xmm15, r11d; psllw r, a, xmm15
void simd_shift(struct baseline *c, const struct simd_row *row) {
    enum vec_shift shift = (enum vec_shift)row->arg;
    u32 lane_bits = shift_lane_bits(shift);
    struct operand count = pop(c);
    if (!operand_is_const(&count))
        shift_count(c, &count, lane_bits);
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    if (operand_is_const(&count)) {
        u8 by = (u8)(count.value & (lane_bits - 1));
        asm_vec_shift_i(c->a, shift, as_xmm(to), vec(&a), by);
    } else {
        asm_mov_xr(c->a, W32, SCRATCH_XMM, SCRATCH);
        asm_vec_rrr(c->a, row->op, as_xmm(to), vec(&a), SCRATCH_XMM);
    }
    push_reg(c, VALUE_V128, to);
}

// Bits that would cross into the neighbouring byte are masked off: before a shift to the left,
// after one to the right. Each byte of the mask is ff >> count.
//   mov r11d, count; and r11d, 7; add r11d, 8; movd xmm15, r11d
//   pcmpeqd t, t; psrlw t, xmm15; packuswb t, t; sub r11d, 8; movd xmm15, r11d
//   pand a, t; psllw a, xmm15 / psrlw a, xmm15; pand a, t
static void shift8_variable(struct baseline *c, const struct simd_row *row, enum xmm a) {
    u8 mask = xmm_alloc(c);
    asm_alu_ri(c->a, ALU_ADD, W32, SCRATCH, 8);
    asm_mov_xr(c->a, W32, SCRATCH_XMM, SCRATCH);
    asm_vec_rr(c->a, VEC_PCMPEQD, as_xmm(mask), as_xmm(mask));
    asm_vec_rr(c->a, VEC_PSRLW, as_xmm(mask), SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_PACKUSWB, as_xmm(mask), as_xmm(mask));
    asm_alu_ri(c->a, ALU_SUB, W32, SCRATCH, 8);
    asm_mov_xr(c->a, W32, SCRATCH_XMM, SCRATCH);
    if (row->op == VEC_PSLLW)
        asm_vec_rr(c->a, VEC_PAND, a, as_xmm(mask));
    asm_vec_rr(c->a, row->op, a, SCRATCH_XMM);
    if (row->op != VEC_PSLLW)
        asm_vec_rr(c->a, VEC_PAND, a, as_xmm(mask));
    reg_release(c, mask);
}

// psllw a, imm; pand a, [mask]
void simd_shift8(struct baseline *c, const struct simd_row *row) {
    struct operand count = pop(c);
    if (!operand_is_const(&count))
        shift_count(c, &count, 8);
    struct operand a = pop_own(c);
    if (operand_is_const(&count)) {
        u8 by = (u8)(count.value & 7);
        u8 mask = row->op == VEC_PSLLW ? (u8)(0xff << by) : (u8)(0xff >> by);
        asm_vec_shift_i(c->a, (enum vec_shift)row->arg, vec(&a), vec(&a), by);
        vec_op_repeated(c, VEC_PAND, vec(&a), repeat8(mask));
    } else {
        shift8_variable(c, row, vec(&a));
    }
    push_reg(c, VALUE_V128, a.reg);
}

// Each byte goes into the upper half of 16 bits, and comes back by a pack that never saturates.
//   mov r11d, count; and r11d, 7; add r11d, 8; movd xmm15, r11d
//   punpckhbw t, a, a; punpcklbw a, a; psraw t, xmm15; psraw a, xmm15; packsswb a, t
void simd_shift8_s(struct baseline *c, const struct simd_row *) {
    struct operand count = pop(c);
    bool constant = operand_is_const(&count);
    if (!constant)
        shift_count(c, &count, 8);
    struct operand a = pop_own(c);
    u8 high = xmm_alloc(c);
    asm_vec_rrr(c->a, VEC_PUNPCKHBW, as_xmm(high), vec(&a), vec(&a));
    asm_vec_rr(c->a, VEC_PUNPCKLBW, vec(&a), vec(&a));
    if (constant) {
        u8 by = (u8)(8 + (count.value & 7));
        asm_vec_shift_i(c->a, VEC_SHIFT_PSRAW, as_xmm(high), as_xmm(high), by);
        asm_vec_shift_i(c->a, VEC_SHIFT_PSRAW, vec(&a), vec(&a), by);
    } else {
        asm_alu_ri(c->a, ALU_ADD, W32, SCRATCH, 8);
        asm_mov_xr(c->a, W32, SCRATCH_XMM, SCRATCH);
        asm_vec_rr(c->a, VEC_PSRAW, as_xmm(high), SCRATCH_XMM);
        asm_vec_rr(c->a, VEC_PSRAW, vec(&a), SCRATCH_XMM);
    }
    asm_vec_rr(c->a, VEC_PACKSSWB, vec(&a), as_xmm(high));
    reg_release(c, high);
    push_reg(c, VALUE_V128, a.reg);
}

// A logical shift, then the sign bit, where it arrived, is extended: (x ^ m) - m.
//   mov r11d, count; and r11d, 63; movd xmm15, r11d
//   movaps t, [sign]; psrlq t, xmm15; psrlq a, xmm15; pxor a, t; psubq a, t
void simd_shift64_s(struct baseline *c, const struct simd_row *) {
    struct operand count = pop(c);
    shift_count(c, &count, 64);
    struct operand a = pop_own(c);
    u8 sign = xmm_alloc(c);
    asm_mov_xr(c->a, W32, SCRATCH_XMM, SCRATCH);
    vec_op_repeated(c, VEC_MOVAPS, as_xmm(sign), 1ull << 63);
    asm_vec_rr(c->a, VEC_PSRLQ, as_xmm(sign), SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_PSRLQ, vec(&a), SCRATCH_XMM);
    asm_vec_rr(c->a, VEC_PXOR, vec(&a), as_xmm(sign));
    asm_vec_rr(c->a, VEC_PSUBQ, vec(&a), as_xmm(sign));
    reg_release(c, sign);
    push_reg(c, VALUE_V128, a.reg);
}

// -- Products -----------------------------------------------------------------------------------

// By halves: low * low + ((high a * low b + low a * high b) << 32).
//   psrlq t, a, 32; pmuludq t, b; psrlq xmm15, b, 32; pmuludq xmm15, a
//   paddq t, xmm15; psllq t, 32; pmuludq a, b; paddq a, t
void simd_mul64(struct baseline *c, const struct simd_row *) {
    struct operand_pair pair = pop_pair_own(c);
    enum xmm a = vec(&pair.a);
    enum xmm b = vec(&pair.b);
    u8 cross = xmm_alloc(c);
    asm_vec_shift_i(c->a, VEC_SHIFT_PSRLQ, as_xmm(cross), a, 32);
    asm_vec_rr(c->a, VEC_PMULUDQ, as_xmm(cross), b);
    asm_vec_shift_i(c->a, VEC_SHIFT_PSRLQ, SCRATCH_XMM, b, 32);
    asm_vec_rr(c->a, VEC_PMULUDQ, SCRATCH_XMM, a);
    asm_vec_rr(c->a, VEC_PADDQ, as_xmm(cross), SCRATCH_XMM);
    asm_vec_shift_i(c->a, VEC_SHIFT_PSLLQ, as_xmm(cross), as_xmm(cross), 32);
    asm_vec_rr(c->a, VEC_PMULUDQ, a, b);
    asm_vec_rr(c->a, VEC_PADDQ, a, as_xmm(cross));
    reg_release(c, cross);
    operand_release(c, &pair.b);
    push_reg(c, VALUE_V128, pair.a.reg);
}

// pmulhrsw gives 8000 in one case, -1 * -1, which must be 7fff.
//   pmulhrsw r, a, b; movaps xmm15, [8000]; pcmpeqw xmm15, r; pxor r, xmm15
void simd_q15mulr(struct baseline *c, const struct simd_row *) {
    struct operand_pair pair = pop_pair(c);
    u8 to = xmm_result(c, &pair.a, &pair.b);
    asm_vec_rrr(c->a, VEC_PMULHRSW, as_xmm(to), vec(&pair.a), vec(&pair.b));
    vec_op3_repeated(c, VEC_PCMPEQW, SCRATCH_XMM, as_xmm(to), repeat16(0x8000));
    asm_vec_rr(c->a, VEC_PXOR, as_xmm(to), SCRATCH_XMM);
    push_reg(c, VALUE_V128, to);
}

// pmovsx to, from / pshufd to, from, ee; pmovsx to, to
static void extend_half(struct baseline *c, const struct simd_row *row, enum xmm to,
                        enum xmm from) {
    if (row->arg != 0) {
        asm_vec_rri(c->a, VEC_PSHUFD, to, from, HIGH_HALF);
        from = to;
    }
    asm_vec_rr(c->a, row->op, to, from);
}

void simd_extend_high(struct baseline *c, const struct simd_row *row) {
    ASSERT(row->arg == 1);
    struct operand a = pop_loaded(c);
    enum xmm from = vec(&a);
    u8 to = reg_result(c, XMM_MASK, &a);
    extend_half(c, row, as_xmm(to), from);
    push_reg(c, VALUE_V128, to);
}

// extend xmm15, b; extend a, a; pmullw a, xmm15
void simd_extmul8(struct baseline *c, const struct simd_row *row) {
    struct operand_pair pair = pop_pair_own(c);
    extend_half(c, row, SCRATCH_XMM, vec(&pair.b));
    extend_half(c, row, vec(&pair.a), vec(&pair.a));
    asm_vec_rr(c->a, VEC_PMULLW, vec(&pair.a), SCRATCH_XMM);
    operand_release(c, &pair.b);
    push_reg(c, VALUE_V128, pair.a.reg);
}

// The products' two halves: pmulhw xmm15, a, b; pmullw r, a, b; punpck r, xmm15
void simd_extmul16(struct baseline *c, const struct simd_row *row) {
    struct operand_pair pair = pop_pair(c);
    u8 to = xmm_result(c, &pair.a, &pair.b);
    asm_vec_rrr(c->a, row->op, SCRATCH_XMM, vec(&pair.a), vec(&pair.b));
    asm_vec_rrr(c->a, VEC_PMULLW, as_xmm(to), vec(&pair.a), vec(&pair.b));
    asm_vec_rr(c->a, row->arg != 0 ? VEC_PUNPCKHWD : VEC_PUNPCKLWD, as_xmm(to), SCRATCH_XMM);
    push_reg(c, VALUE_V128, to);
}

// pmuldq takes lanes 0 and 2: pshufd xmm15, b, lanes; pshufd a, a, lanes; pmuldq a, xmm15
void simd_extmul32(struct baseline *c, const struct simd_row *row) {
    u8 lanes = row->arg != 0 ? 0xfa : 0x50; // 2 2 3 3 or 0 0 1 1
    struct operand_pair pair = pop_pair_own(c);
    asm_vec_rri(c->a, VEC_PSHUFD, SCRATCH_XMM, vec(&pair.b), lanes);
    asm_vec_rri(c->a, VEC_PSHUFD, vec(&pair.a), vec(&pair.a), lanes);
    asm_vec_rr(c->a, row->op, vec(&pair.a), SCRATCH_XMM);
    operand_release(c, &pair.b);
    push_reg(c, VALUE_V128, pair.a.reg);
}

// -- Sums of neighbours: products with 1, added pairwise ----------------------------------------

// pmaddubsw takes unsigned bytes on the left: movaps r, [1]; pmaddubsw r, a
void simd_extadd8_s(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    u8 to = reg_result(c, XMM_MASK, NULL);
    vec_op_repeated(c, VEC_MOVAPS, as_xmm(to), repeat8(1));
    asm_vec_rr(c->a, VEC_PMADDUBSW, as_xmm(to), vec(&a));
    operand_release(c, &a);
    push_reg(c, VALUE_V128, to);
}

// pmaddubsw r, a, [1]
void simd_extadd8_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    vec_op3_repeated(c, VEC_PMADDUBSW, as_xmm(to), vec(&a), repeat8(1));
    push_reg(c, VALUE_V128, to);
}

// pmaddwd r, a, [1]
void simd_extadd16_s(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    vec_op3_repeated(c, VEC_PMADDWD, as_xmm(to), vec(&a), repeat16(1));
    push_reg(c, VALUE_V128, to);
}

// Each lane less 8000 is signed; that is 10000 too little for two.
//   pxor r, a, [8000]; pmaddwd r, [1]; paddd r, [10000]
void simd_extadd16_u(struct baseline *c, const struct simd_row *) {
    struct operand a = pop_loaded(c);
    u8 to = vec_result(c, &a);
    vec_op3_repeated(c, VEC_PXOR, as_xmm(to), vec(&a), repeat16(0x8000));
    vec_op_repeated(c, VEC_PMADDWD, as_xmm(to), repeat16(1));
    vec_op_repeated(c, VEC_PADDD, as_xmm(to), repeat32(0x10000));
    push_reg(c, VALUE_V128, to);
}

// i8 a times i7 b, added by four and to c. pmaddubsw takes unsigned bytes on the left: b.
//   pmaddubsw r, b, a; pmaddwd r, [1]; paddd r, c
void simd_dot_add(struct baseline *c, const struct simd_row *) {
    struct operand sum = pop_loaded(c);
    struct operand_pair pair = pop_pair(c);
    u8 to = vec_result(c, &pair.b);
    asm_vec_rrr(c->a, VEC_PMADDUBSW, as_xmm(to), vec(&pair.b), vec(&pair.a));
    vec_op_repeated(c, VEC_PMADDWD, as_xmm(to), repeat16(1));
    asm_vec_rr(c->a, VEC_PADDD, as_xmm(to), vec(&sum));
    operand_release(c, &pair.a);
    operand_release(c, &sum);
    push_reg(c, VALUE_V128, to);
}
