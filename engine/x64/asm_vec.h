#pragma once
// The assembler's vector instructions, on 128 bits: SSE2 to SSE4.2, or the AVX forms of the same
// (see struct assembler). Floats and vectors share the registers; enum xmm is asm.h's.

#include "engine/x64/asm.h"

// How many operands, prefix, opcode map and opcode of a vector instruction, as one number.
#define VEC_SOURCES(op)   ((op) >> 24)
#define VEC_PREFIX(op)    ((u8)((op) >> 16))
#define VEC_MAP(op)       ((u8)((op) >> 8))
#define VEC_CODE(op)      ((u8)(op))
#define VEC_MAP_0F        1
#define VEC_MAP_0F38      2
#define VEC_MAP_0F3A      3
#define VEC_SOURCES_MERGE 3
#define VEC_SOURCES_1     1
#define VEC_SOURCES_2     2

enum vec_op : u32 {
#define VEC_OP(name, text, prefix, map, code, sources, bytes)                                      \
    VEC_##name = VEC_SOURCES_##sources << 24 | (prefix) << 16 | VEC_MAP_##map << 8 | (code),
#define VEC_OP_IMM(name, text, prefix, map, code, sources, bytes)                                  \
    VEC_OP(name, text, prefix, map, code, sources, bytes)
#include "engine/x64/vec_ops.def"
#undef VEC_OP
#undef VEC_OP_IMM
};

// Whether the instruction ends with an immediate byte: it must, in the forms with `imm`, and must
// not in the others.
bool vec_op_has_imm(enum vec_op op);

void asm_vec_rr(struct assembler *a, enum vec_op op, enum xmm to, enum xmm from);
void asm_vec_rm(struct assembler *a, enum vec_op op, enum xmm to, struct mem from);
void asm_vec_rl(struct assembler *a, enum vec_op op, enum xmm to,
                struct label *from); // rip-relative
void asm_vec_rri(struct assembler *a, enum vec_op op, enum xmm to, enum xmm from, u8 imm);
void asm_vec_rmi(struct assembler *a, enum vec_op op, enum xmm to, struct mem from, u8 imm);

// to = op(x, y), of two sources: the AVX form, or a move and the SSE form. Without AVX, `y` must
// not be `to` unless `x` is.
void asm_vec_rrr(struct assembler *a, enum vec_op op, enum xmm to, enum xmm x, enum xmm y);
void asm_vec_rrm(struct assembler *a, enum vec_op op, enum xmm to, enum xmm x, struct mem y);
void asm_vec_rrl(struct assembler *a, enum vec_op op, enum xmm to, enum xmm x, struct label *y);
void asm_vec_rrri(struct assembler *a, enum vec_op op, enum xmm to, enum xmm x, enum xmm y, u8 imm);

// What cmpps and cmppd take as their immediate. The negated ones hold for unordered operands.
enum vec_cmp : u8 { CMP_EQ, CMP_LT, CMP_LE, CMP_UNORD, CMP_NEQ, CMP_NLT, CMP_NLE, CMP_ORD };

// roundps and pd, raising nothing for inexact results.
#define VEC_ROUND(mode) ((u8)((mode) | 8))

// Shifts by an immediate. The value is the opcode byte and the extension in ModRM.reg.
enum vec_shift : u16 {
    VEC_SHIFT_PSRLW = 0x7102,
    VEC_SHIFT_PSRAW = 0x7104,
    VEC_SHIFT_PSLLW = 0x7106,
    VEC_SHIFT_PSRLD = 0x7202,
    VEC_SHIFT_PSRAD = 0x7204,
    VEC_SHIFT_PSLLD = 0x7206,
    VEC_SHIFT_PSRLQ = 0x7302,
    VEC_SHIFT_PSRLDQ = 0x7303, // by bytes
    VEC_SHIFT_PSLLQ = 0x7306,
    VEC_SHIFT_PSLLDQ = 0x7307, // by bytes
};
void asm_vec_shift_i(struct assembler *a, enum vec_shift op, enum xmm to, enum xmm from, u8 count);

// 16 bytes at any address (movups).
void asm_loadv(struct assembler *a, enum xmm to, struct mem from);
void asm_storev(struct assembler *a, struct mem to, enum xmm from);

// pinsrb, w, d, q: replaces one lane. From memory, exactly the lane's bytes are read.
void asm_pinsr_r(struct assembler *a, enum width w, enum xmm to, enum gpr from, u8 lane);
void asm_pinsr_m(struct assembler *a, enum width w, enum xmm to, struct mem from, u8 lane);
// pextrb, w, d, q: one lane, zero-extended, or stored with exactly its bytes.
void asm_pextr_r(struct assembler *a, enum width w, enum gpr to, enum xmm from, u8 lane);
void asm_pextr_m(struct assembler *a, enum width w, struct mem to, enum xmm from, u8 lane);

// The lanes' signs as bits of `to`: pmovmskb (W8), movmskps (W32), movmskpd (W64).
void asm_movmsk(struct assembler *a, enum width w, enum gpr to, enum xmm from);

// -- What only AVX has --------------------------------------------------------------------------

// The lowest lane of `from` in all lanes; from memory, exactly the lane's bytes are read. Needs
// AVX2, except for W32 and W64 from memory.
void asm_broadcast_r(struct assembler *a, enum width w, enum xmm to, enum xmm from);
void asm_broadcast_m(struct assembler *a, enum width w, enum xmm to, struct mem from);

// Lane by lane, `y` where the sign bit of `mask` is set, else `x`: vpblendvb (W8), vblendvps (W32),
// vblendvpd (W64).
struct vec_blend {
    enum xmm x;
    enum xmm y;
    enum xmm mask;
};
void asm_blendv(struct assembler *a, enum width w, enum xmm to, struct vec_blend from);

// Packed multiplication and addition with one rounding; needs FMA. The value is the opcode byte.
enum vec_fma : u8 {
    FMA_MADD_213 = 0xa8,  // to = x * to + y
    FMA_MADD_231 = 0xb8,  // to = x * y + to
    FMA_NMADD_213 = 0xac, // to = y - x * to
    FMA_NMADD_231 = 0xbc, // to = to - x * y
};
void asm_fma(struct assembler *a, enum vec_fma op, enum fwidth w, enum xmm to, enum xmm x,
             enum xmm y);
