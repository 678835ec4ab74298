// Integer and control instructions: each is an opcode and its operands for the generic encoders.
//
// Where an instruction has a shorter form for small immediates, for a shift by one or for the
// accumulator, that form is taken. Nothing here chooses another instruction than the one asked for:
// a caller that knows its flags are dead may pick `xor` over `mov` itself.

#include "engine/x64/asm_internal.h"

static bool is_full(enum width w) {
    return w == W32 || w == W64;
}

static void emit_imm8_checked(struct assembler *a, i32 value) {
    ASSERT(value >= INT8_MIN && value <= 0xff);
    asm_emit_u8(a, (u8)value);
}

// -- Moves --------------------------------------------------------------------------------------

void asm_mov_rr(struct assembler *a, enum width w, enum gpr to, enum gpr from) {
    ASSERT(is_full(w));
    asm_emit_rr(a, opcode_sized(w, MAP_ONE_BYTE, 0x8b), to, from);
}

void asm_mov_ri(struct assembler *a, enum gpr to, u64 value) {
    if (value <= UINT32_MAX) { // mov r32, imm32 clears the upper half
        asm_emit_plus(a, 0xb8, false, to);
        asm_emit_u32(a, (u32)value);
    } else if ((i64)value == (i32)value) { // mov r64, simm32
        asm_emit_rr(a, opcode_sized(W64, MAP_ONE_BYTE, 0xc7), 0, to);
        asm_emit_u32(a, (u32)value);
    } else { // movabs
        asm_emit_plus(a, 0xb8, true, to);
        asm_emit_u64(a, value);
    }
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
        return opcode_sized(to_width, MAP_ONE_BYTE, 0x63);
    struct opcode op = opcode_sized(to_width, MAP_0F, from_width == W8 ? 0xbe : 0xbf);
    op.byte_rm = from_width == W8;
    return op;
}

void asm_load(struct assembler *a, enum width w, enum gpr to, struct mem from) {
    if (is_full(w))
        asm_emit_rm(a, opcode_sized(w, MAP_ONE_BYTE, 0x8b), to, from);
    else
        asm_emit_rm(a, movzx_opcode(w), to, from);
}

void asm_load_sx(struct assembler *a, enum width to_width, enum width from_width, enum gpr to,
                 struct mem from) {
    asm_emit_rm(a, movsx_opcode(to_width, from_width), to, from);
}

void asm_store(struct assembler *a, enum width w, struct mem to, enum gpr from) {
    struct opcode op = opcode_pair(w, 0x88);
    op.byte_reg = w == W8;
    asm_emit_rm(a, op, from, to);
}

void asm_store_i(struct assembler *a, enum width w, struct mem to, i32 value) {
    asm_emit_rm(a, opcode_pair(w, 0xc6), 0, to);
    if (w == W8)
        asm_emit_u8(a, (u8)value);
    else
        asm_emit_imm(a, w, w == W16 ? (i16)value : value);
}

void asm_movzx(struct assembler *a, enum width from_width, enum gpr to, enum gpr from) {
    asm_emit_rr(a, movzx_opcode(from_width), to, from);
}

void asm_movsx(struct assembler *a, enum width to_width, enum width from_width, enum gpr to,
               enum gpr from) {
    asm_emit_rr(a, movsx_opcode(to_width, from_width), to, from);
}

void asm_lea(struct assembler *a, enum width w, enum gpr to, struct mem from) {
    ASSERT(is_full(w));
    ASSERT(from.segment == SEG_NONE); // lea ignores segments
    asm_emit_rm(a, opcode_sized(w, MAP_ONE_BYTE, 0x8d), to, from);
}

void asm_xchg_rr(struct assembler *a, enum width w, enum gpr x, enum gpr y) {
    ASSERT(is_full(w));
    // The accumulator's form is a byte shorter, but 90 is nop: it would not clear the upper half of
    // eax as `xchg eax, eax` does.
    if (x != y && (x == RAX || y == RAX))
        asm_emit_plus(a, 0x90, w == W64, x == RAX ? y : x);
    else
        asm_emit_rr(a, opcode_sized(w, MAP_ONE_BYTE, 0x87), y, x);
}

// -- Two-operand arithmetic ---------------------------------------------------------------------

void asm_alu_rr(struct assembler *a, enum alu op, enum width w, enum gpr to, enum gpr from) {
    struct opcode code = opcode_pair(w, (u8)(op << 3));
    code.byte_reg = w == W8;
    asm_emit_rr(a, code, from, to);
}

void asm_alu_rm(struct assembler *a, enum alu op, enum width w, enum gpr to, struct mem from) {
    struct opcode code = opcode_pair(w, (u8)(op << 3 | 2));
    code.byte_reg = w == W8;
    asm_emit_rm(a, code, to, from);
}

void asm_alu_mr(struct assembler *a, enum alu op, enum width w, struct mem to, enum gpr from) {
    struct opcode code = opcode_pair(w, (u8)(op << 3));
    code.byte_reg = w == W8;
    asm_emit_rm(a, code, from, to);
}

// op al, imm8; op ax, imm16; op eax, imm32; op rax, simm32: no ModRM.
static void emit_accumulator(struct assembler *a, u8 code, enum width w) {
    if (w == W16)
        asm_emit_u8(a, 0x66);
    if (w == W64)
        asm_emit_u8(a, 0x48);
    asm_emit_u8(a, w == W8 ? code : code + 1);
}

void asm_alu_ri(struct assembler *a, enum alu op, enum width w, enum gpr to, i32 value) {
    if (w == W8) {
        if (to == RAX)
            emit_accumulator(a, (u8)(op << 3 | 4), w);
        else
            asm_emit_rr(a, opcode_pair(w, 0x80), op, to);
        emit_imm8_checked(a, value);
    } else if (fits_i8(value)) {
        asm_emit_rr(a, opcode_sized(w, MAP_ONE_BYTE, 0x83), op, to);
        asm_emit_u8(a, (u8)value);
    } else {
        if (to == RAX)
            emit_accumulator(a, (u8)(op << 3 | 4), w);
        else
            asm_emit_rr(a, opcode_sized(w, MAP_ONE_BYTE, 0x81), op, to);
        asm_emit_imm(a, w, value);
    }
}

void asm_alu_mi(struct assembler *a, enum alu op, enum width w, struct mem to, i32 value) {
    if (w == W8) {
        asm_emit_rm(a, opcode_pair(w, 0x80), op, to);
        emit_imm8_checked(a, value);
    } else if (fits_i8(value)) {
        asm_emit_rm(a, opcode_sized(w, MAP_ONE_BYTE, 0x83), op, to);
        asm_emit_u8(a, (u8)value);
    } else {
        asm_emit_rm(a, opcode_sized(w, MAP_ONE_BYTE, 0x81), op, to);
        asm_emit_imm(a, w, value);
    }
}

u32 asm_alu_ri32(struct assembler *a, enum alu op, enum width w, enum gpr to) {
    ASSERT(is_full(w));
    asm_emit_rr(a, opcode_sized(w, MAP_ONE_BYTE, 0x81), op, to);
    u32 at = a->len;
    asm_emit_u32(a, 0);
    return at;
}

void asm_test_rr(struct assembler *a, enum width w, enum gpr x, enum gpr y) {
    struct opcode op = opcode_pair(w, 0x84);
    op.byte_reg = w == W8;
    asm_emit_rr(a, op, y, x);
}

void asm_test_ri(struct assembler *a, enum width w, enum gpr x, i32 value) {
    if (x == RAX)
        emit_accumulator(a, 0xa8, w);
    else
        asm_emit_rr(a, opcode_pair(w, 0xf6), 0, x);
    if (w == W8)
        emit_imm8_checked(a, value);
    else
        asm_emit_imm(a, w, value);
}

void asm_imul_rr(struct assembler *a, enum width w, enum gpr to, enum gpr from) {
    ASSERT(is_full(w));
    asm_emit_rr(a, opcode_sized(w, MAP_0F, 0xaf), to, from);
}

void asm_imul_rm(struct assembler *a, enum width w, enum gpr to, struct mem from) {
    ASSERT(is_full(w));
    asm_emit_rm(a, opcode_sized(w, MAP_0F, 0xaf), to, from);
}

void asm_imul_rri(struct assembler *a, enum width w, enum gpr to, enum gpr from, i32 value) {
    ASSERT(is_full(w));
    if (fits_i8(value)) {
        asm_emit_rr(a, opcode_sized(w, MAP_ONE_BYTE, 0x6b), to, from);
        asm_emit_u8(a, (u8)value);
    } else {
        asm_emit_rr(a, opcode_sized(w, MAP_ONE_BYTE, 0x69), to, from);
        asm_emit_imm(a, w, value);
    }
}

// -- One-operand arithmetic, shifts, bits -------------------------------------------------------

void asm_unary(struct assembler *a, enum unary op, enum width w, enum gpr x) {
    ASSERT(op >= UNARY_NOT && op <= UNARY_IDIV);
    asm_emit_rr(a, opcode_pair(w, 0xf6), op, x);
}

void asm_shift_cl(struct assembler *a, enum shift op, enum width w, enum gpr x) {
    asm_emit_rr(a, opcode_pair(w, 0xd2), op, x);
}

void asm_shift_i(struct assembler *a, enum shift op, enum width w, enum gpr x, u8 count) {
    ASSERT(count < (8u << w));
    if (count == 1) {
        asm_emit_rr(a, opcode_pair(w, 0xd0), op, x);
    } else {
        asm_emit_rr(a, opcode_pair(w, 0xc0), op, x);
        asm_emit_u8(a, count);
    }
}

void asm_cdq(struct assembler *a, enum width w) {
    ASSERT(is_full(w));
    if (w == W64)
        asm_emit_u8(a, 0x48);
    asm_emit_u8(a, 0x99);
}

// Instructions of the 0F map on two full-width registers.
static void emit_bits(struct assembler *a, u8 prefix, u8 code, enum width w, enum gpr to,
                      enum gpr from) {
    ASSERT(is_full(w));
    struct opcode op = opcode_sized(w, MAP_0F, code);
    op.prefix = prefix;
    asm_emit_rr(a, op, to, from);
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
    asm_emit_rr(a, op, 0, to);
}

void asm_cmov(struct assembler *a, enum cond cond, enum width w, enum gpr to, enum gpr from) {
    ASSERT(cond < 16);
    ASSERT(is_full(w));
    asm_emit_rr(a, opcode_sized(w, MAP_0F, 0x40 | cond), to, from);
}

// -- Stack and control --------------------------------------------------------------------------

void asm_push(struct assembler *a, enum gpr x) {
    asm_emit_plus(a, 0x50, false, x);
}

void asm_pop(struct assembler *a, enum gpr x) {
    asm_emit_plus(a, 0x58, false, x);
}

// FF /n on 64-bit operands, which need no REX.W.
enum group5 : u8 { GROUP5_CALL = 2, GROUP5_JMP = 4, GROUP5_PUSH = 6 };

void asm_push_m(struct assembler *a, struct mem x) {
    asm_emit_rm(a, (struct opcode){.code = 0xff}, GROUP5_PUSH, x);
}

void asm_jmp_r(struct assembler *a, enum gpr x) {
    asm_emit_rr(a, (struct opcode){.code = 0xff}, GROUP5_JMP, x);
}

void asm_jmp_m(struct assembler *a, struct mem x) {
    asm_emit_rm(a, (struct opcode){.code = 0xff}, GROUP5_JMP, x);
}

void asm_call_r(struct assembler *a, enum gpr x) {
    asm_emit_rr(a, (struct opcode){.code = 0xff}, GROUP5_CALL, x);
}

void asm_call_m(struct assembler *a, struct mem x) {
    asm_emit_rm(a, (struct opcode){.code = 0xff}, GROUP5_CALL, x);
}

void asm_leave(struct assembler *a) {
    asm_emit_u8(a, 0xc9);
}

void asm_ret(struct assembler *a) {
    asm_emit_u8(a, 0xc3);
}

void asm_ret_pop(struct assembler *a, u16 bytes) {
    asm_bytes(a, (const u8[]){0xc2, (u8)bytes, (u8)(bytes >> 8)}, 3);
}

void asm_ud2(struct assembler *a) {
    asm_bytes(a, (u8[]){0x0f, 0x0b}, 2);
}

void asm_rep_movsb(struct assembler *a) {
    asm_bytes(a, (u8[]){0xf3, 0xa4}, 2);
}

void asm_rep_stosb(struct assembler *a) {
    asm_bytes(a, (u8[]){0xf3, 0xaa}, 2);
}

void asm_cld(struct assembler *a) {
    asm_emit_u8(a, 0xfc);
}

void asm_std(struct assembler *a) {
    asm_emit_u8(a, 0xfd);
}

// -- Atomic -------------------------------------------------------------------------------------

void asm_xchg_mr(struct assembler *a, enum width w, struct mem x, enum gpr y) {
    struct opcode op = opcode_pair(w, 0x86); // with memory it locks without being told
    op.byte_reg = w == W8;
    asm_emit_rm(a, op, y, x);
}

// lock and an instruction of the map 0F.
static void emit_locked(struct assembler *a, u8 code, enum width w, struct mem to, enum gpr from) {
    struct opcode op = opcode_pair(w, code);
    op.map = MAP_0F;
    op.byte_reg = w == W8;
    asm_emit_u8(a, 0xf0);
    asm_emit_rm(a, op, from, to);
}

void asm_lock_cmpxchg(struct assembler *a, enum width w, struct mem to, enum gpr from) {
    emit_locked(a, 0xb0, w, to, from);
}

void asm_lock_xadd(struct assembler *a, enum width w, struct mem to, enum gpr from) {
    emit_locked(a, 0xc0, w, to, from);
}

void asm_mfence(struct assembler *a) {
    asm_bytes(a, (const u8[]){0x0f, 0xae, 0xf0}, 3);
}
