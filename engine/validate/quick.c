// The instructions that function bodies are mostly made of, read and checked in one go.
//
// Invariant: what is not as expected, be it rare, malformed or invalid, changes nothing and is left
// to insn_read and validator_step, which know all the rules and word the refusals. So whatever this
// file accepts, they accept with the same effect.
//
// Near the end of a body there is nothing quick, so that reading needs no checks.

#include "engine/validate/validate_internal.h"

// More than an opcode and the longest immediates that are read here.
#define QUICK_BYTES 16

// A number of up to three bytes; false when it has more.
[[gnu::always_inline]] static inline bool quick_leb_u32(const u8 **at, u32 *value) {
    const u8 *p = *at;
    u32 low = p[0];
    u32 len = 1;
    if (low >= 0x80) {
        low = (low & 0x7f) | (u32)p[1] << 7;
        len = 2;
        if (low >= 0x80 << 7) {
            low = (low & 0x3fff) | (u32)p[2] << 14;
            len = 3;
            if (low >= 0x80 << 14)
                return false;
        }
    }
    *value = low;
    *at = p + len;
    return true;
}

// The same, signed.
[[gnu::always_inline]] static inline bool quick_leb_i32(const u8 **at, i32 *value) {
    const u8 *start = *at;
    u32 bits;
    if (!quick_leb_u32(at, &bits))
        return false;
    u32 unused = 32 - 7 * (u32)(*at - start);
    *value = (i32)(bits << unused) >> unused;
    return true;
}

// A memarg without a memory index, of an access whose natural alignment is `natural_align`.
[[gnu::always_inline]] static inline bool quick_memarg(const struct validator *v, const u8 **at,
                                                       u32 natural_align, struct insn *insn) {
    u8 align = *(*at)++;
    u32 offset;
    if (align > natural_align || v->decl->memory_count == 0 || v->decl->has_address64 ||
        !quick_leb_u32(at, &offset))
        return false;
    insn->mem.offset = offset;
    insn->mem.memory = 0;
    insn->mem.align = align;
    insn->mem.lane = 0;
    insn->mem.is64 = false;
    return true;
}

[[gnu::always_inline]] static inline bool quick_local(struct validator *v,
                                                      const struct insn *insn) {
    if (insn->index >= v->local_count)
        return false;
    enum value_type type = v->locals[insn->index];
    u32 count = v->operand_count;
    if (insn->op == OP_LOCAL_GET) {
        v->operands[count] = type;
        v->operand_count = count + 1;
        return true;
    }
    if (count <= v->height || v->operands[count - 1] != type)
        return false;
    v->operand_count = count - (insn->op == OP_LOCAL_SET ? 1 : 0);
    return true;
}

// All parameters are compared at once.
[[gnu::always_inline]] static inline bool quick_fixed(struct validator *v,
                                                      const struct wasm_op_types *types) {
    u32 params = types->param_count;
    u32 count = v->operand_count;
    if (count < v->height + params)
        return false;
    u32 have;
    u32 want;
    STATIC_ASSERT(sizeof(want) == sizeof(types->params), "all of them");
    STATIC_ASSERT(OPERANDS_SLACK >= sizeof(have), "reads behind the operands");
    memcpy(&have, v->operands + (count - params), sizeof(have));
    memcpy(&want, types->params, sizeof(want));
    if (((have ^ want) & types->params_mask) != 0)
        return false;
    v->operands[count - params] = types->result;
    v->operand_count = count - params + (types->result != VALUE_ANY ? 1 : 0);
    return true;
}

// Reads an immediate; false when it takes insn_read.
[[gnu::always_inline]] static inline bool quick_immediate(const struct validator *v,
                                                          enum immediate immediate, const u8 **at,
                                                          struct insn *insn) {
    switch (immediate) {
    case IMM_NONE:
        return true;
    case IMM_LOCAL:
    case IMM_LABEL:
    case IMM_FUNC:
    case IMM_GLOBAL:
        return quick_leb_u32(at, &insn->index);
    case IMM_I32:
        return quick_leb_i32(at, &insn->i32);
    case IMM_I64: {
        i32 value;
        if (!quick_leb_i32(at, &value))
            return false;
        insn->i64 = value;
        return true;
    }
    case IMM_MEM1:
    case IMM_MEM2:
    case IMM_MEM4:
    case IMM_MEM8:
        return quick_memarg(v, at, immediate - IMM_MEM1, insn);
    default:
        return false;
    }
}

STATIC_ASSERT(IMM_MEM2 == IMM_MEM1 + 1 && IMM_MEM4 == IMM_MEM1 + 2 && IMM_MEM8 == IMM_MEM1 + 3,
              "the difference is the natural alignment");

// Not inline: what the quick way calls, it calls last, and so has nothing to save.
[[gnu::noinline]] static bool general_next(struct validator *v, struct insn *insn) {
    insn_read(&v->reader, v->decl, insn);
    return validator_step(v, insn);
}

bool validator_next(struct validator *v, struct insn *insn) {
    struct reader *r = &v->reader;
    const u8 *start = r->at;
    if (reader_left(r) < QUICK_BYTES || v->operand_count >= v->operand_capacity)
        return general_next(v, insn);
    u16 found = wasm_op_by_slot[*start];
    if (found == 0)
        return general_next(v, insn);
    const struct wasm_op_types *types = &wasm_op_types[found - 1];
    insn->op = (enum wasm_op)(found - 1);
    insn->offset = (u32)(start - r->start);
    const u8 *at = start + 1;
    if ((types->feature & ~v->decl->features) != 0 ||
        !quick_immediate(v, types->immediate, &at, insn))
        return general_next(v, insn);

    if (types->immediate == IMM_LOCAL) {
        if (!quick_local(v, insn))
            return general_next(v, insn);
    } else if (types->param_count != WASM_OP_SPECIAL) {
        if (!quick_fixed(v, types))
            return general_next(v, insn);
    }
    v->insn_at = start;
    r->at = at;
    if (types->immediate != IMM_LOCAL && types->param_count == WASM_OP_SPECIAL)
        return step_special(v, insn);
    return true;
}
