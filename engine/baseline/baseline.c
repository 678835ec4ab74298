// The one-pass compiler: validates an instruction, then emits its code, from the first to the last.
//
// This file holds the driver: what every function is made of, and the table from instructions to
// emitters. The frame is in frame.c, the abstract state in state.c, joining of control flow in
// merge.c and emit_control.c.
//
//   prologue (frame.c)
//   ... body ...
//   leave; ret (and pop the stack parameters)
//   cold: ud2 for each check that failed; growing the stack
//   vector constants
//
// Memory grows by doubling and is kept from function to function. Room for what one instruction can
// push is made before it is compiled, so emitters cannot run out; the code buffer's own failure is
// sticky.

#include "engine/baseline/baseline_internal.h"

#include "base/fmt.h"
#include "base/string.h"
#include "engine/api/host.h"
#include "engine/decode/callconv.h"

// What one instruction can add at most: those of control, and others.
#define PUSH_MAX      (LIMIT_RESULTS + 8)
#define CONSTANTS_MAX 8

// Between two looks at how much room there is lie at most so many instructions, none of control.
#define STEPS          64

#define OPERANDS_ROOM  (PUSH_MAX + STEPS)
#define CONSTANTS_ROOM (CONSTANTS_MAX * STEPS)

// -- Growing memory -----------------------------------------------------------------------------

static void table_reserve(struct baseline *c, void **table, u32 *capacity, u64 need, usize size) {
    if (need <= *capacity)
        return;
    u64 wanted = *capacity == 0 ? 64 : 2 * (u64)*capacity;
    if (wanted < need)
        wanted = need;
    void *grown = wanted <= UINT32_MAX / 2 ? host_alloc(wanted * size) : NULL;
    if (grown == NULL) {
        c->status = ERR_NO_MEMORY;
        return;
    }
    if (*table != NULL)
        memcpy(grown, *table, *capacity * size);
    host_free(*table, *capacity * size);
    *table = grown;
    *capacity = (u32)wanted;
}

bool insn_reserve(struct baseline *c) {
    table_reserve(c, (void **)&c->operands, &c->operand_capacity,
                  (u64)c->operand_count + OPERANDS_ROOM, sizeof(*c->operands));
    table_reserve(c, (void **)&c->blocks, &c->block_capacity, (u64)c->block_count + 1,
                  sizeof(*c->blocks));
    table_reserve(c, (void **)&c->constants, &c->constant_capacity,
                  (u64)c->constant_count + CONSTANTS_ROOM, sizeof(*c->constants));
    return c->status == OK && c->a->status == OK;
}

// Looks whether the next steps have room; mostly they do.
static inline bool steps_begin(struct baseline *c) {
    c->steps = STEPS;
    if (c->operand_count + OPERANDS_ROOM <= c->operand_capacity &&
        c->block_count < c->block_capacity &&
        c->constant_count + CONSTANTS_ROOM <= c->constant_capacity && c->a->status == OK)
        return true;
    return insn_reserve(c);
}

struct baseline *baseline_create(const struct module_decl *decl,
                                 const struct instance_layout *layout,
                                 const struct compile_target *target) {
    struct baseline *c = host_alloc(sizeof(*c));
    if (c == NULL)
        return NULL;
    c->decl = decl;
    c->layout = layout;
    c->target = *target;
    c->segment = target->segment == SEGMENT_FS ? SEG_FS : SEG_GS;
    return c;
}

void baseline_destroy(struct baseline *c) {
    if (c == NULL)
        return;
    validator_fini(&c->validator);
    host_free(c->local, c->local_capacity * sizeof(*c->local));
    host_free(c->operands, c->operand_capacity * sizeof(*c->operands));
    host_free(c->blocks, c->block_capacity * sizeof(*c->blocks));
    host_free(c->traps, c->trap_capacity * sizeof(*c->traps));
    host_free(c->constants, c->constant_capacity * sizeof(*c->constants));
    host_free(c, sizeof(*c));
}

// -- For the emitters ---------------------------------------------------------------------------

struct label *trap_label(struct baseline *c, enum trap trap) {
    for (u32 i = c->trap_count; i > 0 && c->traps[i - 1].wasm_offset == c->insn.offset; i--) {
        if (c->traps[i - 1].trap == trap)
            return &c->traps[i - 1].label;
    }
    table_reserve(c, (void **)&c->traps, &c->trap_capacity, (u64)c->trap_count + 1,
                  sizeof(*c->traps));
    if (c->status != OK)
        return &c->lost;
    struct trap_stub *stub = &c->traps[c->trap_count++];
    *stub = (struct trap_stub){.wasm_offset = c->insn.offset, .trap = trap};
    return &stub->label;
}

void outgoing_reserve(struct baseline *c, u32 slots) {
    if (slots > c->outgoing_max)
        c->outgoing_max = slots;
}

// The opcodes are those of br_if, if, select and i32.eqz. The next instruction is not yet
// validated: if it turns out not to take an i32, the function is refused.
bool next_takes_flags(const struct baseline *c) {
    const struct reader *r = &c->validator.reader;
    if (r->at == r->end)
        return false;
    return *r->at == 0x0d || *r->at == 0x04 || *r->at == 0x1b || *r->at == 0x45;
}

void zero_flag_note(struct baseline *c, u8 reg) {
    c->zero_flag_reg = reg;
    c->zero_flag_end = c->a->len;
}

// test r, r
void zero_flag_test(struct baseline *c, enum value_type type, u8 reg) {
    if (c->zero_flag_reg != reg || c->zero_flag_end != c->a->len)
        asm_test_rr(c->a, type_width(type), as_gpr(reg), as_gpr(reg));
}

// setcc r; movzx r, r (with parity: setcc r; setcc r11; and/or r, r11; movzx r, r)
void push_truth(struct baseline *c, struct flags flags) {
    if (next_takes_flags(c)) {
        push_flags(c, flags);
        return;
    }
    u8 reg = reg_result(c, GPR_MASK, NULL);
    asm_setcc(c->a, flags.cond, as_gpr(reg));
    if (flags.parity != PARITY_NONE) {
        bool both = flags.parity == PARITY_AND_CLEAR;
        asm_setcc(c->a, both ? COND_NP : COND_P, SCRATCH);
        asm_alu_rr(c->a, both ? ALU_AND : ALU_OR, W32, as_gpr(reg), SCRATCH);
    }
    asm_movzx(c->a, W8, as_gpr(reg), as_gpr(reg));
    push_reg(c, VALUE_I32, reg);
}

// jcc to (and clear: jp over; jcc to; over:)  (or set: jp to; jcc to)
void jump_if(struct baseline *c, struct flags flags, struct label *to) {
    switch (flags.parity) {
    case PARITY_NONE:
        asm_jcc(c->a, flags.cond, to);
        return;
    case PARITY_AND_CLEAR: {
        struct label over = {0};
        asm_jcc(c->a, COND_P, &over);
        asm_jcc(c->a, flags.cond, to);
        asm_bind(c->a, &over);
        return;
    }
    case PARITY_OR_SET:
        asm_jcc(c->a, COND_P, to);
        asm_jcc(c->a, flags.cond, to);
        return;
    }
    UNREACHABLE();
}

// mov [rbp + 16 + 8 * slot], ...; mov rax, ...; movaps xmm0, ...; leave; ret [params]
void emit_return(struct baseline *c) {
    const struct func_type *type = c->type;
    operands_settle(c, type->result_count);
    u32 base = c->operand_count - type->result_count;
    u32 param_bytes = 8 * callconv_param_slots(type);
    struct callconv cc;
    callconv_begin(&cc);
    for (u32 i = 0; i < type->param_count; i++)
        callconv_param(&cc, type->types[i]);

    moves_begin(c);
    for (u32 i = 0; i < type->result_count; i++) {
        const struct operand *x = &c->operands[base + i];
        struct place place = callconv_result(&cc, type->types[type->param_count + i]);
        if (place.kind == PLACE_STACK)
            operand_store(c, x, mem_at(RBP, 16 + 8 * (i32)place.index));
        else
            moves_add(c, place.kind == PLACE_GPR ? RAX : xmm_reg(XMM0), x);
    }
    moves_emit(c);
    asm_leave(c->a);
    if (param_bytes != 0)
        asm_ret_pop(c->a, (u16)param_bytes);
    else
        asm_ret(c->a);
}

// -- Functions ----------------------------------------------------------------------------------

static void function_begin(struct baseline *c, u32 func) {
    c->body_offset = c->decl->funcs[func].body_offset;
    c->insn = (struct insn){.offset = c->body_offset};
    c->type = decl_func_type(c->decl, func);
    c->reachable = true;
    c->table_stamp = 0;
    c->trap_count = 0;
    c->constant_count = 0;
    state_reset(c);
    frame_begin(c);
    control_begin(c);
}

// (TRAP_DYNAMIC: mov [r14 + pending_trap], edx;) ud2
static void emit_traps(struct baseline *c) {
    for (u32 i = 0; i < c->trap_count; i++) {
        struct trap_stub *stub = &c->traps[i];
        asm_bind(c->a, &stub->label);
        if (stub->trap == TRAP_DYNAMIC)
            asm_store(c->a, W32, mem_at(R14, THREAD_PENDING_TRAP), RDX);
        code_unit_site(c->unit, c->a->len, stub->wasm_offset, stub->trap);
        asm_ud2(c->a);
    }
}

static void function_finish(struct baseline *c) {
    emit_traps(c);
    u32 frame_bytes = frame_finish(c);
    emit_vec_constants(c);
    tries_finish(c, frame_bytes);
}

// -- The body -----------------------------------------------------------------------------------

// Unreachable code is validated only; but its blocks are followed to find where it ends.
static void compile_unreachable(struct baseline *c) {
    c->steps = 0;
    switch (c->insn.op) {
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF:
    case OP_TRY:
    case OP_TRY_TABLE:
        emit_block(c);
        return;
    case OP_CATCH:
    case OP_CATCH_ALL:
        emit_catch(c);
        return;
    case OP_DELEGATE:
        emit_delegate(c);
        return;
    case OP_ELSE:
        emit_else(c);
        return;
    case OP_END:
        emit_end(c);
        return;
    default:
        return;
    }
}

static void compile_control(struct baseline *c) {
    c->steps = 0;
    switch (c->insn.op) {
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF:
    case OP_TRY:
    case OP_TRY_TABLE:
        return emit_block(c);
    case OP_CATCH:
    case OP_CATCH_ALL:
        return emit_catch(c);
    case OP_DELEGATE:
        return emit_delegate(c);
    case OP_THROW:
        return emit_throw(c);
    case OP_THROW_REF:
        return emit_throw_ref(c);
    case OP_RETHROW:
        return emit_rethrow(c);
    case OP_ELSE:
        return emit_else(c);
    case OP_END:
        return emit_end(c);
    case OP_BR:
        return emit_br(c, c->insn.index);
    case OP_BR_IF:
        return emit_br_if(c, c->insn.index);
    case OP_BR_TABLE:
        return emit_br_table(c);
    case OP_RETURN:
        return emit_br(c, c->block_count - 1);
    case OP_CALL:
        return emit_call(c);
    case OP_CALL_INDIRECT:
        return emit_call_indirect(c);
    case OP_RETURN_CALL:
        return emit_return_call(c);
    case OP_RETURN_CALL_INDIRECT:
        return emit_return_call_indirect(c);
    case OP_UNREACHABLE:
        return emit_unreachable(c);
    default:
        return;
    }
}

static void compile_variable(struct baseline *c) {
    struct operand x;
    switch (c->insn.op) {
    case OP_DROP:
        x = pop_sum(c);
        return operand_release(c, &x);
    case OP_SELECT:
    case OP_SELECT_T:
        return emit_select(c);
    case OP_GLOBAL_GET:
        return emit_global_get(c);
    case OP_GLOBAL_SET:
        return emit_global_set(c);
    case OP_I64_CONST:
        return push_const(c, VALUE_I64, (u64)c->insn.i64);
    case OP_F32_CONST:
        return push_const(c, VALUE_F32, c->insn.f32);
    case OP_F64_CONST:
        return push_const(c, VALUE_F64, c->insn.f64);
    case OP_REF_NULL:
        return push_const(c, c->insn.type, 0);
    case OP_REF_IS_NULL:
        return emit_ref_is_null(c);
    case OP_REF_FUNC:
        return emit_ref_func(c);
    default:
        UNREACHABLE();
    }
}

// i32 and i64 instructions come in the same order; `op` is the i32 one.
static void compile_integer(struct baseline *c, enum wasm_op op, enum value_type type) {
    // In the order of the instructions, from eq.
    static const enum cond conds[] = {COND_E, COND_NE, COND_L,  COND_B,  COND_G,
                                      COND_A, COND_LE, COND_BE, COND_GE, COND_AE};
    static const enum alu bitwise[] = {ALU_AND, ALU_OR, ALU_XOR};
    static const enum shift shifts[] = {SHIFT_SHL, SHIFT_SAR, SHIFT_SHR, SHIFT_ROL, SHIFT_ROR};
    if (op == OP_I32_EQZ)
        emit_eqz(c, type);
    else if (op <= OP_I32_GE_U)
        emit_compare(c, conds[op - OP_I32_EQ], type);
    else if (op <= OP_I32_POPCNT)
        emit_bits(c, op, type);
    else if (op == OP_I32_ADD)
        emit_alu(c, ALU_ADD, type);
    else if (op == OP_I32_SUB)
        emit_alu(c, ALU_SUB, type);
    else if (op == OP_I32_MUL)
        emit_mul(c, type);
    else if (op <= OP_I32_REM_U)
        emit_divide(c, op, type);
    else if (op <= OP_I32_XOR)
        emit_alu(c, bitwise[op - OP_I32_AND], type);
    else
        emit_shift(c, shifts[op - OP_I32_SHL], type);
}

// f32 and f64 instructions come in the same order; `op` is the f32 one.
static void compile_float(struct baseline *c, enum wasm_op op, enum value_type type) {
    switch (op) {
    case OP_F32_ABS:
        return emit_float_sign(c, SSE_AND, type);
    case OP_F32_NEG:
        return emit_float_sign(c, SSE_XOR, type);
    case OP_F32_CEIL:
        return emit_float_round(c, ROUND_UP, type);
    case OP_F32_FLOOR:
        return emit_float_round(c, ROUND_DOWN, type);
    case OP_F32_TRUNC:
        return emit_float_round(c, ROUND_TRUNC, type);
    case OP_F32_NEAREST:
        return emit_float_round(c, ROUND_NEAREST, type);
    case OP_F32_SQRT:
        return emit_float_sqrt(c, type);
    case OP_F32_ADD:
        return emit_float_binary(c, SSE_ADD, type);
    case OP_F32_SUB:
        return emit_float_binary(c, SSE_SUB, type);
    case OP_F32_MUL:
        return emit_float_binary(c, SSE_MUL, type);
    case OP_F32_DIV:
        return emit_float_binary(c, SSE_DIV, type);
    case OP_F32_MIN:
        return emit_float_minmax(c, SSE_MIN, type);
    case OP_F32_MAX:
        return emit_float_minmax(c, SSE_MAX, type);
    case OP_F32_COPYSIGN:
        return emit_float_copysign(c, type);
    default:
        UNREACHABLE();
    }
}

static void compile_conversion(struct baseline *c, enum wasm_op op) {
    if (op == OP_I32_WRAP_I64)
        emit_wrap(c);
    else if (op <= OP_I32_TRUNC_F64_U)
        emit_trunc(c, op);
    else if (op <= OP_I64_EXTEND_I32_U)
        emit_extend(c, op);
    else if (op <= OP_I64_TRUNC_F64_U)
        emit_trunc(c, op);
    else if (op == OP_F32_DEMOTE_F64)
        emit_promote(c, VALUE_F32);
    else if (op == OP_F64_PROMOTE_F32)
        emit_promote(c, VALUE_F64);
    else if (op <= OP_F64_CONVERT_I64_U)
        emit_convert(c, op);
    else if (op == OP_I32_REINTERPRET_F32)
        emit_reinterpret(c, VALUE_I32);
    else if (op == OP_I64_REINTERPRET_F64)
        emit_reinterpret(c, VALUE_I64);
    else if (op == OP_F32_REINTERPRET_I32)
        emit_reinterpret(c, VALUE_F32);
    else if (op == OP_F64_REINTERPRET_I64)
        emit_reinterpret(c, VALUE_F64);
    else
        emit_extend(c, op);
}

static void compile_bulk(struct baseline *c) {
    struct helper_call drop = {.helper = HELPER_DATA_DROP, .imm_count = 1, .imm = {c->insn.index}};
    switch (c->insn.op) {
    case OP_MEMORY_SIZE:
        return emit_memory_size(c);
    case OP_MEMORY_GROW:
        return emit_memory_grow(c);
    case OP_MEMORY_COPY:
        return emit_memory_copy(c);
    case OP_MEMORY_FILL:
        return emit_memory_fill(c);
    case OP_MEMORY_INIT:
        return emit_memory_init(c);
    case OP_DATA_DROP:
        return emit_helper(c, &drop);
    case OP_TABLE_GET:
        return emit_table_get(c);
    case OP_TABLE_SET:
        return emit_table_set(c);
    case OP_TABLE_SIZE:
        return emit_table_size(c);
    default:
        return emit_table_op(c, c->insn.op);
    }
}

STATIC_ASSERT(OP_I64_ROTR - OP_I64_CLZ == OP_I32_ROTR - OP_I32_CLZ, "same order");
STATIC_ASSERT(OP_I64_GE_U - OP_I64_EQZ == OP_I32_GE_U - OP_I32_EQZ, "same order");
STATIC_ASSERT(OP_F64_COPYSIGN - OP_F64_ABS == OP_F32_COPYSIGN - OP_F32_ABS, "same order");

// Ranges of the opcode table, in its order: a jump table.
static void compile_insn(struct baseline *c) {
    enum wasm_op op = c->insn.op;
    switch (op) {
    case OP_UNREACHABLE ... OP_CATCH_ALL:
    case OP_TRY_TABLE:
        return compile_control(c);
    case OP_I32_CONST:
        return push_const(c, VALUE_I32, (u32)c->insn.i32);
    case OP_LOCAL_GET:
        return local_get(c, c->insn.index);
    case OP_LOCAL_SET:
        return local_set(c, c->insn.index);
    case OP_LOCAL_TEE:
        return local_tee(c, c->insn.index);
    case OP_TABLE_GET ... OP_TABLE_SET:
    case OP_MEMORY_SIZE ... OP_MEMORY_GROW:
    case OP_MEMORY_INIT ... OP_TABLE_FILL:
        return compile_bulk(c);
    case OP_I32_LOAD ... OP_I64_LOAD32_U:
        return emit_load(c, op);
    case OP_I32_STORE ... OP_I64_STORE32:
        return emit_store(c, op);
    case OP_I32_EQZ ... OP_I32_GE_U:
    case OP_I32_CLZ ... OP_I32_ROTR:
        return compile_integer(c, op, VALUE_I32);
    case OP_I64_EQZ ... OP_I64_GE_U:
        return compile_integer(c, op - OP_I64_EQZ + OP_I32_EQZ, VALUE_I64);
    case OP_I64_CLZ ... OP_I64_ROTR:
        return compile_integer(c, op - OP_I64_CLZ + OP_I32_CLZ, VALUE_I64);
    case OP_F32_EQ ... OP_F32_GE:
        return emit_float_compare(c, op, VALUE_F32);
    case OP_F64_EQ ... OP_F64_GE:
        return emit_float_compare(c, op - OP_F64_EQ + OP_F32_EQ, VALUE_F64);
    case OP_F32_ABS ... OP_F32_COPYSIGN:
        return compile_float(c, op, VALUE_F32);
    case OP_F64_ABS ... OP_F64_COPYSIGN:
        return compile_float(c, op - OP_F64_ABS + OP_F32_ABS, VALUE_F64);
    case OP_I32_WRAP_I64 ... OP_I64_EXTEND32_S:
        return compile_conversion(c, op);
    case OP_I32_TRUNC_SAT_F32_S ... OP_I64_TRUNC_SAT_F64_U:
        return emit_trunc_sat(c, op);
    case OP_V128_LOAD ... OP_I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S:
        return emit_simd(c, op);
    case OP_MEMORY_ATOMIC_NOTIFY ... OP_I64_ATOMIC_RMW32_CMPXCHG_U:
        return emit_atomic(c, op);
    default:
        return compile_variable(c);
    }
}

static void compile_body(struct baseline *c) {
    struct validator *v = &c->validator;
    c->steps = 0;
    while (v->control_count != 0) {
        if (!validator_next(v, &c->insn))
            return;
        if (c->steps-- == 0 && !steps_begin(c))
            return;
        if (c->reachable)
            compile_insn(c);
        else
            compile_unreachable(c);
#ifdef BASELINE_CHECK
        if (c->reachable)
            state_check(c);
#endif
    }
}

static enum status refuse(enum status status, u32 func, u32 offset, struct module_error *error) {
    error->status = status;
    error->func = func;
    error->offset = offset;
    fmt_string(error->text, sizeof(error->text), "%s",
               status == ERR_LIMIT ? "function needs too much code" : status_text(status));
    return status;
}

enum status baseline_compile(struct baseline *c, u32 func, struct code_unit *unit,
                             struct module_error *error) {
    ASSERT(!func_is_import(c->decl, func));
    code_unit_reset(unit);
    c->unit = unit;
    c->a = &unit->code;
    c->a->has_avx = c->target.has_avx;
    c->status = OK;
    c->insn.offset = c->decl->funcs[func].body_offset;

    validator_begin(&c->validator, c->decl, func);
    if (c->validator.reader.status == OK) {
        table_reserve(c, (void **)&c->local, &c->local_capacity, c->validator.local_count,
                      sizeof(*c->local));
        c->block_count = 0;
        c->constant_count = 0;
        if (c->status == OK && insn_reserve(c)) {
            function_begin(c, func);
            compile_body(c);
        }
    }
    if (c->status == OK)
        c->status = c->a->status;
    if (c->status != OK)
        return refuse(c->status, func, c->insn.offset, error);
    enum status status = validator_end(&c->validator, error);
    if (status != OK)
        return status;

    function_finish(c);
    if (c->a->status != OK)
        return refuse(c->a->status, func, c->insn.offset, error);
    return OK;
}
