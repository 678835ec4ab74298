// Calls: of functions of this module, imported ones, references from tables, and C helpers.
//
// Registers do not survive a call. Before it, dirty locals and the operands below the arguments go
// home; then stack arguments are stored, and register arguments moved in parallel. An indirect call
// carries its table index in rax meanwhile, which is no argument register.
//
// A tail call places its arguments in the same way, where nothing of the frame is overwritten that
// is still to be read, then moves those on the stack up over the frame.

#include "engine/baseline/baseline_internal.h"

#include "engine/decode/callconv.h"

static const u8 arg_gprs[CALLCONV_GPRS] = {RDI, RSI, RDX, RCX, R8, R9};

// Registers do not survive: what is needed behind the call goes home.
static void spill_for_call(struct baseline *c, u32 arg_count) {
    u32 base = c->operand_count - arg_count;
    operands_spill(c, base > c->window ? base : c->window);
    locals_spill(c);
}

// Begins the moves of arguments in registers, and stores those that go on the stack:
//   mov [rsp + 8 * slot], arg ...
static void args_begin(struct baseline *c, const struct func_type *type) {
    operands_settle(c, type->param_count);
    u32 base = c->operand_count - type->param_count;
    outgoing_reserve(c, callconv_area_slots(type));

    struct callconv cc;
    callconv_begin(&cc);
    moves_begin(c);
    for (u32 i = 0; i < type->param_count; i++) {
        const struct operand *x = &c->operands[base + i];
        struct place place = callconv_param(&cc, type->types[i]);
        if (place.kind == PLACE_STACK)
            operand_store(c, x, mem_at(RSP, 8 * (i32)place.index));
        else if (place.kind == PLACE_GPR)
            moves_add(c, arg_gprs[place.index], x);
        else
            moves_add(c, xmm_reg((enum xmm)place.index), x);
    }
}

// All arguments are where they belong; every register is now the callee's.
static void args_end(struct baseline *c, u32 count) {
    moves_emit(c);
    for (u32 i = 0; i < count; i++) {
        struct operand x = pop(c);
        operand_release(c, &x);
    }
}

// sub rsp, params, which the callee popped; mov r, [rsp + 8 * slot] for results on the stack
static void push_results(struct baseline *c, const struct func_type *type) {
    u32 param_slots = callconv_param_slots(type);
    if (param_slots != 0)
        asm_alu_ri(c->a, ALU_SUB, W64, RSP, 8 * (i32)param_slots);
    state_clobber(c);
    struct callconv cc;
    callconv_begin(&cc);
    for (u32 i = 0; i < type->param_count; i++)
        callconv_param(&cc, type->types[i]);

    // The registers with results are taken before others are looked for.
    struct callconv first = cc;
    for (u32 i = 0; i < type->result_count; i++) {
        struct place place = callconv_result(&first, type->types[type->param_count + i]);
        if (place.kind != PLACE_STACK)
            reg_retain(c, place.kind == PLACE_GPR ? RAX : xmm_reg(XMM0));
    }
    for (u32 i = 0; i < type->result_count; i++) {
        enum value_type result = type->types[type->param_count + i];
        struct place place = callconv_result(&cc, result);
        u8 reg = place.kind == PLACE_GPR ? RAX : xmm_reg(XMM0);
        if (place.kind == PLACE_STACK) {
            reg = reg_alloc(c, type_mask(result));
            value_load(c, result, reg, mem_at(RSP, 8 * (i32)place.index));
        }
        push_reg(c, result, reg);
    }
}

// call rel32 / mov rax, [r15 + import]; call [rax + cross_code]
void emit_call(struct baseline *c) {
    u32 func = c->insn.index;
    const struct func_type *type = decl_func_type(c->decl, func);
    spill_for_call(c, type->param_count);
    args_begin(c, type);
    args_end(c, type->param_count);
    if (func_is_import(c->decl, func)) {
        asm_load(c->a, W64, RAX, mem_at(R15, (i32)layout_import(c->layout, func)));
        asm_call_m(c->a, mem_at(RAX, FUNC_REF_CROSS_CODE));
    } else {
        code_unit_call(c->unit, asm_call_rel32(c->a), func);
    }
    site_here(c, TRAP_NONE);
    guard_here(c);
    push_results(c, type);
}

// Places the arguments of an indirect call, and in rax the reference, checked:
//   mov r11, [r15 + table]; cmp rax, [r11 + size]; jae cold
//   mov r11, [r11 + elements]; mov rax, [r11 + 8 * rax]; test rax, rax; je cold
//   cmp dword [rax + type_id], imm; jne cold
static void args_indirect(struct baseline *c, const struct func_type *type, struct operand *index) {
    args_begin(c, type);
    moves_add(c, RAX, index);
    args_end(c, type->param_count);
    operand_release(c, index);

    struct mem element = {.base = R11, .index = RAX, .scale = 3};
    asm_load(c->a, W64, R11, mem_at(R15, (i32)layout_table(c->layout, c->insn.pair.b)));
    asm_alu_rm(c->a, ALU_CMP, W64, RAX, mem_at(R11, TABLE_SIZE));
    asm_jcc(c->a, COND_AE, trap_label(c, TRAP_UNDEFINED_ELEMENT));
    asm_load(c->a, W64, R11, mem_at(R11, TABLE_ELEMENTS));
    asm_load(c->a, W64, RAX, element);
    asm_test_rr(c->a, W64, RAX, RAX);
    asm_jcc(c->a, COND_E, trap_label(c, TRAP_UNINITIALIZED_ELEMENT));
    u32 type_id = c->target.type_ids[c->insn.pair.a];
    asm_alu_mi(c->a, ALU_CMP, W32, mem_at(RAX, FUNC_REF_TYPE_ID), (i32)type_id);
    asm_jcc(c->a, COND_NE, trap_label(c, TRAP_INDIRECT_TYPE));
}

// r11 = where to enter the reference in rax, when it holds another instance's entry now:
//   mov r10, [rax + code]; cmp [rax + instance], r15; cmove r11, r10
static void prefer_own_code(struct baseline *c) {
    asm_load(c->a, W64, R10, mem_at(RAX, FUNC_REF_CODE));
    asm_alu_mr(c->a, ALU_CMP, W64, mem_at(RAX, FUNC_REF_INSTANCE), R15);
    asm_cmov(c->a, COND_E, W64, R11, R10);
}

// arguments, rax = reference; mov r11, [rax + cross_code]; r11 = own code; call r11
void emit_call_indirect(struct baseline *c) {
    const struct func_type *type = &c->decl->types[c->insn.pair.a];
    struct operand index = pop(c);
    spill_for_call(c, type->param_count);
    args_indirect(c, type, &index);
    asm_load(c->a, W64, R11, mem_at(RAX, FUNC_REF_CROSS_CODE));
    prefer_own_code(c);
    asm_call_r(c->a, R11);
    site_here(c, TRAP_NONE);
    guard_here(c);
    push_results(c, type);
}

// -- Tail calls -----------------------------------------------------------------------------------

// Stack arguments are copied one by one up to this many, then by a loop.
#define UNROLLED_ARGS 8u

// Copies `count` slots from [rsp] to [to], which is above: the last one first.
//   mov r10, [rsp + 8 * slot]; mov [to + 8 * slot], r10 ...
//   mov r12d, count; next: mov r10, [rsp + 8 * r12 - 8]; mov [to + 8 * r12 - 8], r10; sub; jne
static void copy_args_up(struct baseline *c, struct mem to, u32 count) {
    struct mem from = mem_at(RSP, 0);
    if (count <= UNROLLED_ARGS) {
        for (u32 slot = count; slot > 0; slot--) {
            asm_load(c->a, W64, R10, mem_at(from.base, from.disp + 8 * (i32)(slot - 1)));
            asm_store(c->a, W64, mem_at(to.base, to.disp + 8 * (i32)(slot - 1)), R10);
        }
        return;
    }
    struct label next = {0};
    from.index = to.index = R12;
    from.scale = to.scale = 3;
    from.disp -= 8;
    to.disp -= 8;
    asm_mov_ri(c->a, R12, count);
    asm_bind(c->a, &next);
    asm_load(c->a, W64, R10, from);
    asm_store(c->a, W64, to, R10);
    asm_alu_ri(c->a, ALU_SUB, W64, R12, 1);
    asm_jcc(c->a, COND_NE, &next);
}

// Gives up the frame for a callee of `type`, whose arguments are in registers and in the outgoing
// area. Keeps rax and r11. With stack parameters of the same size:
//   copy to [rbp + 16]; leave
// Else the return address moves with where they begin. It is read first, and rbp is the caller's
// before anything is overwritten: at any moment the chain of frames is one.
//   mov r13, rbp; mov rbx, [rbp + 8]; mov rbp, [rbp]; copy to [r13 + 16 + moved];
//   lea rsp, [r13 + 8 + moved]; mov [rsp], rbx
static void leave_for(struct baseline *c, const struct func_type *type) {
    u32 param_slots = callconv_param_slots(type);
    i32 moved = 8 * ((i32)callconv_param_slots(c->type) - (i32)param_slots);
    if (moved == 0) {
        copy_args_up(c, mem_at(RBP, 16), param_slots);
        asm_leave(c->a);
        return;
    }
    asm_mov_rr(c->a, W64, R13, RBP);
    asm_load(c->a, W64, RBX, mem_at(RBP, 8));
    asm_load(c->a, W64, RBP, mem_at(RBP, 0));
    copy_args_up(c, mem_at(R13, 16 + moved), param_slots);
    asm_lea(c->a, W64, RSP, mem_at(R13, 8 + moved));
    asm_store(c->a, W64, mem_at(RSP, 0), RBX);
}

// mov r11, [r15 + helpers]; mov r11, [r11 + HELPER_TAIL_CALL]
static void load_tail_call(struct baseline *c) {
    asm_load(c->a, W64, R11, mem_at(R15, INSTANCE_HELPERS));
    asm_load(c->a, W64, R11, mem_at(R11, 8 * HELPER_TAIL_CALL));
}

// leave; jmp rel32 / mov rax, [r15 + import]; r11 = HELPER_TAIL_CALL; leave; jmp r11
void emit_return_call(struct baseline *c) {
    u32 func = c->insn.index;
    const struct func_type *type = decl_func_type(c->decl, func);
    args_begin(c, type);
    args_end(c, type->param_count);
    if (func_is_import(c->decl, func)) {
        asm_load(c->a, W64, RAX, mem_at(R15, (i32)layout_import(c->layout, func)));
        load_tail_call(c);
        leave_for(c, type);
        asm_jmp_r(c->a, R11);
    } else {
        leave_for(c, type);
        code_unit_call(c->unit, asm_jmp_rel32(c->a), func);
    }
    c->reachable = false;
}

// arguments, rax = reference; r11 = HELPER_TAIL_CALL; r11 = own code; leave; jmp r11
void emit_return_call_indirect(struct baseline *c) {
    const struct func_type *type = &c->decl->types[c->insn.pair.a];
    struct operand index = pop(c);
    args_indirect(c, type, &index);
    load_tail_call(c);
    prefer_own_code(c);
    leave_for(c, type);
    asm_jmp_r(c->a, R11);
    c->reachable = false;
}

// -- Helpers --------------------------------------------------------------------------------------

// mov rdi, r15; mov rax, [r15 + helpers]; call [rax + 8 * helper]; test edx, edx; jne cold
void emit_helper(struct baseline *c, const struct helper_call *call) {
    u32 base = c->operand_count - call->pop_count;
    ASSERT(call->imm_count < CALLCONV_GPRS);
    ASSERT(call->pop_count < CALLCONV_GPRS - call->imm_count);
    operands_settle(c, call->pop_count);
    spill_for_call(c, call->pop_count);

    moves_begin(c);
    u32 arg = 1;
    for (u32 i = 0; i < call->imm_count; i++) {
        struct operand imm = {.kind = SLOT_CONST, .type = VALUE_I64, .value = call->imm[i]};
        moves_add(c, arg_gprs[arg++], &imm);
    }
    for (u32 i = 0; i < call->pop_count; i++)
        moves_add(c, arg_gprs[arg++], &c->operands[base + i]);
    args_end(c, call->pop_count);
    asm_mov_rr(c->a, W64, RDI, R15);
    asm_load(c->a, W64, RAX, mem_at(R15, INSTANCE_HELPERS));
    asm_call_m(c->a, mem_at(RAX, 8 * (i32)call->helper));
    site_here(c, TRAP_NONE);
    asm_test_rr(c->a, W32, RDX, RDX);
    asm_jcc(c->a, COND_NE, trap_label(c, TRAP_DYNAMIC));
    state_clobber(c);
    if (call->has_result) {
        reg_retain(c, RAX);
        push_reg(c, call->result, RAX);
    }
}
