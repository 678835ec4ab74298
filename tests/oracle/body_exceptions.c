// Exceptions: thrown, caught, thrown again. A module has either those with references or the older
// form, which engines do not take together.

#include "tests/oracle/body.h"

#include <string.h>

static bool is_legacy(const struct body *b) {
    return plan_has(b->plan, FEATURE_LEGACY_EXCEPTIONS);
}

static const struct plan_type *tag_type(const struct body *b, u32 tag) {
    return &b->plan->types[b->plan->tags[tag].type];
}

// An instruction behind which the code is dead, with `count` operands: mostly on a condition.
static void leaving(struct body *b, enum wasm_op op, u32 index, const enum value_type *types,
                    u32 count) {
    bool is_conditional = !entropy_one_in(b->e, 6);
    if (is_conditional) {
        body_value(b, VALUE_I32);
        body_pop(b, 1);
        body_open(b, OP_IF, &body_no_types);
        body_enter(b, &body_no_types, FRAME_BLOCK);
    }
    body_provide(b, types, count);
    body_op(b, op);
    if (op != OP_THROW_REF)
        out_unsigned(&b->code, index);
    body_become_dead(b);
    if (is_conditional)
        body_leave(b);
}

// The innermost frames first; UINT32_MAX when no handler is open.
static u32 find_handler(const struct body *b) {
    for (u32 label = 0; label < b->depth; label++) {
        if (b->frames[b->depth - 1 - label].kind == FRAME_CATCH)
            return label;
    }
    return UINT32_MAX;
}

void body_throw(struct body *b) {
    u32 tag = entropy_below(b->e, b->plan->tag_count);
    if (entropy_one_in(b->e, 3) && is_legacy(b)) {
        // Behind the condition's own block the handler is one further out.
        u32 handler = find_handler(b);
        if (handler == UINT32_MAX)
            return;
        body_op(b, OP_RETHROW);
        out_unsigned(&b->code, handler);
        body_become_dead(b);
    } else if (entropy_one_in(b->e, 6) && !is_legacy(b)) {
        leaving(b, OP_THROW_REF, 0, (const enum value_type[]){VALUE_EXNREF}, 1);
    } else {
        leaving(b, OP_THROW, tag, tag_type(b, tag)->types, tag_type(b, tag)->param_count);
    }
}

// -- try_table ------------------------------------------------------------------------------------

enum clause { CATCH, CATCH_REF, CATCH_ALL, CATCH_ALL_REF, CLAUSES };

// What a branch of the clause carries, as the type of a block that takes it.
static const struct plan_type *clause_type(const struct body *b, enum clause clause, u32 tag) {
    static const struct plan_type exception = {.result_count = 1, .types = {VALUE_EXNREF}};
    switch (clause) {
    case CATCH:
        return &b->plan->types[b->plan->tags[tag].caught];
    case CATCH_REF:
        return &b->plan->types[b->plan->tags[tag].caught_ref];
    case CATCH_ALL:
        return &body_no_types;
    default:
        return &exception;
    }
}

static void write_clause(struct body *b, enum clause clause, u32 tag, u32 label) {
    out_byte(&b->code, (u8)clause);
    if (clause == CATCH || clause == CATCH_REF)
        out_unsigned(&b->code, tag);
    out_unsigned(&b->code, label);
}

// Any label that takes what the clause carries.
static u32 find_label(const struct body *b, const struct plan_type *type) {
    const enum value_type *types;
    for (u32 label = 0; label < b->depth; label++) {
        if (body_label(b, label, &types) == type->result_count &&
            memcmp(types, type->types, type->result_count) == 0)
            return label;
    }
    return UINT32_MAX;
}

//     block (result ...)
//       try_table (catch ... 0) (...) ... end
//       values
//     end
static void try_table(struct body *b) {
    enum clause clause = (enum clause)entropy_below(b->e, CLAUSES);
    u32 tag = entropy_below(b->e, b->plan->tag_count);
    enum clause second = (enum clause)entropy_below(b->e, CLAUSES);
    u32 second_tag = entropy_below(b->e, b->plan->tag_count);
    const struct plan_type *type = clause_type(b, clause, tag);
    body_open(b, OP_BLOCK, type);
    body_enter(b, type, FRAME_BLOCK);
    u32 label = find_label(b, clause_type(b, second, second_tag));

    body_open(b, OP_TRY_TABLE, &body_no_types);
    out_unsigned(&b->code, label == UINT32_MAX ? 1 : 2);
    if (label != UINT32_MAX)
        write_clause(b, second, second_tag, label);
    write_clause(b, clause, tag, 0);
    body_enter(b, &body_no_types, FRAME_BLOCK);
    body_steps(b, 1 + entropy_below(b->e, 5));
    body_leave(b);
    body_leave(b);
}

// -- try, the older form --------------------------------------------------------------------------

static void handler(struct body *b, bool all) {
    u32 tag = entropy_below(b->e, b->plan->tag_count);
    body_settle(b);
    body_op(b, all ? OP_CATCH_ALL : OP_CATCH);
    body_reopen(b, FRAME_CATCH);
    if (!all) {
        out_unsigned(&b->code, tag);
        const struct plan_type *type = tag_type(b, tag);
        for (u32 i = 0; i < type->param_count; i++)
            body_push(b, type->types[i], plan_is_ref(type->types[i]));
    }
    body_steps(b, entropy_below(b->e, 5));
}

static void legacy_try(struct body *b) {
    const struct plan_type *type =
        entropy_one_in(b->e, 2) ? &body_no_types : clause_type(b, CATCH, 0);
    if (type->result_count > 1 && !plan_has(b->plan, FEATURE_MULTI_VALUE))
        type = &body_no_types;
    body_open(b, OP_TRY, type);
    body_enter(b, type, FRAME_BLOCK);
    body_steps(b, 1 + entropy_below(b->e, 5));
    if (entropy_one_in(b->e, 4)) {
        // The label counts from outside of the try.
        body_delegate(b, entropy_below(b->e, b->depth - 1));
        return;
    }
    for (u32 i = entropy_below(b->e, 3); i > 0; i--)
        handler(b, false);
    if (entropy_one_in(b->e, 2))
        handler(b, true);
    body_leave(b);
}

void body_try(struct body *b) {
    if (is_legacy(b))
        legacy_try(b);
    else
        try_table(b);
}
