// Integer and control instructions: each is an opcode and its operands for the generic encoders.
//
// Where an instruction has a shorter form for small immediates, for a shift by one or for the
// accumulator, that form is taken. Nothing here chooses another instruction than the one asked for:
// a caller that knows its flags are dead may pick `xor` over `mov` itself.

#include "engine/x64/asm_internal.h"

static bool is_full(enum width w) {
    return w == W32 || w == W64;
}

static u8 imm8(i32 value) {
    ASSERT(value >= INT8_MIN && value <= 0xff);
    return (u8)value;
}

// With the immediate of a full-width instruction.
static void emit_rr_imm(struct assembler *a, struct opcode op, u8 reg, u8 rm, i32 value) {
    commit(a, put_imm(put_rr(begin(a), op, reg, rm), op.prefix != 0 ? W16 : W32, value));
}

static void emit_rm_imm(struct assembler *a, struct opcode op, u8 reg, struct mem m, i32 value) {
    commit(a, put_imm(put_rm(begin(a), op, reg, m), op.prefix != 0 ? W16 : W32, value));
}

// -- Moves --------------------------------------------------------------------------------------

void asm_mov_rr(struct assembler *a, enum width w, enum gpr to, enum gpr from) {
    ASSERT(is_full(w));
    emit_rr(a, opcode_full(w, MAP_ONE_BYTE, 0x8b), to, from);
}

void asm_mov_ri(struct assembler *a, enum gpr to, u64 value) {
    u8 *at = begin(a);
    if (value <= UINT32_MAX) { // mov r32, imm32 clears the upper half
        at = put_plus(at, 0xb8, false, to);
        at = put_u32(at, (u32)value);
    } else if ((i64)value == (i32)value) { // mov r64, simm32
        at = put_rr(at, opcode_full(W64, MAP_ONE_BYTE, 0xc7), 0, to);
        at = put_u32(at, (u32)value);
    } else { // movabs
        at = put_plus(at, 0xb8, true, to);
        at = put_u64(at, value);
    }
    commit(a, at);
}

void asm_zero(struct assembler *a, enum gpr to) {
    asm_alu_rr(a, ALU_XOR, W32, to, to);
}

// movzx r32, r/m8 or r/m16.
static struct opcode movzx_opcode(enum width from_width) {
    ASSERT(!is_full(from_width));
    return (struct opcode){
        .map = MAP_0F, .code = from_width == W8 ? 0xb6 : 0xb7, .byte_rm = from_width == W8};
}

// movsx r32 or r64, r/m8 or r/m16; movsxd r64, r/m32.
static struct opcode movsx_opcode(enum width to_width, enum width from_width) {
    ASSERT(is_full(to_width));
    ASSERT(from_width < to_width);
    if (from_width == W32)
        return opcode_full(to_width, MAP_ONE_BYTE, 0x63);
    struct opcode op = opcode_full(to_width, MAP_0F, from_width == W8 ? 0xbe : 0xbf);
    op.byte_rm = from_width == W8;
    return op;
}

void asm_load(struct assembler *a, enum width w, enum gpr to, struct mem from) {
    if (is_full(w))
        emit_rm(a, opcode_full(w, MAP_ONE_BYTE, 0x8b), to, from);
    else
        asm_emit_rm(a, movzx_opcode(w), to, from);
}

void asm_load_sx(struct assembler *a, enum width to_width, enum width from_width, enum gpr to,
                 struct mem from) {
    emit_rm(a, movsx_opcode(to_width, from_width), to, from);
}

void asm_store(struct assembler *a, enum width w, struct mem to, enum gpr from) {
    if (is_full(w)) {
        emit_rm(a, opcode_full(w, MAP_ONE_BYTE, 0x89), from, to);
        return;
    }
    struct opcode op = opcode_pair(w, 0x88);
    op.byte_reg = w == W8;
    asm_emit_rm(a, op, from, to);
}

void asm_store_i(struct assembler *a, enum width w, struct mem to, i32 value) {
    if (w == W8)
        emit_rm_i8(a, opcode_pair(w, 0xc6), 0, to, (u8)value);
    else
        emit_rm_imm(a, opcode_pair(w, 0xc6), 0, to, w == W16 ? (i16)value : value);
}

void asm_movzx(struct assembler *a, enum width from_width, enum gpr to, enum gpr from) {
    emit_rr(a, movzx_opcode(from_width), to, from);
}

void asm_movsx(struct assembler *a, enum width to_width, enum width from_width, enum gpr to,
               enum gpr from) {
    emit_rr(a, movsx_opcode(to_width, from_width), to, from);
}

void asm_lea(struct assembler *a, enum width w, enum gpr to, struct mem from) {
    ASSERT(is_full(w));
    ASSERT(from.segment == SEG_NONE); // lea ignores segments
    emit_rm(a, opcode_full(w, MAP_ONE_BYTE, 0x8d), to, from);
}

void asm_xchg_rr(struct assembler *a, enum width w, enum gpr x, enum gpr y) {
    ASSERT(is_full(w));
    // The accumulator's form is a byte shorter, but 90 is nop: it would not clear the upper half of
    // eax as `xchg eax, eax` does.
    if (x != y && (x == RAX || y == RAX))
        emit_plus(a, 0x90, w == W64, x == RAX ? y : x);
    else
        emit_rr(a, opcode_full(w, MAP_ONE_BYTE, 0x87), y, x);
}

// -- Two-operand arithmetic ---------------------------------------------------------------------

void asm_alu_rr(struct assembler *a, enum alu op, enum width w, enum gpr to, enum gpr from) {
    struct opcode code = opcode_pair(w, (u8)(op << 3));
    code.byte_reg = w == W8;
    emit_rr(a, code, from, to);
}

void asm_alu_rm(struct assembler *a, enum alu op, enum width w, enum gpr to, struct mem from) {
    struct opcode code = opcode_pair(w, (u8)(op << 3 | 2));
    code.byte_reg = w == W8;
    emit_rm(a, code, to, from);
}

void asm_alu_mr(struct assembler *a, enum alu op, enum width w, struct mem to, enum gpr from) {
    struct opcode code = opcode_pair(w, (u8)(op << 3));
    code.byte_reg = w == W8;
    emit_rm(a, code, from, to);
}

// op al, imm8; op ax, imm16; op eax, imm32; op rax, simm32: no ModRM.
static void emit_accumulator(struct assembler *a, u8 code, enum width w, i32 value) {
    u8 *at = begin(a);
    at = put_opcode(at, opcode_pair(w, code), 0, false);
    if (w == W8)
        *at++ = imm8(value);
    else
        at = put_imm(at, w, value);
    commit(a, at);
}

void asm_alu_ri(struct assembler *a, enum alu op, enum width w, enum gpr to, i32 value) {
    if (w != W8 && fits_i8(value))
        emit_rr_i8(a, opcode_sized(w, MAP_ONE_BYTE, 0x83), op, to, (u8)value);
    else if (to == RAX)
        emit_accumulator(a, (u8)(op << 3 | 4), w, value);
    else if (w == W8)
        emit_rr_i8(a, opcode_pair(w, 0x80), op, to, imm8(value));
    else
        emit_rr_imm(a, opcode_sized(w, MAP_ONE_BYTE, 0x81), op, to, value);
}

void asm_alu_mi(struct assembler *a, enum alu op, enum width w, struct mem to, i32 value) {
    if (w == W8)
        emit_rm_i8(a, opcode_pair(w, 0x80), op, to, imm8(value));
    else if (fits_i8(value))
        emit_rm_i8(a, opcode_sized(w, MAP_ONE_BYTE, 0x83), op, to, (u8)value);
    else
        emit_rm_imm(a, opcode_sized(w, MAP_ONE_BYTE, 0x81), op, to, value);
}

u32 asm_alu_ri32(struct assembler *a, enum alu op, enum width w, enum gpr to) {
    ASSERT(is_full(w));
    emit_rr_imm(a, opcode_full(w, MAP_ONE_BYTE, 0x81), op, to, 0);
    return a->len - 4;
}

void asm_test_rr(struct assembler *a, enum width w, enum gpr x, enum gpr y) {
    struct opcode op = opcode_pair(w, 0x84);
    op.byte_reg = w == W8;
    emit_rr(a, op, y, x);
}

void asm_test_ri(struct assembler *a, enum width w, enum gpr x, i32 value) {
    if (x == RAX)
        emit_accumulator(a, 0xa8, w, value);
    else if (w == W8)
        emit_rr_i8(a, opcode_pair(w, 0xf6), 0, x, imm8(value));
    else
        emit_rr_imm(a, opcode_pair(w, 0xf6), 0, x, value);
}

void asm_imul_rr(struct assembler *a, enum width w, enum gpr to, enum gpr from) {
    ASSERT(is_full(w));
    emit_rr(a, opcode_full(w, MAP_0F, 0xaf), to, from);
}

void asm_imul_rm(struct assembler *a, enum width w, enum gpr to, struct mem from) {
    ASSERT(is_full(w));
    emit_rm(a, opcode_full(w, MAP_0F, 0xaf), to, from);
}

void asm_imul_rri(struct assembler *a, enum width w, enum gpr to, enum gpr from, i32 value) {
    ASSERT(is_full(w));
    if (fits_i8(value))
        emit_rr_i8(a, opcode_full(w, MAP_ONE_BYTE, 0x6b), to, from, (u8)value);
    else
        emit_rr_imm(a, opcode_full(w, MAP_ONE_BYTE, 0x69), to, from, value);
}

// -- One-operand arithmetic, shifts, bits -------------------------------------------------------

void asm_unary(struct assembler *a, enum unary op, enum width w, enum gpr x) {
    ASSERT(op >= UNARY_NOT && op <= UNARY_IDIV);
    emit_rr(a, opcode_pair(w, 0xf6), op, x);
}

void asm_shift_cl(struct assembler *a, enum shift op, enum width w, enum gpr x) {
    emit_rr(a, opcode_pair(w, 0xd2), op, x);
}

void asm_shift_i(struct assembler *a, enum shift op, enum width w, enum gpr x, u8 count) {
    ASSERT(count < (8u << w));
    if (count == 1)
        emit_rr(a, opcode_pair(w, 0xd0), op, x);
    else
        emit_rr_i8(a, opcode_pair(w, 0xc0), op, x, count);
}

void asm_cdq(struct assembler *a, enum width w) {
    ASSERT(is_full(w));
    if (w == W64)
        emit_fixed(a, 0x9948, 2);
    else
        emit_fixed(a, 0x99, 1);
}

// Instructions of the 0F map on two full-width registers.
static void emit_bits(struct assembler *a, u8 prefix, u8 code, enum width w, enum gpr to,
                      enum gpr from) {
    ASSERT(is_full(w));
    struct opcode op = opcode_full(w, MAP_0F, code);
    op.prefix = prefix;
    emit_rr(a, op, to, from);
}

void asm_bsf(struct assembler *a, enum width w, enum gpr to, enum gpr from) {
    emit_bits(a, 0, 0xbc, w, to, from);
}

void asm_bsr(struct assembler *a, enum width w, enum gpr to, enum gpr from) {
    emit_bits(a, 0, 0xbd, w, to, from);
}

void asm_popcnt(struct assembler *a, enum width w, enum gpr to, enum gpr from) {
    emit_bits(a, 0xf3, 0xb8, w, to, from);
}

void asm_lzcnt(struct assembler *a, enum width w, enum gpr to, enum gpr from) {
    emit_bits(a, 0xf3, 0xbd, w, to, from);
}

void asm_tzcnt(struct assembler *a, enum width w, enum gpr to, enum gpr from) {
    emit_bits(a, 0xf3, 0xbc, w, to, from);
}

void asm_setcc(struct assembler *a, enum cond cond, enum gpr to) {
    ASSERT(cond < 16);
    struct opcode op = {.map = MAP_0F, .code = 0x90 | cond, .byte_rm = true};
    emit_rr(a, op, 0, to);
}

void asm_cmov(struct assembler *a, enum cond cond, enum width w, enum gpr to, enum gpr from) {
    ASSERT(cond < 16);
    ASSERT(is_full(w));
    emit_rr(a, opcode_full(w, MAP_0F, 0x40 | cond), to, from);
}

// -- Stack and control --------------------------------------------------------------------------

void asm_push(struct assembler *a, enum gpr x) {
    emit_plus(a, 0x50, false, x);
}

void asm_pop(struct assembler *a, enum gpr x) {
    emit_plus(a, 0x58, false, x);
}

// FF /n on 64-bit operands, which need no REX.W.
enum group5 : u8 { GROUP5_CALL = 2, GROUP5_JMP = 4, GROUP5_PUSH = 6 };

void asm_push_m(struct assembler *a, struct mem x) {
    emit_rm(a, (struct opcode){.code = 0xff}, GROUP5_PUSH, x);
}

void asm_jmp_r(struct assembler *a, enum gpr x) {
    emit_rr(a, (struct opcode){.code = 0xff}, GROUP5_JMP, x);
}

void asm_jmp_m(struct assembler *a, struct mem x) {
    emit_rm(a, (struct opcode){.code = 0xff}, GROUP5_JMP, x);
}

void asm_call_r(struct assembler *a, enum gpr x) {
    emit_rr(a, (struct opcode){.code = 0xff}, GROUP5_CALL, x);
}

void asm_call_m(struct assembler *a, struct mem x) {
    emit_rm(a, (struct opcode){.code = 0xff}, GROUP5_CALL, x);
}

void asm_leave(struct assembler *a) {
    emit_fixed(a, 0xc9, 1);
}

void asm_ret(struct assembler *a) {
    emit_fixed(a, 0xc3, 1);
}

void asm_ret_pop(struct assembler *a, u16 bytes) {
    emit_fixed(a, 0xc2u | (u32)bytes << 8, 3);
}

void asm_ud2(struct assembler *a) {
    emit_fixed(a, 0x0b0f, 2);
}

void asm_rep_movsb(struct assembler *a) {
    emit_fixed(a, 0xa4f3, 2);
}

void asm_rep_stosb(struct assembler *a) {
    emit_fixed(a, 0xaaf3, 2);
}

void asm_cld(struct assembler *a) {
    emit_fixed(a, 0xfc, 1);
}

void asm_std(struct assembler *a) {
    emit_fixed(a, 0xfd, 1);
}

// -- Atomic -------------------------------------------------------------------------------------

void asm_xchg_mr(struct assembler *a, enum width w, struct mem x, enum gpr y) {
    struct opcode op = opcode_pair(w, 0x86); // with memory it locks without being told
    op.byte_reg = w == W8;
    emit_rm(a, op, y, x);
}

// lock and an instruction of the map 0F.
static void emit_locked(struct assembler *a, u8 code, enum width w, struct mem to, enum gpr from) {
    struct opcode op = opcode_pair(w, code);
    op.map = MAP_0F;
    op.byte_reg = w == W8;
    u8 *at = begin(a);
    *at++ = 0xf0;
    commit(a, put_rm(at, op, from, to));
}

void asm_lock_cmpxchg(struct assembler *a, enum width w, struct mem to, enum gpr from) {
    emit_locked(a, 0xb0, w, to, from);
}

void asm_lock_xadd(struct assembler *a, enum width w, struct mem to, enum gpr from) {
    emit_locked(a, 0xc0, w, to, from);
}

void asm_mfence(struct assembler *a) {
    emit_fixed(a, 0xf0ae0f, 3);
}
