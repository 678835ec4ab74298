// Integer arithmetic, comparison and bit operations.
//
// Two-address instructions take their left operand in a register that may be overwritten
// (operand_own) and their right one as a register, an immediate or its home.

#include "engine/baseline/baseline_internal.h"

#include "base/math.h"

static void operands_swap(struct operand *a, struct operand *b) {
    struct operand t = *a;
    *a = *b;
    *b = t;
}

// op a, r / op a, imm / op a, [home] / op a, [folded load]
static void alu_operand(struct baseline *c, enum alu op, const struct operand *a,
                        const struct operand *b) {
    enum width w = type_width(a->type);
    switch (b->kind) {
    case SLOT_REG:
        asm_alu_rr(c->a, op, w, as_gpr(a->reg), as_gpr(b->reg));
        return;
    case SLOT_CONST:
        asm_alu_ri(c->a, op, w, as_gpr(a->reg), operand_imm32(b));
        return;
    case SLOT_LOAD:
        asm_alu_rm(c->a, op, w, as_gpr(a->reg), folded_load(c));
        return;
    default:
        asm_alu_rm(c->a, op, w, as_gpr(a->reg), operand_home(c, b));
        return;
    }
}

static void load_unless_imm32(struct baseline *c, struct operand *x) {
    if (operand_is_const(x) && !operand_is_imm32(x))
        operand_load(c, x);
}

// lea r, [a + b] / lea r, [a + imm]
static void emit_add_lea(struct baseline *c, const struct operand *a, const struct operand *b) {
    struct mem sum = {.base = as_gpr(a->reg), .index = NO_GPR};
    if (b->kind == SLOT_REG)
        sum.index = as_gpr(b->reg);
    else
        sum.disp = operand_imm32(b);
    operand_release(c, b);
    u8 to = reg_result(c, GPR_MASK, a);
    asm_lea(c->a, type_width(a->type), as_gpr(to), sum);
    push_reg(c, a->type, to);
}

// op a, b; for an addition whose operands must both survive: lea r, [a + b]
void emit_alu(struct baseline *c, enum alu op, enum value_type type) {
    struct operand *top = &c->operands[c->operand_count - 1];
    if (op == ALU_SUB && type == VALUE_I32 && operand_is_const(top)) {
        top->value = (u32)-top->value;
        op = ALU_ADD;
    }
    if (op == ALU_ADD && type == VALUE_I32) {
        emit_add_i32(c);
        return;
    }
    struct operand b = pop(c);
    struct operand a = pop(c);
    bool commutes = op != ALU_SUB;
    if (commutes && !operand_is_const(&b) &&
        (operand_is_const(&a) || (operand_is_own(c, &b) && !operand_is_own(c, &a))))
        operands_swap(&a, &b);
    load_unless_imm32(c, &b);

    // Subtracting a constant is adding its opposite, but for the one that has none.
    if (op == ALU_SUB && type == VALUE_I64 && operand_is_imm32(&b) &&
        operand_imm32(&b) != INT32_MIN) {
        op = ALU_ADD;
        b.value = -b.value;
    }
    bool overwrite = operand_is_own(c, &a) || operand_is_replaced(c, &a);
    if (op == ALU_ADD && a.kind == SLOT_REG && !overwrite &&
        (b.kind == SLOT_REG || b.kind == SLOT_CONST)) {
        emit_add_lea(c, &a, &b);
        return;
    }
    operand_own(c, &a, &b);
    alu_operand(c, op, &a, &b);
    zero_flag_note(c, a.reg);
    operand_release(c, &b);
    push_reg(c, type, a.reg);
}

// imul a, b / imul r, a, imm / shl a, log2
void emit_mul(struct baseline *c, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    enum width w = type_width(type);
    if (!operand_is_const(&b) &&
        (operand_is_const(&a) || (operand_is_own(c, &b) && !operand_is_own(c, &a))))
        operands_swap(&a, &b);
    load_unless_imm32(c, &b);

    if (operand_is_const(&b) && is_power_of_two(b.value)) {
        operand_own(c, &a, NULL);
        if (b.value != 1)
            asm_shift_i(c->a, SHIFT_SHL, w, as_gpr(a.reg), (u8)log2_floor(b.value));
        push_reg(c, type, a.reg);
        return;
    }
    if (operand_is_const(&b)) {
        operand_load(c, &a);
        u8 to = reg_result(c, GPR_MASK, &a);
        asm_imul_rri(c->a, w, as_gpr(to), as_gpr(a.reg), operand_imm32(&b));
        push_reg(c, type, to);
        return;
    }
    operand_own(c, &a, &b);
    if (b.kind == SLOT_REG)
        asm_imul_rr(c->a, w, as_gpr(a.reg), as_gpr(b.reg));
    else if (b.kind == SLOT_LOAD)
        asm_imul_rm(c->a, w, as_gpr(a.reg), folded_load(c));
    else
        asm_imul_rm(c->a, w, as_gpr(a.reg), operand_home(c, &b));
    operand_release(c, &b);
    push_reg(c, type, a.reg);
}

// -- Division -----------------------------------------------------------------------------------

// Unsigned, by a power of two: shr a, log2 / and a, divisor - 1 (and a, r11 for a wide mask)
static void divide_by_power(struct baseline *c, struct operand *a, u64 divisor, bool remainder) {
    enum width w = type_width(a->type);
    operand_own(c, a, NULL);
    if (!remainder) {
        if (divisor != 1)
            asm_shift_i(c->a, SHIFT_SHR, w, as_gpr(a->reg), (u8)log2_floor(divisor));
    } else if (divisor - 1 <= INT32_MAX) {
        asm_alu_ri(c->a, ALU_AND, w, as_gpr(a->reg), (i32)(divisor - 1));
    } else {
        asm_mov_ri(c->a, SCRATCH, divisor - 1);
        asm_alu_rr(c->a, ALU_AND, w, as_gpr(a->reg), SCRATCH);
    }
    push_reg(c, a->type, a->reg);
}

// Moves the dividend to rax and the divisor out of rax and rdx (to r11 if need be). Afterwards rax
// is pinned by the dividend, and rdx is empty.
static enum gpr divide_operands(struct baseline *c, struct operand *a, struct operand *b) {
    u32 fixed = bit(RAX) | bit(RDX);
    enum gpr divisor = SCRATCH;
    if (b->kind == SLOT_REG && (bit(b->reg) & fixed) == 0) {
        divisor = as_gpr(b->reg);
    } else if (b->kind == SLOT_REG) {
        value_move(c, b->type, SCRATCH, b->reg);
        reg_release(c, b->reg);
        b->kind = SLOT_HOME; // nothing left to release
    } else if (b->kind == SLOT_CONST) {
        value_const(c, b->type, SCRATCH, b->value);
    } else {
        value_load(c, b->type, SCRATCH, operand_home(c, b));
    }
    reg_claim(c, RAX, fixed);
    operand_move_to(c, a, RAX);
    reg_claim(c, RDX, fixed);
    return divisor;
}

// Signed: cdq; idiv. A divisor that may be -1 is caught before, where the quotient may overflow:
//   div: cmp d, -1; jne go; cmp eax, INT_MIN (or neg) ; je cold
//   rem: cmp d, -1; jne go; xor edx, edx; jmp done
static void divide_signed(struct baseline *c, enum gpr divisor, enum width w, bool remainder,
                          const struct operand *b) {
    struct label go = {0};
    struct label done = {0};
    bool minus_one = !operand_is_const(b) || operand_imm32(b) == -1;
    if (minus_one) {
        asm_alu_ri(c->a, ALU_CMP, w, divisor, -1);
        asm_jcc(c->a, COND_NE, &go);
        if (remainder) {
            asm_zero(c->a, RDX);
            asm_jmp(c->a, &done);
        } else {
            // -x overflows exactly for the smallest x; the quotient is the negated dividend.
            asm_unary(c->a, UNARY_NEG, w, RAX);
            asm_jcc(c->a, COND_O, trap_label(c, TRAP_INTEGER_OVERFLOW));
            asm_jmp(c->a, &done);
        }
        asm_bind(c->a, &go);
    }
    asm_cdq(c->a, w);
    asm_unary(c->a, UNARY_IDIV, w, divisor);
    asm_bind(c->a, &done);
}

// test d, d; je cold; (signed checks;) cdq or xor edx, edx; idiv or div
void emit_divide(struct baseline *c, enum wasm_op op, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    enum width w = type_width(type);
    bool remainder = op == OP_I32_REM_S || op == OP_I32_REM_U;
    bool is_signed = op == OP_I32_DIV_S || op == OP_I32_REM_S;
    if (!is_signed && operand_is_const(&b) && is_power_of_two(b.value)) {
        divide_by_power(c, &a, b.value, remainder);
        return;
    }

    bool constant = operand_is_const(&b) && b.value != 0;
    enum gpr divisor = divide_operands(c, &a, &b);
    if (!constant) {
        asm_test_rr(c->a, w, divisor, divisor);
        asm_jcc(c->a, COND_E, trap_label(c, TRAP_DIVIDE_BY_ZERO));
    }
    if (is_signed) {
        divide_signed(c, divisor, w, remainder, &b);
    } else {
        asm_zero(c->a, RDX);
        asm_unary(c->a, UNARY_DIV, w, divisor);
    }
    operand_release(c, &b);
    if (remainder) {
        reg_release(c, RAX);
        reg_retain(c, RDX);
    }
    push_reg(c, type, remainder ? RDX : RAX);
}

// -- Shifts -------------------------------------------------------------------------------------

// shl a, imm / count to rcx; shl a, cl: the hardware masks the count as WebAssembly does
void emit_shift(struct baseline *c, enum shift op, enum value_type type) {
    struct operand count = pop(c);
    if (op == SHIFT_SHL && type == VALUE_I32 && operand_is_const(&count) &&
        shift_is_delayed(c, (u32)count.value & 31))
        return;
    struct operand a = pop(c);
    enum width w = type_width(type);
    if (operand_is_const(&count)) {
        u8 masked = (u8)(count.value & (w == W32 ? 31 : 63));
        operand_own(c, &a, NULL);
        if (masked != 0)
            asm_shift_i(c->a, op, w, as_gpr(a.reg), masked);
        if (masked != 0 && op >= SHIFT_SHL)
            zero_flag_note(c, a.reg);
        push_reg(c, type, a.reg);
        return;
    }
    // The value leaves rcx first; then the count moves in.
    if (a.kind == SLOT_REG && a.reg == RCX && !(count.kind == SLOT_REG && count.reg == RCX))
        operand_load_in(c, &a, GPR_MASK & ~bit(RCX));
    reg_claim(c, RCX, bit(RCX));
    if (count.kind == SLOT_REG && count.reg == RCX && a.kind == SLOT_REG && a.reg == RCX)
        operand_load_in(c, &a, GPR_MASK & ~bit(RCX)); // both are the same local
    operand_move_to(c, &count, RCX);
    operand_own(c, &a, &count);
    asm_shift_cl(c->a, op, w, as_gpr(a.reg));
    operand_release(c, &count);
    push_reg(c, type, a.reg);
}

// -- Bits ---------------------------------------------------------------------------------------

// lzcnt r, a, or: mov r11d, 2 * bits - 1; bsr r, a; cmove r, r11; xor r, bits - 1
static void emit_clz(struct baseline *c, enum width w, enum gpr to, enum gpr from) {
    if (c->target.has_lzcnt) {
        asm_lzcnt(c->a, w, to, from);
        return;
    }
    i32 bits = w == W32 ? 32 : 64;
    asm_mov_ri(c->a, SCRATCH, (u64)(2 * bits - 1));
    asm_bsr(c->a, w, to, from);
    asm_cmov(c->a, COND_E, w, to, SCRATCH);
    asm_alu_ri(c->a, ALU_XOR, w, to, bits - 1);
}

// tzcnt r, a, or: mov r11d, bits; bsf r, a; cmove r, r11
static void emit_ctz(struct baseline *c, enum width w, enum gpr to, enum gpr from) {
    if (c->target.has_bmi1) {
        asm_tzcnt(c->a, w, to, from);
        return;
    }
    asm_mov_ri(c->a, SCRATCH, w == W32 ? 32 : 64);
    asm_bsf(c->a, w, to, from);
    asm_cmov(c->a, COND_E, w, to, SCRATCH);
}

void emit_bits(struct baseline *c, enum wasm_op op, enum value_type type) {
    struct operand x = pop(c);
    enum width w = type_width(type);
    operand_load(c, &x);
    enum gpr from = as_gpr(x.reg);
    u8 to = reg_result(c, GPR_MASK, &x);
    if (op == OP_I32_CLZ)
        emit_clz(c, w, as_gpr(to), from);
    else if (op == OP_I32_CTZ)
        emit_ctz(c, w, as_gpr(to), from);
    else
        asm_popcnt(c->a, w, as_gpr(to), from);
    push_reg(c, type, to);
}

// -- Comparisons --------------------------------------------------------------------------------

// The condition for b ? a that holds when `cond` does for a ? b.
static enum cond cond_swapped(enum cond cond) {
    switch (cond) {
    case COND_L:
        return COND_G;
    case COND_G:
        return COND_L;
    case COND_LE:
        return COND_GE;
    case COND_GE:
        return COND_LE;
    case COND_B:
        return COND_A;
    case COND_A:
        return COND_B;
    case COND_BE:
        return COND_AE;
    case COND_AE:
        return COND_BE;
    default:
        return cond;
    }
}

// cmp [folded load], b / cmp [folded load], imm
static void compare_load(struct baseline *c, const struct operand *a, const struct operand *b) {
    enum width w = c->folded.width;
    if (operand_is_const(b))
        asm_alu_mi(c->a, ALU_CMP, w, folded_load(c), w == W8 ? (i8)b->value : operand_imm32(b));
    else
        asm_alu_mr(c->a, ALU_CMP, w, folded_load(c), as_gpr(b->reg));
    operand_release(c, a);
}

// cmp a, b / cmp a, imm / test a, a / cmp a, [home]
void emit_compare(struct baseline *c, enum cond cond, enum value_type type) {
    struct operand b = pop(c);
    struct operand a = pop(c);
    if (operand_is_const(&a) && !operand_is_const(&b)) {
        operands_swap(&a, &b);
        cond = cond_swapped(cond);
    }
    load_unless_imm32(c, &b);
    if (a.kind == SLOT_LOAD) {
        compare_load(c, &a, &b);
        operand_release(c, &b);
        push_truth(c, flags_of(cond));
        return;
    }
    operand_load(c, &a);
    if (operand_is_const(&b) && b.value == 0 && (cond == COND_E || cond == COND_NE))
        zero_flag_test(c, type, a.reg);
    else if (operand_is_const(&b) && b.value == 0)
        asm_test_rr(c->a, type_width(type), as_gpr(a.reg), as_gpr(a.reg));
    else
        alu_operand(c, ALU_CMP, &a, &b);
    operand_release(c, &a);
    operand_release(c, &b);
    push_truth(c, flags_of(cond));
}

// test a, a; sete / the opposite of a truth value in the flags
void emit_eqz(struct baseline *c, enum value_type type) {
    struct operand x = pop(c);
    if (x.kind == SLOT_FLAGS) {
        push_truth(c, flags_not(x.flags));
        return;
    }
    if (x.kind == SLOT_LOAD) {
        folded_test(c);
    } else {
        operand_load(c, &x);
        zero_flag_test(c, type, x.reg);
    }
    operand_release(c, &x);
    push_truth(c, flags_of(COND_E));
}

// -- Widths -------------------------------------------------------------------------------------

// mov r32, r32
void emit_wrap(struct baseline *c) {
    struct operand x = pop(c);
    if (operand_is_const(&x)) {
        push_const(c, VALUE_I32, (u32)x.value);
        return;
    }
    x.type = VALUE_I32; // a home is simply read as 32 bits
    bool loaded = x.kind == SLOT_HOME;
    operand_load(c, &x);
    u8 to = reg_result(c, GPR_MASK, &x);
    if (!loaded || to != x.reg)
        asm_mov_rr(c->a, W32, as_gpr(to), as_gpr(x.reg));
    push_reg(c, VALUE_I32, to);
}

// movsx r, x; nothing for i64.extend_i32_u: an i32 is always zero-extended
void emit_extend(struct baseline *c, enum wasm_op op) {
    struct operand x = pop(c);
    if (operand_is_const(&x) && op == OP_I64_EXTEND_I32_U) {
        push_const(c, VALUE_I64, (u32)x.value);
        return;
    }
    operand_load(c, &x);
    if (op == OP_I64_EXTEND_I32_U) {
        push_reg(c, VALUE_I64, x.reg);
        return;
    }
    enum width from_width = W32;
    if (op == OP_I32_EXTEND8_S || op == OP_I64_EXTEND8_S)
        from_width = W8;
    else if (op == OP_I32_EXTEND16_S || op == OP_I64_EXTEND16_S)
        from_width = W16;
    enum value_type type =
        op == OP_I32_EXTEND8_S || op == OP_I32_EXTEND16_S ? VALUE_I32 : VALUE_I64;
    u8 to = reg_result(c, GPR_MASK, &x);
    asm_movsx(c->a, type_width(type), from_width, as_gpr(to), as_gpr(x.reg));
    push_reg(c, type, to);
}
