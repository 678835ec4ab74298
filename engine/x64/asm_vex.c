// The prefix of the AVX forms (VEX), and the instructions that only AVX and its successors have.
//
// VEX holds what the mandatory prefix, REX and the escape bytes hold, most of it inverted, and one
// more register. It has two bytes where of REX only R is needed and the map is 0F, else three.

#include "engine/x64/asm_internal.h"
#include "engine/x64/asm_vec.h"

#define REX_R 4
#define REX_X 2
#define REX_B 1

static u8 vex_prefix(u8 prefix) {
    switch (prefix) {
    case 0:
        return 0;
    case 0x66:
        return 1;
    case 0xf3:
        return 2;
    case 0xf2:
        return 3;
    default:
        UNREACHABLE();
    }
}

u8 *asm_put_vex(u8 *at, struct opcode op, u8 rex) {
    ASSERT(op.map != MAP_ONE_BYTE);
    ASSERT(op.first < 16);
    u8 low = (u8)((~op.first & 15) << 3 | vex_prefix(op.prefix));
    if (op.map == MAP_0F && !op.wide && (rex & (REX_X | REX_B)) == 0) {
        *at++ = 0xc5;
        *at++ = (u8)((~rex & REX_R) << 5 | low);
    } else {
        *at++ = 0xc4;
        *at++ = (u8)((~rex & (REX_R | REX_X | REX_B)) << 5 | op.map);
        *at++ = (u8)(op.wide << 7 | low);
    }
    *at++ = op.code;
    return at;
}

static struct opcode vex_opcode(enum opcode_map map, u8 code, u8 first) {
    return (struct opcode){.prefix = 0x66, .map = map, .code = code, .vex = true, .first = first};
}

static struct opcode broadcast_opcode(enum width w) {
    static const u8 codes[] = {[W8] = 0x78, [W16] = 0x79, [W32] = 0x58, [W64] = 0x59};
    return vex_opcode(MAP_0F38, codes[w], NO_FIRST);
}

void asm_broadcast_r(struct assembler *a, enum width w, enum xmm to, enum xmm from) {
    ASSERT(a->has_avx);
    asm_emit_rr(a, broadcast_opcode(w), to, from);
}

// vbroadcastss and vmovddup are in AVX already.
void asm_broadcast_m(struct assembler *a, enum width w, enum xmm to, struct mem from) {
    ASSERT(a->has_avx);
    if (w == W64)
        asm_vec_rm(a, VEC_MOVDDUP, to, from);
    else
        asm_emit_rm(a, w == W32 ? vex_opcode(MAP_0F38, 0x18, NO_FIRST) : broadcast_opcode(w), to,
                    from);
}

void asm_blendv(struct assembler *a, enum width w, enum xmm to, struct vec_blend from) {
    ASSERT(a->has_avx);
    ASSERT(w != W16);
    u8 code = w == W8 ? 0x4c : w == W32 ? 0x4a : 0x4b;
    u8 mask = (u8)(from.mask << 4); // a register in place of the immediate
    asm_emit_rr_i8(a, vex_opcode(MAP_0F3A, code, from.x), to, from.y, mask);
}

void asm_fma(struct assembler *a, enum vec_fma op, enum fwidth w, enum xmm to, enum xmm x,
             enum xmm y) {
    ASSERT(a->has_avx);
    struct opcode opcode = vex_opcode(MAP_0F38, op, x);
    opcode.wide = w == F64;
    asm_emit_rr(a, opcode, to, y);
}
