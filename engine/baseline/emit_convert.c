// Conversions between integers and floats.
//
// cvtts2si gives the "indefinite" integer (only the top bit set) for NaN and for what is out of
// range; what that means is sorted out behind a jump that ordinary values take.

#include "engine/baseline/baseline_internal.h"

struct truncation {
    enum value_type from;
    enum value_type to;
    bool is_signed;
};

// The same order for the trapping ones (with other instructions between) and the saturating ones.
static const struct truncation truncations[] = {
    {VALUE_F32, VALUE_I32, true},  {VALUE_F32, VALUE_I32, false}, {VALUE_F64, VALUE_I32, true},
    {VALUE_F64, VALUE_I32, false}, {VALUE_F32, VALUE_I64, true},  {VALUE_F32, VALUE_I64, false},
    {VALUE_F64, VALUE_I64, true},  {VALUE_F64, VALUE_I64, false},
};

// An instruction in the making: from `x` to `to`, with room for one more float.
struct conversion {
    const struct truncation *kind;
    enum fwidth fwidth;
    enum xmm x;
    enum gpr to;
    enum xmm temp;
};

#define F32_TWO_63       0x5f000000u
#define F64_TWO_63       0x43e0000000000000u
#define F32_MINUS_TWO_31 0xcf000000u
#define F32_MINUS_TWO_63 0xdf000000u
#define F64_MINUS_TWO_63 0xc3e0000000000000u
// The largest f64 that truncates to less than -2^31.
#define F64_BELOW_I32 0xc1e0000000200000u

// mov r11, bits; movq xmm15, r11; ucomis x, xmm15
static void compare_with(struct baseline *c, const struct conversion *v, u64 bits) {
    value_const(c, v->kind->from, xmm_reg(SCRATCH_XMM), bits);
    asm_ucomis(c->a, v->fwidth, v->x, SCRATCH_XMM);
}

static u64 two_63(const struct conversion *v) {
    return v->fwidth == F32 ? F32_TWO_63 : F64_TWO_63;
}

// ucomis x, x; jp cold
static void trap_if_nan(struct baseline *c, const struct conversion *v) {
    asm_ucomis(c->a, v->fwidth, v->x, v->x);
    asm_jcc(c->a, COND_P, trap_label(c, TRAP_INVALID_CONVERSION));
}

// cvtts2si r, x; cmp r, 1; jno done     (only the indefinite integer overflows)
// trap if nan; x below the range: cold; x at least 0: cold; done:
static void trunc_signed(struct baseline *c, const struct conversion *v) {
    struct label done = {0};
    enum width w = type_width(v->kind->to);
    asm_cvtts2si(c->a, w, v->fwidth, v->to, v->x);
    asm_alu_ri(c->a, ALU_CMP, w, v->to, 1);
    asm_jcc(c->a, COND_NO, &done);
    trap_if_nan(c, v);

    // i32 from f64 is the one whose range has a bound that is not reached: x <= bound is below.
    u64 bound = v->fwidth == F32 ? F32_MINUS_TWO_63 : F64_MINUS_TWO_63;
    enum cond below = COND_B;
    if (w == W32) {
        bound = v->fwidth == F32 ? F32_MINUS_TWO_31 : F64_BELOW_I32;
        below = v->fwidth == F32 ? COND_B : COND_BE;
    }
    compare_with(c, v, bound);
    asm_jcc(c->a, below, trap_label(c, TRAP_INTEGER_OVERFLOW));
    compare_with(c, v, 0);
    asm_jcc(c->a, COND_AE, trap_label(c, TRAP_INTEGER_OVERFLOW));
    asm_bind(c->a, &done);
}

// cvtts2si r64, x; mov r11d, r32; cmp r11, r64; je done; trap if nan; jmp cold; done:
static void trunc_unsigned_32(struct baseline *c, const struct conversion *v) {
    struct label done = {0};
    asm_cvtts2si(c->a, W64, v->fwidth, v->to, v->x);
    asm_mov_rr(c->a, W32, SCRATCH, v->to);
    asm_alu_rr(c->a, ALU_CMP, W64, SCRATCH, v->to);
    asm_jcc(c->a, COND_E, &done);
    trap_if_nan(c, v);
    asm_jmp(c->a, trap_label(c, TRAP_INTEGER_OVERFLOW));
    asm_bind(c->a, &done);
}

// subs t, x, xmm15 (2^63); cvtts2si r, t; test r, r
static void trunc_less_two_63(struct baseline *c, const struct conversion *v) {
    asm_sse_rrr(c->a, SSE_SUB, v->fwidth, v->temp, v->x, SCRATCH_XMM);
    asm_cvtts2si(c->a, W64, v->fwidth, v->to, v->temp);
    asm_test_rr(c->a, W64, v->to, v->to);
}

// mov r11, 1 << 63; xor r, r11
static void add_two_63(struct baseline *c, const struct conversion *v) {
    asm_mov_ri(c->a, SCRATCH, 1ull << 63);
    asm_alu_rr(c->a, ALU_XOR, W64, v->to, SCRATCH);
}

// cvtts2si r, x; test r, r; jns done; trap if nan; x < 2^63: cold (it is negative);
// r = trunc(x - 2^63); js cold; xor r, 1 << 63; done:
static void trunc_unsigned_64(struct baseline *c, const struct conversion *v) {
    struct label done = {0};
    asm_cvtts2si(c->a, W64, v->fwidth, v->to, v->x);
    asm_test_rr(c->a, W64, v->to, v->to);
    asm_jcc(c->a, COND_NS, &done);
    trap_if_nan(c, v);
    compare_with(c, v, two_63(v));
    asm_jcc(c->a, COND_B, trap_label(c, TRAP_INTEGER_OVERFLOW));
    trunc_less_two_63(c, v);
    asm_jcc(c->a, COND_S, trap_label(c, TRAP_INTEGER_OVERFLOW));
    add_two_63(c, v);
    asm_bind(c->a, &done);
}

// cvtts2si r, x; cmp r, 1; jno done
// ucomis x, 0; jb done (already the smallest); mov r, 0; jp done; mov r, largest; done:
static void saturate_signed(struct baseline *c, const struct conversion *v) {
    struct label done = {0};
    struct label nan = {0};
    enum width w = type_width(v->kind->to);
    asm_cvtts2si(c->a, w, v->fwidth, v->to, v->x);
    asm_alu_ri(c->a, ALU_CMP, w, v->to, 1);
    asm_jcc(c->a, COND_NO, &done);
    compare_with(c, v, 0);
    asm_jcc(c->a, COND_P, &nan); // unordered sets the carry too
    asm_jcc(c->a, COND_B, &done);
    asm_mov_ri(c->a, v->to, w == W32 ? INT32_MAX : INT64_MAX);
    asm_jmp(c->a, &done);
    asm_bind(c->a, &nan);
    asm_zero(c->a, v->to);
    asm_bind(c->a, &done);
}

// cvtts2si r64, x; mov r11d, r32; cmp r11, r64; je done
// ucomis x, 0; mov r, 0; jbe done (NaN too); mov r, largest; done:
static void saturate_unsigned_32(struct baseline *c, const struct conversion *v) {
    struct label done = {0};
    asm_cvtts2si(c->a, W64, v->fwidth, v->to, v->x);
    asm_mov_rr(c->a, W32, SCRATCH, v->to);
    asm_alu_rr(c->a, ALU_CMP, W64, SCRATCH, v->to);
    asm_jcc(c->a, COND_E, &done);
    compare_with(c, v, 0);
    asm_mov_ri(c->a, v->to, 0);
    asm_jcc(c->a, COND_BE, &done);
    asm_mov_ri(c->a, v->to, UINT32_MAX);
    asm_bind(c->a, &done);
}

// ucomis x, 0; mov r, 0; jbe done (NaN too); ucomis x, 2^63; jae large; cvtts2si r, x; jmp done
// large: r = trunc(x - 2^63); js most; xor r, 1 << 63; jmp done; most: mov r, -1; done:
static void saturate_unsigned_64(struct baseline *c, const struct conversion *v) {
    struct label large = {0};
    struct label most = {0};
    struct label done = {0};
    compare_with(c, v, 0);
    asm_mov_ri(c->a, v->to, 0);
    asm_jcc(c->a, COND_BE, &done);
    compare_with(c, v, two_63(v));
    asm_jcc(c->a, COND_AE, &large);
    asm_cvtts2si(c->a, W64, v->fwidth, v->to, v->x);
    asm_jmp(c->a, &done);
    asm_bind(c->a, &large);
    trunc_less_two_63(c, v);
    asm_jcc(c->a, COND_S, &most);
    add_two_63(c, v);
    asm_jmp(c->a, &done);
    asm_bind(c->a, &most);
    asm_mov_ri(c->a, v->to, UINT64_MAX);
    asm_bind(c->a, &done);
}

static void emit_truncation(struct baseline *c, const struct truncation *kind, bool saturate) {
    struct operand x = pop(c);
    operand_load(c, &x);
    u8 temp = reg_alloc(c, XMM_MASK);
    u8 to = reg_result(c, GPR_MASK, NULL);
    struct conversion v = {kind, type_fwidth(kind->from), as_xmm(x.reg), as_gpr(to), as_xmm(temp)};
    if (kind->is_signed)
        (saturate ? saturate_signed : trunc_signed)(c, &v);
    else if (kind->to == VALUE_I32)
        (saturate ? saturate_unsigned_32 : trunc_unsigned_32)(c, &v);
    else
        (saturate ? saturate_unsigned_64 : trunc_unsigned_64)(c, &v);
    reg_release(c, temp);
    operand_release(c, &x);
    push_reg(c, kind->to, to);
}

void emit_trunc(struct baseline *c, enum wasm_op op) {
    u32 row = op >= OP_I64_TRUNC_F32_S ? op - OP_I64_TRUNC_F32_S + 4u : op - OP_I32_TRUNC_F32_S;
    emit_truncation(c, &truncations[row], false);
}

void emit_trunc_sat(struct baseline *c, enum wasm_op op) {
    emit_truncation(c, &truncations[op - OP_I32_TRUNC_SAT_F32_S], true);
}

// A number of 2^63 or more is halved, its lowest bit kept sticky so that rounding comes out right:
// test r, r; js large; cvtsi2s x, r; jmp done
// large: mov r11, r; shr r11, 1; mov t, r; and t, 1; or r11, t; cvtsi2s x, r11; adds x, x; done:
static void convert_unsigned_64(struct baseline *c, enum fwidth w, enum xmm to, enum gpr from,
                                enum gpr temp) {
    struct label large = {0};
    struct label done = {0};
    asm_test_rr(c->a, W64, from, from);
    asm_jcc(c->a, COND_S, &large);
    asm_cvtsi2s(c->a, w, W64, to, from);
    asm_jmp(c->a, &done);
    asm_bind(c->a, &large);
    asm_mov_rr(c->a, W64, SCRATCH, from);
    asm_shift_i(c->a, SHIFT_SHR, W64, SCRATCH, 1);
    asm_mov_rr(c->a, W32, temp, from);
    asm_alu_ri(c->a, ALU_AND, W32, temp, 1);
    asm_alu_rr(c->a, ALU_OR, W64, SCRATCH, temp);
    asm_cvtsi2s(c->a, w, W64, to, SCRATCH);
    asm_sse_rr(c->a, SSE_ADD, w, to, to);
    asm_bind(c->a, &done);
}

// xorps x, x (the conversion keeps the upper part: no false dependency); cvtsi2s x, r
void emit_convert(struct baseline *c, enum wasm_op op) {
    struct operand a = pop(c);
    operand_load(c, &a);
    enum value_type type = op >= OP_F64_CONVERT_I32_S ? VALUE_F64 : VALUE_F32;
    u32 kind = op - (type == VALUE_F64 ? OP_F64_CONVERT_I32_S : OP_F32_CONVERT_I32_S);
    enum { I32_S, I32_U, I64_S, I64_U };

    u8 temp = kind == I64_U ? reg_alloc(c, GPR_MASK) : NO_REG;
    u8 to = reg_result(c, XMM_MASK, NULL);
    asm_sse_rr(c->a, SSE_XOR, F32, as_xmm(to), as_xmm(to));
    if (kind == I64_U) {
        convert_unsigned_64(c, type_fwidth(type), as_xmm(to), as_gpr(a.reg), as_gpr(temp));
        reg_release(c, temp);
    } else {
        // An unsigned i32 is a signed i64: its upper half is zero.
        asm_cvtsi2s(c->a, type_fwidth(type), kind == I32_S ? W32 : W64, as_xmm(to), as_gpr(a.reg));
    }
    operand_release(c, &a);
    push_reg(c, type, to);
}

// movd/movq; a constant or a home is just read as the other type
void emit_reinterpret(struct baseline *c, enum value_type to) {
    struct operand x = pop(c);
    enum width w = to == VALUE_I32 || to == VALUE_F32 ? W32 : W64;
    if (operand_is_const(&x)) {
        push_const(c, to, x.value);
        return;
    }
    u8 reg;
    if (x.kind == SLOT_HOME) {
        reg = reg_result(c, type_mask(to), NULL);
        value_load(c, to, reg, operand_home(c, &x));
    } else {
        reg = reg_result(c, type_mask(to), &x);
        if (value_type_is_float(to))
            asm_mov_xr(c->a, w, as_xmm(reg), as_gpr(x.reg));
        else
            asm_mov_rx(c->a, w, as_gpr(reg), as_xmm(x.reg));
    }
    push_reg(c, to, reg);
}

// cvtss2sd r, x / cvtsd2ss r, x
void emit_promote(struct baseline *c, enum value_type to) {
    struct operand x = pop(c);
    operand_load(c, &x);
    u8 reg = reg_result(c, XMM_MASK, &x);
    asm_cvts2s(c->a, type_fwidth(to), as_xmm(reg), as_xmm(x.reg));
    push_reg(c, to, reg);
}
