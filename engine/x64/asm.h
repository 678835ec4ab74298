#pragma once
// An x86-64 assembler: one function per instruction shape, appending to a growing buffer.
//
// The error is sticky: once memory has run out, what is assembled goes nowhere, so callers check
// the status once per function. Operands that do not exist in the instruction set (rsp as an index)
// are bugs and asserted. Every encoder picks the shortest encoding of its operands. No SSE beyond
// SSE4.2 and POPCNT (x86-64-v2) is assumed, unless the assembler is told that there is AVX.

#include "base/status.h"
#include "base/types.h"

enum gpr : u8 { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum xmm : u8 {
    XMM0,
    XMM1,
    XMM2,
    XMM3,
    XMM4,
    XMM5,
    XMM6,
    XMM7,
    XMM8,
    XMM9,
    XMM10,
    XMM11,
    XMM12,
    XMM13,
    XMM14,
    XMM15
};

#define NO_GPR ((enum gpr)0xff)

// Operand width of an integer instruction. W32 clears the upper half of its destination.
enum width : u8 { W8, W16, W32, W64 };

// Width of a scalar float instruction.
enum fwidth : u8 { F32, F64 };

enum segment : u8 { SEG_NONE, SEG_FS, SEG_GS };

// A memory operand: segment:[base + index * 2^scale + disp]. With `addr32` the effective address
// is computed in 32 bits (prefix 67) before the segment base is added.
struct mem {
    enum gpr base;  // or NO_GPR
    enum gpr index; // or NO_GPR; never RSP
    u8 scale;       // 0 to 3
    enum segment segment;
    bool addr32;
    i32 disp;
};

static inline struct mem mem_at(enum gpr base, i32 disp) {
    return (struct mem){.base = base, .index = NO_GPR, .disp = disp};
}

// Condition codes, by their encoding; cond ^ 1 is the opposite.
enum cond : u8 {
    COND_O,
    COND_NO,
    COND_B,
    COND_AE,
    COND_E,
    COND_NE,
    COND_BE,
    COND_A,
    COND_S,
    COND_NS,
    COND_P,
    COND_NP,
    COND_L,
    COND_GE,
    COND_LE,
    COND_G
};

enum alu : u8 { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum shift : u8 { SHIFT_ROL, SHIFT_ROR, SHIFT_SHL = 4, SHIFT_SHR, SHIFT_SAR = 7 };
enum unary : u8 {
    UNARY_NOT = 2,
    UNARY_NEG = 3,
    UNARY_MUL = 4,
    UNARY_IMUL = 5,
    UNARY_DIV = 6,
    UNARY_IDIV = 7
};

// A place in the code. Zero-initialised; bound once; may be used before and after binding.
struct label {
    u32 offset; // when bound
    u32 uses;   // else: 1 + offset of the last rel32 that waits for it, chained; 0: none
    bool bound;
};

// No instruction is longer than 15 bytes; some are written with a store that is longer than what
// counts of it.
#define INSTRUCTION_ROOM 24u

// Not to be copied.
struct assembler {
    u8 *code;
    u32 len;      // below `limit`
    u32 limit;    // where room for one instruction ends
    u32 capacity; // of `code`
    enum status status;
    // Every float and vector instruction is emitted in its AVX form (VEX prefix). asm_reset keeps
    // it.
    bool has_avx;
    u8 spare[2 * INSTRUCTION_ROOM]; // the buffer, as long as there is no other
};

void asm_init(struct assembler *a);
void asm_fini(struct assembler *a);  // frees the buffer
void asm_reset(struct assembler *a); // empties it, keeping memory

// Appends raw bytes; aligns with multi-byte nops.
void asm_bytes(struct assembler *a, const void *bytes, u32 len);
void asm_align(struct assembler *a, u32 alignment);
void asm_nops(struct assembler *a, u32 len);

// Going back to write over what was left for it from `start` to `end`, and on from where it was.
// Closing fills the rest with nops. Jumps out of the window must be to labels; the status is OK.
struct asm_window {
    u32 end;
    u32 resume;
    u8 behind[INSTRUCTION_ROOM]; // encoders may write more bytes than count
};
void asm_window_open(struct assembler *a, struct asm_window *window, u32 start, u32 end);
void asm_window_close(struct assembler *a, const struct asm_window *window);

// Labels. Jumps forward use rel32; jumps to a bound label use rel8 where it reaches.
void asm_bind(struct assembler *a, struct label *label);
void asm_jmp(struct assembler *a, struct label *label);
void asm_jcc(struct assembler *a, enum cond cond, struct label *label);
void asm_call(struct assembler *a, struct label *label);
void asm_lea_label(struct assembler *a, enum gpr to, struct label *label); // rip-relative
// Data: the distance from the end of these four bytes to the label.
void asm_rel32(struct assembler *a, struct label *label);
// A rel32 call or jump to be patched later: returns the offset of its 4 bytes.
u32 asm_call_rel32(struct assembler *a);
u32 asm_jmp_rel32(struct assembler *a);
// Makes the rel32 at `at` reach `target`, both offsets into `code`.
void asm_patch_rel32(u8 *code, u32 at, u32 target);
// Overwrites four bytes that an earlier instruction left for this (a frame size).
void asm_patch_u32(struct assembler *a, u32 at, u32 value);

// Integer.
void asm_mov_rr(struct assembler *a, enum width w, enum gpr to, enum gpr from); // W32, W64
void asm_mov_ri(struct assembler *a, enum gpr to, u64 value); // shortest; zero is mov, keeps flags
void asm_zero(struct assembler *a, enum gpr to);              // xor r32, r32: changes flags
void asm_load(struct assembler *a, enum width w, enum gpr to, struct mem from); // zero-extends
void asm_load_sx(struct assembler *a, enum width to_width, enum width from_width, enum gpr to,
                 struct mem from);
void asm_store(struct assembler *a, enum width w, struct mem to, enum gpr from);
// W8, W16: the low bits of `value`. W64: sign-extended.
void asm_store_i(struct assembler *a, enum width w, struct mem to, i32 value);
void asm_movzx(struct assembler *a, enum width from_width, enum gpr to, enum gpr from); // W8, W16
void asm_movsx(struct assembler *a, enum width to_width, enum width from_width, enum gpr to,
               enum gpr from);
void asm_lea(struct assembler *a, enum width w, enum gpr to, struct mem from);
void asm_alu_rr(struct assembler *a, enum alu op, enum width w, enum gpr to, enum gpr from);
void asm_alu_ri(struct assembler *a, enum alu op, enum width w, enum gpr to, i32 value);
void asm_alu_rm(struct assembler *a, enum alu op, enum width w, enum gpr to, struct mem from);
void asm_alu_mr(struct assembler *a, enum alu op, enum width w, struct mem to, enum gpr from);
void asm_alu_mi(struct assembler *a, enum alu op, enum width w, struct mem to, i32 value);
// `add r, imm32` whose immediate is filled in later by asm_patch_u32; returns its offset.
u32 asm_alu_ri32(struct assembler *a, enum alu op, enum width w, enum gpr to);
void asm_test_rr(struct assembler *a, enum width w, enum gpr x, enum gpr y);
void asm_test_ri(struct assembler *a, enum width w, enum gpr x, i32 value);
void asm_imul_rr(struct assembler *a, enum width w, enum gpr to, enum gpr from);
void asm_imul_rm(struct assembler *a, enum width w, enum gpr to, struct mem from);
void asm_imul_rri(struct assembler *a, enum width w, enum gpr to, enum gpr from, i32 value);
void asm_unary(struct assembler *a, enum unary op, enum width w, enum gpr x);
void asm_shift_cl(struct assembler *a, enum shift op, enum width w, enum gpr x);
void asm_shift_i(struct assembler *a, enum shift op, enum width w, enum gpr x, u8 count);
void asm_cdq(struct assembler *a, enum width w); // W32: cdq, W64: cqo
void asm_bsf(struct assembler *a, enum width w, enum gpr to, enum gpr from);
void asm_bsr(struct assembler *a, enum width w, enum gpr to, enum gpr from);
void asm_popcnt(struct assembler *a, enum width w, enum gpr to, enum gpr from);
void asm_lzcnt(struct assembler *a, enum width w, enum gpr to, enum gpr from); // needs LZCNT
void asm_tzcnt(struct assembler *a, enum width w, enum gpr to, enum gpr from); // needs BMI1
void asm_setcc(struct assembler *a, enum cond cond, enum gpr to);              // the low byte
void asm_cmov(struct assembler *a, enum cond cond, enum width w, enum gpr to, enum gpr from);
void asm_xchg_rr(struct assembler *a, enum width w, enum gpr x, enum gpr y);
void asm_push(struct assembler *a, enum gpr x);
void asm_push_m(struct assembler *a, struct mem x);
void asm_pop(struct assembler *a, enum gpr x);
void asm_jmp_r(struct assembler *a, enum gpr x);
void asm_jmp_m(struct assembler *a, struct mem x);
void asm_call_r(struct assembler *a, enum gpr x);
void asm_call_m(struct assembler *a, struct mem x);
void asm_leave(struct assembler *a);
void asm_ret(struct assembler *a);
void asm_ret_pop(struct assembler *a, u16 bytes); // and drops what lies above the return address
void asm_ud2(struct assembler *a);
void asm_rep_movsb(struct assembler *a);
void asm_rep_stosb(struct assembler *a);
void asm_cld(struct assembler *a);
void asm_std(struct assembler *a);

// Atomic, and a full barrier each. cmpxchg compares the accumulator and sets the zero flag.
void asm_xchg_mr(struct assembler *a, enum width w, struct mem x, enum gpr y);
void asm_lock_cmpxchg(struct assembler *a, enum width w, struct mem to, enum gpr from);
void asm_lock_xadd(struct assembler *a, enum width w, struct mem to, enum gpr from);
void asm_mfence(struct assembler *a);

// Scalar float. The sse enumeration's values are the opcode bytes after 0F.
enum sse_op : u8 {
    SSE_SQRT = 0x51,
    SSE_AND = 0x54,
    SSE_ANDN = 0x55,
    SSE_OR = 0x56,
    SSE_XOR = 0x57,
    SSE_ADD = 0x58,
    SSE_MUL = 0x59,
    SSE_SUB = 0x5c,
    SSE_MIN = 0x5d,
    SSE_DIV = 0x5e,
    SSE_MAX = 0x5f
};
// Scalar (addss, addsd, ...); the bitwise ones are packed (andps, andpd).
void asm_sse_rr(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, enum xmm from);
void asm_sse_rm(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to,
                struct mem from); // not the bitwise ones
void asm_sse_rl(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to,
                struct label *from); // rip-relative; not the bitwise ones
// to = op(x, y): the AVX form, or a move and the SSE form. Without AVX, `y` must not be `to` unless
// `x` is. Not square roots.
void asm_sse_rrr(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, enum xmm x,
                 enum xmm y);
void asm_sse_rrm(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, enum xmm x,
                 struct mem y); // not the bitwise ones
void asm_sse_rrl(struct assembler *a, enum sse_op op, enum fwidth w, enum xmm to, enum xmm x,
                 struct label *y); // not the bitwise ones
void asm_movaps_rr(struct assembler *a, enum xmm to, enum xmm from);
void asm_loadf(struct assembler *a, enum fwidth w, enum xmm to, struct mem from); // movss, movsd
void asm_loadf_label(struct assembler *a, enum fwidth w, enum xmm to, struct label *from);
void asm_storef(struct assembler *a, enum fwidth w, struct mem to, enum xmm from);
void asm_mov_xr(struct assembler *a, enum width w, enum xmm to, enum gpr from); // movd, movq
void asm_mov_rx(struct assembler *a, enum width w, enum gpr to, enum xmm from);
void asm_ucomis(struct assembler *a, enum fwidth w, enum xmm x, enum xmm y);
void asm_ucomis_m(struct assembler *a, enum fwidth w, enum xmm x, struct mem y);
enum round_mode : u8 { ROUND_NEAREST, ROUND_DOWN, ROUND_UP, ROUND_TRUNC };
void asm_rounds(struct assembler *a, enum fwidth w, enum round_mode mode, enum xmm to,
                enum xmm from);
void asm_cvtsi2s(struct assembler *a, enum fwidth to_width, enum width from_width, enum xmm to,
                 enum gpr from);
void asm_cvtts2si(struct assembler *a, enum width to_width, enum fwidth from_width, enum gpr to,
                  enum xmm from);
void asm_cvts2s(struct assembler *a, enum fwidth to_width, enum xmm to,
                enum xmm from); // the other width
