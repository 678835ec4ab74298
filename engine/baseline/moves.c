// Moving values between registers, homes and constants, one by one and in parallel.
//
// Nothing here changes the abstract state, and nothing but mov instructions is emitted: the flags
// survive, so that moves may stand between a comparison and its jump.

#include "engine/baseline/baseline_internal.h"

#include "engine/x64/asm_vec.h"

// mov r, r / movaps x, x
void value_move(struct baseline *c, enum value_type type, u8 to, u8 from) {
    if (value_type_in_xmm(type))
        asm_movaps_rr(c->a, as_xmm(to), as_xmm(from));
    else
        asm_mov_rr(c->a, type_width(type), as_gpr(to), as_gpr(from));
}

// mov r, [m] / movs x, [m] / movups x, [m]
void value_load(struct baseline *c, enum value_type type, u8 to, struct mem from) {
    if (type == VALUE_V128)
        asm_loadv(c->a, as_xmm(to), from);
    else if (value_type_is_float(type))
        asm_loadf(c->a, type_fwidth(type), as_xmm(to), from);
    else
        asm_load(c->a, type_width(type), as_gpr(to), from);
}

// mov [m], r / movs [m], x / movups [m], x
void value_store(struct baseline *c, enum value_type type, struct mem to, u8 from) {
    if (type == VALUE_V128)
        asm_storev(c->a, to, as_xmm(from));
    else if (value_type_is_float(type))
        asm_storef(c->a, type_fwidth(type), to, as_xmm(from));
    else
        asm_store(c->a, type_width(type), to, as_gpr(from));
}

// mov r, imm / xorps x, x / mov r11, imm; movq x, r11
void value_const(struct baseline *c, enum value_type type, u8 to, u64 bits) {
    ASSERT(type != VALUE_V128);
    if (!value_type_is_float(type)) {
        asm_mov_ri(c->a, as_gpr(to), bits);
    } else if (bits == 0) {
        asm_sse_rr(c->a, SSE_XOR, F32, as_xmm(to), as_xmm(to));
    } else {
        asm_mov_ri(c->a, SCRATCH, bits);
        asm_mov_xr(c->a, type == VALUE_F32 ? W32 : W64, as_xmm(to), SCRATCH);
    }
}

// The width of a value in memory, float or not.
static enum width memory_width(enum value_type type) {
    return type == VALUE_I32 || type == VALUE_F32 ? W32 : W64;
}

// mov [m], r / mov [m], imm (two of them for wide ones) / mov r11, [home]; mov [m], r11
// (movups xmm15, [home]; movups [m], xmm15 for a v128)
// Only a value at home takes a scratch register: spilling never does.
void operand_store(struct baseline *c, const struct operand *x, struct mem to) {
    enum width w = memory_width(x->type);
    switch (x->kind) {
    case SLOT_REG:
        value_store(c, x->type, to, x->reg);
        return;
    case SLOT_CONST:
        if (w == W32 || (i64)x->value == (i32)x->value) {
            asm_store_i(c->a, w, to, (i32)x->value);
            return;
        }
        asm_store_i(c->a, W32, to, (i32)x->value);
        to.disp += 4;
        asm_store_i(c->a, W32, to, (i32)(x->value >> 32));
        return;
    case SLOT_HOME: {
        struct mem home = operand_home(c, x);
        if (home.disp == to.disp && home.base == to.base)
            return;
        if (x->type == VALUE_V128) {
            asm_loadv(c->a, SCRATCH_XMM, home);
            asm_storev(c->a, to, SCRATCH_XMM);
            return;
        }
        asm_load(c->a, w, SCRATCH, home);
        asm_store(c->a, w, to, SCRATCH);
        return;
    }
    case SLOT_SUM:
    case SLOT_LOAD:
    case SLOT_FLAGS:
        break;
    }
    UNREACHABLE();
}

void moves_begin(struct baseline *c) {
    c->moves.from_reg = 0;
    c->moves.from_memory = 0;
}

void moves_add_load(struct baseline *c, u8 to, enum value_type type, struct mem from) {
    struct moves *m = &c->moves;
    ASSERT(((m->from_reg | m->from_memory) & bit(to)) == 0);
    m->from_memory |= bit(to);
    m->type[to] = type;
    m->value[to].kind = SLOT_HOME;
    m->memory[to] = from;
}

void moves_add(struct baseline *c, u8 to, const struct operand *x) {
    struct moves *m = &c->moves;
    ASSERT(((m->from_reg | m->from_memory) & bit(to)) == 0);
    m->type[to] = x->type;
    switch (x->kind) {
    case SLOT_REG:
        if (x->reg == to)
            return;
        m->from_reg |= bit(to);
        m->source[to] = x->reg;
        return;
    case SLOT_CONST:
        m->from_memory |= bit(to);
        m->value[to] = *x;
        return;
    case SLOT_HOME:
        moves_add_load(c, to, x->type, operand_home(c, x));
        return;
    case SLOT_SUM:
    case SLOT_LOAD:
    case SLOT_FLAGS:
        break;
    }
    UNREACHABLE();
}

static u8 lowest(u32 mask) {
    return (u8)__builtin_ctz(mask);
}

// Register to register. A destination is written once no pending move reads it. When all pending
// destinations are still read, they form cycles: saving one in the scratch register opens its
// cycle, which is then finished before the next one needs the scratch register.
static void moves_emit_registers(struct baseline *c) {
    struct moves *m = &c->moves;
    u8 readers[REG_COUNT] = {0};
    for (u32 left = m->from_reg; left != 0; left &= left - 1)
        readers[m->source[lowest(left)]]++;

    u32 ready = 0;
    for (u32 left = m->from_reg; left != 0; left &= left - 1) {
        if (readers[lowest(left)] == 0)
            ready |= bit(lowest(left));
    }

    u32 pending = m->from_reg;
    while (pending != 0) {
        if (ready == 0) {
            u8 cut = lowest(pending);
            u8 scratch = cut < REG_XMM ? (u8)SCRATCH : xmm_reg(SCRATCH_XMM);
            enum value_type whole = cut < REG_XMM ? VALUE_I64 : VALUE_F64;
            value_move(c, whole, scratch, cut);
            for (u32 left = pending; left != 0; left &= left - 1) {
                if (m->source[lowest(left)] == cut)
                    m->source[lowest(left)] = scratch;
            }
            readers[cut] = 0;
            ready = bit(cut);
        }
        u8 to = lowest(ready);
        u8 from = m->source[to];
        value_move(c, m->type[to], to, from);
        ready &= ~bit(to);
        pending &= ~bit(to);
        if ((pending & bit(from)) != 0 && --readers[from] == 0)
            ready |= bit(from);
    }
}

// mov r, r ...; mov r, [home] ...; mov r, imm ...
void moves_emit(struct baseline *c) {
    struct moves *m = &c->moves;
    if (m->from_reg != 0)
        moves_emit_registers(c);
    for (u32 left = m->from_memory; left != 0; left &= left - 1) {
        u8 to = lowest(left);
        if (m->value[to].kind == SLOT_CONST)
            value_const(c, m->type[to], to, m->value[to].value);
        else
            value_load(c, m->type[to], to, m->memory[to]);
    }
}
