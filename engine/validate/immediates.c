// Immediates: what an index names exists, alignments and lanes are within their bounds; and the
// operand types that immediates decide, where memories or tables of 64 bits are about.
//
// Invariant: an index is compared with its index space before it is used.

#include "engine/validate/validate_internal.h"

static bool check_memory(struct validator *v, u32 memory) {
    if (memory < v->decl->memory_count)
        return true;
    validator_fail_index(v, "unknown memory", memory);
    return false;
}

bool check_table(struct validator *v, u32 table) {
    if (table < v->decl->table_count)
        return true;
    validator_fail_index(v, "unknown table", table);
    return false;
}

static bool check_data(struct validator *v, u32 data) {
    if (data < v->decl->data_count)
        return true;
    validator_fail_index(v, "unknown data segment", data);
    return false;
}

static bool check_elem(struct validator *v, u32 elem) {
    if (elem < v->decl->elem_count)
        return true;
    validator_fail_index(v, "unknown elem segment", elem);
    return false;
}

bool check_func(struct validator *v, u32 func) {
    if (func < v->decl->func_count)
        return true;
    validator_fail_index(v, "unknown function", func);
    return false;
}

bool check_tag(struct validator *v, u32 tag) {
    if (tag < v->decl->tag_count)
        return true;
    validator_fail_index(v, "unknown tag", tag);
    return false;
}

static bool check_address(struct validator *v, const struct insn *insn) {
    if (!check_memory(v, insn->mem.memory))
        return false;
    if (insn->mem.is64 || insn->mem.offset <= UINT32_MAX)
        return true;
    validator_fail(v, ERR_INVALID, "offset out of range");
    return false;
}

static bool check_access(struct validator *v, const struct insn *insn, u32 natural_align) {
    if (!check_address(v, insn))
        return false;
    if (insn->mem.align <= natural_align)
        return true;
    validator_fail(v, ERR_INVALID, "alignment must not be larger than natural");
    return false;
}

static bool check_atomic(struct validator *v, const struct insn *insn, u32 natural_align) {
    if (!check_address(v, insn))
        return false;
    if (insn->mem.align == natural_align)
        return true;
    validator_fail(v, ERR_INVALID, "atomic alignment must be natural");
    return false;
}

static bool check_lane(struct validator *v, u8 lane, u32 count) {
    if (lane < count)
        return true;
    validator_fail(v, ERR_INVALID, "invalid lane index");
    return false;
}

static bool check_shuffle(struct validator *v, const struct insn *insn) {
    for (u32 i = 0; i < COUNT_OF(insn->lanes); i++) {
        if (!check_lane(v, insn->lanes[i], 32))
            return false;
    }
    return true;
}

bool check_same_type(struct validator *v, enum value_type expected, enum value_type found) {
    return expected == found || validator_mismatch(v, expected, found);
}

static bool check_table_init(struct validator *v, u32 elem, u32 table) {
    const struct module_decl *decl = v->decl;
    return check_table(v, table) && check_elem(v, elem) &&
           check_same_type(v, decl->tables[table].element, decl->elems[elem].type);
}

static bool check_table_copy(struct validator *v, u32 to, u32 from) {
    const struct module_decl *decl = v->decl;
    return check_table(v, to) && check_table(v, from) &&
           check_same_type(v, decl->tables[to].element, decl->tables[from].element);
}

bool check_immediate(struct validator *v, const struct insn *insn) {
    switch (wasm_ops[insn->op].immediate) {
    case IMM_MEM1:
        return check_access(v, insn, 0);
    case IMM_MEM2:
        return check_access(v, insn, 1);
    case IMM_MEM4:
        return check_access(v, insn, 2);
    case IMM_MEM8:
        return check_access(v, insn, 3);
    case IMM_MEM16:
        return check_access(v, insn, 4);
    case IMM_MEM1_LANE:
        return check_access(v, insn, 0) && check_lane(v, insn->mem.lane, 16);
    case IMM_MEM2_LANE:
        return check_access(v, insn, 1) && check_lane(v, insn->mem.lane, 8);
    case IMM_MEM4_LANE:
        return check_access(v, insn, 2) && check_lane(v, insn->mem.lane, 4);
    case IMM_MEM8_LANE:
        return check_access(v, insn, 3) && check_lane(v, insn->mem.lane, 2);
    case IMM_ATOMIC1:
        return check_atomic(v, insn, 0);
    case IMM_ATOMIC2:
        return check_atomic(v, insn, 1);
    case IMM_ATOMIC4:
        return check_atomic(v, insn, 2);
    case IMM_ATOMIC8:
        return check_atomic(v, insn, 3);
    case IMM_LANE16:
        return check_lane(v, insn->lane, 16);
    case IMM_LANE8:
        return check_lane(v, insn->lane, 8);
    case IMM_LANE4:
        return check_lane(v, insn->lane, 4);
    case IMM_LANE2:
        return check_lane(v, insn->lane, 2);
    case IMM_SHUFFLE:
        return check_shuffle(v, insn);
    case IMM_MEMORY:
        return check_memory(v, insn->index);
    case IMM_MEMORY_MEMORY:
        return check_memory(v, insn->pair.a) && check_memory(v, insn->pair.b);
    case IMM_DATA:
        return check_data(v, insn->index);
    case IMM_DATA_MEMORY:
        return check_memory(v, insn->pair.b) && check_data(v, insn->pair.a);
    case IMM_TABLE:
        return check_table(v, insn->index);
    case IMM_TABLE_TABLE:
        return check_table_copy(v, insn->pair.a, insn->pair.b);
    case IMM_ELEM:
        return check_elem(v, insn->index);
    case IMM_ELEM_TABLE:
        return check_table_init(v, insn->pair.a, insn->pair.b);
    default:
        return true; // constants
    }
}

// The types of addresses in the memories or tables that the immediate names.
struct addresses {
    enum value_type first;
    enum value_type second;
};

static struct addresses insn_addresses(const struct module_decl *decl, const struct insn *insn) {
    switch (wasm_ops[insn->op].immediate) {
    case IMM_MEMORY:
        return (struct addresses){.first = decl_memory_address(decl, insn->index)};
    case IMM_MEMORY_MEMORY:
        return (struct addresses){decl_memory_address(decl, insn->pair.a),
                                  decl_memory_address(decl, insn->pair.b)};
    case IMM_DATA_MEMORY:
        return (struct addresses){.first = decl_memory_address(decl, insn->pair.b)};
    case IMM_TABLE:
        return (struct addresses){.first = decl_table_address(decl, insn->index)};
    case IMM_TABLE_TABLE:
        return (struct addresses){decl_table_address(decl, insn->pair.a),
                                  decl_table_address(decl, insn->pair.b)};
    case IMM_ELEM_TABLE:
        return (struct addresses){.first = decl_table_address(decl, insn->pair.b)};
    default: // a memarg
        return (struct addresses){.first = insn->mem.is64 ? VALUE_I64 : VALUE_I32};
    }
}

// What the letter of a signature stands for, where it is an address; else `fixed`.
static enum value_type letter_type(char letter, struct addresses addresses, enum value_type fixed) {
    switch (letter) {
    case 'a':
        return addresses.first;
    case 'b':
        return addresses.second;
    case 'n':
        return addresses.first == VALUE_I64 ? addresses.second : VALUE_I32;
    default:
        return fixed;
    }
}

bool step_addressed(struct validator *v, const struct insn *insn) {
    const struct wasm_op_types *types = &wasm_op_types[insn->op];
    const char *signature = wasm_ops[insn->op].signature;
    struct addresses addresses = insn_addresses(v->decl, insn);
    for (u32 i = types->param_count; i-- > 0;) {
        if (!pop(v, letter_type(signature[i], addresses, types->params[i])))
            return false;
    }
    if (types->result != VALUE_ANY)
        push(v, letter_type(signature[types->param_count + 1], addresses, types->result));
    return true;
}
