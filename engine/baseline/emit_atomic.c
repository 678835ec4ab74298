// Atomic accesses. The machine's own are sequentially consistent where they lock, and a load is
// where every store locks; so a load is a mov and a store an xchg.
//
// Alignment is checked on the address in r11, before the access. For memory 0 that is the offset
// into the memory, for others the address itself: memories begin at whole pages.

#include "engine/baseline/baseline_internal.h"

// Every kind of access has seven instructions, in this order.
#define ATOMIC_FORMS 7

static enum value_type form_type(enum wasm_op op) {
    static const enum value_type types[ATOMIC_FORMS] = {VALUE_I32, VALUE_I64, VALUE_I32, VALUE_I32,
                                                        VALUE_I64, VALUE_I64, VALUE_I64};
    return types[(op - OP_I32_ATOMIC_LOAD) % ATOMIC_FORMS];
}

static enum width form_width(const struct baseline *c) {
    return (enum width)__builtin_ctz(access_bytes(c));
}

STATIC_ASSERT(W8 == 0 && W16 == 1 && W32 == 2 && W64 == 3, "a width is the logarithm of its bytes");
STATIC_ASSERT(OP_I32_ATOMIC_STORE - OP_I32_ATOMIC_LOAD == ATOMIC_FORMS, "in the order of loads");
STATIC_ASSERT(OP_I32_ATOMIC_RMW_CMPXCHG - OP_I32_ATOMIC_LOAD == 8 * ATOMIC_FORMS, "likewise");

// [lea r11, [...];] [test r11d, bytes - 1; jne cold;] seg:[r11]
// Releases the index: r11 holds all that the access needs.
static struct mem atomic_operand(struct baseline *c, struct operand *index) {
    u32 bytes = access_bytes(c);
    struct mem mem = memory_operand(c, index);
    if (mem.base != SCRATCH) {
        struct mem offset = mem;
        offset.segment = SEG_NONE;
        offset.addr32 = false;
        asm_lea(c->a, W64, SCRATCH, offset);
        mem = (struct mem){.base = SCRATCH, .index = NO_GPR, .segment = mem.segment};
    }
    operand_release(c, index);
    if (bytes > 1) {
        asm_test_ri(c->a, W32, SCRATCH, (i32)bytes - 1);
        asm_jcc(c->a, COND_NE, trap_label(c, TRAP_UNALIGNED_ATOMIC));
    }
    return mem;
}

// mov r, seg:[r11] / movzx
static void atomic_load(struct baseline *c, enum value_type type, enum width w) {
    struct operand index = pop(c);
    struct mem from = atomic_operand(c, &index);
    u8 to = reg_result(c, GPR_MASK, NULL);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_load(c->a, w, as_gpr(to), from);
    push_reg(c, type, to);
}

// xchg seg:[r11], r
static void atomic_store(struct baseline *c, enum width w) {
    struct operand value = pop(c);
    struct operand index = pop(c);
    operand_own(c, &value, &index);
    struct mem to = atomic_operand(c, &index);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_xchg_mr(c->a, w, to, as_gpr(value.reg));
    operand_release(c, &value);
}

enum exchange { EXCHANGE_ADD, EXCHANGE_SUB, EXCHANGE_PLAIN };

// [neg r;] lock xadd seg:[r11], r / xchg seg:[r11], r; [movzx r, r]
static void atomic_exchange(struct baseline *c, enum exchange kind, enum value_type type,
                            enum width w) {
    struct operand value = pop(c);
    struct operand index = pop(c);
    operand_own(c, &value, &index);
    enum gpr r = as_gpr(value.reg);
    struct mem at = atomic_operand(c, &index);
    if (kind == EXCHANGE_SUB)
        asm_unary(c->a, UNARY_NEG, type_width(type), r);
    site_here(c, TRAP_MEMORY_BOUNDS);
    if (kind == EXCHANGE_PLAIN)
        asm_xchg_mr(c->a, w, at, r);
    else
        asm_lock_xadd(c->a, w, at, r);
    if (w < W32)
        asm_movzx(c->a, w, r, r);
    push_reg(c, type, value.reg);
}

// The index, which pop_to brought to rdi, as an operand. Pins it and `others`.
static struct operand pin_index(struct baseline *c, const u8 *others, u32 count) {
    reg_retain(c, RDI);
    for (u32 i = 0; i < count; i++)
        reg_retain(c, others[i]);
    return (struct operand){
        .kind = SLOT_REG, .reg = RDI, .type = decl_memory_address(c->decl, c->insn.mem.memory)};
}

// index in rdi, value in rcx:
//   mov eax, seg:[r11]; again: mov rdx, rax; op rdx, rcx; lock cmpxchg seg:[r11], rdx; jne again
static void atomic_bitwise(struct baseline *c, enum alu op, enum value_type type, enum width w) {
    struct label again = {0};
    pop_to(c, (const u8[]){RDI, RCX}, 2, bit(RAX) | bit(RDX));
    struct operand index = pin_index(c, (const u8[]){RAX, RCX, RDX}, 3);
    struct mem at = atomic_operand(c, &index);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_load(c->a, w, RAX, at);
    asm_bind(c->a, &again);
    asm_mov_rr(c->a, W64, RDX, RAX);
    asm_alu_rr(c->a, op, type_width(type), RDX, RCX);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_lock_cmpxchg(c->a, w, at, RDX);
    asm_jcc(c->a, COND_NE, &again);
    reg_release(c, RCX);
    reg_release(c, RDX);
    push_reg(c, type, RAX);
}

// index in rdi, expected in rax, replacement in rcx:
//   [movzx eax, al;] lock cmpxchg seg:[r11], rcx
// Of what is expected only the part counts that memory can hold; the rest is cleared because what
// was there, in rax as well, is zero-extended.
static void atomic_compare(struct baseline *c, enum value_type type, enum width w) {
    pop_to(c, (const u8[]){RDI, RAX, RCX}, 3, 0);
    struct operand index = pin_index(c, (const u8[]){RAX, RCX}, 2);
    struct mem at = atomic_operand(c, &index);
    if (w < W32)
        asm_movzx(c->a, w, RAX, RAX);
    else if (w < type_width(type))
        asm_mov_rr(c->a, W32, RAX, RAX);
    site_here(c, TRAP_MEMORY_BOUNDS);
    asm_lock_cmpxchg(c->a, w, at, RCX);
    reg_release(c, RCX);
    push_reg(c, type, RAX);
}

static void atomic_helper(struct baseline *c, enum helper helper, u32 pop_count) {
    emit_helper(c, &(struct helper_call){.helper = helper,
                                         .imm_count = 2,
                                         .imm = {c->insn.mem.memory, c->insn.mem.offset},
                                         .pop_count = pop_count,
                                         .has_result = true,
                                         .result = VALUE_I32});
}

static void atomic_access(struct baseline *c, enum wasm_op op) {
    enum value_type type = form_type(op);
    enum width w = form_width(c);
    switch ((op - OP_I32_ATOMIC_LOAD) / ATOMIC_FORMS) {
    case 0:
        return atomic_load(c, type, w);
    case 1:
        return atomic_store(c, w);
    case 2:
        return atomic_exchange(c, EXCHANGE_ADD, type, w);
    case 3:
        return atomic_exchange(c, EXCHANGE_SUB, type, w);
    case 4:
        return atomic_bitwise(c, ALU_AND, type, w);
    case 5:
        return atomic_bitwise(c, ALU_OR, type, w);
    case 6:
        return atomic_bitwise(c, ALU_XOR, type, w);
    case 7:
        return atomic_exchange(c, EXCHANGE_PLAIN, type, w);
    default:
        return atomic_compare(c, type, w);
    }
}

void emit_atomic(struct baseline *c, enum wasm_op op) {
    switch (op) {
    case OP_MEMORY_ATOMIC_NOTIFY:
        return atomic_helper(c, HELPER_NOTIFY, 2);
    case OP_MEMORY_ATOMIC_WAIT32:
        return atomic_helper(c, HELPER_WAIT32, 3);
    case OP_MEMORY_ATOMIC_WAIT64:
        return atomic_helper(c, HELPER_WAIT64, 3);
    case OP_ATOMIC_FENCE:
        return asm_mfence(c->a);
    default:
        return atomic_access(c, op);
    }
}
