// Scalar float instructions, SSE up to 4.1. Float values are bits here as everywhere.

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

void asm_sse_rr(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, enum xmm from) {
    emit_rr(a, is_bitwise(op) ? packed_opcode(w, op) : scalar_opcode(w, op), to, from);
}

void asm_sse_rm(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, struct mem from) {
    ASSERT(!is_bitwise(op)); // they would read 16 aligned bytes
    emit_rm(a, scalar_opcode(w, op), to, from);
}

void asm_sse_rl(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to,
                struct label *from) {
    ASSERT(!is_bitwise(op));
    asm_emit_rl(a, scalar_opcode(w, op), to, from);
}

void asm_movaps_rr(struct assembler *a, enum xmm to, enum xmm from) {
    emit_rr(a, packed_opcode(F32, 0x28), to, from);
}

void asm_loadf(struct assembler *a, enum fwidth w, enum xmm to, struct mem from) {
    emit_rm(a, scalar_opcode(w, 0x10), to, from);
}

void asm_loadf_label(struct assembler *a, enum fwidth w, enum xmm to, struct label *from) {
    asm_emit_rl(a, scalar_opcode(w, 0x10), to, from);
}

void asm_storef(struct assembler *a, enum fwidth w, struct mem to, enum xmm from) {
    emit_rm(a, scalar_opcode(w, 0x11), from, to);
}

// movd, movq between the files: the vector register is ModRM.reg in both directions.
static struct opcode transfer_opcode(enum width w, u8 code) {
    ASSERT(w == W32 || w == W64);
    return (struct opcode){.prefix = 0x66, .map = MAP_0F, .code = code, .wide = w == W64};
}

void asm_mov_xr(struct assembler *a, enum width w, enum xmm to, enum gpr from) {
    emit_rr(a, transfer_opcode(w, 0x6e), to, from);
}

void asm_mov_rx(struct assembler *a, enum width w, enum gpr to, enum xmm from) {
    emit_rr(a, transfer_opcode(w, 0x7e), from, to);
}

void asm_ucomis(struct assembler *a, enum fwidth w, enum xmm x, enum xmm y) {
    emit_rr(a, packed_opcode(w, 0x2e), x, y);
}

void asm_ucomis_m(struct assembler *a, enum fwidth w, enum xmm x, struct mem y) {
    emit_rm(a, packed_opcode(w, 0x2e), x, y);
}

void asm_rounds(struct assembler *a, enum fwidth w, enum round_mode mode, enum xmm to,
                enum xmm from) {
    ASSERT(mode <= ROUND_TRUNC);
    u8 code = w == F32 ? 0x0a : 0x0b;
    struct opcode op = {.prefix = 0x66, .map = MAP_0F3A, .code = code};
    emit_rr_i8(a, op, to, from, mode | 8); // 8: an inexact result raises nothing
}

void asm_cvtsi2s(struct assembler *a, enum fwidth to_width, enum width from_width, enum xmm to,
                 enum gpr from) {
    ASSERT(from_width == W32 || from_width == W64);
    struct opcode op = scalar_opcode(to_width, 0x2a);
    op.wide = from_width == W64;
    emit_rr(a, op, to, from);
}

void asm_cvtts2si(struct assembler *a, enum width to_width, enum fwidth from_width, enum gpr to,
                  enum xmm from) {
    ASSERT(to_width == W32 || to_width == W64);
    struct opcode op = scalar_opcode(from_width, 0x2c);
    op.wide = to_width == W64;
    emit_rr(a, op, to, from);
}

void asm_cvts2s(struct assembler *a, enum fwidth to_width, enum xmm to, enum xmm from) {
    emit_rr(a, scalar_opcode(to_width == F32 ? F64 : F32, 0x5a), to, from);
}
