// Vector instructions. Nearly all have one shape, so enum vec_op's values are their encodings; the
// rest move between register files, where the operands' order in ModRM differs from one to the
// next. An instruction and its AVX form are one opcode, told apart by what is put before it.

#include "engine/x64/asm_vec.h"

#include "engine/x64/asm_internal.h"

STATIC_ASSERT((int)MAP_0F == VEC_MAP_0F, "enum vec_op holds the map");
STATIC_ASSERT((int)MAP_0F38 == VEC_MAP_0F38, "enum vec_op holds the map");
STATIC_ASSERT((int)MAP_0F3A == VEC_MAP_0F3A, "enum vec_op holds the map");

static struct opcode vec_opcode(enum vec_op op) {
    return (struct opcode){
        .prefix = VEC_PREFIX(op), .map = (enum opcode_map)VEC_MAP(op), .code = VEC_CODE(op)};
}

bool vec_op_has_imm(enum vec_op op) {
    switch (op) {
#define VEC_OP(name, text, prefix, map, code, sources, bytes)
#define VEC_OP_IMM(name, text, prefix, map, code, sources, bytes)                                  \
    case VEC_##name:                                                                               \
        return true;
#include "engine/x64/vec_ops.def"
#undef VEC_OP
#undef VEC_OP_IMM
    default:
        return false;
    }
}

// The opcode with `x` as its first source, if it has two.
static struct opcode opcode_from(const struct assembler *a, enum vec_op op, enum xmm x) {
    return with_first(a, vec_opcode(op), VEC_SOURCES(op) == VEC_SOURCES_1 ? NO_FIRST : x);
}

// The same for what is read from memory.
static struct opcode opcode_from_memory(const struct assembler *a, enum vec_op op, enum xmm x) {
    return with_first(a, vec_opcode(op), VEC_SOURCES(op) == VEC_SOURCES_2 ? x : NO_FIRST);
}

void asm_vec_rr(struct assembler *a, enum vec_op op, enum xmm to, enum xmm from) {
    ASSERT(!vec_op_has_imm(op));
    asm_emit_rr(a, opcode_from(a, op, to), to, from);
}

void asm_vec_rm(struct assembler *a, enum vec_op op, enum xmm to, struct mem from) {
    ASSERT(!vec_op_has_imm(op));
    asm_emit_rm(a, opcode_from_memory(a, op, to), to, from);
}

void asm_vec_rl(struct assembler *a, enum vec_op op, enum xmm to, struct label *from) {
    ASSERT(!vec_op_has_imm(op)); // the distance counts from the instruction's end
    asm_emit_rl(a, opcode_from_memory(a, op, to), to, from);
}

void asm_vec_rri(struct assembler *a, enum vec_op op, enum xmm to, enum xmm from, u8 imm) {
    ASSERT(vec_op_has_imm(op));
    asm_emit_rr_i8(a, opcode_from(a, op, to), to, from, imm);
}

void asm_vec_rmi(struct assembler *a, enum vec_op op, enum xmm to, struct mem from, u8 imm) {
    ASSERT(vec_op_has_imm(op));
    asm_emit_rm_i8(a, opcode_from_memory(a, op, to), to, from, imm);
}

void asm_vec_rrr(struct assembler *a, enum vec_op op, enum xmm to, enum xmm x, enum xmm y) {
    ASSERT(VEC_SOURCES(op) != VEC_SOURCES_1);
    asm_first_source(a, to, x, y);
    ASSERT(!vec_op_has_imm(op));
    asm_emit_rr(a, with_first(a, vec_opcode(op), x), to, y);
}

void asm_vec_rrm(struct assembler *a, enum vec_op op, enum xmm to, enum xmm x, struct mem y) {
    ASSERT(VEC_SOURCES(op) == VEC_SOURCES_2);
    ASSERT(!vec_op_has_imm(op));
    asm_first_source(a, to, x, x);
    asm_emit_rm(a, with_first(a, vec_opcode(op), x), to, y);
}

void asm_vec_rrl(struct assembler *a, enum vec_op op, enum xmm to, enum xmm x, struct label *y) {
    ASSERT(VEC_SOURCES(op) == VEC_SOURCES_2);
    ASSERT(!vec_op_has_imm(op));
    asm_first_source(a, to, x, x);
    asm_emit_rl(a, with_first(a, vec_opcode(op), x), to, y);
}

void asm_vec_rrri(struct assembler *a, enum vec_op op, enum xmm to, enum xmm x, enum xmm y,
                  u8 imm) {
    ASSERT(VEC_SOURCES(op) == VEC_SOURCES_2);
    ASSERT(vec_op_has_imm(op));
    asm_first_source(a, to, x, y);
    asm_emit_rr_i8(a, with_first(a, vec_opcode(op), x), to, y, imm);
}

// The AVX form names its result where the others name their first source.
void asm_vec_shift_i(struct assembler *a, enum vec_shift op, enum xmm to, enum xmm from, u8 count) {
    struct opcode opcode = {.prefix = 0x66, .map = MAP_0F, .code = (u8)(op >> 8)};
    if (!a->has_avx && to != from)
        asm_movaps_rr(a, to, from);
    asm_emit_rr_i8(a, with_first(a, opcode, to), op & 7, a->has_avx ? from : to, count);
}

void asm_loadv(struct assembler *a, enum xmm to, struct mem from) {
    asm_vec_rm(a, VEC_MOVUPS, to, from);
}

void asm_storev(struct assembler *a, struct mem to, enum xmm from) {
    struct opcode op = {.map = MAP_0F, .code = 0x11};
    asm_emit_rm(a, with_first(a, op, NO_FIRST), from, to);
}

// -- Lanes --------------------------------------------------------------------------------------

static void check_lane(enum width w, u8 lane) {
    ASSERT(lane < 16 >> w);
}

static struct opcode pinsr_opcode(enum width w) {
    static const u8 codes[] = {[W8] = 0x20, [W16] = 0xc4, [W32] = 0x22, [W64] = 0x22};
    return (struct opcode){
        .prefix = 0x66, .map = w == W16 ? MAP_0F : MAP_0F3A, .code = codes[w], .wide = w == W64};
}

// The form whose destination may be memory.
static struct opcode pextr_opcode(enum width w) {
    static const u8 codes[] = {[W8] = 0x14, [W16] = 0x15, [W32] = 0x16, [W64] = 0x16};
    return (struct opcode){.prefix = 0x66, .map = MAP_0F3A, .code = codes[w], .wide = w == W64};
}

void asm_pinsr_r(struct assembler *a, enum width w, enum xmm to, enum gpr from, u8 lane) {
    check_lane(w, lane);
    asm_emit_rr_i8(a, with_first(a, pinsr_opcode(w), to), to, from, lane);
}

void asm_pinsr_m(struct assembler *a, enum width w, enum xmm to, struct mem from, u8 lane) {
    check_lane(w, lane);
    asm_emit_rm_i8(a, with_first(a, pinsr_opcode(w), to), to, from, lane);
}

void asm_pextr_r(struct assembler *a, enum width w, enum gpr to, enum xmm from, u8 lane) {
    check_lane(w, lane);
    // The older form is shorter and has its operands the other way round.
    struct opcode older = {.prefix = 0x66, .map = MAP_0F, .code = 0xc5};
    if (w == W16)
        asm_emit_rr_i8(a, with_first(a, older, NO_FIRST), to, from, lane);
    else
        asm_emit_rr_i8(a, with_first(a, pextr_opcode(w), NO_FIRST), from, to, lane);
}

void asm_pextr_m(struct assembler *a, enum width w, struct mem to, enum xmm from, u8 lane) {
    check_lane(w, lane);
    asm_emit_rm_i8(a, with_first(a, pextr_opcode(w), NO_FIRST), from, to, lane);
}

void asm_movmsk(struct assembler *a, enum width w, enum gpr to, enum xmm from) {
    ASSERT(w != W16);
    u8 code = w == W8 ? 0xd7 : 0x50;
    u8 prefix = w == W32 ? 0 : 0x66;
    struct opcode op = {.prefix = prefix, .map = MAP_0F, .code = code};
    asm_emit_rr(a, with_first(a, op, NO_FIRST), to, from);
}
