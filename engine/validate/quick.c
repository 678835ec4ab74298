// The instructions that function bodies are mostly made of, read and checked in one go.
//
// Invariant: what is not as expected, be it rare, malformed or invalid, changes nothing and is left
// to insn_read and validator_step, which know all the rules and word the refusals. So whatever this
// file accepts, they accept with the same effect.
//
// Near the end of a body there is nothing quick, so that reading needs no checks.

#include "engine/decode/quick.h"
#include "engine/validate/validate_internal.h"

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
        !quick_immediate(v->decl, types->immediate, &at, insn))
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
