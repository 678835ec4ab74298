// The instructions whose types depend on something: control, calls, variables, references, tables.
//
// Invariant: an index is compared with its index space before it is used, and a control is looked
// up only through find_label.

#include "engine/validate/validate_internal.h"

// -- Control --------------------------------------------------------------------------------------

struct control *find_label(struct validator *v, u32 label) {
    if (label >= v->control_count) {
        validator_fail_index(v, "unknown label", label);
        return NULL;
    }
    return &v->control[v->control_count - 1 - label];
}

void become_unreachable(struct validator *v) {
    struct control *c = control_top(v);
    v->operand_count = c->height;
    c->unreachable = true;
}

static bool step_unreachable(struct validator *v) {
    become_unreachable(v);
    return true;
}

static bool step_block(struct validator *v, const struct insn *insn) {
    const struct func_type *type = insn->block.type;
    return pop_types(v, type->types, type->param_count) && control_push(v, insn->op, type) &&
           push_types(v, type->types, type->param_count);
}

bool leave_block(struct validator *v) {
    const struct control *c = control_top(v);
    const struct func_type *type = c->type.type;
    if (!pop_types(v, type->types + type->param_count, type->result_count))
        return false;
    if (v->operand_count == c->height)
        return true;
    validator_fail(v, ERR_INVALID, "type mismatch: values are left over at the end of a block");
    return false;
}

static bool step_else(struct validator *v) {
    struct control *c = control_top(v);
    if (c->op != OP_IF) {
        validator_fail(v, ERR_MALFORMED, "misplaced ELSE opcode");
        return false;
    }
    if (!leave_block(v))
        return false;
    c->op = OP_ELSE;
    c->unreachable = false;
    return push_types(v, c->type.type->types, c->type.type->param_count);
}

// An if without else gives its parameters as its results when it is not taken.
static bool is_identity(const struct func_type *type) {
    return type->param_count == type->result_count &&
           (type->param_count == 0 || memcmp(type->types, type->types + type->param_count,
                                             type->param_count * sizeof(*type->types)) == 0);
}

static bool step_end(struct validator *v) {
    const struct control *c = control_top(v);
    const struct func_type *type = c->type.type;
    if (!leave_block(v))
        return false;
    if (c->op == OP_IF && !is_identity(type)) {
        validator_fail(v, ERR_INVALID, "type mismatch: if without else must not change types");
        return false;
    }
    control_pop(v);
    return v->control_count == 0 ||
           push_types(v, type->types + type->param_count, type->result_count);
}

static bool step_br(struct validator *v, u32 label) {
    const struct control *target = find_label(v, label);
    return target != NULL &&
           pop_types(v, control_label_types(target), control_label_count(target)) &&
           step_unreachable(v);
}

static bool step_br_if(struct validator *v, u32 label) {
    if (!pop(v, VALUE_I32))
        return false;
    const struct control *target = find_label(v, label);
    if (target == NULL)
        return false;
    // What was popped becomes known, where code cannot be reached too.
    const enum value_type *types = control_label_types(target);
    u32 count = control_label_count(target);
    return pop_types(v, types, count) && push_types(v, types, count);
}

// Labels of a br_table have as many types. In version 1.0 they had the same ones; since reference
// types each is compared with the operands alone, which differs where code is unreachable.
static bool labels_agree(const struct validator *v, const struct control *a,
                         const struct control *b) {
    u32 count = control_label_count(a);
    if (count != control_label_count(b))
        return false;
    if ((v->decl->features & FEATURE_REFERENCE_TYPES) != 0 || count == 0)
        return true;
    return memcmp(control_label_types(a), control_label_types(b),
                  count * sizeof(enum value_type)) == 0;
}

static bool step_br_table(struct validator *v, const struct insn *insn) {
    if (!pop(v, VALUE_I32))
        return false;
    const u8 *at = insn->labels.at;
    const struct control *first = NULL;
    const enum value_type *last = NULL; // equal types in a row are compared once
    for (u64 i = 0; i <= insn->labels.count; i++) {
        const struct control *target = find_label(v, insn_next_label(&at));
        if (target == NULL)
            return false;
        if (first == NULL)
            first = target;
        if (!labels_agree(v, target, first)) {
            validator_fail(v, ERR_INVALID, "type mismatch: labels of a br_table differ");
            return false;
        }
        const enum value_type *types = control_label_types(target);
        if (types != last && !operands_match(v, types, control_label_count(target)))
            return false;
        last = types;
    }
    return step_unreachable(v);
}

static bool step_return(struct validator *v) {
    const struct func_type *type = decl_func_type(v->decl, v->func);
    return pop_types(v, type->types + type->param_count, type->result_count) && step_unreachable(v);
}

// -- Calls ----------------------------------------------------------------------------------------

static bool apply_type(struct validator *v, const struct func_type *type) {
    return pop_types(v, type->types, type->param_count) &&
           push_types(v, type->types + type->param_count, type->result_count);
}

// A tail call gives the function's own results.
static bool tail_call_type(struct validator *v, const struct func_type *type) {
    const struct func_type *own = decl_func_type(v->decl, v->func);
    const enum value_type *results = type->types + type->param_count;
    const enum value_type *own_results = own->types + own->param_count;
    if (type->result_count != own->result_count) {
        validator_fail(v, ERR_INVALID, "type mismatch: results of a tail call");
        return false;
    }
    for (u32 i = 0; i < type->result_count; i++) {
        if (!check_same_type(v, own_results[i], results[i]))
            return false;
    }
    return pop_types(v, type->types, type->param_count) && step_unreachable(v);
}

static bool step_call(struct validator *v, const struct insn *insn) {
    if (!check_func(v, insn->index))
        return false;
    const struct func_type *type = decl_func_type(v->decl, insn->index);
    return insn->op == OP_RETURN_CALL ? tail_call_type(v, type) : apply_type(v, type);
}

static bool step_call_indirect(struct validator *v, const struct insn *insn) {
    u32 type_index = insn->pair.a;
    u32 table = insn->pair.b;
    if (!check_table(v, table) ||
        !check_same_type(v, VALUE_FUNCREF, v->decl->tables[table].element))
        return false;
    if (type_index >= v->decl->type_count) {
        validator_fail_index(v, "unknown type", type_index);
        return false;
    }
    if (!pop(v, decl_table_address(v->decl, table)))
        return false;
    const struct func_type *type = &v->decl->types[type_index];
    return insn->op == OP_RETURN_CALL_INDIRECT ? tail_call_type(v, type) : apply_type(v, type);
}

// -- Operands -------------------------------------------------------------------------------------

static bool step_select(struct validator *v) {
    enum value_type second;
    enum value_type first;
    if (!pop(v, VALUE_I32) || !pop_any(v, &second) || !pop_any(v, &first))
        return false;
    if (value_type_is_ref(first) || value_type_is_ref(second)) {
        validator_fail(v, ERR_INVALID, "type mismatch: select of references must name their type");
        return false;
    }
    if (first != second && first != VALUE_ANY && second != VALUE_ANY)
        return validator_mismatch(v, first, second);
    v->operand_type = first == VALUE_ANY ? second : first;
    push(v, v->operand_type);
    return true;
}

static bool step_select_typed(struct validator *v, enum value_type type) {
    if (!pop(v, VALUE_I32) || !pop(v, type) || !pop(v, type))
        return false;
    push(v, type);
    return true;
}

static bool step_local(struct validator *v, const struct insn *insn) {
    if (insn->index >= v->local_count) {
        validator_fail_index(v, "unknown local", insn->index);
        return false;
    }
    enum value_type type = v->locals[insn->index];
    if (insn->op != OP_LOCAL_GET && !pop(v, type))
        return false;
    if (insn->op != OP_LOCAL_SET)
        push(v, type);
    return true;
}

static bool step_global(struct validator *v, const struct insn *insn) {
    if (insn->index >= v->decl->global_count) {
        validator_fail_index(v, "unknown global", insn->index);
        return false;
    }
    struct global_type global = v->decl->globals[insn->index].type;
    if (insn->op == OP_GLOBAL_GET) {
        push(v, global.type);
        return true;
    }
    if (!global.is_mutable) {
        validator_fail(v, ERR_INVALID, "global is immutable");
        return false;
    }
    return pop(v, global.type);
}

// -- References and tables ------------------------------------------------------------------------

static bool step_ref_is_null(struct validator *v) {
    enum value_type type;
    if (!pop_any(v, &type))
        return false;
    if (type != VALUE_ANY && !value_type_is_ref(type)) {
        validator_fail(v, ERR_INVALID, "type mismatch: expected a reference");
        return false;
    }
    push(v, VALUE_I32);
    return true;
}

static bool step_ref_func(struct validator *v, u32 func) {
    if (!check_func(v, func))
        return false;
    if (v->decl->funcs[func].ref_index == NO_REF) {
        validator_fail(v, ERR_INVALID, "undeclared function reference");
        return false;
    }
    push(v, VALUE_FUNCREF);
    return true;
}

static bool step_table(struct validator *v, const struct insn *insn) {
    if (!check_table(v, insn->index))
        return false;
    enum value_type type = v->decl->tables[insn->index].element;
    enum value_type address = decl_table_address(v->decl, insn->index);
    switch (insn->op) {
    case OP_TABLE_GET:
        if (!pop(v, address))
            return false;
        push(v, type);
        return true;
    case OP_TABLE_SET:
        return pop(v, type) && pop(v, address);
    case OP_TABLE_GROW:
        if (!pop(v, address) || !pop(v, type))
            return false;
        push(v, address);
        return true;
    case OP_TABLE_FILL:
        return pop(v, address) && pop(v, type) && pop(v, address);
    default:
        UNREACHABLE();
    }
}

bool step_special(struct validator *v, const struct insn *insn) {
    switch (insn->op) {
    case OP_LOCAL_GET:
    case OP_LOCAL_SET:
    case OP_LOCAL_TEE:
        return step_local(v, insn);
    case OP_GLOBAL_GET:
    case OP_GLOBAL_SET:
        return step_global(v, insn);
    case OP_BLOCK:
    case OP_LOOP:
        return step_block(v, insn);
    case OP_IF:
        return pop(v, VALUE_I32) && step_block(v, insn);
    case OP_ELSE:
        return step_else(v);
    case OP_END:
        return step_end(v);
    case OP_BR:
        return step_br(v, insn->index);
    case OP_BR_IF:
        return step_br_if(v, insn->index);
    case OP_BR_TABLE:
        return step_br_table(v, insn);
    case OP_RETURN:
        return step_return(v);
    case OP_UNREACHABLE:
        return step_unreachable(v);
    case OP_CALL:
    case OP_RETURN_CALL:
        return step_call(v, insn);
    case OP_CALL_INDIRECT:
    case OP_RETURN_CALL_INDIRECT:
        return step_call_indirect(v, insn);
    case OP_DROP:
        return pop_any(v, &v->operand_type);
    case OP_SELECT:
        return step_select(v);
    case OP_SELECT_T:
        return step_select_typed(v, insn->type);
    case OP_REF_NULL:
        push(v, insn->type);
        return true;
    case OP_REF_IS_NULL:
        return step_ref_is_null(v);
    case OP_REF_FUNC:
        return step_ref_func(v, insn->index);
    case OP_TABLE_GET:
    case OP_TABLE_SET:
    case OP_TABLE_GROW:
    case OP_TABLE_FILL:
        return step_table(v, insn);
    default:
        return step_exception(v, insn);
    }
}
