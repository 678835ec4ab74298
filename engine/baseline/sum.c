// i32 additions that are left to whoever takes their result.
//
// Most of them compute addresses, and an address may be a sum of a register, a register shifted by
// up to three, and a constant: the access takes the sum as it stands, wrapping around at 32 bits as
// i32.add does. So additions, and shifts that are about to be added to, only collect their operands
// into a SLOT_SUM, which pins its registers. Everything else that pops it gets it computed by one
// lea. What the next instruction puts into a local is computed at once: it has a place.

#include "engine/baseline/baseline_internal.h"

// i32.add, i32.const, local.get, local.set and local.tee.
#define BYTE_ADD   0x6a
#define BYTE_CONST 0x41
#define BYTE_GET   0x20
#define BYTE_SET   0x21
#define BYTE_TEE   0x22

struct mem sum_mem(const struct operand *x) {
    ASSERT(x->kind == SLOT_SUM);
    return (struct mem){.base = x->reg == NO_REG ? NO_GPR : as_gpr(x->reg),
                        .index = x->index == NO_REG ? NO_GPR : as_gpr(x->index),
                        .scale = x->scale,
                        .disp = (i32)x->value};
}

static bool reg_is_own(const struct baseline *c, u8 reg) {
    return reg != NO_REG && c->refs[reg] == 1 && (c->locals & bit(reg)) == 0;
}

u8 sum_own_reg(const struct baseline *c, const struct operand *x) {
    if (reg_is_own(c, x->reg))
        return x->reg;
    return reg_is_own(c, x->index) ? x->index : NO_REG;
}

// lea r, [sum]
void operand_settle(struct baseline *c, struct operand *x) {
    if (x->kind != SLOT_SUM)
        return;
    u8 to = sum_own_reg(c, x);
    if (to == NO_REG)
        to = reg_alloc(c, GPR_MASK);
    else
        reg_retain(c, to);
    // Looking for a register may have sent the sum home, where it is on the stack.
    if (x->kind != SLOT_SUM) {
        reg_release(c, to);
        return;
    }
    struct mem sum = sum_mem(x);
    operand_release(c, x);
    asm_lea(c->a, W32, as_gpr(to), sum);
    x->kind = SLOT_REG;
    x->reg = to;
}

void operands_settle(struct baseline *c, u32 count) {
    ASSERT(count <= c->operand_count);
    u32 first = c->operand_count - count;
    for (u32 i = first > c->window ? first : c->window; i < c->operand_count; i++)
        operand_settle(c, &c->operands[i]);
}

// Leaves every register as it was: whoever looks for one may still read what it has released.
// push r; lea r, [sum]; mov [home], r; pop r
void sum_write_home(struct baseline *c, struct operand *x) {
    struct mem sum = sum_mem(x);
    enum gpr borrowed = as_gpr(x->reg != NO_REG ? x->reg : x->index);
    asm_push(c->a, borrowed);
    asm_lea(c->a, W32, borrowed, sum);
    asm_store(c->a, W32, operand_home(c, x), borrowed);
    asm_pop(c->a, borrowed);
}

// -- Looking ahead, at bytes that validation has yet to see ---------------------------------------

static bool next_sets_local(const struct baseline *c) {
    const struct reader *r = &c->validator.reader;
    return r->at != r->end && (*r->at == BYTE_SET || *r->at == BYTE_TEE);
}

// Whether an addition follows, perhaps behind one constant or local.
static bool next_adds(const struct baseline *c) {
    const u8 *at = c->validator.reader.at;
    const u8 *end = c->validator.reader.end;
    if (at != end && (*at == BYTE_CONST || *at == BYTE_GET)) {
        do {
            at++;
        } while (at != end && *at >= 0x80);
        at += at != end;
    }
    return at != end && *at == BYTE_ADD;
}

bool shift_is_delayed(struct baseline *c, u32 count) {
    struct operand *x = &c->operands[c->operand_count - 1];
    bool single = x->kind == SLOT_REG || (x->kind == SLOT_SUM && x->index == NO_REG);
    if (!single || count == 0 || count > 3 || !next_adds(c))
        return false;
    x->value = x->kind == SLOT_SUM ? (u32)(x->value << count) : 0;
    x->kind = SLOT_SUM;
    x->index = x->reg;
    x->scale = (u8)count;
    x->reg = NO_REG;
    return true;
}

// -- Addition -------------------------------------------------------------------------------------

static struct operand as_sum(const struct operand *x) {
    struct operand sum = {.kind = SLOT_SUM, .type = VALUE_I32, .reg = NO_REG, .index = NO_REG};
    if (x->kind == SLOT_SUM)
        return *x;
    if (x->kind == SLOT_REG)
        sum.reg = x->reg;
    else
        sum.value = x->value;
    return sum;
}

// Adds a term to a sum, if there is room for it.
static bool sum_take(struct operand *sum, u8 reg, u8 scale) {
    if (reg == NO_REG)
        return true;
    if (scale == 0 && sum->reg == NO_REG) {
        sum->reg = reg;
        return true;
    }
    if (sum->index != NO_REG)
        return false;
    sum->index = reg;
    sum->scale = scale;
    return true;
}

static bool sum_combine(const struct operand *a, const struct operand *b, struct operand *out) {
    struct operand x = as_sum(a);
    struct operand y = as_sum(b);
    *out = (struct operand){.kind = SLOT_SUM, .type = VALUE_I32, .reg = NO_REG, .index = NO_REG};
    out->value = (u32)(x.value + y.value);
    return sum_take(out, x.reg, 0) && sum_take(out, y.reg, 0) && sum_take(out, x.index, x.scale) &&
           sum_take(out, y.index, y.scale);
}

// add r, imm / add r, r: where the first register, or else the other, may be overwritten.
static bool add_in_place(struct baseline *c, const struct operand *sum) {
    if (sum->index != NO_REG && (sum->scale != 0 || sum->value != 0))
        return false;
    struct operand a = {.kind = SLOT_REG, .type = VALUE_I32, .reg = sum->reg};
    struct operand b = {.kind = SLOT_REG, .type = VALUE_I32, .reg = sum->index};
    if (b.reg != NO_REG && !operand_is_own(c, &a) && !operand_is_replaced(c, &a)) {
        a.reg = sum->index;
        b.reg = sum->reg;
    }
    if (!operand_is_own(c, &a) && !operand_is_replaced(c, &a))
        return false;
    operand_own(c, &a, &b);
    if (b.reg == NO_REG) {
        asm_alu_ri(c->a, ALU_ADD, W32, as_gpr(a.reg), (i32)sum->value);
    } else {
        asm_alu_rr(c->a, ALU_ADD, W32, as_gpr(a.reg), as_gpr(b.reg));
        operand_release(c, &b);
    }
    zero_flag_note(c, a.reg);
    push_reg(c, VALUE_I32, a.reg);
    return true;
}

// add a, [folded load]
static void add_load(struct baseline *c, struct operand *a, const struct operand *b) {
    operand_settle(c, a);
    operand_own(c, a, NULL);
    asm_alu_rm(c->a, ALU_ADD, W32, as_gpr(a->reg), folded_load(c));
    zero_flag_note(c, a->reg);
    operand_release(c, b);
    push_reg(c, VALUE_I32, a->reg);
}

// Nothing; or, for a local: add r, x / lea r, [sum]. A sum of too many terms: lea r, [a] first.
void emit_add_i32(struct baseline *c) {
    struct operand b = pop_sum(c);
    struct operand a = pop_sum(c);
    if (operand_is_const(&a) && operand_is_const(&b)) {
        push_const(c, VALUE_I32, (u32)(a.value + b.value));
        return;
    }
    if (b.kind == SLOT_LOAD) {
        add_load(c, &a, &b);
        return;
    }
    if (b.kind == SLOT_HOME)
        operand_load(c, &b);
    if (a.kind == SLOT_HOME)
        operand_load(c, &a);
    struct operand sum;
    if (!sum_combine(&a, &b, &sum)) {
        operand_settle(c, &a);
        if (!sum_combine(&a, &b, &sum)) {
            operand_settle(c, &b);
            bool combined = sum_combine(&a, &b, &sum);
            ASSERT(combined);
        }
    }
    if (!next_sets_local(c)) {
        push_sum(c, &sum);
    } else if (!add_in_place(c, &sum)) {
        struct mem from = sum_mem(&sum);
        u8 to = reg_result(c, GPR_MASK, &sum);
        asm_lea(c->a, W32, as_gpr(to), from);
        push_reg(c, VALUE_I32, to);
    }
}
