// Calls: of functions of this module, imported ones, references from tables, and C helpers.
//
// Registers do not survive a call. Before it, dirty locals and the operands below the arguments go
// home; then stack arguments are stored, and register arguments moved in parallel. An indirect call
// carries its table index in rax meanwhile, which is no argument register.

#include "engine/baseline/baseline_internal.h"

#include "engine/decode/callconv.h"

static const u8 arg_gprs[CALLCONV_GPRS] = {RDI, RSI, RDX, RCX, R8, R9};

// Begins the moves of arguments in registers, and stores those that go on the stack:
//   mov [rsp + 8 * slot], arg ...
static void args_begin(struct baseline *c, const struct func_type *type) {
    u32 base = c->operand_count - type->param_count;
    operands_spill(c, base > c->window ? base : c->window);
    locals_spill(c);
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

// mov r, [rsp + 8 * slot] for results on the stack
static void push_results(struct baseline *c, const struct func_type *type) {
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
    args_begin(c, type);
    args_end(c, type->param_count);
    if (func_is_import(c->decl, func)) {
        asm_load(c->a, W64, RAX, mem_at(R15, (i32)layout_import(c->layout, func)));
        asm_call_m(c->a, mem_at(RAX, FUNC_REF_CROSS_CODE));
    } else {
        code_unit_call(c->unit, asm_call_rel32(c->a), func);
    }
    site_here(c, TRAP_NONE);
    push_results(c, type);
}

// index in rax:
//   mov r11, [r15 + table]; cmp rax, [r11 + size]; jae cold
//   mov r11, [r11 + elements]; mov rax, [r11 + 8 * rax]; test rax, rax; je cold
//   cmp dword [rax + type_id], imm; jne cold
//   mov r11, [rax + cross_code]; mov r10, [rax + code]; cmp [rax + instance], r15; cmove r11, r10
//   call r11
void emit_call_indirect(struct baseline *c) {
    u32 type_index = c->insn.pair.a;
    const struct func_type *type = &c->decl->types[type_index];
    struct operand index = pop(c);
    args_begin(c, type);
    moves_add(c, RAX, &index);
    args_end(c, type->param_count);
    operand_release(c, &index);

    struct mem element = {.base = R11, .index = RAX, .scale = 3};
    asm_load(c->a, W64, R11, mem_at(R15, (i32)layout_table(c->layout, c->insn.pair.b)));
    asm_alu_rm(c->a, ALU_CMP, W64, RAX, mem_at(R11, TABLE_SIZE));
    asm_jcc(c->a, COND_AE, trap_label(c, TRAP_UNDEFINED_ELEMENT));
    asm_load(c->a, W64, R11, mem_at(R11, TABLE_ELEMENTS));
    asm_load(c->a, W64, RAX, element);
    asm_test_rr(c->a, W64, RAX, RAX);
    asm_jcc(c->a, COND_E, trap_label(c, TRAP_UNINITIALIZED_ELEMENT));
    u32 type_id = c->target.type_ids[type_index];
    asm_alu_mi(c->a, ALU_CMP, W32, mem_at(RAX, FUNC_REF_TYPE_ID), (i32)type_id);
    asm_jcc(c->a, COND_NE, trap_label(c, TRAP_INDIRECT_TYPE));
    asm_load(c->a, W64, R11, mem_at(RAX, FUNC_REF_CROSS_CODE));
    asm_load(c->a, W64, R10, mem_at(RAX, FUNC_REF_CODE));
    asm_alu_mr(c->a, ALU_CMP, W64, mem_at(RAX, FUNC_REF_INSTANCE), R15);
    asm_cmov(c->a, COND_E, W64, R11, R10);
    asm_call_r(c->a, R11);
    site_here(c, TRAP_NONE);
    push_results(c, type);
}

// mov rdi, r15; mov rax, [r15 + helpers]; call [rax + 8 * helper]; test edx, edx; jne cold
void emit_helper(struct baseline *c, const struct helper_call *call) {
    u32 base = c->operand_count - call->pop_count;
    ASSERT(call->imm_count < CALLCONV_GPRS);
    ASSERT(call->pop_count < CALLCONV_GPRS - call->imm_count);
    operands_spill(c, base > c->window ? base : c->window);
    locals_spill(c);

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
