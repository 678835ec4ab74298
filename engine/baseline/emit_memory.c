// Linear memory and globals. What keeps an access inside of its memory is in address.c.

#include "engine/baseline/baseline_internal.h"

struct access {
    enum value_type type;
    enum width width; // in memory
    bool sign;
};

// Loads and stores, in the order of their instructions.
static const struct access loads[] = {
    {VALUE_I32, W32, false}, {VALUE_I64, W64, false}, {VALUE_F32, W32, false},
    {VALUE_F64, W64, false}, {VALUE_I32, W8, true},   {VALUE_I32, W8, false},
    {VALUE_I32, W16, true},  {VALUE_I32, W16, false}, {VALUE_I64, W8, true},
    {VALUE_I64, W8, false},  {VALUE_I64, W16, true},  {VALUE_I64, W16, false},
    {VALUE_I64, W32, true},  {VALUE_I64, W32, false},
};
static const struct access stores[] = {
    {VALUE_I32, W32, false}, {VALUE_I64, W64, false}, {VALUE_F32, W32, false},
    {VALUE_F64, W64, false}, {VALUE_I32, W8, false},  {VALUE_I32, W16, false},
    {VALUE_I64, W8, false},  {VALUE_I64, W16, false}, {VALUE_I64, W32, false},
};
STATIC_ASSERT(COUNT_OF(loads) == OP_I64_LOAD32_U - OP_I32_LOAD + 1, "one row per load");
STATIC_ASSERT(COUNT_OF(stores) == OP_I64_STORE32 - OP_I32_STORE + 1, "one row per store");

// mov r, seg:[...] / movzx / movsx / movs x, seg:[...]; nothing when it is folded
void emit_load(struct baseline *c, enum wasm_op op) {
    const struct access *load = &loads[op - OP_I32_LOAD];
    struct operand index = pop_sum(c);
    struct mem from = memory_operand(c, &index);
    if (from.base != SCRATCH && load_is_folded(c, load->type, load->width, load->sign)) {
        c->folded.mem = from;
        c->folded.width = load->width;
        c->folded.wasm_offset = c->insn.offset;
        push_load(c, load->type, &index);
        return;
    }
    u8 to = reg_result(c, type_mask(load->type), &index);
    site_here(c, TRAP_MEMORY_BOUNDS);
    if (value_type_is_float(load->type))
        asm_loadf(c->a, type_fwidth(load->type), as_xmm(to), from);
    else if (load->sign)
        asm_load_sx(c->a, type_width(load->type), load->width, as_gpr(to), from);
    else
        asm_load(c->a, load->width, as_gpr(to), from);
    push_reg(c, load->type, to);
}

// The part of a constant that a store of `w` writes.
static i32 store_imm(enum width w, const struct operand *value) {
    if (w == W8)
        return (i8)value->value;
    return w == W16 ? (i16)value->value : (i32)value->value;
}

// mov seg:[...], r / mov seg:[...], imm / movs seg:[...], x
void emit_store(struct baseline *c, enum wasm_op op) {
    const struct access *store = &stores[op - OP_I32_STORE];
    struct operand value = pop(c);
    struct operand index = pop_sum(c);
    bool imm =
        operand_is_const(&value) && (store->width != W64 || (i64)value.value == (i32)value.value);
    if (!imm)
        operand_load(c, &value);
    struct mem to = memory_operand(c, &index);
    site_here(c, TRAP_MEMORY_BOUNDS);
    if (imm)
        asm_store_i(c->a, store->width, to, store_imm(store->width, &value));
    else if (value_type_is_float(store->type))
        asm_storef(c->a, type_fwidth(store->type), to, as_xmm(value.reg));
    else
        asm_store(c->a, store->width, to, as_gpr(value.reg));
    operand_release(c, &value);
    operand_release(c, &index);
}

// mov r, [r15 + memory]; mov r, [r + bytes]; shr r, 16
void emit_memory_size(struct baseline *c) {
    u8 to = reg_result(c, GPR_MASK, NULL);
    asm_load(c->a, W64, as_gpr(to), memory_pointer(c, c->insn.index));
    asm_load(c->a, W64, as_gpr(to), mem_at(as_gpr(to), MEMORY_BYTES));
    asm_shift_i(c->a, SHIFT_SHR, W64, as_gpr(to), 16);
    push_reg(c, decl_memory_address(c->decl, c->insn.index), to);
}

void emit_memory_grow(struct baseline *c) {
    emit_helper(c, &(struct helper_call){.helper = HELPER_MEMORY_GROW,
                                         .imm_count = 1,
                                         .imm = {c->insn.index},
                                         .pop_count = 1,
                                         .has_result = true,
                                         .result = decl_memory_address(c->decl, c->insn.index)});
}

void emit_memory_init(struct baseline *c) {
    emit_helper(c, &(struct helper_call){.helper = HELPER_MEMORY_INIT,
                                         .imm_count = 2,
                                         .imm = {c->insn.pair.b, c->insn.pair.a},
                                         .pop_count = 3});
}

void pop_to(struct baseline *c, const u8 *regs, u32 count, u32 also) {
    struct operand x[POP_TO_MAX];
    ASSERT(count <= POP_TO_MAX);
    u32 avoid = also;
    for (u32 i = count; i-- > 0;) {
        x[i] = pop(c);
        avoid |= bit(regs[i]);
    }
    for (u32 left = avoid; left != 0; left &= left - 1)
        reg_claim(c, (u8)__builtin_ctz(left), avoid);

    moves_begin(c);
    for (u32 i = 0; i < count; i++)
        moves_add(c, regs[i], &x[i]);
    moves_emit(c);
    for (u32 i = 0; i < count; i++)
        operand_release(c, &x[i]);
}

// to in rdi, from in rsi, count in rcx:
//   both ranges checked, rdi and rsi now addresses
//   mov rdx, rdi; sub rdx, rsi; cmp rdx, rcx; jb backward
//   rep movsb; jmp done
//   backward: lea rdi, [rdi + rcx - 1]; lea rsi, [rsi + rcx - 1]; std; rep movsb; cld; done:
void emit_memory_copy(struct baseline *c) {
    struct label backward = {0};
    struct label done = {0};
    pop_to(c, (const u8[]){RDI, RSI, RCX}, 3, bit(RDX));
    emit_range(c, c->insn.pair.a, RDI);
    emit_range(c, c->insn.pair.b, RSI);
    asm_mov_rr(c->a, W64, RDX, RDI);
    asm_alu_rr(c->a, ALU_SUB, W64, RDX, RSI);
    asm_alu_rr(c->a, ALU_CMP, W64, RDX, RCX);
    asm_jcc(c->a, COND_B, &backward);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_rep_movsb(c->a);
    asm_jmp(c->a, &done);
    asm_bind(c->a, &backward);
    asm_lea(c->a, W64, RDI, (struct mem){.base = RDI, .index = RCX, .disp = -1});
    asm_lea(c->a, W64, RSI, (struct mem){.base = RSI, .index = RCX, .disp = -1});
    asm_std(c->a);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_rep_movsb(c->a);
    asm_cld(c->a);
    asm_bind(c->a, &done);
}

// at in rdi, value in rax, count in rcx: range checked, rdi now an address; rep stosb
void emit_memory_fill(struct baseline *c) {
    pop_to(c, (const u8[]){RDI, RAX, RCX}, 3, bit(RDX));
    emit_range(c, c->insn.index, RDI);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_rep_stosb(c->a);
}

// -- Globals ------------------------------------------------------------------------------------

// An own global's cell; an imported one's after mov r11, [r15 + pointer].
static struct mem global_cell(struct baseline *c, u32 global) {
    u32 imported = c->decl->global_import_count;
    if (global >= imported)
        return mem_at(R15, (i32)layout_global_cell(c->layout, global - imported));
    asm_load(c->a, W64, SCRATCH, mem_at(R15, (i32)layout_global_ptr(c->layout, global)));
    return mem_at(SCRATCH, 0);
}

// A constant, or [mov r11, [r15 + pointer];] mov r, [cell]
void emit_global_get(struct baseline *c) {
    u32 index = c->insn.index;
    const struct global_decl *global = &c->decl->globals[index];
    bool own = index >= c->decl->global_import_count;
    bool wide = global->type.type == VALUE_V128;
    if (own && !wide && !global->type.is_mutable && global->init.kind == CONST_VALUE) {
        push_const(c, global->type.type, global->init.value);
        return;
    }
    struct mem cell = global_cell(c, index);
    u8 to = reg_result(c, type_mask(global->type.type), NULL);
    value_load(c, global->type.type, to, cell);
    push_reg(c, global->type.type, to);
}

// [mov r11, [r15 + pointer];] mov [cell], r
void emit_global_set(struct baseline *c) {
    struct operand x = pop(c);
    if (!operand_is_imm32(&x))
        operand_load(c, &x);
    operand_store(c, &x, global_cell(c, c->insn.index));
    operand_release(c, &x);
}
