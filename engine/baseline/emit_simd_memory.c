// Loads and stores of vectors and of lanes. An access is one machine instruction that touches
// exactly the bytes that the instruction names: one byte more could lie on a page that is not
// there.

#include "engine/baseline/simd.h"

// op r, seg:[...]: the memory form reads as many bytes as vec_ops.def says; nothing when it is
// folded.
void simd_load(struct baseline *c, const struct simd_row *row) {
    struct operand index = pop_sum(c);
    struct mem from = memory_operand(c, &index);
    if (row->op == VEC_MOVUPS && from.base != SCRATCH &&
        load_is_folded(c, VALUE_V128, W64, false)) {
        c->folded.mem = from;
        c->folded.wasm_offset = c->insn.offset;
        push_load(c, VALUE_V128, &index);
        return;
    }
    u8 to = reg_result(c, XMM_MASK, NULL);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_vec_rm(c->a, row->op, as_xmm(to), from);
    operand_release(c, &index);
    push_reg(c, VALUE_V128, to);
}

// movzx r11d, seg:[...]; movd r, r11d; pxor xmm15, xmm15; pshufb r, xmm15
// movzx r11d, seg:[...]; movd r, r11d; pshuflw r, r, 0; pshufd r, r, 0
// movss r, seg:[...]; pshufd r, r, 0
// AVX: vbroadcastss r, seg:[...]; AVX2: vpbroadcast r, seg:[...]
void simd_load_splat(struct baseline *c, const struct simd_row *row) {
    enum width w = (enum width)row->arg;
    struct operand index = pop_sum(c);
    struct mem from = memory_operand(c, &index);
    u8 to = reg_result(c, XMM_MASK, NULL);
    site_here(c, TRAP_MEMORY_BOUNDS);
    if (c->target.has_avx2 || (c->target.has_avx && w == W32)) {
        asm_broadcast_m(c->a, w, as_xmm(to), from);
        operand_release(c, &index);
        push_reg(c, VALUE_V128, to);
        return;
    }
    if (w == W32) {
        asm_vec_rm(c->a, VEC_MOVSS, as_xmm(to), from);
    } else {
        asm_load(c->a, w, SCRATCH, from);
        asm_mov_xr(c->a, W32, as_xmm(to), SCRATCH);
    }
    vec_spread(c, w, as_xmm(to));
    operand_release(c, &index);
    push_reg(c, VALUE_V128, to);
}

// movups seg:[...], x
void simd_store(struct baseline *c, const struct simd_row *) {
    struct operand value = pop_loaded(c);
    struct operand index = pop_sum(c);
    struct mem to = memory_operand(c, &index);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_storev(c->a, to, vec(&value));
    operand_release(c, &value);
    operand_release(c, &index);
}

// pinsr x, seg:[...], lane
void simd_load_lane(struct baseline *c, const struct simd_row *row) {
    struct operand value = pop_own(c);
    struct operand index = pop_sum(c);
    struct mem from = memory_operand(c, &index);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_pinsr_m(c->a, (enum width)row->arg, vec(&value), from, c->insn.mem.lane);
    operand_release(c, &index);
    push_reg(c, VALUE_V128, value.reg);
}

// pextr seg:[...], x, lane
void simd_store_lane(struct baseline *c, const struct simd_row *row) {
    struct operand value = pop_loaded(c);
    struct operand index = pop_sum(c);
    struct mem to = memory_operand(c, &index);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_pextr_m(c->a, (enum width)row->arg, to, vec(&value), c->insn.mem.lane);
    operand_release(c, &value);
    operand_release(c, &index);
}
