// Tables and references. Reading and writing an element is inline; the rest is done by helpers.

#include "engine/baseline/baseline_internal.h"

// mov r11, [r15 + table]; cmp index, [r11 + size]; jae cold; mov r11, [r11 + elements]
static struct mem table_element(struct baseline *c, const struct operand *index) {
    asm_load(c->a, W64, SCRATCH, mem_at(R15, (i32)layout_table(c->layout, c->insn.index)));
    asm_alu_rm(c->a, ALU_CMP, W64, as_gpr(index->reg), mem_at(SCRATCH, TABLE_SIZE));
    asm_jcc(c->a, COND_AE, trap_label(c, TRAP_TABLE_BOUNDS));
    asm_load(c->a, W64, SCRATCH, mem_at(SCRATCH, TABLE_ELEMENTS));
    return (struct mem){.base = SCRATCH, .index = as_gpr(index->reg), .scale = 3};
}

// element; mov r, [r11 + 8 * index]
void emit_table_get(struct baseline *c) {
    struct operand index = pop(c);
    operand_load(c, &index);
    struct mem element = table_element(c, &index);
    u8 to = reg_result(c, GPR_MASK, &index);
    asm_load(c->a, W64, as_gpr(to), element);
    push_reg(c, c->decl->tables[c->insn.index].element, to);
}

// element; mov [r11 + 8 * index], r / imm
void emit_table_set(struct baseline *c) {
    struct operand value = pop(c);
    struct operand index = pop(c);
    operand_load(c, &index);
    if (!operand_is_imm32(&value))
        operand_load(c, &value);
    operand_store(c, &value, table_element(c, &index));
    operand_release(c, &value);
    operand_release(c, &index);
}

// mov r, [r15 + table]; mov r32, [r + size]
void emit_table_size(struct baseline *c) {
    u8 to = reg_result(c, GPR_MASK, NULL);
    asm_load(c->a, W64, as_gpr(to), mem_at(R15, (i32)layout_table(c->layout, c->insn.index)));
    asm_load(c->a, W32, as_gpr(to), mem_at(as_gpr(to), TABLE_SIZE));
    push_reg(c, decl_table_address(c->decl, c->insn.index), to);
}

void emit_table_op(struct baseline *c, enum wasm_op op) {
    u32 a = c->insn.pair.a;
    u32 b = c->insn.pair.b;
    struct helper_call call = {.imm_count = 1, .imm = {c->insn.index}};
    switch (op) {
    case OP_TABLE_GROW:
        call.helper = HELPER_TABLE_GROW;
        call.pop_count = 2;
        call.has_result = true;
        call.result = decl_table_address(c->decl, c->insn.index);
        break;
    case OP_TABLE_FILL:
        call.helper = HELPER_TABLE_FILL;
        call.pop_count = 3;
        break;
    case OP_TABLE_COPY:
        call = (struct helper_call){
            .helper = HELPER_TABLE_COPY, .imm_count = 2, .imm = {a, b}, .pop_count = 3};
        break;
    case OP_TABLE_INIT: // the immediates are the segment, then the table
        call = (struct helper_call){
            .helper = HELPER_TABLE_INIT, .imm_count = 2, .imm = {b, a}, .pop_count = 3};
        break;
    case OP_ELEM_DROP:
        call.helper = HELPER_ELEM_DROP;
        break;
    default:
        UNREACHABLE();
    }
    emit_helper(c, &call);
}

// An own function: lea r, [r15 + its struct func_ref]. An imported one: mov r, [r15 + pointer], so
// that a function is the same reference in every instance.
void emit_ref_func(struct baseline *c) {
    u32 func = c->insn.index;
    u8 to = reg_result(c, GPR_MASK, NULL);
    if (func_is_import(c->decl, func)) {
        asm_load(c->a, W64, as_gpr(to), mem_at(R15, (i32)layout_import(c->layout, func)));
    } else {
        u32 ref = c->decl->funcs[func].ref_index;
        CHECK(ref != NO_REF);
        asm_lea(c->a, W64, as_gpr(to), mem_at(R15, (i32)layout_func_ref(c->layout, ref)));
    }
    push_reg(c, VALUE_FUNCREF, to);
}

// test r, r; sete
void emit_ref_is_null(struct baseline *c) {
    struct operand x = pop(c);
    operand_load(c, &x);
    asm_test_rr(c->a, W64, as_gpr(x.reg), as_gpr(x.reg));
    operand_release(c, &x);
    push_truth(c, flags_of(COND_E));
}
