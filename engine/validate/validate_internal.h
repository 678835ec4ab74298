#pragma once
// Shared by the files of the validator; not for others. Functions that return bool return false
// after having failed the reader.

#include "engine/validate/validate.h"

static inline struct control *control_top(const struct validator *v) {
    ASSERT(v->control_count != 0);
    return &v->control[v->control_count - 1];
}

// Failures are at the current instruction.
void validator_fail(struct validator *v, enum status status, const char *why);
void validator_fail_index(struct validator *v, const char *why, u32 index);

// VALUE_ANY stands for nothing. Returns false.
bool validator_mismatch(struct validator *v, enum value_type expected, enum value_type found);

// This many bytes may be read behind `operands`.
#define OPERANDS_SLACK 4

bool operands_reserve_slow(struct validator *v, u32 count);

MUST_USE static inline bool operands_reserve(struct validator *v, u32 count) {
    if (v->operand_capacity - v->operand_count >= count)
        return true;
    return operands_reserve_slow(v, count);
}

// Room for one operand has been reserved.
static inline void push(struct validator *v, enum value_type type) {
    ASSERT(v->operand_count < v->operand_capacity);
    v->operands[v->operand_count++] = type;
}

bool pop_slow(struct validator *v, enum value_type want);

MUST_USE static inline bool pop(struct validator *v, enum value_type want) {
    u32 count = v->operand_count;
    if (count > v->height && v->operands[count - 1] == want) {
        v->operand_count = count - 1;
        return true;
    }
    return pop_slow(v, want);
}

// Pops whatever there is; VALUE_ANY where that is not known.
MUST_USE bool pop_any(struct validator *v, enum value_type *out);

// Whether the topmost operands are of these types; the stack does not change.
MUST_USE bool operands_match(struct validator *v, const enum value_type *types, u32 count);

MUST_USE bool pop_types(struct validator *v, const enum value_type *types, u32 count);
MUST_USE bool push_types(struct validator *v, const enum value_type *types, u32 count);

// Opens a block above the current operands, which do not yet hold its parameters.
MUST_USE bool control_push(struct validator *v, enum wasm_op op, const struct func_type *type);

// Closes the innermost block.
static inline void control_pop(struct validator *v) {
    v->control_count--;
    v->height = v->control_count == 0 ? 0 : control_top(v)->height;
}

// The end of a block, or of a part of it (before else or catch): exactly the results are on the
// stack.
MUST_USE bool leave_block(struct validator *v);

// The rest of the block cannot be reached.
void become_unreachable(struct validator *v);

// NULL after having failed when there is no such label.
struct control *find_label(struct validator *v, u32 label);

// body_rules.c: instructions with rules of their own.
MUST_USE bool step_special(struct validator *v, const struct insn *insn);

// immediates.c: what immediates name exists and fits. The operands of instructions with addresses,
// in modules where these are not all i32.
MUST_USE bool check_immediate(struct validator *v, const struct insn *insn);
MUST_USE bool step_addressed(struct validator *v, const struct insn *insn);
MUST_USE bool check_table(struct validator *v, u32 table);
MUST_USE bool check_func(struct validator *v, u32 func);
MUST_USE bool check_tag(struct validator *v, u32 tag);
MUST_USE bool check_same_type(struct validator *v, enum value_type expected, enum value_type found);

// exceptions.c: throwing and catching, in both forms.
MUST_USE bool step_exception(struct validator *v, const struct insn *insn);
