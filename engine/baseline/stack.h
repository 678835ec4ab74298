#pragma once
// The parts of state.c that every emitter uses several times, inline. Included by
// baseline_internal.h only.

static inline void reg_retain(struct baseline *c, u8 reg) {
    ASSERT(c->refs[reg] < 0xff);
    c->refs[reg]++;
    c->used |= bit(reg);
}

static inline void reg_release(struct baseline *c, u8 reg) {
    ASSERT(c->refs[reg] != 0);
    if (--c->refs[reg] == 0)
        c->used &= ~bit(reg);
}

// The slot where the home of operand `index` begins.
static inline u32 operand_slot(const struct baseline *c, u32 index) {
    if (index == 0)
        return 0;
    const struct operand *below = &c->operands[index - 1];
    return below->slot + value_type_slots(below->type);
}

// Adds an operand, with the rest of it to be filled in.
static inline struct operand *push(struct baseline *c, enum slot_kind kind, enum value_type type) {
    ASSERT(c->operand_count < c->operand_capacity);
    if (c->operand_count - c->window >= WINDOW_MAX)
        operands_spill(c, c->window + 1);
    struct operand *x = &c->operands[c->operand_count];
    x->kind = kind;
    x->type = type;
    x->slot = operand_slot(c, c->operand_count++);
    return x;
}

// Takes over a pin.
static inline void push_reg(struct baseline *c, enum value_type type, u8 reg) {
    ASSERT(c->refs[reg] != 0);
    push(c, SLOT_REG, type)->reg = reg;
}

static inline void push_const(struct baseline *c, enum value_type type, u64 value) {
    ASSERT(type != VALUE_V128);
    push(c, SLOT_CONST, type)->value = value;
}

static inline void push_flags(struct baseline *c, struct flags flags) {
    push(c, SLOT_FLAGS, VALUE_I32)->flags = flags;
}

// Pops an operand that may be a sum.
static inline struct operand pop_sum(struct baseline *c) {
    ASSERT(c->operand_count != 0);
    c->operand_count--;
    if (c->window > c->operand_count)
        c->window = c->operand_count;
    return c->operands[c->operand_count];
}

// Pops an operand that is no sum (any more).
static inline struct operand pop(struct baseline *c) {
    struct operand x = pop_sum(c);
    if (x.kind == SLOT_SUM)
        operand_settle(c, &x);
    return x;
}

static inline void operand_release(struct baseline *c, const struct operand *x) {
    if (x->kind == SLOT_REG)
        reg_release(c, x->reg);
    else if (x->kind == SLOT_SUM || x->kind == SLOT_LOAD)
        operand_release_sum(c, x);
}

// Whether `x` is in a register that nothing else is in.
static inline bool operand_is_own(const struct baseline *c, const struct operand *x) {
    return x->kind == SLOT_REG && c->refs[x->reg] == 1 && (c->locals & bit(x->reg)) == 0;
}

// Makes sure that `x` is in a register.
static inline void operand_load(struct baseline *c, struct operand *x) {
    if (x->kind != SLOT_REG)
        operand_load_in(c, x, type_mask(x->type));
}

// Notes that the next instruction in the code may fault with `trap`.
static inline void site_here(struct baseline *c, enum trap trap) {
    if (trap == TRAP_NONE)
        c->calls = true;
    code_unit_site(c->unit, c->a->len, c->insn.offset, trap);
}
