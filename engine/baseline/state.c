// The abstract state: which local and which operand is in which register. Invariants are listed in
// baseline_internal.h and checked by state_check.
//
// Getting a register never fails: first a free one, then one that only caches a clean local, then
// one with a dirty local, and at last the oldest operands go home. Everything emitted here is a
// mov, so the flags of a comparison survive.

#include "engine/baseline/baseline_internal.h"

#include "base/string.h"

void state_reset(struct baseline *c) {
    c->used = 0;
    c->locals = 0;
    c->clean = 0;
    c->victim = 0;
    c->zero_flag_reg = NO_REG;
    memset(c->refs, 0, sizeof(c->refs));
    for (u32 i = 0; i < REG_COUNT; i++)
        c->local_of[i] = NO_LOCAL;
    c->operand_count = 0;
    c->window = 0;
}

void state_check(const struct baseline *c) {
    u8 refs[REG_COUNT] = {0};
    CHECK(c->window <= c->operand_count || c->operand_count == 0);
    for (u32 i = c->window; i < c->operand_count; i++) {
        const struct operand *x = &c->operands[i];
        CHECK(x->slot == operand_slot(c, i));
        bool two = x->kind == SLOT_SUM || x->kind == SLOT_LOAD;
        if (x->kind == SLOT_REG || (two && x->reg != NO_REG))
            refs[x->reg]++;
        if (two && x->index != NO_REG)
            refs[x->index]++;
    }
    for (u8 reg = 0; reg < REG_COUNT; reg++) {
        CHECK(refs[reg] == c->refs[reg]); // nothing is pinned between instructions
        CHECK(((c->used & bit(reg)) != 0) == (c->refs[reg] != 0));
        CHECK(((c->locals & bit(reg)) != 0) == (c->local_of[reg] != NO_LOCAL));
        CHECK(c->local_of[reg] == NO_LOCAL || c->local[c->local_of[reg]].reg == reg);
    }
    CHECK((c->clean & ~c->locals) == 0);
    CHECK(((c->used | c->locals) & ~(GPR_MASK | XMM_MASK)) == 0);
}

// -- Homes --------------------------------------------------------------------------------------

struct mem operand_home(const struct baseline *c, const struct operand *x) {
    return mem_at(RBP, -8 * (i32)(c->home_slots + x->slot + value_type_slots(x->type)));
}

void operand_slots_reserve(struct baseline *c, const struct operand *x) {
    u32 end = x->slot + value_type_slots(x->type);
    if (end > c->operand_slots)
        c->operand_slots = end;
}

struct mem local_home(const struct baseline *c, u32 local) {
    return mem_at(RBP, c->local[local].home);
}

static enum value_type local_type(const struct baseline *c, u32 local) {
    return c->validator.locals[local];
}

// -- Registers ----------------------------------------------------------------------------------

// The local in `reg` is there no more; its home must be up to date or its value dead.
static void local_detach(struct baseline *c, u8 reg) {
    ASSERT((c->locals & bit(reg)) != 0);
    c->local[c->local_of[reg]].reg = NO_REG;
    c->local_of[reg] = NO_LOCAL;
    c->locals &= ~bit(reg);
    c->clean &= ~bit(reg);
}

void local_attach(struct baseline *c, u32 local, u8 reg, bool clean) {
    ASSERT((c->locals & bit(reg)) == 0);
    ASSERT(c->local[local].reg == NO_REG);
    c->local[local].reg = reg;
    c->local_of[reg] = (u16)local;
    c->locals |= bit(reg);
    if (clean)
        c->clean |= bit(reg);
}

// mov [home], r
static void local_write_home(struct baseline *c, u8 reg) {
    u32 local = c->local_of[reg];
    if ((c->clean & bit(reg)) == 0)
        value_store(c, local_type(c, local), local_home(c, local), reg);
    c->clean |= bit(reg);
}

static void operand_write_home(struct baseline *c, struct operand *x) {
    operand_slots_reserve(c, x);
    if (x->kind == SLOT_SUM)
        sum_write_home(c, x);
    else
        operand_store(c, x, operand_home(c, x));
    operand_release(c, x);
    x->kind = SLOT_HOME;
}

[[gnu::noinline]] void operands_spill(struct baseline *c, u32 below) {
    ASSERT(below <= c->operand_count);
    for (; c->window < below; c->window++) {
        struct operand *x = &c->operands[c->window];
        if (x->kind != SLOT_HOME)
            operand_write_home(c, x);
    }
}

void locals_spill(struct baseline *c) {
    for (u32 dirty = c->locals & ~c->clean; dirty != 0; dirty &= dirty - 1)
        local_write_home(c, (u8)__builtin_ctz(dirty));
}

void locals_evict(struct baseline *c, u32 regs) {
    ASSERT((regs & ~c->locals) == 0);
    for (u32 left = regs; left != 0; left &= left - 1) {
        u8 reg = (u8)__builtin_ctz(left);
        local_write_home(c, reg);
        local_detach(c, reg);
    }
}

void local_drop(struct baseline *c, u32 local) {
    if (c->local[local].reg != NO_REG)
        local_detach(c, c->local[local].reg);
}

void locals_forget(struct baseline *c) {
    ASSERT(c->clean == c->locals);
    for (u32 left = c->locals; left != 0; left &= left - 1)
        local_detach(c, (u8)__builtin_ctz(left));
}

void state_clobber(struct baseline *c) {
    ASSERT(c->used == 0);
    locals_forget(c);
}

// The first register of `mask` at or after the rotating position, so that none is always the one.
static u8 rotate(struct baseline *c, u32 mask) {
    u32 later = mask & ~((2u << c->victim) - 1);
    u8 reg = (u8)__builtin_ctz(later != 0 ? later : mask);
    c->victim = reg;
    return reg;
}

// A register of `mask` that nothing is in, after spilling. Not pinned yet.
static u8 reg_empty(struct baseline *c, u32 mask) {
    for (;;) {
        u32 unused = mask & ~c->used;
        if ((unused & ~c->locals) != 0)
            return (u8)__builtin_ctz(unused & ~c->locals);
        if (unused != 0) {
            u8 reg = rotate(c, (unused & c->clean) != 0 ? unused & c->clean : unused);
            local_write_home(c, reg);
            local_detach(c, reg);
            return reg;
        }
        CHECK(c->window < c->operand_count); // an emitter pins fewer registers than there are
        operands_spill(c, c->window + 1);
    }
}

u8 reg_alloc(struct baseline *c, u32 mask) {
    u8 reg = reg_empty(c, mask);
    reg_retain(c, reg);
    return reg;
}

// The operand's use of `reg`, if there is one, or NULL.
static u8 *operand_use(struct operand *x, u8 reg) {
    if ((x->kind == SLOT_REG || x->kind == SLOT_SUM) && x->reg == reg)
        return &x->reg;
    return x->kind == SLOT_SUM && x->index == reg ? &x->index : NULL;
}

// Stacked operands that are in `from` are in `to` from now on.
static bool operands_redirect(struct baseline *c, u8 from, u8 to) {
    bool found = false;
    for (u32 i = c->window; i < c->operand_count; i++) {
        for (u8 *use = operand_use(&c->operands[i], from); use != NULL;
             use = operand_use(&c->operands[i], from)) {
            *use = to;
            reg_retain(c, to);
            reg_release(c, from);
            found = true;
        }
    }
    return found;
}

// Moves to an empty register, if there is one, or else home.
void reg_claim(struct baseline *c, u8 reg, u32 avoid) {
    u32 class_mask = reg < REG_XMM ? GPR_MASK : XMM_MASK;
    u32 empty = class_mask & ~avoid & ~bit(reg) & ~c->used & ~c->locals;
    u32 local = c->local_of[reg];
    bool clean = (c->clean & bit(reg)) != 0;
    if (local != NO_LOCAL && empty == 0)
        local_write_home(c, reg);
    if (local != NO_LOCAL)
        local_detach(c, reg);
    if (empty != 0) {
        u8 to = (u8)__builtin_ctz(empty);
        bool moved = operands_redirect(c, reg, to);
        if (moved || local != NO_LOCAL)
            value_move(c, reg < REG_XMM ? VALUE_I64 : VALUE_V128, to, reg);
        if (local != NO_LOCAL)
            local_attach(c, local, to, clean);
        return;
    }
    for (u32 i = c->window; i < c->operand_count; i++) {
        if (operand_use(&c->operands[i], reg) != NULL)
            operand_write_home(c, &c->operands[i]);
    }
}

// The register of the local that the next instruction sets, or NO_REG: a result computed there
// needs no move. Looks at undecoded bytes, which validation has yet to see.
static u8 reg_hint(const struct baseline *c, u32 mask) {
    const struct reader *r = &c->validator.reader;
    if (r->end - r->at < 3 || (r->at[0] != 0x21 && r->at[0] != 0x22))
        return NO_REG;
    u32 local = r->at[1];
    if (local >= 0x80)
        local = (local & 0x7f) | (u32)r->at[2] << 7;
    if ((r->at[1] >= 0x80 && r->at[2] >= 0x80) || local >= c->validator.local_count)
        return NO_REG;
    u8 reg = c->local[local].reg;
    return reg != NO_REG && (bit(reg) & mask) != 0 ? reg : NO_REG;
}

u8 reg_result(struct baseline *c, u32 mask, const struct operand *x) {
    if (x != NULL && x->kind == SLOT_SUM) {
        u8 own = sum_own_reg(c, x);
        operand_release(c, x);
        if (own != NO_REG && (bit(own) & mask) != 0) {
            reg_retain(c, own);
            return own;
        }
    } else if (x != NULL && x->kind == SLOT_REG) {
        if ((bit(x->reg) & mask) != 0 && operand_is_own(c, x))
            return x->reg;
        reg_release(c, x->reg);
    }
    u8 reg = reg_hint(c, mask);
    if (reg != NO_REG && c->refs[reg] == 0) {
        local_detach(c, reg);
        reg_retain(c, reg);
        return reg;
    }
    return reg_alloc(c, mask);
}

// -- Operands -----------------------------------------------------------------------------------

void push_sum(struct baseline *c, const struct operand *sum) {
    ASSERT(sum->kind == SLOT_SUM);
    struct operand *x = push(c, SLOT_SUM, VALUE_I32);
    x->reg = sum->reg;
    x->index = sum->index;
    x->scale = sum->scale;
    x->value = sum->value;
}

void push_load(struct baseline *c, enum value_type type, const struct operand *index) {
    struct operand *x = push(c, SLOT_LOAD, type);
    x->reg = index->kind == SLOT_CONST ? NO_REG : index->reg;
    x->index = index->kind == SLOT_SUM ? index->index : NO_REG;
}

void operand_release_sum(struct baseline *c, const struct operand *x) {
    if (x->reg != NO_REG)
        reg_release(c, x->reg);
    if (x->index != NO_REG)
        reg_release(c, x->index);
}

bool operand_is_replaced(const struct baseline *c, const struct operand *x) {
    return x->kind == SLOT_REG && c->refs[x->reg] == 1 && reg_hint(c, bit(x->reg)) == x->reg;
}

// mov r, imm / movs x, [constant] / mov r, [home]
static void operand_fill(struct baseline *c, struct operand *x, u8 reg) {
    bool is_float = value_type_is_float(x->type);
    if (x->kind == SLOT_CONST && is_float && x->value != 0 &&
        c->constant_count < c->constant_capacity)
        asm_loadf_label(c->a, type_fwidth(x->type), as_xmm(reg), vec_constant(c, x->value, 0));
    else if (x->kind == SLOT_CONST)
        value_const(c, x->type, reg, x->value);
    else
        value_load(c, x->type, reg, operand_home(c, x));
    x->kind = SLOT_REG;
    x->reg = reg;
}

void operand_load_in(struct baseline *c, struct operand *x, u32 mask) {
    ASSERT(x->kind != SLOT_FLAGS);
    if (x->kind != SLOT_REG) {
        operand_fill(c, x, reg_alloc(c, mask));
    } else if ((bit(x->reg) & mask) == 0) {
        u8 reg = reg_alloc(c, mask);
        value_move(c, x->type, reg, x->reg);
        reg_release(c, x->reg);
        x->reg = reg;
    }
}

void operand_own(struct baseline *c, struct operand *x, const struct operand *keep) {
    if (operand_is_own(c, x))
        return;
    u32 mask = type_mask(x->type);
    u8 reg = reg_hint(c, mask);
    bool kept = keep != NULL && keep->kind == SLOT_REG && keep->reg == reg;
    bool here = x->kind == SLOT_REG && x->reg == reg;
    if (reg != NO_REG && !kept && c->refs[reg] == here) {
        local_detach(c, reg);
        if (here)
            return;
        reg_retain(c, reg);
    } else {
        reg = reg_alloc(c, mask);
    }
    if (x->kind == SLOT_REG) {
        value_move(c, x->type, reg, x->reg);
        reg_release(c, x->reg);
        x->reg = reg;
    } else {
        operand_fill(c, x, reg);
    }
}

void operand_move_to(struct baseline *c, struct operand *x, u8 reg) {
    ASSERT((c->locals & bit(reg)) == 0);
    if (x->kind == SLOT_REG && x->reg == reg)
        return;
    ASSERT(c->refs[reg] == 0);
    reg_retain(c, reg);
    if (x->kind == SLOT_REG) {
        value_move(c, x->type, reg, x->reg);
        reg_release(c, x->reg);
        x->reg = reg;
    } else {
        operand_fill(c, x, reg);
    }
}

u8 xmm_result(struct baseline *c, struct operand *a, const struct operand *b) {
    if (!c->target.has_avx) {
        operand_own(c, a, b);
        operand_release(c, b);
        return a->reg;
    }
    operand_load(c, a);
    u8 own = NO_REG;
    if (operand_is_own(c, a))
        own = a->reg;
    else if (operand_is_own(c, b))
        own = b->reg;
    reg_release(c, a->reg);
    if (b->kind == SLOT_REG)
        reg_release(c, b->reg);
    u8 to = reg_hint(c, XMM_MASK);
    if (to != NO_REG && c->refs[to] == 0) {
        local_detach(c, to);
        reg_retain(c, to);
    } else if (own != NO_REG) {
        to = own;
        reg_retain(c, to);
    } else {
        to = reg_alloc(c, XMM_MASK);
    }
    if (b->kind != SLOT_REG)
        operand_release(c, b); // only now: spilling may take an address's registers
    return to;
}

// -- Locals -------------------------------------------------------------------------------------

// mov r, [home]
[[gnu::noinline]] void local_load(struct baseline *c, u32 local) {
    enum value_type type = local_type(c, local);
    u8 reg = reg_empty(c, type_mask(type));
    value_load(c, type, reg, local_home(c, local));
    local_attach(c, local, reg, true);
}

// Shares the local's register; loads it first, and keeps it there, when it is at home.
void local_get(struct baseline *c, u32 local) {
    local_read(c, local);
    if (c->local[local].reg == NO_REG)
        local_load(c, local);
    u8 reg = c->local[local].reg;
    reg_retain(c, reg);
    push_reg(c, local_type(c, local), reg);
}

// Makes `x` the value of a local and leaves it pinned in the register that the two share.
static void local_assign(struct baseline *c, u32 local, struct operand *x) {
    local_assigned(c, local);
    u8 own = c->local[local].reg;
    if (x->kind == SLOT_REG && x->reg == own)
        return;
    bool copy = x->kind != SLOT_REG || (c->locals & bit(x->reg)) != 0;
    if (copy) {
        u8 reg;
        if (own != NO_REG && c->refs[own] == 0) {
            reg = own;
            reg_retain(c, reg);
        } else {
            reg = reg_alloc(c, type_mask(x->type));
        }
        if (x->kind == SLOT_REG) {
            value_move(c, x->type, reg, x->reg);
            reg_release(c, x->reg);
            x->reg = reg;
        } else {
            operand_fill(c, x, reg);
        }
    }
    // Getting a register may have emptied the local's own.
    if (c->local[local].reg != NO_REG)
        local_detach(c, c->local[local].reg);
    local_attach(c, local, x->reg, false);
}

void local_set(struct baseline *c, u32 local) {
    struct operand x = pop(c);
    local_assign(c, local, &x);
    reg_release(c, x.reg);
}

void local_tee(struct baseline *c, u32 local) {
    struct operand x = pop(c);
    local_assign(c, local, &x);
    push_reg(c, x.type, x.reg);
}
