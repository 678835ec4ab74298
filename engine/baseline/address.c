// Where an access to linear memory goes, and what keeps it inside.
//
// Memory 0, when its addresses are of 32 bits, is reached through the segment base: the index is
// zero-extended and the static offset lies within the guard, so what is out of bounds faults.
// Offsets at or beyond the guard are added to the index with a carry check first, so that no
// address ever leaves the slot.
//
// Every other memory is checked: the end of the access, computed without wrapping, against the
// memory's size. The address is masked by the same comparison, so that a CPU that runs ahead of the
// branch reads the start of that memory and nothing else.

#include "engine/baseline/baseline_internal.h"

#include "base/math.h"

// Static offsets below this need no check; 16 bytes are the largest access.
#define OFFSET_UNCHECKED (MEMORY_GUARD_BYTES - 16)

u32 access_bytes(const struct baseline *c) {
    enum immediate immediate = wasm_ops[c->insn.op].immediate;
    if (immediate >= IMM_MEM1 && immediate <= IMM_MEM16)
        return 1u << (immediate - IMM_MEM1);
    if (immediate >= IMM_MEM1_LANE && immediate <= IMM_MEM8_LANE)
        return 1u << (immediate - IMM_MEM1_LANE);
    ASSERT(immediate >= IMM_ATOMIC1 && immediate <= IMM_ATOMIC8);
    return 1u << (immediate - IMM_ATOMIC1);
}

struct mem memory_pointer(const struct baseline *c, u32 memory) {
    return mem_at(R15, memory == 0 ? INSTANCE_MEMORY : (i32)layout_memory(c->layout, memory));
}

// The sum, or the highest number when there is none: nothing that ends there is in bounds.
static u64 add_saturated(u64 a, u64 b) {
    u64 sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

// A sum wraps around at 32 bits, and so does the address with the prefix.
//   offset 0:                  seg:[sum32]
//   offset within the guard:   lea r11d, [sum]; seg:[r11 + disp32]
static struct mem sum_operand(struct baseline *c, struct operand *index, u64 offset) {
    struct mem mem = sum_mem(index);
    mem.segment = c->segment;
    mem.addr32 = true;
    if (offset == 0)
        return mem;
    asm_lea(c->a, W32, SCRATCH, sum_mem(index));
    return (struct mem){
        .base = SCRATCH, .index = NO_GPR, .segment = c->segment, .disp = (i32)offset};
}

//   constant sum below 2 GiB:  seg:[disp32]
//   constant sum below 4 GiB:  mov r11d, sum; seg:[r11]
//   offset 0:                  seg:[index32]
//   offset within the guard:   seg:[index + disp32]
//   larger offsets:            mov r11d, offset; add r11d, index; jc cold; seg:[r11]
static struct mem guarded_operand(struct baseline *c, struct operand *index, u64 offset) {
    struct mem mem = {.base = NO_GPR, .index = NO_GPR, .segment = c->segment};
    u64 sum = index->value + offset;
    if (operand_is_const(index) && sum <= INT32_MAX) {
        mem.disp = (i32)sum;
        return mem;
    }
    if (operand_is_const(index) && sum <= UINT32_MAX) {
        asm_mov_ri(c->a, SCRATCH, sum);
        mem.base = SCRATCH;
        return mem;
    }
    if (index->kind == SLOT_SUM && offset >= OFFSET_UNCHECKED)
        operand_settle(c, index);
    if (index->kind == SLOT_SUM)
        return sum_operand(c, index, offset);
    operand_load(c, index);
    mem.base = as_gpr(index->reg);
    mem.addr32 = offset == 0;
    mem.disp = (i32)offset;
    if (offset >= OFFSET_UNCHECKED) {
        asm_mov_ri(c->a, SCRATCH, offset);
        asm_alu_rr(c->a, ALU_ADD, W32, SCRATCH, as_gpr(index->reg));
        asm_jcc(c->a, COND_B, trap_label(c, TRAP_MEMORY_BOUNDS));
        mem.base = SCRATCH;
        mem.disp = 0;
    }
    return mem;
}

// r11 = index + `extra`, or all ones when that is 2^64 or more; `t` is a register to spoil.
//   constant:               mov r11, sum
//   32 bits, small extra:   lea r11, [index + extra]
//   32 bits:                mov r11, extra; add r11, index
//   64 bits:                mov r11, extra; add r11, index; sbb t, t; or r11, t
static void emit_access_end(struct baseline *c, const struct operand *index, u64 extra,
                            enum gpr t) {
    if (operand_is_const(index) || extra == UINT64_MAX) {
        asm_mov_ri(c->a, SCRATCH, add_saturated(operand_is_const(index) ? index->value : 0, extra));
        return;
    }
    if (index->type == VALUE_I32 && extra <= INT32_MAX) {
        asm_lea(c->a, W64, SCRATCH, mem_at(as_gpr(index->reg), (i32)extra));
        return;
    }
    asm_mov_ri(c->a, SCRATCH, extra);
    asm_alu_rr(c->a, ALU_ADD, W64, SCRATCH, as_gpr(index->reg));
    if (index->type == VALUE_I64) {
        asm_alu_rr(c->a, ALU_SBB, W64, t, t);
        asm_alu_rr(c->a, ALU_OR, W64, SCRATCH, t);
    }
}

//   r11 = index + offset + bytes, saturated
//   mov t, [r15 + memory]; cmp r11, [t + bytes]; mov t, [t + base]
//   lea r11, [t + r11 - bytes]; cmova r11, t; ja cold; [r11]
static struct mem checked_operand(struct baseline *c, struct operand *index, u64 offset) {
    u32 bytes = access_bytes(c);
    operand_settle(c, index);
    if (!operand_is_const(index))
        operand_load(c, index);
    u8 reg = reg_alloc(c, GPR_MASK);
    enum gpr t = as_gpr(reg);
    emit_access_end(c, index, add_saturated(offset, bytes), t);
    asm_load(c->a, W64, t, memory_pointer(c, c->insn.mem.memory));
    asm_alu_rm(c->a, ALU_CMP, W64, SCRATCH, mem_at(t, MEMORY_BYTES));
    asm_load(c->a, W64, t, mem_at(t, MEMORY_BASE));
    asm_lea(c->a, W64, SCRATCH, (struct mem){.base = t, .index = SCRATCH, .disp = -(i32)bytes});
    asm_cmov(c->a, COND_A, W64, SCRATCH, t);
    asm_jcc(c->a, COND_A, trap_label(c, TRAP_MEMORY_BOUNDS));
    reg_release(c, reg);
    return mem_at(SCRATCH, 0);
}

struct mem memory_operand(struct baseline *c, struct operand *index) {
    u64 offset = c->insn.mem.offset;
    if (c->insn.mem.memory == 0 && !c->decl->memories[0].is64)
        return guarded_operand(c, index, offset);
    return checked_operand(c, index, offset);
}

// Ends are compared like those of single accesses: saturated where they could wrap.
//   32 bits:  lea rdx, [at + count]
//   64 bits:  mov rdx, at; add rdx, count; mov r11, -1; cmovb rdx, r11
//   mov r11, [r15 + memory]; cmp rdx, [r11 + bytes]; mov edx, 0; cmova rcx, rdx; ja cold
//   add at, [r11 + base]
void emit_range(struct baseline *c, u32 memory, enum gpr at) {
    if (c->decl->memories[memory].is64) {
        asm_mov_rr(c->a, W64, RDX, at);
        asm_alu_rr(c->a, ALU_ADD, W64, RDX, RCX);
        asm_mov_ri(c->a, SCRATCH, UINT64_MAX);
        asm_cmov(c->a, COND_B, W64, RDX, SCRATCH);
    } else {
        asm_lea(c->a, W64, RDX, (struct mem){.base = at, .index = RCX});
    }
    asm_load(c->a, W64, SCRATCH, memory_pointer(c, memory));
    asm_alu_rm(c->a, ALU_CMP, W64, RDX, mem_at(SCRATCH, MEMORY_BYTES));
    asm_mov_ri(c->a, RDX, 0);
    asm_cmov(c->a, COND_A, W64, RCX, RDX);
    asm_jcc(c->a, COND_A, trap_label(c, TRAP_MEMORY_BOUNDS));
    asm_alu_rm(c->a, ALU_ADD, W64, at, mem_at(SCRATCH, MEMORY_BASE));
}
