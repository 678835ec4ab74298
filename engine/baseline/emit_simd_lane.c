// Lanes: making vectors of scalars and scalars of lanes, and moving lanes about.
//
// A scalar float is the lowest lane of its register, whatever lies above; so taking lane 0 of a
// vector as a float costs nothing.

#include "engine/baseline/simd.h"

#define SHUFFLE_LOW32 0x00 // pshufd: lane 0 four times
#define SHUFFLE_LOW64 0x44 // pshufd: the low eight bytes twice

static enum value_type lane_type(enum width w) {
    return w == W64 ? VALUE_I64 : VALUE_I32;
}

static enum value_type float_lane_type(enum width w) {
    return w == W64 ? VALUE_F64 : VALUE_F32;
}

// The lowest lane of `x` in all lanes.
//   pxor xmm15, xmm15; pshufb x, xmm15 / pshuflw x, x, 0; pshufd x, x, 0 / pshufd x, x, lanes
//   AVX2: vpbroadcastb x, x / vpbroadcastw x, x
void vec_spread(struct baseline *c, enum width w, enum xmm x) {
    if (c->target.has_avx2 && w <= W16) {
        asm_broadcast_r(c->a, w, x, x);
        return;
    }
    switch (w) {
    case W8:
        asm_vec_rr(c->a, VEC_PXOR, SCRATCH_XMM, SCRATCH_XMM);
        asm_vec_rr(c->a, VEC_PSHUFB, x, SCRATCH_XMM);
        return;
    case W16:
        asm_vec_rri(c->a, VEC_PSHUFLW, x, x, SHUFFLE_LOW32);
        asm_vec_rri(c->a, VEC_PSHUFD, x, x, SHUFFLE_LOW32);
        return;
    case W32:
        asm_vec_rri(c->a, VEC_PSHUFD, x, x, SHUFFLE_LOW32);
        return;
    case W64:
        asm_vec_rri(c->a, VEC_PSHUFD, x, x, SHUFFLE_LOW64);
        return;
    }
    UNREACHABLE();
}

// movd r, a; then as vec_spread
void simd_splat(struct baseline *c, const struct simd_row *row) {
    enum width w = (enum width)row->arg;
    struct operand a = pop_loaded(c);
    u8 to = reg_result(c, XMM_MASK, NULL);
    asm_mov_xr(c->a, w == W64 ? W64 : W32, as_xmm(to), as_gpr(a.reg));
    vec_spread(c, w, as_xmm(to));
    operand_release(c, &a);
    push_reg(c, VALUE_V128, to);
}

// pshufd r, a, lanes
void simd_splat_float(struct baseline *c, const struct simd_row *row) {
    struct operand a = pop_loaded(c);
    enum xmm from = vec(&a);
    u8 to = reg_result(c, XMM_MASK, &a);
    u8 lanes = row->arg == W64 ? SHUFFLE_LOW64 : SHUFFLE_LOW32;
    asm_vec_rri(c->a, VEC_PSHUFD, as_xmm(to), from, lanes);
    push_reg(c, VALUE_V128, to);
}

// pextr r, a, lane / movd r, a
static u8 extract(struct baseline *c, enum width w) {
    struct operand a = pop_loaded(c);
    u8 to = reg_result(c, GPR_MASK, NULL);
    if (c->insn.lane == 0 && w >= W32)
        asm_mov_rx(c->a, w, as_gpr(to), vec(&a));
    else
        asm_pextr_r(c->a, w, as_gpr(to), vec(&a), c->insn.lane);
    operand_release(c, &a);
    return to;
}

void simd_extract(struct baseline *c, const struct simd_row *row) {
    enum width w = (enum width)row->arg;
    push_reg(c, lane_type(w), extract(c, w));
}

// pextr r, a, lane; movsx r, r
void simd_extract_s(struct baseline *c, const struct simd_row *row) {
    enum width w = (enum width)row->arg;
    u8 to = extract(c, w);
    asm_movsx(c->a, W32, w, as_gpr(to), as_gpr(to));
    push_reg(c, VALUE_I32, to);
}

// Nothing for lane 0; pshufd r, a, lane
void simd_extract_float(struct baseline *c, const struct simd_row *row) {
    enum width w = (enum width)row->arg;
    struct operand a = pop_loaded(c);
    u8 lane = c->insn.lane;
    if (lane == 0) {
        push_reg(c, float_lane_type(w), a.reg);
        return;
    }
    enum xmm from = vec(&a);
    u8 to = reg_result(c, XMM_MASK, &a);
    asm_vec_rri(c->a, VEC_PSHUFD, as_xmm(to), from, w == W64 ? HIGH_HALF : lane);
    push_reg(c, float_lane_type(w), to);
}

// pinsr a, x, lane
void simd_replace(struct baseline *c, const struct simd_row *row) {
    struct operand x = pop_loaded(c);
    struct operand a = pop(c);
    operand_own(c, &a, &x);
    asm_pinsr_r(c->a, (enum width)row->arg, vec(&a), as_gpr(x.reg), c->insn.lane);
    operand_release(c, &x);
    push_reg(c, VALUE_V128, a.reg);
}

// insertps r, a, x, lane << 4 / movsd r, a, x / punpcklqdq r, a, x
void simd_replace_float(struct baseline *c, const struct simd_row *row) {
    struct operand_pair pair = pop_pair(c);
    u8 to = xmm_result(c, &pair.a, &pair.b);
    enum xmm a = vec(&pair.a);
    enum xmm x = vec(&pair.b);
    if (row->arg == W32)
        asm_vec_rrri(c->a, VEC_INSERTPS, as_xmm(to), a, x, (u8)(c->insn.lane << 4));
    else
        asm_vec_rrr(c->a, c->insn.lane == 0 ? VEC_MOVSD : VEC_PUNPCKLQDQ, as_xmm(to), a, x);
    push_reg(c, VALUE_V128, to);
}

// -- Shuffles -----------------------------------------------------------------------------------

// pshufb takes four bits of an index, and zero for one with the sign: 16 and more get it.
//   paddusb xmm15, b, [70]; pshufb r, a, xmm15
void simd_swizzle(struct baseline *c, const struct simd_row *) {
    struct operand_pair pair = pop_pair(c);
    u8 to = xmm_result(c, &pair.a, &pair.b);
    vec_op3_repeated(c, VEC_PADDUSB, SCRATCH_XMM, vec(&pair.b), repeat8(0x70));
    asm_vec_rrr(c->a, VEC_PSHUFB, as_xmm(to), vec(&pair.a), SCRATCH_XMM);
    push_reg(c, VALUE_V128, to);
}

// The sixteen lanes of a shuffle as they are taken from one of two vectors: `first` is the number
// of its lane 0; lanes of the other are zero.
static struct label *lanes_of(struct baseline *c, u32 first) {
    u64 half[2] = {0, 0};
    for (u32 i = 0; i < 16; i++) {
        u32 lane = c->insn.lanes[i] - first;
        half[i / 8] |= (u64)(lane < 16 ? lane : 0x80) << i % 8 * 8;
    }
    return vec_constant(c, half[0], half[1]);
}

// Whether the lanes are groups of four neighbours, all of one vector; `*imm` for pshufd.
static bool lanes_by_four(const u8 lanes[16], u8 *imm) {
    *imm = 0;
    for (u32 i = 0; i < 16; i++) {
        if ((lanes[i] & 3) != i % 4 || lanes[i] >> 2 != lanes[i & ~3u] >> 2)
            return false;
        *imm |= (u8)((lanes[i] >> 2 & 3) << i / 4 * 2);
    }
    return true;
}

// All lanes are of `x`, whose lane 0 has the number `first`: pshufd r, x, imm / pshufb r, x,
// [lanes]
static void shuffle_one(struct baseline *c, struct operand *x, u32 first) {
    u8 imm;
    operand_load(c, x);
    u8 to = vec_result(c, x);
    if (lanes_by_four(c->insn.lanes, &imm))
        asm_vec_rri(c->a, VEC_PSHUFD, as_xmm(to), vec(x), imm);
    else
        asm_vec_rrl(c->a, VEC_PSHUFB, as_xmm(to), vec(x), lanes_of(c, first));
    push_reg(c, VALUE_V128, to);
}

// Whether the lanes are, in turn, groups of `size` bytes of the two vectors, beginning at `start`.
static bool lanes_interleave(const u8 lanes[16], u32 size, u32 start) {
    for (u32 i = 0; i < 16; i++) {
        u32 group = i / size;
        u32 expected = start + group / 2 * size + i % size + (group % 2) * 16;
        if (lanes[i] != expected)
            return false;
    }
    return true;
}

static bool lanes_unpack(const u8 lanes[16], enum vec_op *op) {
    static const struct {
        enum vec_op low;
        enum vec_op high;
    } unpacks[] = {
        {VEC_PUNPCKLBW, VEC_PUNPCKHBW},
        {VEC_PUNPCKLWD, VEC_PUNPCKHWD},
        {VEC_PUNPCKLDQ, VEC_PUNPCKHDQ},
        {VEC_PUNPCKLQDQ, VEC_PUNPCKHQDQ},
    };
    for (u32 i = 0; i < COUNT_OF(unpacks); i++) {
        if (lanes_interleave(lanes, 1u << i, 0)) {
            *op = unpacks[i].low;
            return true;
        }
        if (lanes_interleave(lanes, 1u << i, 8)) {
            *op = unpacks[i].high;
            return true;
        }
    }
    return false;
}

// Whether the lanes are sixteen neighbours.
static bool lanes_in_a_row(const u8 lanes[16]) {
    for (u32 i = 1; i < 16; i++) {
        if (lanes[i] != lanes[0] + i)
            return false;
    }
    return true;
}

// punpck r, a, b / palignr r, b, a, bytes
// pshufb xmm15, b, [lanes]; pshufb r, a, [lanes]; por r, xmm15
static void shuffle_two(struct baseline *c, struct operand *a, struct operand *b) {
    enum vec_op unpack;
    operand_load(c, a);
    operand_load(c, b);
    if (lanes_in_a_row(c->insn.lanes)) {
        u8 to = xmm_result(c, b, a);
        asm_vec_rrri(c->a, VEC_PALIGNR, as_xmm(to), vec(b), vec(a), c->insn.lanes[0]);
        push_reg(c, VALUE_V128, to);
        return;
    }
    u8 to = xmm_result(c, a, b);
    if (lanes_unpack(c->insn.lanes, &unpack)) {
        asm_vec_rrr(c->a, unpack, as_xmm(to), vec(a), vec(b));
    } else {
        asm_vec_rrl(c->a, VEC_PSHUFB, SCRATCH_XMM, vec(b), lanes_of(c, 16));
        asm_vec_rrl(c->a, VEC_PSHUFB, as_xmm(to), vec(a), lanes_of(c, 0));
        asm_vec_rr(c->a, VEC_POR, as_xmm(to), SCRATCH_XMM);
    }
    push_reg(c, VALUE_V128, to);
}

void simd_shuffle(struct baseline *c, const struct simd_row *) {
    u32 of_b = 0;
    for (u32 i = 0; i < 16; i++)
        of_b += c->insn.lanes[i] >= 16;
    struct operand b = pop(c);
    struct operand a = pop(c);
    if (of_b == 0) {
        operand_release(c, &b);
        shuffle_one(c, &a, 0);
    } else if (of_b == 16) {
        operand_release(c, &a);
        shuffle_one(c, &b, 16);
    } else {
        shuffle_two(c, &a, &b);
    }
}
