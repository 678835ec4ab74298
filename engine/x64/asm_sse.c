// Scalar float instructions, SSE up to 4.1 or the AVX forms of the same. Float values are bits here
// as everywhere.
//
// An AVX form of one operand takes what lies above the scalar from another register. That is its
// operand's here: so the result depends on nothing else.

#include "engine/x64/asm_internal.h"

// The prefix that tells scalar single from scalar double.
static u8 scalar_prefix(enum fwidth w) {
    return w == F32 ? 0xf3 : 0xf2;
}

// The prefix that tells packed single from packed double.
static u8 packed_prefix(enum fwidth w) {
    return w == F32 ? 0 : 0x66;
}

static struct opcode scalar_opcode(enum fwidth w, u8 code) {
    return (struct opcode){.prefix = scalar_prefix(w), .map = MAP_0F, .code = code};
}

static struct opcode packed_opcode(enum fwidth w, u8 code) {
    return (struct opcode){.prefix = packed_prefix(w), .map = MAP_0F, .code = code};
}

static bool is_bitwise(enum sse_op op) {
    return op >= SSE_AND && op <= SSE_XOR;
}

static struct opcode sse_opcode(enum sse_op op, enum fwidth w) {
    return is_bitwise(op) ? packed_opcode(w, op) : scalar_opcode(w, op);
}

void asm_sse_rr(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, enum xmm from) {
    emit_rr(a, with_first(a, sse_opcode(op, w), op == SSE_SQRT ? from : to), to, from);
}

void asm_sse_rm(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, struct mem from) {
    ASSERT(!is_bitwise(op)); // they would read 16 aligned bytes
    emit_rm(a, with_first(a, scalar_opcode(w, op), to), to, from);
}

void asm_sse_rl(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to,
                struct label *from) {
    ASSERT(!is_bitwise(op));
    asm_emit_rl(a, with_first(a, scalar_opcode(w, op), to), to, from);
}

void asm_sse_rrr(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, enum xmm x,
                 enum xmm y) {
    ASSERT(op != SSE_SQRT);
    asm_first_source(a, to, x, y);
    emit_rr(a, with_first(a, sse_opcode(op, w), x), to, y);
}

void asm_sse_rrm(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, enum xmm x,
                 struct mem y) {
    ASSERT(op != SSE_SQRT && !is_bitwise(op));
    asm_first_source(a, to, x, x);
    emit_rm(a, with_first(a, scalar_opcode(w, op), x), to, y);
}

void asm_sse_rrl(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, enum xmm x,
                 struct label *y) {
    ASSERT(op != SSE_SQRT && !is_bitwise(op));
    asm_first_source(a, to, x, x);
    asm_emit_rl(a, with_first(a, scalar_opcode(w, op), x), to, y);
}

// The store's opcode has the registers the other way round: for AVX, the shorter prefix extends
// only ModRM.reg.
void asm_movaps_rr(struct assembler *a, enum xmm to, enum xmm from) {
    if (a->has_avx && from >= XMM8 && to < XMM8)
        emit_rr(a, with_first(a, packed_opcode(F32, 0x29), NO_FIRST), from, to);
    else
        emit_rr(a, with_first(a, packed_opcode(F32, 0x28), NO_FIRST), to, from);
}

void asm_loadf(struct assembler *a, enum fwidth w, enum xmm to, struct mem from) {
    emit_rm(a, with_first(a, scalar_opcode(w, 0x10), NO_FIRST), to, from);
}

void asm_loadf_label(struct assembler *a, enum fwidth w, enum xmm to, struct label *from) {
    asm_emit_rl(a, with_first(a, scalar_opcode(w, 0x10), NO_FIRST), to, from);
}

void asm_storef(struct assembler *a, enum fwidth w, struct mem to, enum xmm from) {
    emit_rm(a, with_first(a, scalar_opcode(w, 0x11), NO_FIRST), from, to);
}

// movd, movq between the files: the vector register is ModRM.reg in both directions.
static struct opcode transfer_opcode(enum width w, u8 code) {
    ASSERT(w == W32 || w == W64);
    return (struct opcode){.prefix = 0x66, .map = MAP_0F, .code = code, .wide = w == W64};
}

void asm_mov_xr(struct assembler *a, enum width w, enum xmm to, enum gpr from) {
    emit_rr(a, with_first(a, transfer_opcode(w, 0x6e), NO_FIRST), to, from);
}

void asm_mov_rx(struct assembler *a, enum width w, enum gpr to, enum xmm from) {
    emit_rr(a, with_first(a, transfer_opcode(w, 0x7e), NO_FIRST), from, to);
}

void asm_ucomis(struct assembler *a, enum fwidth w, enum xmm x, enum xmm y) {
    emit_rr(a, with_first(a, packed_opcode(w, 0x2e), NO_FIRST), x, y);
}

void asm_ucomis_m(struct assembler *a, enum fwidth w, enum xmm x, struct mem y) {
    emit_rm(a, with_first(a, packed_opcode(w, 0x2e), NO_FIRST), x, y);
}

void asm_rounds(struct assembler *a, enum fwidth w, enum round_mode mode, enum xmm to,
                enum xmm from) {
    ASSERT(mode <= ROUND_TRUNC);
    u8 code = w == F32 ? 0x0a : 0x0b;
    struct opcode op = {.prefix = 0x66, .map = MAP_0F3A, .code = code};
    emit_rr_i8(a, with_first(a, op, from), to, from,
               mode | 8); // 8: an inexact result raises nothing
}

void asm_cvtsi2s(struct assembler *a, enum fwidth to_width, enum width from_width, enum xmm to,
                 enum gpr from) {
    ASSERT(from_width == W32 || from_width == W64);
    struct opcode op = scalar_opcode(to_width, 0x2a);
    op.wide = from_width == W64;
    emit_rr(a, with_first(a, op, to), to, from);
}

void asm_cvtts2si(struct assembler *a, enum width to_width, enum fwidth from_width, enum gpr to,
                  enum xmm from) {
    ASSERT(to_width == W32 || to_width == W64);
    struct opcode op = scalar_opcode(from_width, 0x2c);
    op.wide = to_width == W64;
    emit_rr(a, with_first(a, op, NO_FIRST), to, from);
}

void asm_cvts2s(struct assembler *a, enum fwidth to_width, enum xmm to, enum xmm from) {
    struct opcode op = scalar_opcode(to_width == F32 ? F64 : F32, 0x5a);
    emit_rr(a, with_first(a, op, from), to, from);
}
