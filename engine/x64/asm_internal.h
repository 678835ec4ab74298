#pragma once
// The generic encoders that every instruction is made of. Private to engine/x64.

#include "base/assert.h"
#include "base/string.h"
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
    bool vex;      // the AVX form
    u8 first;      // of that: the first source (or NO_FIRST), a register
};

// The operand-size rules of integer instructions: prefix 66 for W16, REX.W for W64.
static inline struct opcode opcode_sized(enum width w, enum opcode_map map, u8 code) {
    return (struct opcode){
        .prefix = w == W16 ? 0x66 : 0, .map = map, .code = code, .wide = w == W64};
}

// Instructions that have 32 and 64 bits only.
static inline struct opcode opcode_full(enum width w, enum opcode_map map, u8 code) {
    ASSERT(w == W32 || w == W64);
    return (struct opcode){.map = map, .code = code, .wide = w == W64};
}

// An instruction whose byte form has the even code `code` and whose wider forms have code + 1.
// `byte_rm` is set for W8; whether ModRM.reg is a register the caller knows.
static inline struct opcode opcode_pair(enum width w, u8 code) {
    ASSERT((code & 1) == 0);
    struct opcode op = opcode_sized(w, MAP_ONE_BYTE, w == W8 ? code : code + 1);
    op.byte_rm = w == W8;
    return op;
}

// -- The buffer ---------------------------------------------------------------------------------

// Makes room for `room` bytes more. Without memory the buffer begins anew: there is always room.
void asm_grow(struct assembler *a, u32 room);

// Where to write one instruction.
static inline u8 *begin(const struct assembler *a) {
    ASSERT(a->len < a->limit);
    return a->code + a->len;
}

// Ends what `begin` began: everything before `end` has been written. The look at what room is left
// comes last, so that those who emit need not keep anything for afterwards.
static inline void commit(struct assembler *a, const u8 *end) {
    a->len = (u32)(end - a->code);
    ASSERT(a->len <= a->capacity);
    if (a->len >= a->limit)
        asm_grow(a, INSTRUCTION_ROOM);
}

static inline u8 *put_u32(u8 *at, u32 value) {
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

static inline u8 *put_u64(u8 *at, u64 value) {
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

// The immediate of a full-width instruction: two bytes for W16, else four.
static inline u8 *put_imm(u8 *at, enum width w, i32 value) {
    ASSERT(w != W8);
    ASSERT(w != W16 || (value >= INT16_MIN && value <= 0xffff));
    return put_u32(at, (u32)value) - (w == W16 ? 2 : 0);
}

static inline bool fits_i8(i64 value) {
    return value == (i8)value;
}

// -- Encoding -----------------------------------------------------------------------------------
// Inline, so that what is constant of an opcode costs nothing where the instruction is emitted. A
// byte that may be left out is written all the same, and the next one overwrites it.
#define INLINED [[gnu::always_inline]] static inline

// Prefixes, REX and opcode. `rex` has the bits that extend ModRM and SIB; `force` asks for a REX
// even when it is empty.
u8 *asm_put_vex(u8 *at, struct opcode op, u8 rex);
INLINED u8 *put_opcode(u8 *at, struct opcode op, u8 rex, bool force) {
    if (op.vex)
        return asm_put_vex(at, op, rex);
    *at = op.prefix;
    at += op.prefix != 0;
    if (op.wide)
        rex |= 8;
    *at = 0x40 | rex;
    at += rex != 0 || force;
    if (op.map != MAP_ONE_BYTE)
        *at++ = 0x0f;
    if (op.map > MAP_0F)
        *at++ = op.map == MAP_0F38 ? 0x38 : 0x3a;
    *at++ = op.code;
    return at;
}

static inline u8 modrm(u8 mod, u8 reg, u8 rm) {
    return (u8)(mod << 6 | (reg & 7) << 3 | (rm & 7));
}

// spl, bpl, sil and dil: without REX their numbers mean ah, ch, dh and bh.
static inline bool byte_needs_rex(u8 reg) {
    return reg >= RSP && reg <= RDI;
}

// `reg` is a register number or an opcode extension, here and below.
INLINED u8 *put_rr(u8 *at, struct opcode op, u8 reg, u8 rm) {
    ASSERT(reg < 16);
    ASSERT(rm < 16);
    bool force = (op.byte_reg && byte_needs_rex(reg)) || (op.byte_rm && byte_needs_rex(rm));
    u8 rex = (u8)((reg >> 3) << 2 | rm >> 3);
    at = put_opcode(at, op, rex, force);
    *at++ = modrm(3, reg, rm);
    return at;
}

// Whether a base needs a displacement: its mod 0 encoding means another form (rbp, r13).
static inline bool base_needs_disp(enum gpr base) {
    return (base & 7) == RBP;
}

// Forms of addresses other than a base and a displacement.
u8 *asm_put_indexed(u8 *at, struct opcode op, u8 reg, struct mem m);

INLINED u8 *put_segment(u8 *at, struct mem m) {
    STATIC_ASSERT(SEG_GS == SEG_FS + 1, "their prefixes are 64 and 65");
    *at = 0x64 - SEG_FS + m.segment;
    at += m.segment != SEG_NONE;
    *at = 0x67;
    return at + m.addr32;
}

// ModRM, SIB and displacement of a base and a displacement.
INLINED u8 *put_based(u8 *at, u8 reg, enum gpr base, i32 disp) {
    bool none = disp == 0 && !base_needs_disp(base);
    u8 mod = none ? 0 : fits_i8(disp) ? 1 : 2;
    *at++ = modrm(mod, reg, base);
    *at = modrm(0, RSP, RSP);
    at += (base & 7) == RSP;
    put_u32(at, (u32)disp);
    return at + (mod == 2 ? 4 : mod);
}

// Whether there is nothing to an address but a base and a displacement: most are homes in the
// frame.
INLINED bool mem_is_plain(struct mem m) {
    u64 head;
    STATIC_ASSERT(offsetof(struct mem, addr32) == 4 && offsetof(struct mem, disp) == 8,
                  "base, index, scale, segment and addr32 are the first five bytes");
    memcpy(&head, &m, sizeof(head));
    return (head & 0xffffffff00) == (u64)NO_GPR << 8 && m.base != NO_GPR;
}

// The rest of an instruction whose address has a base and no index, behind the segment's prefix.
INLINED u8 *put_unindexed(u8 *at, struct opcode op, u8 reg, struct mem m) {
    ASSERT(m.base < 16);
    u8 rex = (u8)((reg >> 3) << 2 | m.base >> 3);
    at = put_opcode(at, op, rex, op.byte_reg && byte_needs_rex(reg));
    return put_based(at, reg, m.base, m.disp);
}

INLINED u8 *put_rm(u8 *at, struct opcode op, u8 reg, struct mem m) {
    ASSERT(reg < 16);
    if (!mem_is_plain(m)) {
        if (m.index != NO_GPR || m.base == NO_GPR)
            return asm_put_indexed(at, op, reg, m);
        at = put_segment(at, m);
    }
    return put_unindexed(at, op, reg, m);
}

// -- Whole instructions -------------------------------------------------------------------------

INLINED void emit_rr(struct assembler *a, struct opcode op, u8 reg, u8 rm) {
    commit(a, put_rr(begin(a), op, reg, rm));
}

INLINED void emit_rm(struct assembler *a, struct opcode op, u8 reg, struct mem m) {
    commit(a, put_rm(begin(a), op, reg, m));
}

// With an immediate of eight bits.
INLINED void emit_rr_i8(struct assembler *a, struct opcode op, u8 reg, u8 rm, u8 imm) {
    u8 *at = begin(a);
    at = put_rr(at, op, reg, rm);
    *at++ = imm;
    commit(a, at);
}

INLINED void emit_rm_i8(struct assembler *a, struct opcode op, u8 reg, struct mem m, u8 imm) {
    u8 *at = begin(a);
    at = put_rm(at, op, reg, m);
    *at++ = imm;
    commit(a, at);
}

// The same functions, not inline: for what is rare or has an opcode that is not constant anyhow.
void asm_emit_rr(struct assembler *a, struct opcode op, u8 reg, u8 rm);
void asm_emit_rm(struct assembler *a, struct opcode op, u8 reg, struct mem m);
void asm_emit_rr_i8(struct assembler *a, struct opcode op, u8 reg, u8 rm, u8 imm);
void asm_emit_rm_i8(struct assembler *a, struct opcode op, u8 reg, struct mem m, u8 imm);

// Register and the memory at a label, rip-relative. Nothing may follow in the instruction.
void asm_emit_rl(struct assembler *a, struct opcode op, u8 reg, struct label *label);

// One-byte opcodes with the register in their low three bits (push, mov r, imm).
static inline u8 *put_plus(u8 *at, u8 code, bool wide, u8 reg) {
    ASSERT(reg < 16);
    ASSERT((code & 7) == 0);
    return put_opcode(at, (struct opcode){.code = code | (reg & 7), .wide = wide}, reg >> 3, false);
}

INLINED void emit_plus(struct assembler *a, u8 code, bool wide, u8 reg) {
    commit(a, put_plus(begin(a), code, wide, reg));
}

// -- The AVX forms ------------------------------------------------------------------------------

// Without a first source, the field for it must be as for register 0.
#define NO_FIRST XMM0

// The opcode of a float or vector instruction as this code has them.
INLINED struct opcode with_first(const struct assembler *a, struct opcode op, enum xmm first) {
    op.vex = a->has_avx;
    op.first = first;
    return op;
}

// The SSE forms overwrite their first source: moves it to `to`, which must not be the other one's.
INLINED void asm_first_source(struct assembler *a, enum xmm to, enum xmm x, enum xmm y) {
    if (a->has_avx || to == x)
        return;
    ASSERT(to != y);
    asm_movaps_rr(a, to, x);
}

// -- Fixed bytes --------------------------------------------------------------------------------

// Instructions that are up to eight given bytes, the first in the lowest bits.
static inline void emit_fixed(struct assembler *a, u64 bytes, u32 len) {
    u8 *at = begin(a);
    put_u64(at, bytes);
    commit(a, at + len);
}
