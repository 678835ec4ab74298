// Blocks, branches and select.
//
// A branch to a block in the same state as its label is one jump. Else the moves stand before it,
// for a conditional branch behind a jump around them, for br_table in a trampoline.

#include "engine/baseline/baseline_internal.h"

#include "base/string.h"

static bool block_is_function(const struct baseline *c, const struct block *block) {
    return block == &c->blocks[0];
}

// Below its results lies what is caught: there is something to move though nobody branched here.
static bool block_is_catch(const struct block *block) {
    return block->op == OP_CATCH || block->op == OP_CATCH_ALL;
}

// Decides the label's state if this is the first branch; true when moves are needed.
static bool branch_prepare(struct baseline *c, struct block *block) {
    u32 count = label_count(block);
    operands_settle(c, count);
    block->assigned_at_end &= c->assigned;
    if (!block->merge.decided)
        merge_decide(c, &block->merge, count);
    return merge_arrive(c, &block->merge, block->height, count, block->op == OP_LOOP);
}

static void branch_moves(struct baseline *c, const struct block *block) {
    merge_moves(c, &block->merge, block->height, label_count(block));
}

static struct block *block_push(struct baseline *c, enum wasm_op op, const struct func_type *type) {
    ASSERT(c->block_count < c->block_capacity);
    struct block *block = &c->blocks[c->block_count++];
    block->op = op;
    block->dead = !c->reachable;
    block->height = 0;
    block->type = type;
    block->label = (struct label){0};
    block->else_label = (struct label){0};
    block->merge.decided = false;
    block->else_merge.decided = false;
    block->assigned_at_start = c->assigned;
    block->assigned_at_end = UINT64_MAX;
    block->guard = c->block_count == 1 ? NO_TRY : block[-1].guard;
    block->table_stamp = 0;
    return block;
}

void control_begin(struct baseline *c) {
    block_push(c, OP_BLOCK, c->type);
}

// The parameters move to where every iteration expects them.
static void loop_begin(struct baseline *c, struct block *block) {
    u32 params = block->type->param_count;
    loop_prepare(c);
    merge_decide(c, &block->merge, params);
    if (merge_arrive(c, &block->merge, block->height, params, false))
        merge_moves(c, &block->merge, block->height, params);
    merge_adopt(c, &block->merge, block->height, params, block->type->types);
    asm_bind(c->a, &block->label);
}

// The parameters move to where else expects them, then the jump: moves keep the flags.
static void if_begin(struct baseline *c, struct block *block, struct flags condition) {
    u32 params = block->type->param_count;
    merge_decide(c, &block->else_merge, params);
    if (merge_arrive(c, &block->else_merge, block->height, params, false))
        merge_moves(c, &block->else_merge, block->height, params);
    merge_adopt(c, &block->else_merge, block->height, params, block->type->types);
    jump_if(c, flags_not(condition), &block->else_label);
}

// block, try: nothing. loop: [moves;] label:. if: [test;] [moves;] jcc else.
void emit_block(struct baseline *c) {
    const struct func_type *type = c->insn.block.type;
    struct flags condition = {0};
    if (c->reachable && c->insn.op == OP_IF)
        condition = pop_condition(c);
    struct block *block = block_push(c, c->insn.op, type);
    if (block->dead)
        return;

    operands_settle(c, type->param_count);
    block->height = c->operand_count - type->param_count;
    operands_spill(c, block->height > c->window ? block->height : c->window);
    if (block->op == OP_LOOP)
        loop_begin(c, block);
    else if (block->op == OP_IF)
        if_begin(c, block, condition);
    else if (block->op == OP_TRY || block->op == OP_TRY_TABLE)
        try_begin(c, block);
}

// Continues at a label of `block` with its state.
static void block_resume(struct baseline *c, struct block *block) {
    asm_bind(c->a, &block->label);
    merge_adopt(c, &block->merge, block->height, block->type->result_count, label_types(block));
    c->assigned = block->assigned_at_end;
    c->reachable = true;
}

static void else_resume(struct baseline *c, struct block *block) {
    asm_bind(c->a, &block->else_label);
    merge_adopt(c, &block->else_merge, block->height, block->type->param_count, block->type->types);
    c->assigned = block->assigned_at_start;
    c->reachable = true;
}

// [moves;] jmp end; else:
void emit_else(struct baseline *c) {
    struct block *block = block_at(c, 0);
    block->op = OP_ELSE;
    if (block->dead)
        return;
    if (c->reachable) {
        if (branch_prepare(c, block))
            branch_moves(c, block);
        asm_jmp(c->a, &block->label);
    }
    else_resume(c, block);
}

// An if without else: its parameters are its results, and what else would do is nothing.
// [moves;] [jmp end;] else: [moves;] end:
static void if_end(struct baseline *c, struct block *block) {
    if (!block->merge.decided && !c->reachable) {
        else_resume(c, block);
        return;
    }
    if (!block->merge.decided) {
        // The state at the else label becomes the state at the end: that way needs no moves.
        block->merge = block->else_merge;
        if (branch_prepare(c, block))
            branch_moves(c, block);
        asm_bind(c->a, &block->else_label);
        block->assigned_at_end &= block->assigned_at_start;
        block_resume(c, block);
        return;
    }
    if (c->reachable) {
        if (branch_prepare(c, block))
            branch_moves(c, block);
        asm_jmp(c->a, &block->label);
    }
    else_resume(c, block);
    if (branch_prepare(c, block))
        branch_moves(c, block);
    block_resume(c, block);
}

// [moves;] end:
void emit_end(struct baseline *c) {
    struct block *block = block_at(c, 0);
    if (!block->dead && block->op == OP_TRY_TABLE)
        try_table_end(c, block);
    else if (!block->dead && block->op == OP_TRY)
        try_end(c, block);
    if (block_is_function(c, block)) {
        if (c->reachable)
            emit_return(c);
    } else if (!block->dead && block->op == OP_IF) {
        if_end(c, block);
    } else if (!block->dead && block->op != OP_LOOP &&
               (block->merge.decided || (c->reachable && block_is_catch(block)))) {
        if (c->reachable && branch_prepare(c, block))
            branch_moves(c, block);
        block_resume(c, block);
    }
    if (--c->block_count == c->temporary_block)
        loop_end(c);
}

// -- Branches -----------------------------------------------------------------------------------

// [moves;] jmp label / results; leave; ret
void emit_br(struct baseline *c, u32 depth) {
    struct block *block = block_at(c, depth);
    if (block_is_function(c, block)) {
        emit_return(c);
    } else {
        if (branch_prepare(c, block))
            branch_moves(c, block);
        asm_jmp(c->a, &block->label);
    }
    c->reachable = false;
}

// A branch back that needs moves, when no operand is in a register: what the loop's start expects
// suits what follows as well, so both ways share the moves: moves; jcc label
static bool branch_back(struct baseline *c, struct flags condition, struct block *block) {
    if (block->op != OP_LOOP || c->window != c->operand_count || label_count(block) != 0)
        return false;
    branch_moves(c, block);
    merge_adopt_back(c, &block->merge);
    jump_if(c, condition, &block->label);
    return true;
}

// jcc label / jncc over; moves; jmp label; over: / jncc over; results; leave; ret; over:
static void branch_if(struct baseline *c, struct flags condition, struct block *block) {
    bool returns = block_is_function(c, block);
    operands_settle(c, label_count(block));
    if (!returns && !branch_prepare(c, block)) {
        jump_if(c, condition, &block->label);
        return;
    }
    if (branch_back(c, condition, block))
        return;
    struct label over = {0};
    jump_if(c, flags_not(condition), &over);
    if (returns) {
        emit_return(c);
    } else {
        branch_moves(c, block);
        asm_jmp(c->a, &block->label);
    }
    asm_bind(c->a, &over);
}

void emit_br_if(struct baseline *c, u32 depth) {
    struct flags condition = pop_condition(c);
    branch_if(c, condition, block_at(c, depth));
}

// Where a br_table goes for a target: its label, or a trampoline that moves first.
static struct label *table_target(struct baseline *c, struct block *block) {
    if (block->table_stamp != c->table_stamp) {
        block->table_stamp = c->table_stamp;
        bool moves = block_is_function(c, block) || branch_prepare(c, block);
        block->table_mark = moves ? TARGET_TRAMPOLINE : TARGET_DIRECT;
        block->trampoline = (struct label){0};
    }
    return block->table_mark == TARGET_DIRECT ? &block->label : &block->trampoline;
}

// cmp r, 0; je target0; cmp r, 1; je target1; ... jmp default
static void table_as_chain(struct baseline *c, u8 index) {
    const u8 *at = c->insn.labels.at;
    for (u32 i = 0; i < c->insn.labels.count; i++) {
        struct label *target = table_target(c, block_at(c, insn_next_label(&at)));
        if (i == 0)
            asm_test_rr(c->a, W32, as_gpr(index), as_gpr(index));
        else
            asm_alu_ri(c->a, ALU_CMP, W32, as_gpr(index), (i32)i);
        asm_jcc(c->a, COND_E, target);
    }
    asm_jmp(c->a, table_target(c, block_at(c, insn_next_label(&at))));
}

static u32 table_default(const struct baseline *c) {
    const u8 *at = c->insn.labels.at;
    for (u32 i = 0; i < c->insn.labels.count; i++)
        insn_next_label(&at);
    return insn_next_label(&at);
}

// cmp r, count; jae default; lea r11, [table]; lea r11, [r11 + 4 * r + 4]; movsxd t, [r11 - 4];
// add r11, t; jmp r11; table: rel32 ...
static void table_as_jump(struct baseline *c, u8 index, u8 temp) {
    u32 count = c->insn.labels.count;
    asm_alu_ri(c->a, ALU_CMP, W32, as_gpr(index), (i32)count);
    asm_jcc(c->a, COND_AE, table_target(c, block_at(c, table_default(c))));

    struct label table = {0};
    struct mem entry = {.base = SCRATCH, .index = as_gpr(index), .scale = 2, .disp = 4};
    asm_lea_label(c->a, SCRATCH, &table);
    asm_lea(c->a, W64, SCRATCH, entry);
    asm_load_sx(c->a, W64, W32, as_gpr(temp), mem_at(SCRATCH, -4));
    asm_alu_rr(c->a, ALU_ADD, W64, SCRATCH, as_gpr(temp));
    asm_jmp_r(c->a, SCRATCH);
    asm_bind(c->a, &table);
    const u8 *at = c->insn.labels.at;
    for (u32 i = 0; i < count; i++)
        asm_rel32(c->a, table_target(c, block_at(c, insn_next_label(&at))));
}

// A chain or a table; then, once for each target that needs it, trampoline: moves; jmp label
void emit_br_table(struct baseline *c) {
    // Before the index has its register, which is released while the jumps still read it.
    operands_settle(c, label_count(block_at(c, table_default(c))) + 1);
    struct operand index = pop(c);
    operand_load(c, &index);
    u8 temp = reg_alloc(c, GPR_MASK);
    operand_release(c, &index);
    reg_release(c, temp);
    c->table_stamp++;
    if (c->insn.labels.count <= 4)
        table_as_chain(c, index.reg);
    else
        table_as_jump(c, index.reg, temp);

    const u8 *at = c->insn.labels.at;
    for (u32 i = 0; i <= c->insn.labels.count; i++) {
        struct block *block = block_at(c, insn_next_label(&at));
        if (block->table_mark != TARGET_TRAMPOLINE)
            continue;
        block->table_mark = TARGET_EMITTED;
        asm_bind(c->a, &block->trampoline);
        if (block_is_function(c, block)) {
            emit_return(c);
            continue;
        }
        if (branch_prepare(c, block))
            branch_moves(c, block);
        asm_jmp(c->a, &block->label);
    }
    c->reachable = false;
}

// jmp cold ud2, as a ud2 in place
void emit_unreachable(struct baseline *c) {
    site_here(c, TRAP_UNREACHABLE);
    asm_ud2(c->a);
    c->reachable = false;
}

// -- Conditions and select ----------------------------------------------------------------------

// Pops an i32 as flags that hold when it is not zero: test r, r
struct flags pop_condition(struct baseline *c) {
    struct operand x = pop(c);
    if (x.kind == SLOT_FLAGS)
        return x.flags;
    if (x.kind == SLOT_LOAD) {
        folded_test(c);
    } else {
        operand_load(c, &x);
        zero_flag_test(c, VALUE_I32, x.reg);
    }
    operand_release(c, &x);
    return flags_of(COND_NE);
}

// cmovncc a, b (with parity: also cmovp a, b; or, where unordered holds, cmovcc b, a; cmovp b, a)
static void select_integer(struct baseline *c, struct flags condition, struct operand *a,
                           struct operand *b) {
    if (condition.parity == PARITY_OR_SET) {
        struct operand swap = *a;
        *a = *b;
        *b = swap;
        condition = flags_not(condition);
    }
    operand_load(c, b);
    operand_own(c, a, b);
    asm_cmov(c->a, condition.cond ^ 1, type_width(a->type), as_gpr(a->reg), as_gpr(b->reg));
    if (condition.parity == PARITY_AND_CLEAR)
        asm_cmov(c->a, COND_P, type_width(a->type), as_gpr(a->reg), as_gpr(b->reg));
}

// jcc over; movaps a, b; over:
static void select_float(struct baseline *c, struct flags condition, struct operand *a,
                         struct operand *b) {
    struct label over = {0};
    operand_load(c, b);
    operand_own(c, a, b);
    jump_if(c, condition, &over);
    asm_movaps_rr(c->a, as_xmm(a->reg), as_xmm(b->reg));
    asm_bind(c->a, &over);
}

// [test r, r;] cmov or a jump over a move
void emit_select(struct baseline *c) {
    struct operand cond = pop(c);
    struct operand b = pop(c);
    struct operand a = pop(c);
    struct flags condition = cond.flags;
    if (cond.kind != SLOT_FLAGS) {
        operand_load(c, &cond);
        operand_load(c, &b);
        operand_load(c, &a);
        asm_test_rr(c->a, W32, as_gpr(cond.reg), as_gpr(cond.reg));
        operand_release(c, &cond);
        condition = flags_of(COND_NE);
    }
    if (value_type_in_xmm(a.type))
        select_float(c, condition, &a, &b);
    else
        select_integer(c, condition, &a, &b);
    operand_release(c, &b);
    push_reg(c, a.type, a.reg);
}
