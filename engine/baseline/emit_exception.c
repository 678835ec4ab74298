// Exceptions: try_table and throw, and the older try, catch, delegate and rethrow.
//
// A try emits nothing where it begins: its calls are guarded by an entry in a table, see
// contract.h. What the tables know of a try is made as the code passes by: the calls in it, the
// catches, and the try around it. Every block knows the try that code directly in it is in.
//
// Landings: where an exception continues, all locals and operands are at home, and so is what it
// carried. The landings of a try_table are moves and a jump, as of any branch, and stand behind its
// body; a catch of a try is where the landing is.
//
// The exception that a catch of a try holds, for rethrow, is an operand below the tag's parameters
// that no instruction sees. It is asked for only when a rethrow was compiled: else nothing keeps
// the exception.

#include "engine/baseline/baseline_internal.h"

static const enum value_type exnref[] = {VALUE_EXNREF};

static struct code_try *try_at(struct baseline *c, u32 index) {
    ASSERT(index < c->unit->try_count);
    return &c->unit->tries[index];
}

void guard_here(struct baseline *c) {
    u32 innermost = block_at(c, 0)->guard;
    if (innermost != NO_TRY)
        code_unit_guard(c->unit, c->a->len, innermost);
}

void tries_finish(struct baseline *c, u32 frame_bytes) {
    for (u32 i = 0; i < c->unit->try_count; i++)
        c->unit->tries[i].frame_bytes = frame_bytes;
}

// -- Throwing -----------------------------------------------------------------------------------

// mov rax, [r15 + helpers]; call [rax + 8 * helper]; jmp cold
static void call_thrower(struct baseline *c, enum helper helper) {
    asm_load(c->a, W64, RAX, mem_at(R15, INSTANCE_HELPERS));
    asm_call_m(c->a, mem_at(RAX, 8 * (i32)helper));
    site_here(c, TRAP_NONE);
    guard_here(c);
    asm_jmp(c->a, trap_label(c, TRAP_DYNAMIC));
    c->reachable = false;
}

// Operands go home, and where a catch of this function may see them, locals do:
// mov [home], r ...
static void spill_for_throw(struct baseline *c) {
    operands_spill(c, c->operand_count);
    if (block_at(c, 0)->guard != NO_TRY)
        locals_spill(c);
}

// spills; lea rdx, [home of the last value]; mov esi, tag; throw
void emit_throw(struct baseline *c) {
    spill_for_throw(c);
    asm_lea(c->a, W64, RDX, slot_home(c, operand_slot(c, c->operand_count)));
    asm_mov_ri(c->a, RSI, c->insn.index);
    call_thrower(c, HELPER_THROW);
}

// spills; mov rsi, [home of the reference]; throw
static void throw_operand(struct baseline *c, u32 index) {
    spill_for_throw(c);
    asm_load(c->a, W64, RSI, operand_home(c, &c->operands[index]));
    call_thrower(c, HELPER_THROW_REF);
}

void emit_throw_ref(struct baseline *c) {
    throw_operand(c, c->operand_count - 1);
}

void emit_rethrow(struct baseline *c) {
    const struct block *block = block_at(c, c->insn.index);
    ASSERT(block->op == OP_CATCH || block->op == OP_CATCH_ALL);
    if (c->a->status == OK)
        c->unit->catches[block->catch].ref_slot =
            operand_slot(c, block->height) + 1 + c->home_slots;
    throw_operand(c, block->height);
}

// -- Catching -----------------------------------------------------------------------------------

void try_begin(struct baseline *c, struct block *block) {
    block->own_try = code_unit_try(c->unit, block->guard);
    block->guard = block->own_try;
    if (block->op == OP_TRY_TABLE)
        block->catches = c->insn.try_table.at;
    block->catch_count = block->op == OP_TRY_TABLE ? c->insn.try_table.count : 0;
}

// Behind the body: whether an exception can have been thrown in it. What it does not catch goes on
// to the try `outer`.
static bool body_end(struct baseline *c, struct block *block, u32 outer) {
    if (c->a->status != OK)
        return false;
    struct code_try *try = try_at(c, block->own_try);
    try->outer = outer;
    block->guard = outer;
    if (try->is_guarding && outer != NO_TRY)
        try_at(c, outer)->is_guarding = true;
    return try->is_guarding;
}

// The state at a landing: `height` operands, and above them `count` more, all at home.
static void land(struct baseline *c, u32 height, u32 count, const enum value_type *types) {
    static const struct merge at_home = {.decided = true, .carried = {NO_REG, NO_REG}};
    merge_adopt(c, &at_home, height, count, types);
    for (u32 i = 0; i < count; i++)
        operand_slots_reserve(c, &c->operands[height + i]);
    c->reachable = true;
}

static void add_catch(struct baseline *c, struct block *block, u32 tag, u32 payload_at,
                      u32 ref_at) {
    struct code_catch added = {
        .tag = tag,
        .landing = c->a->len,
        .payload_slot = c->home_slots + payload_at,
        .ref_slot = ref_at == NO_SLOT ? NO_SLOT : c->home_slots + ref_at + 1,
    };
    block->catch = code_unit_catch(c->unit, block->own_try, &added);
}

// What a clause delivers lies where the label's operands begin: landing: [moves;] jmp label
static void emit_clause(struct baseline *c, struct block *block, struct catch_clause clause) {
    struct block *target = block_at(c, clause.label + 1);
    u32 count = label_count(target);
    c->assigned = block->assigned_at_start;
    land(c, target->height, count, label_types(target));
    u32 payload_at = operand_slot(c, target->height);
    u32 ref_at = catch_has_ref(clause.kind) ? c->operands[c->operand_count - 1].slot : NO_SLOT;
    add_catch(c, block, catch_has_tag(clause.kind) ? clause.tag : ANY_TAG, payload_at, ref_at);
    emit_br(c, clause.label + 1);
}

// The operands below a try_table, which a landing has written over from `from` on: they are where
// they were, at home, as below every block.
static void restore_below(struct baseline *c, u32 from, u32 height) {
    for (u32 i = from; i < height; i++) {
        struct operand *x = &c->operands[i];
        x->kind = SLOT_HOME;
        x->reg = NO_REG;
        x->type = c->validator.operands[i];
        x->slot = operand_slot(c, i);
    }
}

// [moves; jmp end;] landings
void try_table_end(struct baseline *c, struct block *block) {
    u32 outer = c->blocks[c->block_count - 2].guard;
    if (!body_end(c, block, outer) || block->catch_count == 0)
        return;
    if (c->reachable)
        emit_br(c, 0);
    const u8 *at = block->catches;
    for (u32 i = 0; i < block->catch_count && insn_reserve(c); i++) {
        struct catch_clause clause = insn_next_catch(&at);
        emit_clause(c, block, clause);
        restore_below(c, block_at(c, clause.label + 1)->height, block->height);
    }
    c->reachable = false;
}

void try_end(struct baseline *c, struct block *block) {
    if (block->op == OP_TRY)
        (void)body_end(c, block, c->blocks[c->block_count - 2].guard);
}

// [moves; jmp end;] landing:
void emit_catch(struct baseline *c) {
    struct block *block = block_at(c, 0);
    if (!block->dead) {
        if (c->reachable)
            emit_br(c, 0);
        c->reachable = false;
        try_end(c, block);
    }
    block->op = c->insn.op;
    if (block->dead || c->a->status != OK || !try_at(c, block->own_try)->is_guarding)
        return;

    bool is_all = c->insn.op == OP_CATCH_ALL;
    const struct func_type *tag = is_all ? NULL : decl_tag_type(c->decl, c->insn.index);
    c->assigned = block->assigned_at_start;
    land(c, block->height, 1, exnref);
    if (!is_all)
        land(c, block->height + 1, tag->param_count, tag->types);
    add_catch(c, block, is_all ? ANY_TAG : c->insn.index, operand_slot(c, block->height + 1),
              NO_SLOT);
}

// The label is counted from outside of the try. Where that block is in no try, or is one that has
// no part in its own body any more, the exception goes to what is around it.
void emit_delegate(struct baseline *c) {
    struct block *block = block_at(c, 0);
    if (!block->dead) {
        (void)body_end(c, block, block_at(c, c->insn.index + 1)->guard);
        block->op = OP_BLOCK; // from here on
    }
    emit_end(c);
}
