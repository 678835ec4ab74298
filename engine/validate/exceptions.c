// Exceptions: try_table, throw and throw_ref; and the older try, catch, delegate and rethrow.
//
// A catch clause of a try_table is a branch to a block around it: it carries the tag's parameters
// and, where asked for, the reference. A catch of a try begins a part of the block in which its
// operands are the tag's parameters, as else begins a part of an if.

#include "engine/validate/validate_internal.h"

// Whether what the clause catches is what its label takes.
static bool check_catch(struct validator *v, const struct catch_clause *clause) {
    if (catch_has_tag(clause->kind) && !check_tag(v, clause->tag))
        return false;
    const struct control *target = find_label(v, clause->label);
    if (target == NULL)
        return false;

    const struct func_type *tag =
        catch_has_tag(clause->kind) ? decl_tag_type(v->decl, clause->tag) : NULL;
    const enum value_type *types = control_label_types(target);
    u32 tag_count = tag != NULL ? tag->param_count : 0;
    u32 count = tag_count + (catch_has_ref(clause->kind) ? 1 : 0);
    if (control_label_count(target) != count) {
        validator_fail(
            v, ERR_INVALID,
            "type mismatch: a catch clause and its label differ in their number of types");
        return false;
    }
    for (u32 i = 0; i < tag_count; i++) {
        if (!check_same_type(v, types[i], tag->types[i]))
            return false;
    }
    return count == tag_count || check_same_type(v, types[tag_count], VALUE_EXNREF);
}

static bool step_try_table(struct validator *v, const struct insn *insn) {
    const struct func_type *type = insn->block.type;
    if (!pop_types(v, type->types, type->param_count))
        return false;
    const u8 *at = insn->try_table.at;
    for (u32 i = 0; i < insn->try_table.count; i++) {
        struct catch_clause clause = insn_next_catch(&at);
        if (!check_catch(v, &clause))
            return false;
    }
    return control_push(v, OP_TRY_TABLE, type) && push_types(v, type->types, type->param_count);
}

static bool step_throw(struct validator *v, u32 tag) {
    if (!check_tag(v, tag))
        return false;
    const struct func_type *type = decl_tag_type(v->decl, tag);
    if (!pop_types(v, type->types, type->param_count))
        return false;
    become_unreachable(v);
    return true;
}

static bool step_throw_ref(struct validator *v) {
    if (!pop(v, VALUE_EXNREF))
        return false;
    become_unreachable(v);
    return true;
}

// -- The older form -------------------------------------------------------------------------------

static bool step_try(struct validator *v, const struct insn *insn) {
    const struct func_type *type = insn->block.type;
    return pop_types(v, type->types, type->param_count) && control_push(v, OP_TRY, type) &&
           push_types(v, type->types, type->param_count);
}

static bool step_catch(struct validator *v, const struct insn *insn) {
    struct control *c = control_top(v);
    if (c->op != OP_TRY && c->op != OP_CATCH) {
        validator_fail(v, ERR_MALFORMED,
                       insn->op == OP_CATCH ? "misplaced CATCH opcode"
                                            : "misplaced CATCH_ALL opcode");
        return false;
    }
    if ((insn->op == OP_CATCH && !check_tag(v, insn->index)) || !leave_block(v))
        return false;
    c->op = insn->op;
    c->unreachable = false;
    if (insn->op == OP_CATCH_ALL)
        return true;
    const struct func_type *tag = decl_tag_type(v->decl, insn->index);
    return push_types(v, tag->types, tag->param_count);
}

// Ends a try without catches; what is thrown in it goes to the try around `label`, which is counted
// from outside. Any label will do: where no try is around it, the exception leaves the function.
static bool step_delegate(struct validator *v, u32 label) {
    const struct control *c = control_top(v);
    const struct func_type *type = c->type.type;
    if (c->op != OP_TRY) {
        validator_fail(v, ERR_MALFORMED, "misplaced DELEGATE opcode");
        return false;
    }
    if (!leave_block(v))
        return false;
    control_pop(v);
    return find_label(v, label) != NULL &&
           push_types(v, type->types + type->param_count, type->result_count);
}

static bool step_rethrow(struct validator *v, u32 label) {
    const struct control *target = find_label(v, label);
    if (target == NULL)
        return false;
    if (target->op != OP_CATCH && target->op != OP_CATCH_ALL) {
        validator_fail(v, ERR_INVALID, "invalid rethrow label");
        return false;
    }
    become_unreachable(v);
    return true;
}

bool step_exception(struct validator *v, const struct insn *insn) {
    switch (insn->op) {
    case OP_TRY_TABLE:
        return step_try_table(v, insn);
    case OP_THROW:
        return step_throw(v, insn->index);
    case OP_THROW_REF:
        return step_throw_ref(v);
    case OP_TRY:
        return step_try(v, insn);
    case OP_CATCH:
    case OP_CATCH_ALL:
        return step_catch(v, insn);
    case OP_DELEGATE:
        return step_delegate(v, insn->index);
    case OP_RETHROW:
        return step_rethrow(v, insn->index);
    default:
        UNREACHABLE();
    }
}
