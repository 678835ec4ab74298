#pragma once
// A function body while it is generated: what is on the operand stack, and where branches go. For
// the generator only; see generate.h.

#include "engine/ops/ops.h"
#include "tests/oracle/plan.h"

#define BODY_STACK  1024
#define BODY_FRAMES 512
#define BODY_LOCALS 512

// An operand. `is_exact`: the specification says which bits it has; otherwise it may be a NaN of
// any kind, and its bits must not be looked at.
struct body_slot {
    enum value_type type;
    bool is_exact;
};

enum frame_kind { FRAME_BLOCK, FRAME_LOOP, FRAME_CATCH };

struct body_frame {
    enum frame_kind kind;
    bool is_dead; // behind a branch: operands that are missing are there
    u32 base;     // of the stack
    const struct plan_type *type;
};

struct body {
    struct entropy *e;
    const struct plan *plan;
    const struct plan_type *type;
    struct wasm_out code;
    i32 budget; // instructions that may still be added freely
    u32 nesting;

    u32 local_count; // with parameters
    enum value_type locals[BODY_LOCALS];
    u32 temporaries; // first of those for NaNs: f32, f64 and v128; then an i32 below ADDRESS_SPAN,
                     // and one of any value

    u32 height;
    u32 floor; // what lies below belongs to an instruction that is still being put together
    struct body_slot stack[BODY_STACK];
    u32 depth;
    struct body_frame frames[BODY_FRAMES];

    // How likely things are in this function, each 0 to 9.
    u8 vectors;
    u8 memory;
    u8 atomics;
    u8 calls;
    u8 control;
};

#define ADDRESS_LOCAL 3 // behind `temporaries`
#define SCRATCH_LOCAL 4
#define ADDRESS_SPAN  0x8000

// -- body.c ---------------------------------------------------------------------------------------

void body_op(struct body *b, enum wasm_op op); // the opcode alone
void body_indexed(struct body *b, enum wasm_op op, u64 index);
enum value_type body_table_address(const struct body *b, u32 table);
void body_push(struct body *b, enum value_type type, bool is_exact);
void body_pop(struct body *b, u32 count);

// Puts `count` operands of these types on the stack, taking what is there where it fits.
void body_provide(struct body *b, const enum value_type *types, u32 count);

// Adds code for one operand.
void body_value(struct body *b, enum value_type type);

// One with little code.
void body_leaf(struct body *b, enum value_type type);

// Blocks. The type of one is no types, the module's, or one result.
extern const struct plan_type body_no_types;
void body_open(struct body *b, enum wasm_op op, const struct plan_type *type);
void body_enter(struct body *b, const struct plan_type *type, enum frame_kind kind);
void body_steps(struct body *b, u32 count);
void body_settle(struct body *b);                       // leaves exactly the block's results
void body_reopen(struct body *b, enum frame_kind kind); // the next part of the same block
void body_leave(struct body *b);                        // settle, end
void body_delegate(struct body *b, u32 label);          // settle, delegate
void body_become_dead(struct body *b);

// What a branch to a label takes; returns how many.
u32 body_label(const struct body *b, u32 label, const enum value_type **types);

// The whole body: locals and code.
void body_generate(struct body *b, u32 func, struct wasm_out *out);

// -- body_ops.c -----------------------------------------------------------------------------------

// Adds an instruction that gives a `type`, with operands. False when there is none of that kind.
MUST_USE bool body_pure(struct body *b, enum value_type type);
MUST_USE bool body_load(struct body *b, enum value_type type);
MUST_USE bool body_atomic(struct body *b, enum value_type type); // VALUE_NONE: a store

// Adds one without a result.
void body_store(struct body *b);

#define VALUE_NONE ((enum value_type)0)

void body_const(struct body *b, enum value_type type);

// Makes a NaN on top of the stack the one that both engines have.
void body_make_exact(struct body *b);

// Waits in a memory, for no time.
void body_wait(struct body *b);

// An address of the memory's type, mostly within its first ADDRESS_SPAN bytes.
void body_address(struct body *b, enum value_type type);

// A number below `limit`, mostly, of type i32 or i64.
void body_small(struct body *b, enum value_type type, u32 limit);

// -- body_relaxed.c -------------------------------------------------------------------------------

// Adds a relaxed vector instruction, with operands that leave it no choice.
void body_relaxed(struct body *b);

// -- body_exceptions.c ----------------------------------------------------------------------------

void body_throw(struct body *b);
void body_try(struct body *b);

// -- body_bulk.c ----------------------------------------------------------------------------------

void body_bulk_memory(struct body *b);
void body_table_op(struct body *b);
