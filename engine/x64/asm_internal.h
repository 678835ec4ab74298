#pragma once
// The generic encoders that every instruction is made of. Private to engine/x64.

#include "base/assert.h"
#include "engine/x64/asm.h"

// The opcode maps: the escape bytes in front of the opcode byte.
enum opcode_map : u8 { MAP_ONE_BYTE, MAP_0F, MAP_0F38, MAP_0F3A };

// What an instruction is besides its operands and immediate.
struct opcode {
    u8 prefix; // mandatory or operand-size prefix, in front of REX; 0: none
    enum opcode_map map;
    u8 code;
    bool wide;     // REX.W
    bool byte_reg; // ModRM.reg is a byte register: spl, bpl, sil and dil need a REX prefix
    bool byte_rm;  // the same of ModRM.rm, when that is a register
};

// The operand-size rules of integer instructions: prefix 66 for W16, REX.W for W64.
static inline struct opcode opcode_sized(enum width w, enum opcode_map map, u8 code) {
    return (struct opcode){
        .prefix = w == W16 ? 0x66 : 0, .map = map, .code = code, .wide = w == W64};
}

// An instruction whose byte form has the even code `code` and whose wider forms have code + 1.
// `byte_rm` is set for W8; whether ModRM.reg is a register the caller knows.
static inline struct opcode opcode_pair(enum width w, u8 code) {
    ASSERT((code & 1) == 0);
    struct opcode op = opcode_sized(w, MAP_ONE_BYTE, w == W8 ? code : code + 1);
    op.byte_rm = w == W8;
    return op;
}

// Register-register and register-memory forms; `reg` is a register number or an opcode extension.
void asm_emit_rr(struct assembler *a, struct opcode op, u8 reg, u8 rm);
void asm_emit_rm(struct assembler *a, struct opcode op, u8 reg, struct mem m);
// Register and the memory at a label, rip-relative. Nothing may follow in the instruction.
void asm_emit_rl(struct assembler *a, struct opcode op, u8 reg, struct label *label);

// One-byte opcodes with the register in their low three bits (push, mov r, imm).
void asm_emit_plus(struct assembler *a, u8 code, bool wide, u8 reg);

void asm_emit_u8(struct assembler *a, u8 value);
void asm_emit_u16(struct assembler *a, u16 value);
void asm_emit_u32(struct assembler *a, u32 value);
void asm_emit_u64(struct assembler *a, u64 value);

// The immediate of a full-width instruction: two bytes for W16, else four.
void asm_emit_imm(struct assembler *a, enum width w, i32 value);

static inline bool fits_i8(i64 value) {
    return value >= INT8_MIN && value <= INT8_MAX;
}
