// Where control flow joins: agreeing on one state and getting there.
//
// The first branch to a label decides the state by its own: locals stay where they are. A later
// branch moves to it; but as long as the label is not bound (no code relies on the state yet), what
// the two disagree on and what is at home on both sides is simply dropped from the state. So a
// state only ever loses facts until its label is bound, and branches made before stay right.

#include "engine/baseline/baseline_internal.h"

#include "base/string.h"

void merge_decide(struct baseline *c, struct merge *m, u32 count) {
    ASSERT(!m->decided);
    m->decided = true;
    m->locals = c->locals;
    m->clean = c->clean;
    memcpy(m->local_of, c->local_of, sizeof(m->local_of));

    // A carried value keeps its register when it shares it with nobody.
    u32 taken = c->locals | c->used;
    for (u32 i = 0; i < MERGE_CARRIED; i++) {
        m->carried[i] = NO_REG;
        if (i >= count)
            continue;
        const struct operand *x = &c->operands[c->operand_count - 1 - i];
        if (operand_is_own(c, x)) {
            m->carried[i] = x->reg;
            continue;
        }
        u32 empty = type_mask(x->type) & ~taken;
        if (empty != 0) {
            m->carried[i] = (u8)__builtin_ctz(empty);
            taken |= bit(m->carried[i]);
        }
    }
}

static bool moves_pending(const struct baseline *c) {
    return (c->moves.from_reg | c->moves.from_memory) != 0;
}

static void merge_drop_local(struct merge *m, u8 reg) {
    m->locals &= ~bit(reg);
    m->clean &= ~bit(reg);
}

// Whether a local of the state would have to be moved; loosens the state where it may.
static bool merge_needs_local(struct baseline *c, struct merge *m, u8 reg, bool bound) {
    u8 now = c->local[m->local_of[reg]].reg;
    bool clean = now == NO_REG || (c->clean & bit(now)) != 0;
    bool want_clean = (m->clean & bit(reg)) != 0;
    if (!bound && now == NO_REG && want_clean) {
        merge_drop_local(m, reg);
        return false;
    }
    if (!bound && !clean && want_clean) {
        m->clean &= ~bit(reg);
        want_clean = false;
    }
    return now != reg || (want_clean && !clean);
}

// The registers that hold the same local in both states, found four at a time.
static inline u32 merge_same(const struct baseline *c, const struct merge *m) {
    u32 same = c->locals & m->locals;
    for (u32 first = 0; first < REG_COUNT && same >> first != 0; first += 4) {
        u64 now;
        u64 then;
        memcpy(&now, &c->local_of[first], sizeof(now));
        memcpy(&then, &m->local_of[first], sizeof(then));
        u32 reg = first;
        for (u64 differ = now ^ then; differ != 0; differ >>= 16)
            same &= ~((u32)((differ & 0xffff) != 0) << reg++);
    }
    return same;
}

// Whether the local in `reg` is a temporary of the loop that has state `m`, which every iteration
// sets before anything else. It need not be home then, if the register is not wanted otherwise.
static bool is_dead_at(const struct baseline *c, const struct merge *m, u8 reg) {
    return c->temporary_block != 0 && m == &c->blocks[c->temporary_block].merge &&
           c->local[c->local_of[reg]].temporary_of == c->loop_stamp && (m->locals & bit(reg)) == 0;
}

bool merge_arrive(struct baseline *c, struct merge *m, u32 height, u32 count, bool bound) {
    ASSERT(m->decided);
    ASSERT(c->window >= height);
    u32 same = merge_same(c, m);
    if (!bound)
        m->clean &= c->clean | ~same;
    bool needed = (same & m->clean & ~c->clean) != 0;
    for (u32 left = m->locals & ~same; left != 0; left &= left - 1)
        needed |= merge_needs_local(c, m, (u8)__builtin_ctz(left), bound);
    // Dirty locals that the state wants elsewhere or at home.
    for (u32 left = c->locals & ~c->clean & ~same; left != 0; left &= left - 1)
        needed |= !is_dead_at(c, m, (u8)__builtin_ctz(left));

    u32 base = c->operand_count - count;
    for (u32 i = 0; i < count; i++) {
        const struct operand *x = &c->operands[base + i];
        u32 from_top = count - 1 - i;
        u8 reg = from_top < MERGE_CARRIED ? m->carried[from_top] : NO_REG;
        if (reg != NO_REG)
            needed |= x->kind != SLOT_REG || x->reg != reg;
        else
            needed |= x->kind != SLOT_HOME || base != height;
    }
    return needed;
}

// mov [home], r for locals that the state has at home only, or at home as well.
static void merge_store_locals(struct baseline *c, const struct merge *m) {
    u32 kept = 0; // registers whose dirty local may stay dirty
    for (u32 left = m->locals; left != 0; left &= left - 1) {
        u8 reg = (u8)__builtin_ctz(left);
        u8 now = c->local[m->local_of[reg]].reg;
        if (now != NO_REG && (m->clean & bit(reg)) == 0)
            kept |= bit(now);
    }
    for (u32 left = c->locals & ~c->clean & ~kept; left != 0; left &= left - 1) {
        u8 reg = (u8)__builtin_ctz(left);
        if (is_dead_at(c, m, reg))
            continue;
        u32 local = c->local_of[reg];
        value_store(c, c->validator.locals[local], local_home(c, local), reg);
    }
}

// Stores go first, while every register still has its old value. Carried values go to homes in
// ascending order: a value's old home is never below its new one, so none is overwritten unread.
void merge_moves(struct baseline *c, const struct merge *m, u32 height, u32 count) {
    merge_store_locals(c, m);

    moves_begin(c);
    u32 base = c->operand_count - count;
    u32 slot = operand_slot(c, height);
    for (u32 i = 0; i < count; i++) {
        const struct operand *x = &c->operands[base + i];
        u32 from_top = count - 1 - i;
        u8 reg = from_top < MERGE_CARRIED ? m->carried[from_top] : NO_REG;
        struct operand to = {.slot = slot, .type = x->type};
        slot += value_type_slots(x->type);
        if (reg != NO_REG) {
            moves_add(c, reg, x);
            continue;
        }
        operand_slots_reserve(c, &to);
        operand_store(c, x, operand_home(c, &to));
    }

    for (u32 left = m->locals; left != 0; left &= left - 1) {
        u8 reg = (u8)__builtin_ctz(left);
        u32 local = m->local_of[reg];
        enum value_type type = c->validator.locals[local];
        u8 now = c->local[local].reg;
        if (now == NO_REG) {
            moves_add_load(c, reg, type, local_home(c, local));
        } else {
            struct operand x = {.kind = SLOT_REG, .reg = now, .type = type};
            moves_add(c, reg, &x);
        }
    }
    if (moves_pending(c))
        moves_emit(c);
}

void merge_adopt(struct baseline *c, const struct merge *m, u32 height, u32 count,
                 const enum value_type *types) {
    ASSERT(m->decided);
    c->zero_flag_reg = NO_REG;
    u32 same = merge_same(c, m);
    for (u32 left = c->locals & ~same; left != 0; left &= left - 1) {
        u32 reg = (u32)__builtin_ctz(left);
        c->local[c->local_of[reg]].reg = NO_REG;
        c->local_of[reg] = NO_LOCAL;
    }
    for (u32 left = c->used; left != 0; left &= left - 1)
        c->refs[__builtin_ctz(left)] = 0;

    c->used = 0;
    c->locals = m->locals;
    c->clean = m->clean;
    for (u32 left = m->locals & ~same; left != 0; left &= left - 1) {
        u32 reg = (u32)__builtin_ctz(left);
        c->local_of[reg] = m->local_of[reg];
        c->local[m->local_of[reg]].reg = (u8)reg;
    }

    for (u32 i = 0; i < count; i++) {
        struct operand *x = &c->operands[height + i];
        u32 from_top = count - 1 - i;
        u8 reg = from_top < MERGE_CARRIED ? m->carried[from_top] : NO_REG;
        x->kind = reg == NO_REG ? SLOT_HOME : SLOT_REG;
        x->reg = reg;
        x->type = types[i];
        x->slot = operand_slot(c, height + i);
        if (reg != NO_REG)
            reg_retain(c, reg);
    }
    c->operand_count = height + count;
    c->window = count > MERGE_CARRIED ? c->operand_count - MERGE_CARRIED : height;
}

void merge_adopt_back(struct baseline *c, const struct merge *m) {
    u32 temporaries = 0;
    u16 local_of[REG_COUNT];
    for (u32 left = c->locals & ~c->clean; left != 0; left &= left - 1) {
        u8 reg = (u8)__builtin_ctz(left);
        if (is_dead_at(c, m, reg))
            temporaries |= bit(reg);
        local_of[reg] = c->local_of[reg];
    }
    merge_adopt(c, m, c->operand_count, 0, NULL);
    for (u32 left = temporaries; left != 0; left &= left - 1) {
        u8 reg = (u8)__builtin_ctz(left);
        local_attach(c, local_of[reg], reg, false);
    }
}
