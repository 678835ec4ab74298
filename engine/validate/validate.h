#pragma once
// Validation of function bodies, one instruction at a time, so that a compiler can generate code
// in the same pass. Follows the algorithm of the specification's appendix "Validation Algorithm".
//
//   validator_begin(v, decl, func);
//   while (!validator_done(v)) {
//       if (!validator_next(v, &insn)) break;
//       ... generate code for it: it is type-correct ...
//   }
//   status = validator_end(v, error);

#include "engine/decode/insn.h"

// An operand type that matches anything: what unreachable code pops.
#define VALUE_ANY ((enum value_type)0)

// One open block. labels count from the innermost: control[depth - 1 - label].
struct control {
    enum wasm_op op;  // that began this part of the block: OP_BLOCK, OP_LOOP, OP_IF, OP_ELSE,
                      // OP_TRY_TABLE, OP_TRY, OP_CATCH, OP_CATCH_ALL; a function is an OP_BLOCK
    bool unreachable; // the rest of this block cannot be reached
    struct block_type type;
    u32 height; // of the operand stack below the block's parameters
};

struct validator {
    const struct module_decl *decl;
    u32 func;
    struct reader reader;
    enum value_type *locals;
    u32 local_count;

    enum value_type *operands; // grows by doubling; kept from function to function
    u32 operand_count;
    u32 operand_capacity;
    struct control *control;
    u32 control_count; // 0 after the function's last end
    u32 control_capacity;
    u32 height; // of the innermost control

    // What the last drop or select without a type turned out to work on, for the compiler.
    enum value_type operand_type;

    const u8 *insn_at;        // the instruction being checked; for messages
    enum value_type expected; // of the first type mismatch, where it is known; VALUE_ANY for
    enum value_type found;    // nothing
};

// Zero a struct validator before its first use, and call validator_fini when done with it.
void validator_fini(struct validator *v);

// Starts a function: reads its locals. Failure shows in v->reader.
void validator_begin(struct validator *v, const struct module_decl *decl, u32 func);

static inline bool validator_done(const struct validator *v) {
    return v->control_count == 0 || v->reader.status != OK;
}

// Reads the next instruction, checks it and moves the stacks. False on failure, which is in
// v->reader.
MUST_USE bool validator_next(struct validator *v, struct insn *insn);

// The second half of it: checks an instruction that was read from v->reader.
MUST_USE bool validator_step(struct validator *v, const struct insn *insn);

// The function's result: OK when it ended exactly at the end of its body; else fills in `error`.
MUST_USE enum status validator_end(struct validator *v, struct module_error *error);

// Whether code at the current point can be reached.
static inline bool validator_reachable(const struct validator *v) {
    return v->control_count != 0 && !v->control[v->control_count - 1].unreachable;
}

// The types that a branch to `control` carries: a loop's parameters, another block's results.
static inline u32 control_label_count(const struct control *control) {
    const struct func_type *type = control->type.type;
    return control->op == OP_LOOP ? type->param_count : type->result_count;
}

static inline const enum value_type *control_label_types(const struct control *control) {
    const struct func_type *type = control->type.type;
    return control->op == OP_LOOP ? type->types : type->types + type->param_count;
}

// Validates every body of a module.
MUST_USE enum status validate_module(const struct module_decl *decl, struct module_error *error);
