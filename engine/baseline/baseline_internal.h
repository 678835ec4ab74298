#pragma once
// Inside the baseline compiler. Public interface: baseline.h.
//
// Every local and every operand has a home, eight bytes of the frame (sixteen for a v128; at any
// address that is a multiple of eight). What is not at home is described by a few words per machine
// register, so that a snapshot of the state (struct merge) has a fixed size however many locals and
// operands there are:
//
//   1. a register holds at most one local, and any number of operands (`refs` counts these, and
//      values that an emitter has popped and still uses: pins);
//   2. a local is in one register or at home; a set bit in `clean` says: in both;
//   3. operands below `window` are at home; at most WINDOW_MAX lie above it;
//   4. operands never change: a register is overwritten only when nothing refers to it;
//   5. where a block starts, the operands below its parameters are at home.
//
// Registers are numbered 0 to 15 (general) and 16 to 31 (xmm), so that one 32-bit mask holds both.

#include "base/assert.h"
#include "engine/baseline/baseline.h"

#define REG_COUNT     32
#define REG_XMM       16
#define NO_REG        0xff
#define NO_LOCAL      0xffff
#define WINDOW_MAX    64
#define MERGE_CARRIED 2

// Never allocated: rsp, rbp, r14, r15 have their roles; r11 and xmm15 are scratch, dead between any
// two emitter steps.
#define SCRATCH     R11
#define SCRATCH_XMM XMM15
#define GPR_MASK    0x000037cfu
#define XMM_MASK    0x7fff0000u

enum slot_kind : u8 {
    SLOT_HOME,
    SLOT_REG,
    SLOT_CONST,
    SLOT_SUM,   // an i32 not computed yet: reg + (index << scale) + value
    SLOT_LOAD,  // of `folded`, with registers as in a sum; where the next instruction takes it
    SLOT_FLAGS, // an i32 truth value in the flags; only where the next instruction takes it
};

// How a float comparison's truth depends on the parity flag (unordered) besides its condition.
enum parity : u8 {
    PARITY_NONE,
    PARITY_AND_CLEAR, // condition and not unordered
    PARITY_OR_SET,    // condition or unordered
};

struct flags {
    enum cond cond;
    enum parity parity;
};

// An operand: on the abstract stack, or popped from it and in an emitter's hands. A popped operand
// in a register keeps its reference until operand_release.
struct operand {
    enum slot_kind kind;
    u8 reg;   // SLOT_SUM: or NO_REG
    u8 index; // SLOT_SUM: or NO_REG
    u8 scale; // SLOT_SUM: 0 to 3
    enum value_type type;
    struct flags flags;
    u32 slot;  // of its home: how many slots the operands below take
    u64 value; // bits of a constant; a v128 never is one
};

// Where values are at a label: the named locals in registers, the last values that branches carry
// perhaps in registers, everything else at home.
struct merge {
    bool decided;              // by the first branch
    u8 carried[MERGE_CARRIED]; // registers or NO_REG; [0] is the last carried value
    u32 clean;                 // registers whose local is at home as well
    u32 locals;                // registers that hold locals
    u16 local_of[REG_COUNT];
};

enum table_mark : u8 { TARGET_DIRECT, TARGET_TRAMPOLINE, TARGET_EMITTED };

struct block {
    enum wasm_op op; // that began this part of the block; block 0 is the function, an OP_BLOCK
    bool dead;       // it was entered in unreachable code: nothing in it is compiled
    u64 assigned_at_start;
    u64 assigned_at_end; // on every branch to the end so far
    u32 height;          // operands below the parameters
    const struct func_type *type;
    struct label label;      // of the loop's start, or of the end
    struct label else_label; // OP_IF
    struct merge merge;
    struct merge else_merge;

    u32 guard; // the innermost try that code directly in the block is in, or NO_TRY

    // OP_TRY_TABLE, OP_TRY, OP_CATCH, OP_CATCH_ALL:
    u32 own_try;
    u32 catch;         // of the older form, the one that is being compiled
    u32 catch_count;   // clauses of a try_table
    const u8 *catches; // the first of them: see insn_next_catch

    // For the br_table numbered table_stamp only:
    u32 table_stamp;
    enum table_mark table_mark;
    struct label trampoline;
};

// A cold ud2. One for all checks of an instruction that give the same trap.
struct trap_stub {
    struct label label;
    u32 wasm_offset;
    enum trap trap;
};

// 16 bytes behind the function's code.
struct vec_constant {
    u64 half[2]; // the low one first
    struct label label;
};

// Parallel moves in the making: each register's new value. See moves_emit.
struct moves {
    u32 from_reg;                    // destinations that take another register's value
    u32 from_memory;                 // destinations that are loaded, or take a constant
    u8 source[REG_COUNT];            // for from_reg
    enum value_type type[REG_COUNT]; // of the value
    struct operand value[REG_COUNT]; // for from_memory: SLOT_CONST, or SLOT_HOME
    struct mem memory[REG_COUNT];    // for SLOT_HOME
};

struct baseline {
    const struct module_decl *decl;
    const struct instance_layout *layout;
    struct compile_target target;
    enum segment segment;
    struct validator validator;
    enum status status; // ERR_NO_MEMORY once a table could not grow

    // The function being compiled.
    struct code_unit *unit;
    struct assembler *a;
    struct insn insn;
    u32 steps; // instructions that may follow before the next look at what room is left
    const struct func_type *type;
    bool reachable;
    u32 body_offset; // of the body in the module
    u32 room_start;  // code offsets of the room for the prologue
    u32 room_end;
    bool calls;          // anything: functions, helpers
    u64 assigned;        // of the first 64 locals: assigned on every way here
    u64 read_unassigned; // likewise: read where it was not
    u32 home_slots;      // homes that locals take
    u32 param_slots;     // those of parameters, the first
    u32 operand_slots;   // homes that operands have had
    u32 outgoing_max;    // slots of the outgoing area
    u32 table_stamp;

    // Registers.
    u32 used;          // refs != 0
    u32 locals;        // hold a local
    u32 clean;         // whose local is at home as well
    u32 victim;        // where the next search for a register to empty starts
    u32 zero_flag_end; // where the code must still end for the zero flag to tell of ...
    u8 zero_flag_reg;  // ... this register
    u8 refs[REG_COUNT];
    u16 local_of[REG_COUNT];

    // What the operand on top loads when it is a SLOT_LOAD.
    struct {
        struct mem mem;
        enum width width;
        u32 wasm_offset;
    } folded;

    // Locals.
    u32 local_capacity;
    struct local {
        i32 home;         // from rbp
        u8 reg;           // or NO_REG
        u32 temporary_of; // loop_stamp of the loop, or 0
    } *local;

    // Operands.
    u32 operand_count;
    u32 operand_capacity;
    u32 window;
    struct operand *operands;

    u32 block_count;
    u32 block_capacity;
    struct block *blocks;
    u32 temporary_block; // of the loop that has temporaries, or 0: see loop.c
    u32 loop_stamp;      // its number

    u32 trap_count;
    u32 trap_capacity;
    struct trap_stub *traps;
    struct label lost; // stands for those that there was no memory for

    u32 constant_count;
    u32 constant_capacity;
    struct vec_constant *constants;

    struct moves moves;
};

// -- Small facts --------------------------------------------------------------------------------

static inline enum width type_width(enum value_type type) {
    return type == VALUE_I32 ? W32 : W64;
}

static inline enum fwidth type_fwidth(enum value_type type) {
    return type == VALUE_F32 ? F32 : F64;
}

static inline u32 type_mask(enum value_type type) {
    return value_type_in_xmm(type) ? XMM_MASK : GPR_MASK;
}

static inline enum gpr as_gpr(u8 reg) {
    ASSERT(reg < REG_XMM);
    return (enum gpr)reg;
}

static inline enum xmm as_xmm(u8 reg) {
    ASSERT(reg >= REG_XMM && reg < REG_COUNT);
    return (enum xmm)(reg - REG_XMM);
}

static inline u8 xmm_reg(enum xmm x) {
    return (u8)(REG_XMM + x);
}

static inline u32 bit(u8 reg) {
    ASSERT(reg < REG_COUNT);
    return 1u << reg;
}

static inline struct flags flags_of(enum cond cond) {
    return (struct flags){.cond = cond, .parity = PARITY_NONE};
}

// The opposite truth value.
static inline struct flags flags_not(struct flags flags) {
    static const enum parity opposite[] = {PARITY_NONE, PARITY_OR_SET, PARITY_AND_CLEAR};
    return (struct flags){.cond = flags.cond ^ 1, .parity = opposite[flags.parity]};
}

static inline bool operand_is_const(const struct operand *x) {
    return x->kind == SLOT_CONST;
}

// A constant as the instruction set can take it: 32 bits, sign-extended to the operand's width.
static inline bool operand_is_imm32(const struct operand *x) {
    if (x->kind != SLOT_CONST)
        return false;
    return x->type == VALUE_I32 || (i64)x->value == (i32)x->value;
}

static inline i32 operand_imm32(const struct operand *x) {
    return (i32)x->value;
}

// -- state.c: registers, locals, operands -------------------------------------------------------

// Forgets everything: all registers empty, all locals at home, no operands.
void state_reset(struct baseline *c);
// Checks the invariants; for debug builds.
void state_check(const struct baseline *c);

// Takes a register of `mask`, pinned, spilling what must be. Emits moves only: flags survive.
u8 reg_alloc(struct baseline *c, u32 mask);
// Moves locals and stacked operands out of `reg`; what is pinned in it stays. `avoid`: registers
// that they may not move to.
void reg_claim(struct baseline *c, u8 reg, u32 avoid);
// A register of `mask` for a result, pinned: where `x` (may be NULL; released) was if nothing else
// needs that, or where the local lives that the next instruction sets. `x`'s register stays
// readable for the one instruction that writes the result.
u8 reg_result(struct baseline *c, u32 mask, const struct operand *x);
// The same for the one instruction that makes an xmm result of `a`, which it brings into a
// register, and of `b`, which may be in memory. Both are released, and stay readable for that
// instruction. Without AVX the result is where `a` is.
u8 xmm_result(struct baseline *c, struct operand *a, const struct operand *b);

// The memory that ends where slot `slot` of the operands begins.
static inline struct mem slot_home(const struct baseline *c, u32 slot) {
    return mem_at(RBP, -8 * (i32)(c->home_slots + slot));
}
struct mem operand_home(const struct baseline *c, const struct operand *x);
// Notes that `x` has a home in the frame.
void operand_slots_reserve(struct baseline *c, const struct operand *x);
struct mem local_home(const struct baseline *c, u32 local);

void push_sum(struct baseline *c, const struct operand *sum); // takes over its pins
void push_load(struct baseline *c, enum value_type type, const struct operand *index); // likewise
// Gives back the registers of a SLOT_SUM or SLOT_LOAD.
void operand_release_sum(struct baseline *c, const struct operand *x);
// Makes sure that `x` is in a register of `mask`.
void operand_load_in(struct baseline *c, struct operand *x, u32 mask);
// Makes sure that `x` is in a register that may be overwritten; `keep` (may be NULL) is not in it.
void operand_own(struct baseline *c, struct operand *x, const struct operand *keep);
// Moves `x` to exactly `reg`, which the caller has claimed, and owns it.
void operand_move_to(struct baseline *c, struct operand *x, u8 reg);
// Whether nothing but a local shares x's register, and the next instruction sets that local.
bool operand_is_replaced(const struct baseline *c, const struct operand *x);

// -- sum.c: i32 additions that are left to whoever takes their result

struct mem sum_mem(const struct operand *x);
// A register of the sum that may be overwritten, or NO_REG.
u8 sum_own_reg(const struct baseline *c, const struct operand *x);
// Computes `x` if it is a sum. Emits moves and lea only: flags survive.
void operand_settle(struct baseline *c, struct operand *x);
// The same for the top operands; for those that a block or a callee will take over.
void operands_settle(struct baseline *c, u32 count);
// Writes a sum home when no register is free. Not r11 either: an address may be in it.
void sum_write_home(struct baseline *c, struct operand *x);
void emit_add_i32(struct baseline *c);
// Leaves a shift of the top operand to the addition that follows, if one does.
bool shift_is_delayed(struct baseline *c, u32 count);

// -- fold.c: loads that are left to the next instruction

// Whether the next instruction takes a load of `width`, extended or not, as its memory operand.
bool load_is_folded(const struct baseline *c, enum value_type type, enum width width, bool sign);
// The memory operand of the instruction that is emitted next.
struct mem folded_load(struct baseline *c);
// Compares what is loaded with zero.
void folded_test(struct baseline *c);

// Puts operands below `below` home.
void operands_spill(struct baseline *c, u32 below);
// Puts dirty locals home; they stay in their registers as well.
void locals_spill(struct baseline *c);
// A call destroyed all registers: locals are at home, operands were popped or spilled.
void state_clobber(struct baseline *c);

// Puts the locals in `regs` home; they are in no register any more.
void locals_evict(struct baseline *c, u32 regs);
// The local's value is of no use any more.
void local_drop(struct baseline *c, u32 local);
void local_attach(struct baseline *c, u32 local, u8 reg, bool clean);
// Clean locals are at home only from now on.
void locals_forget(struct baseline *c);
// Takes a local that is at home into a register as well.
void local_load(struct baseline *c, u32 local);
void local_get(struct baseline *c, u32 local);
void local_set(struct baseline *c, u32 local);
void local_tee(struct baseline *c, u32 local);

// -- moves.c ------------------------------------------------------------------------------------

void value_move(struct baseline *c, enum value_type type, u8 to, u8 from);
void value_load(struct baseline *c, enum value_type type, u8 to, struct mem from);
void value_store(struct baseline *c, enum value_type type, struct mem to, u8 from);
void value_const(struct baseline *c, enum value_type type, u8 to, u64 bits);
// Stores an operand, wherever it is. Takes r11 when that is its home.
void operand_store(struct baseline *c, const struct operand *x, struct mem to);

// Parallel moves: begin, any number of adds (each destination once), emit.
void moves_begin(struct baseline *c);
void moves_add(struct baseline *c, u8 to, const struct operand *x);
void moves_add_load(struct baseline *c, u8 to, enum value_type type, struct mem from);
void moves_emit(struct baseline *c);

// -- loop.c -------------------------------------------------------------------------------------

// Where a loop begins: reads ahead and brings its locals where they are best.
void loop_prepare(struct baseline *c);
// Where that loop ends: its temporaries are locals like others.
void loop_end(struct baseline *c);

// -- frame.c ------------------------------------------------------------------------------------

// Places the locals; the prologue is left room.
void frame_begin(struct baseline *c);
// Writes the prologue and what belongs to it. Returns the frame's size.
u32 frame_finish(struct baseline *c);
// Follow which locals may be read before they are set.
void local_assigned(struct baseline *c, u32 local);
void local_read(struct baseline *c, u32 local);

// -- constants.c --------------------------------------------------------------------------------

// The label of 16 aligned bytes. Valid until the next instruction.
struct label *vec_constant(struct baseline *c, u64 low, u64 high);
// Emits the constants of the function, behind its code.
void emit_vec_constants(struct baseline *c);

// -- merge.c ------------------------------------------------------------------------------------

// Decides `m` by the current state: locals where they are, `count` top operands carried.
void merge_decide(struct baseline *c, struct merge *m, u32 count);
// Prepares a branch to a label that has state `m`: true when something must be moved. `height`: of
// the operands at the label; `bound`: code after the label was emitted already.
bool merge_arrive(struct baseline *c, struct merge *m, u32 height, u32 count, bool bound);
// Emits what merge_arrive found. The current state is not changed: the branch may not be taken.
void merge_moves(struct baseline *c, const struct merge *m, u32 height, u32 count);
// The same behind a branch back to `m` that may not have been taken: with the temporaries, and with
// all operands at home.
void merge_adopt_back(struct baseline *c, const struct merge *m);
// Makes `m` the current state.
void merge_adopt(struct baseline *c, const struct merge *m, u32 height, u32 count,
                 const enum value_type *types);

// -- baseline.c ---------------------------------------------------------------------------------

// Makes room for one more instruction: sticky failure.
bool insn_reserve(struct baseline *c);
// The label of the cold ud2 for a trap of the current instruction. Valid until the next call.
struct label *trap_label(struct baseline *c, enum trap trap);
void outgoing_reserve(struct baseline *c, u32 slots);
// Whether the next instruction takes the truth value that the current one leaves in the flags.
bool next_takes_flags(const struct baseline *c);
// Pushes a truth value, materialised unless the next instruction takes it from the flags.
void push_truth(struct baseline *c, struct flags flags);
// Jumps when `flags` hold.
void jump_if(struct baseline *c, struct flags flags, struct label *to);
// Notes that the instruction just emitted set the zero flag by its result in `reg`.
void zero_flag_note(struct baseline *c, u8 reg);
// Sets the zero flag by the value in `reg`, unless it is set so.
void zero_flag_test(struct baseline *c, enum value_type type, u8 reg);
// leave; ret, results in place. The state is not changed.
void emit_return(struct baseline *c);

// -- Emitters, by class of instruction ----------------------------------------------------------

void control_begin(struct baseline *c); // the function's own block
void emit_block(struct baseline *c);    // block, loop, if, try, try_table
void emit_else(struct baseline *c);
void emit_end(struct baseline *c);
void emit_br(struct baseline *c, u32 depth);
void emit_br_if(struct baseline *c, u32 depth);
void emit_br_table(struct baseline *c);
void emit_unreachable(struct baseline *c);
void emit_select(struct baseline *c);
struct flags pop_condition(struct baseline *c);

// The block of a label, and what a branch to it carries.
static inline struct block *block_at(struct baseline *c, u32 depth) {
    ASSERT(depth < c->block_count);
    return &c->blocks[c->block_count - 1 - depth];
}

static inline u32 label_count(const struct block *block) {
    return block->op == OP_LOOP ? block->type->param_count : block->type->result_count;
}

static inline const enum value_type *label_types(const struct block *block) {
    return block->op == OP_LOOP ? block->type->types
                                : block->type->types + block->type->param_count;
}

// -- emit_exception.c
// Notes that a call returns to the next instruction in the code, if it is in a try.
void guard_here(struct baseline *c);
void try_begin(struct baseline *c, struct block *block);
// Before the end of these blocks is compiled as any block's is. The second does nothing behind a
// catch.
void try_table_end(struct baseline *c, struct block *block);
void try_end(struct baseline *c, struct block *block);
// Behind the function: what only then is known of its tries.
void tries_finish(struct baseline *c, u32 frame_bytes);
void emit_throw(struct baseline *c);
void emit_throw_ref(struct baseline *c);
void emit_rethrow(struct baseline *c);
void emit_catch(struct baseline *c); // catch, catch_all
void emit_delegate(struct baseline *c);

// -- address.c: for the instruction's memory and static offset
// Where `index` + offset lies. May emit code that changes r11 and the flags; r11 holds what the
// access needs, so nothing may change it in between.
struct mem memory_operand(struct baseline *c, struct operand *index);
u32 access_bytes(const struct baseline *c);
// Where the instance keeps the pointer to a memory.
struct mem memory_pointer(const struct baseline *c, u32 memory);
// Checks the range of `at` and the count in rcx, then makes `at` an address. Changes rdx and r11.
void emit_range(struct baseline *c, u32 memory, enum gpr at);
void emit_load(struct baseline *c, enum wasm_op op);
void emit_store(struct baseline *c, enum wasm_op op);
void emit_memory_size(struct baseline *c);
void emit_memory_grow(struct baseline *c);
void emit_memory_copy(struct baseline *c);
void emit_memory_fill(struct baseline *c);
void emit_memory_init(struct baseline *c);
// Pops operands into the given registers, which are then, with `also`, all the caller's to
// overwrite. They are not pinned.
#define POP_TO_MAX 3
void pop_to(struct baseline *c, const u8 *regs, u32 count, u32 also);
void emit_atomic(struct baseline *c, enum wasm_op op); // emit_atomic.c
void emit_global_get(struct baseline *c);
void emit_global_set(struct baseline *c);

void emit_alu(struct baseline *c, enum alu op, enum value_type type);
void emit_mul(struct baseline *c, enum value_type type);
void emit_divide(struct baseline *c, enum wasm_op op, enum value_type type);
void emit_shift(struct baseline *c, enum shift op, enum value_type type);
void emit_bits(struct baseline *c, enum wasm_op op, enum value_type type); // clz ctz popcnt
void emit_compare(struct baseline *c, enum cond cond, enum value_type type);
void emit_eqz(struct baseline *c, enum value_type type);
void emit_extend(struct baseline *c, enum wasm_op op);
void emit_wrap(struct baseline *c);

void emit_float_binary(struct baseline *c, enum sse_op op, enum value_type type);
void emit_float_minmax(struct baseline *c, enum sse_op op, enum value_type type);
void emit_float_copysign(struct baseline *c, enum value_type type);
void emit_float_sign(struct baseline *c, enum sse_op op, enum value_type type); // AND abs, XOR neg
void emit_float_round(struct baseline *c, enum round_mode mode, enum value_type type);
void emit_float_sqrt(struct baseline *c, enum value_type type);
void emit_float_compare(struct baseline *c, enum wasm_op op, enum value_type type);

void emit_trunc(struct baseline *c, enum wasm_op op);
void emit_trunc_sat(struct baseline *c, enum wasm_op op);
void emit_convert(struct baseline *c, enum wasm_op op);
void emit_reinterpret(struct baseline *c, enum value_type to);
void emit_promote(struct baseline *c, enum value_type to);

void emit_simd(struct baseline *c, enum wasm_op op); // emit_simd.c
// Whether the right operand, of 16 bytes, may be unaligned memory if there is AVX.
bool simd_takes_memory(enum wasm_op op);

void emit_call(struct baseline *c);
void emit_call_indirect(struct baseline *c);
void emit_return_call(struct baseline *c);
void emit_return_call_indirect(struct baseline *c);
// Calls a helper with `imm_count` constants and then `pop_count` operands from the stack. With
// `has_result` pushes the value, of type `result`.
struct helper_call {
    enum helper helper;
    u32 imm_count;
    u64 imm[2];
    u32 pop_count;
    bool has_result;
    enum value_type result;
};
void emit_helper(struct baseline *c, const struct helper_call *call);

void emit_ref_func(struct baseline *c);
void emit_ref_is_null(struct baseline *c);
void emit_table_get(struct baseline *c);
void emit_table_set(struct baseline *c);
void emit_table_size(struct baseline *c);
void emit_table_op(struct baseline *c, enum wasm_op op); // grow, fill, copy, init, elem.drop

#include "engine/baseline/stack.h"
