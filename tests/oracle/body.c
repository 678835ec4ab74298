// Function bodies: instructions are chosen at random, and what they need is put in front of them,
// taken from the operand stack where it happens to be there. So code is valid by construction.
//
// It always ends: a global holds the fuel, taken from at the start of every function and of every
// turn of a loop, and where none is left the function returns or traps. Nothing else writes it.

#include "tests/oracle/body.h"

#include <string.h>

#include "tests/oracle/generate.h"

#define NESTING_MAX 10

// -- The operand stack ----------------------------------------------------------------------------

static u64 op_counts[OP_COUNT]; // of this process, for the report

u64 generated_count(enum wasm_op op) {
    return op_counts[op];
}

void body_op(struct body *b, enum wasm_op op) {
    op_counts[op]++;
    u32 code = wasm_ops[op].code;
    if (code < 0x100) {
        out_byte(&b->code, (u8)code);
    } else {
        out_byte(&b->code, (u8)(code >> 12));
        out_unsigned(&b->code, code & 0xfff);
    }
    b->budget--;
}

static struct body_frame *innermost(struct body *b) {
    return &b->frames[b->depth - 1];
}

void body_push(struct body *b, enum value_type type, bool is_exact) {
    CHECK(b->height < BODY_STACK);
    b->stack[b->height++] = (struct body_slot){type, is_exact || type == VALUE_V128};
}

void body_pop(struct body *b, u32 count) {
    u32 there = b->height - innermost(b)->base;
    CHECK(count <= there || innermost(b)->is_dead);
    b->height -= count < there ? count : there;
}

// How many of `types`, from the first, lie on top of the stack.
static u32 matching(const struct body *b, const enum value_type *types, u32 count) {
    u32 base = b->frames[b->depth - 1].base;
    u32 there = b->height - (b->floor > base ? b->floor : base);
    for (u32 n = count < there ? count : there; n > 0; n--) {
        u32 i = 0;
        while (i < n && b->stack[b->height - n + i].type == types[i])
            i++;
        if (i == n)
            return n;
    }
    return 0;
}

static void disturb(struct body *b);

void body_provide(struct body *b, const enum value_type *types, u32 count) {
    bool is_empty = b->height == innermost(b)->base;
    if (innermost(b)->is_dead && is_empty && entropy_one_in(b->e, 2))
        return; // whatever is needed is there
    for (u32 i = matching(b, types, count); i < count; i++)
        body_value(b, types[i]);
    if (count != 0 && b->budget > 0 && b->nesting < NESTING_MAX && entropy_one_in(b->e, 24))
        disturb(b);
}

static void push_types(struct body *b, const enum value_type *types, u32 count) {
    for (u32 i = 0; i < count; i++)
        body_push(b, types[i], plan_is_ref(types[i]));
}

void body_indexed(struct body *b, enum wasm_op op, u64 index) {
    body_op(b, op);
    out_unsigned(&b->code, index);
}

// Leaves exactly `types` above the frame's base.
static void settle(struct body *b, const enum value_type *types, u32 count) {
    const struct body_frame *frame = innermost(b);
    for (;;) {
        u32 there = b->height - frame->base;
        ASSERT(b->floor <= frame->base);
        if (there <= count && matching(b, types, there) == there)
            break;
        body_op(b, OP_DROP);
        body_pop(b, 1);
    }
    if (frame->is_dead && b->height == frame->base)
        return;
    for (u32 i = b->height - frame->base; i < count; i++)
        body_value(b, types[i]);
}

// -- Values ---------------------------------------------------------------------------------------

// A local of the type, or UINT32_MAX.
static u32 find_local(struct body *b, enum value_type type) {
    u32 start = entropy_below(b->e, b->local_count);
    for (u32 i = 0; i < b->local_count; i++) {
        u32 local = (start + i) % b->local_count;
        if (b->locals[local] == type && local < b->temporaries)
            return local;
    }
    return UINT32_MAX;
}

enum access { TO_READ, TO_WRITE };

static u32 find_global(struct body *b, enum value_type type, enum access access) {
    const struct plan *plan = b->plan;
    u32 start = entropy_below(b->e, plan->global_count);
    for (u32 i = 0; i < plan->global_count; i++) {
        u32 global = (start + i) % plan->global_count;
        const struct global_type *found = &plan->globals[global].type;
        if (found->type == type && global != PLAN_FUEL && (access == TO_READ || found->is_mutable))
            return global;
    }
    return UINT32_MAX;
}

void body_leaf(struct body *b, enum value_type type) {
    u32 choice = entropy_below(b->e, 6);
    u32 found = UINT32_MAX;
    if (choice >= 2 && choice < 5) {
        found = find_local(b, type);
        if (found != UINT32_MAX)
            body_indexed(b, OP_LOCAL_GET, found);
    } else if (choice == 5) {
        found = find_global(b, type, TO_READ);
        if (found != UINT32_MAX)
            body_indexed(b, OP_GLOBAL_GET, found);
    }
    if (found == UINT32_MAX)
        body_const(b, type);
    else
        body_push(b, type, plan_is_ref(type));
}

// (select a b condition), typed where the type is a reference
static void select_value(struct body *b, enum value_type type) {
    body_value(b, type);
    body_value(b, type);
    body_value(b, VALUE_I32);
    bool exact = b->stack[b->height - 3].is_exact && b->stack[b->height - 2].is_exact;
    bool typed = plan_is_ref(type) ||
                 (plan_has(b->plan, FEATURE_REFERENCE_TYPES) && entropy_one_in(b->e, 4));
    body_pop(b, 3);
    body_op(b, typed ? OP_SELECT_T : OP_SELECT);
    if (typed) {
        out_byte(&b->code, 1);
        out_byte(&b->code, type);
    }
    body_push(b, type, exact);
}

static void call_func(struct body *b, u32 func);

void body_enter(struct body *b, const struct plan_type *type, enum frame_kind kind) {
    CHECK(b->depth < BODY_FRAMES);
    u32 base = b->height - type->param_count;
    b->frames[b->depth++] = (struct body_frame){.kind = kind, .base = base, .type = type};
    b->nesting++;
}

void body_settle(struct body *b) {
    const struct plan_type *type = innermost(b)->type;
    settle(b, type->types + type->param_count, type->result_count);
}

void body_reopen(struct body *b, enum frame_kind kind) {
    struct body_frame *frame = innermost(b);
    b->height = frame->base;
    frame->kind = kind;
    frame->is_dead = false;
}

static void close(struct body *b) {
    const struct plan_type *type = innermost(b)->type;
    b->height = innermost(b)->base;
    b->depth--;
    b->nesting--;
    push_types(b, type->types + type->param_count, type->result_count);
}

void body_leave(struct body *b) {
    body_settle(b);
    body_op(b, OP_END);
    close(b);
}

void body_delegate(struct body *b, u32 label) {
    body_settle(b);
    body_indexed(b, OP_DELEGATE, label);
    close(b);
}

// global.get fuel; i32.eqz; if unreachable end; fuel--
static void burn_fuel(struct body *b) {
    body_indexed(b, OP_GLOBAL_GET, PLAN_FUEL);
    body_op(b, OP_I32_EQZ);
    body_op(b, OP_IF);
    out_byte(&b->code, 0x40);
    body_op(b, OP_UNREACHABLE);
    body_op(b, OP_END);
    body_indexed(b, OP_GLOBAL_GET, PLAN_FUEL);
    body_indexed(b, OP_I32_CONST, 1);
    body_op(b, OP_I32_SUB);
    body_indexed(b, OP_GLOBAL_SET, PLAN_FUEL);
}

// Where the block type is not one of the module's types, it is empty or one result: made here.
const struct plan_type body_no_types;

static const struct plan_type *result_type(enum value_type type) {
    static struct plan_type of[256];
    of[type] = (struct plan_type){.result_count = 1, .types = {type}};
    return &of[type];
}

// Opens a block of type `index` of the module's, or of one of the short forms.
void body_open(struct body *b, enum wasm_op op, const struct plan_type *type) {
    body_op(b, op);
    if (type == &body_no_types)
        out_byte(&b->code, 0x40);
    else if (type >= b->plan->types && type < b->plan->types + b->plan->type_count)
        out_signed(&b->code, type - b->plan->types);
    else
        out_byte(&b->code, type->types[0]);
}

static bool same_types(const struct plan_type *type) {
    return type->param_count == type->result_count &&
           memcmp(type->types, type->types + type->param_count, type->param_count) == 0;
}

// A block, loop or if of `type`, with what it takes in front.
static void block(struct body *b, const struct plan_type *type) {
    u32 kind = entropy_below(b->e, 4);
    body_provide(b, type->types, type->param_count);
    // In dead code the operands may be missing; inside they are there.
    u32 there = b->height - innermost(b)->base;
    u32 missing = there < type->param_count ? type->param_count - there : 0;
    if (kind >= 2) {
        if (missing != 0)
            kind = 0;
        else
            body_value(b, VALUE_I32);
    }
    u32 count = 1 + entropy_below(b->e, 6);
    if (kind >= 2) {
        body_pop(b, 1);
        body_open(b, OP_IF, type);
    } else {
        body_open(b, kind == 1 ? OP_LOOP : OP_BLOCK, type);
    }
    body_pop(b, type->param_count);
    push_types(b, type->types, type->param_count);
    body_enter(b, type, kind == 1 ? FRAME_LOOP : FRAME_BLOCK);
    if (kind == 1)
        burn_fuel(b);
    body_steps(b, count);
    if (kind >= 2 && (!same_types(type) || !entropy_one_in(b->e, 3))) {
        body_settle(b);
        body_op(b, OP_ELSE);
        body_reopen(b, FRAME_BLOCK);
        push_types(b, type->types, type->param_count);
        body_steps(b, entropy_below(b->e, 5));
    }
    body_leave(b);
}

static void any_block(struct body *b) {
    if (entropy_one_in(b->e, 2) || !plan_has(b->plan, FEATURE_MULTI_VALUE)) {
        block(b, entropy_one_in(b->e, 2) ? &body_no_types
                                         : result_type(plan_value_type(b->plan, b->e)));
        return;
    }
    const struct plan_type *type = &b->plan->types[entropy_below(b->e, b->plan->type_count)];
    if (type->param_count <= 6 || entropy_one_in(b->e, 8))
        block(b, type);
}

// A function that returns just this, or UINT32_MAX.
static u32 find_func(struct body *b, enum value_type type) {
    u32 start = entropy_below(b->e, b->plan->func_count);
    for (u32 i = 0; i < b->plan->func_count; i++) {
        u32 func = (start + i) % b->plan->func_count;
        const struct plan_type *found = plan_func_type(b->plan, func);
        if (found->result_count == 1 && found->types[found->param_count] == type &&
            found->param_count < 8)
            return func;
    }
    return UINT32_MAX;
}

static bool call_value(struct body *b, enum value_type type) {
    u32 func = find_func(b, type);
    if (func == UINT32_MAX)
        return false;
    call_func(b, func);
    return true;
}

enum value_type body_table_address(const struct body *b, u32 table) {
    return b->plan->tables[table].type.is64 ? VALUE_I64 : VALUE_I32;
}

static bool table_get(struct body *b, enum value_type type) {
    u32 table = entropy_below(b->e, b->plan->table_count);
    if (b->plan->tables[table].type.element != type || !plan_has(b->plan, FEATURE_REFERENCE_TYPES))
        return false;
    body_small(b, body_table_address(b, table), (u32)b->plan->tables[table].type.limits.min);
    body_pop(b, 1);
    body_indexed(b, OP_TABLE_GET, table);
    body_push(b, type, true);
    return true;
}

// Sizes, growth, and whether a reference is null.
static bool state_value(struct body *b, enum value_type type) {
    u32 memory = entropy_below(b->e, b->plan->memory_count);
    u32 table = entropy_below(b->e, b->plan->table_count);
    bool memory_fits = b->plan->memories[memory].type.is64 == (type == VALUE_I64);
    bool refs = plan_has(b->plan, FEATURE_REFERENCE_TYPES);
    switch (entropy_below(b->e, 5)) {
    case 0:
    case 1:
        if (!memory_fits)
            return false;
        body_indexed(b, OP_MEMORY_SIZE, memory);
        break;
    case 2:
        if (!memory_fits)
            return false;
        body_small(b, type, 3);
        body_pop(b, 1);
        body_indexed(b, OP_MEMORY_GROW, memory);
        break;
    case 3:
        if (!refs || body_table_address(b, table) != type)
            return false;
        body_indexed(b, OP_TABLE_SIZE, table);
        break;
    default:
        if (!refs || type != VALUE_I32)
            return false;
        body_value(b, entropy_one_in(b->e, 2) ? VALUE_EXTERNREF : VALUE_FUNCREF);
        body_pop(b, 1);
        body_op(b, OP_REF_IS_NULL);
    }
    body_push(b, type, true);
    return true;
}

static bool tee(struct body *b, enum value_type type) {
    u32 local = find_local(b, type);
    if (local == UINT32_MAX)
        return false;
    body_value(b, type);
    body_indexed(b, OP_LOCAL_TEE, local);
    return true;
}

// What there is for one type only.
static bool special_value(struct body *b, enum value_type type) {
    if (plan_is_ref(type))
        return table_get(b, type);
    if (type == VALUE_V128 && plan_has(b->plan, FEATURE_RELAXED_SIMD | FEATURE_SIMD)) {
        body_relaxed(b);
        return true;
    }
    if (type == VALUE_I32 && plan_has(b->plan, FEATURE_THREADS) && entropy_one_in(b->e, 12)) {
        body_wait(b);
        return true;
    }
    return false;
}

static bool composed(struct body *b, enum value_type type) {
    u32 choice = entropy_below(b->e, 40);
    if (choice < 20)
        return body_pure(b, type);
    if (choice < 24)
        return entropy_below(b->e, 6) < b->memory && body_load(b, type);
    if (choice < 26)
        return entropy_below(b->e, 10) < b->atomics && body_atomic(b, type);
    if (choice < 28)
        return entropy_below(b->e, 10) < b->calls && call_value(b, type);
    if (choice < 30)
        return tee(b, type);
    if (choice < 32)
        return (type == VALUE_I32 || type == VALUE_I64) && state_value(b, type);
    if (choice < 34)
        return special_value(b, type);
    if (choice < 37) {
        select_value(b, type);
        return true;
    }
    if (entropy_below(b->e, 10) >= b->control)
        return false;
    block(b, result_type(type));
    return true;
}

void body_value(struct body *b, enum value_type type) {
    bool simple = b->budget <= 0 || b->nesting >= NESTING_MAX || entropy_below(b->e, 3) == 0;
    u32 floor = b->floor;
    b->floor = b->height;
    b->nesting++;
    if (simple || !composed(b, type))
        body_leaf(b, type);
    b->nesting--;
    b->floor = floor;
}

// -- Calls ----------------------------------------------------------------------------------------

static void call_done(struct body *b, const struct plan_type *type) {
    body_pop(b, type->param_count);
    push_types(b, type->types + type->param_count, type->result_count);
}

static void call_func(struct body *b, u32 func) {
    const struct plan_type *type = plan_func_type(b->plan, func);
    body_provide(b, type->types, type->param_count);
    body_indexed(b, OP_CALL, func);
    call_done(b, type);
}

// Something between operands and the instruction that takes them, so that they go to the frame and
// come back: a call, or a block.
static void disturb(struct body *b) {
    u32 floor = b->floor;
    u32 height = b->floor = b->height;
    b->nesting++;
    if (entropy_one_in(b->e, 3)) {
        block(b, &body_no_types);
    } else {
        call_func(b, entropy_below(b->e, b->plan->func_count));
        while (b->height > height) {
            body_op(b, OP_DROP);
            body_pop(b, 1);
        }
    }
    b->nesting--;
    b->floor = floor;
}

// Picks an element that an active segment wrote; its type by the function that is there, mostly.
// Gives the type's index, the table and the element.
static bool choose_element(struct body *b, u32 *type, u32 *table, u32 *at) {
    const struct plan *plan = b->plan;
    const struct plan_segment *elem = &plan->elems[entropy_below(b->e, plan->elem_count)];
    if (elem->mode != PLAN_ACTIVE || elem->count == 0)
        return false;
    u32 item = entropy_below(b->e, elem->count);
    *table = elem->target;
    *at = elem->at + item;
    *type = entropy_below(b->e, plan->type_count);
    if (elem->items[item] != PLAN_NULL && !entropy_one_in(b->e, 12))
        *type = plan->funcs[elem->items[item]].type;
    return true;
}

// The element's index, sometimes computed, sometimes another.
static void element_index(struct body *b, enum value_type type, u32 at) {
    bool wide = type == VALUE_I64;
    if (entropy_one_in(b->e, 20)) {
        body_value(b, type);
        return;
    }
    body_op(b, wide ? OP_I64_CONST : OP_I32_CONST);
    out_signed(&b->code, at);
    body_push(b, type, true);
    if (entropy_one_in(b->e, 3)) { // at + value - value
        u32 local = find_local(b, type);
        if (local == UINT32_MAX)
            return;
        body_indexed(b, OP_LOCAL_GET, local);
        body_op(b, wide ? OP_I64_ADD : OP_I32_ADD);
        body_indexed(b, OP_LOCAL_GET, local);
        body_op(b, wide ? OP_I64_SUB : OP_I32_SUB);
    }
}

static void call_indirect(struct body *b) {
    u32 type, table, at;
    if (!choose_element(b, &type, &table, &at))
        return;
    const struct plan_type *signature = &b->plan->types[type];
    body_provide(b, signature->types, signature->param_count);
    element_index(b, body_table_address(b, table), at);
    body_pop(b, 1);
    body_indexed(b, OP_CALL_INDIRECT, type);
    out_unsigned(&b->code, table);
    call_done(b, signature);
}

void body_become_dead(struct body *b) {
    b->height = innermost(b)->base;
    innermost(b)->is_dead = true;
}

static bool returns_same(const struct body *b, const struct plan_type *type) {
    return type->result_count == b->type->result_count &&
           memcmp(type->types + type->param_count, b->type->types + b->type->param_count,
                  type->result_count) == 0;
}

static void tail_call(struct body *b) {
    u32 type, table, at;
    if (!plan_has(b->plan, FEATURE_TAIL_CALLS))
        return;
    if (entropy_one_in(b->e, 2)) {
        u32 func = entropy_below(b->e, b->plan->func_count);
        for (u32 i = 0; i < b->plan->func_count; i++) {
            if (returns_same(b, plan_func_type(b->plan, func)))
                break;
            func = (func + 1) % b->plan->func_count;
        }
        const struct plan_type *signature = plan_func_type(b->plan, func);
        if (!returns_same(b, signature))
            return;
        body_provide(b, signature->types, signature->param_count);
        body_indexed(b, OP_RETURN_CALL, func);
    } else {
        if (!choose_element(b, &type, &table, &at) || !returns_same(b, &b->plan->types[type]))
            return;
        body_provide(b, b->plan->types[type].types, b->plan->types[type].param_count);
        element_index(b, body_table_address(b, table), at);
        body_indexed(b, OP_RETURN_CALL_INDIRECT, type);
        out_unsigned(&b->code, table);
    }
    body_become_dead(b);
}

// -- Branches -------------------------------------------------------------------------------------

u32 body_label(const struct body *b, u32 label, const enum value_type **types) {
    const struct body_frame *frame = &b->frames[b->depth - 1 - label];
    *types = frame->type->types + (frame->kind == FRAME_LOOP ? 0 : frame->type->param_count);
    return frame->kind == FRAME_LOOP ? frame->type->param_count : frame->type->result_count;
}

static void branch_table(struct body *b) {
    const enum value_type *types, *others;
    u32 wanted = entropy_below(b->e, b->depth);
    u32 count = body_label(b, wanted, &types);
    u32 labels[BODY_FRAMES], label_count = 0;
    for (u32 label = 0; label < b->depth; label++) {
        if (body_label(b, label, &others) == count && memcmp(types, others, count) == 0)
            labels[label_count++] = label;
    }
    u32 targets = entropy_below(b->e, entropy_one_in(b->e, 8) ? 200 : 6);
    body_provide(b, types, count);
    body_small(b, VALUE_I32, targets + 1); // mostly one of them, or all would go the default's way
    body_indexed(b, OP_BR_TABLE, targets);
    for (u32 i = 0; i <= targets; i++)
        out_unsigned(&b->code, labels[entropy_below(b->e, label_count)]);
    body_become_dead(b);
}

static void branch(struct body *b) {
    const enum value_type *types;
    u32 label = entropy_below(b->e, b->depth);
    u32 count = body_label(b, label, &types);
    switch (entropy_below(b->e, 10)) {
    case 0:
        body_provide(b, types, count);
        body_indexed(b, OP_BR, label);
        body_become_dead(b);
        break;
    case 1:
        branch_table(b);
        break;
    case 2:
        body_provide(b, b->type->types + b->type->param_count, b->type->result_count);
        body_op(b, OP_RETURN);
        body_become_dead(b);
        break;
    case 3:
    case 4:
    case 5:
        tail_call(b);
        break;
    default:
        body_provide(b, types, count);
        body_value(b, VALUE_I32);
        body_indexed(b, OP_BR_IF, label);
        body_pop(b, 1);
        body_pop(b, count);
        push_types(b, types, count);
    }
}

// A loop that goes round a few times: (loop ... (br_if 0 (i32.lt_u (local.tee i (i + 1)) n)))
static void counted_loop(struct body *b) {
    u32 local = find_local(b, VALUE_I32);
    if (local == UINT32_MAX)
        return;
    u32 turns = 1 + entropy_below(b->e, 8);
    body_indexed(b, OP_I32_CONST, 0);
    body_indexed(b, OP_LOCAL_SET, local);
    body_open(b, OP_LOOP, &body_no_types);
    body_enter(b, &body_no_types, FRAME_LOOP);
    burn_fuel(b);
    body_steps(b, 1 + entropy_below(b->e, 5));
    if (!innermost(b)->is_dead) {
        body_indexed(b, OP_LOCAL_GET, local);
        body_indexed(b, OP_I32_CONST, 1);
        body_op(b, OP_I32_ADD);
        body_indexed(b, OP_LOCAL_TEE, local);
        body_indexed(b, OP_I32_CONST, turns);
        body_op(b, OP_I32_LT_U);
        body_indexed(b, OP_BR_IF, 0);
    }
    body_leave(b);
}

// Blocks in blocks, and a branch out of the innermost.
static void deep_blocks(struct body *b) {
    u32 count = 2 + entropy_below(b->e, 100);
    if (b->depth + count + 40 > BODY_FRAMES)
        return;
    u32 nesting = b->nesting;
    for (u32 i = 0; i < count; i++) {
        bool is_loop = entropy_one_in(b->e, 8);
        body_open(b, is_loop ? OP_LOOP : OP_BLOCK, &body_no_types);
        body_enter(b, &body_no_types, is_loop ? FRAME_LOOP : FRAME_BLOCK);
        if (is_loop)
            burn_fuel(b);
        b->nesting = nesting; // they do not count
    }
    body_steps(b, 2);
    for (u32 i = 0; i < count; i++) {
        if (entropy_one_in(b->e, 6))
            body_steps(b, 1);
        body_leave(b);
        b->nesting = nesting;
    }
}

// -- Statements -----------------------------------------------------------------------------------

static void assign(struct body *b) {
    enum value_type type = plan_value_type(b->plan, b->e);
    bool global = entropy_one_in(b->e, 3);
    u32 found = global ? find_global(b, type, TO_WRITE) : find_local(b, type);
    if (found == UINT32_MAX)
        return;
    body_provide(b, &type, 1);
    body_indexed(b, global ? OP_GLOBAL_SET : OP_LOCAL_SET, found);
    body_pop(b, 1);
}

static void drop(struct body *b) {
    if (b->height > innermost(b)->base) {
        body_op(b, OP_DROP);
        body_pop(b, 1);
    }
}

static void control_step(struct body *b) {
    u32 choice = entropy_below(b->e, b->plan->tag_count != 0 ? 16 : 12);
    if (choice >= 12)
        choice < 14 ? body_throw(b) : body_try(b);
    else if (choice < 5)
        any_block(b);
    else if (choice < 7)
        counted_loop(b);
    else if (choice < 11)
        branch(b);
    else if (entropy_one_in(b->e, 8))
        deep_blocks(b);
    else if (entropy_one_in(b->e, 8))
        body_op(b, OP_UNREACHABLE), body_become_dead(b);
    else if (plan_has(b->plan, FEATURE_THREADS) && entropy_one_in(b->e, 2))
        body_indexed(b, OP_ATOMIC_FENCE, 0);
    else
        body_op(b, OP_NOP);
}

static void step(struct body *b) {
    bool bulk = plan_has(b->plan, FEATURE_BULK_MEMORY);
    u32 choice = entropy_below(b->e, 32);
    if (choice < 7)
        assign(b);
    else if (choice < 12)
        body_value(b, plan_value_type(b->plan, b->e));
    else if (choice < 17 && entropy_below(b->e, 6) < b->memory)
        body_store(b);
    else if (choice < 19 && entropy_below(b->e, 10) < b->atomics)
        (void)body_atomic(b, VALUE_NONE);
    else if (choice < 21 && bulk && entropy_below(b->e, 10) < b->memory)
        body_bulk_memory(b);
    else if (choice < 23 && bulk)
        body_table_op(b);
    else if (choice < 25 && entropy_below(b->e, 10) < b->calls)
        call_func(b, entropy_below(b->e, b->plan->func_count));
    else if (choice < 27 && entropy_below(b->e, 10) < b->calls)
        call_indirect(b);
    else if (choice < 31 && entropy_below(b->e, 10) < b->control)
        control_step(b);
    else
        drop(b);
}

void body_steps(struct body *b, u32 count) {
    for (u32 i = 0; i < count && b->budget > 0 && b->nesting < NESTING_MAX; i++) {
        step(b);
        // Dead code is worth a little.
        if (innermost(b)->is_dead && entropy_one_in(b->e, 2))
            break;
        while (b->height > innermost(b)->base + 60)
            drop(b);
    }
}

// -- Functions ------------------------------------------------------------------------------------

static void choose_locals(struct body *b) {
    u32 count = entropy_one_in(b->e, 20) ? 100 + entropy_below(b->e, 250) : entropy_below(b->e, 14);
    b->local_count = b->type->param_count;
    memcpy(b->locals, b->type->types, b->local_count);
    while (count-- > 0)
        b->locals[b->local_count++] = plan_value_type(b->plan, b->e);
    b->temporaries = b->local_count;
    b->locals[b->local_count++] = VALUE_F32;
    b->locals[b->local_count++] = VALUE_F64;
    b->locals[b->local_count++] = plan_has(b->plan, FEATURE_SIMD) ? VALUE_V128 : VALUE_F64;
    b->locals[b->local_count++] = VALUE_I32;
    b->locals[b->local_count++] = VALUE_I32;
}

static void write_locals(const struct body *b, struct wasm_out *out) {
    u32 own = b->local_count - b->type->param_count;
    out_unsigned(out, own);
    for (u32 i = b->type->param_count; i < b->local_count; i++) {
        out_unsigned(out, 1);
        out_byte(out, b->locals[i]);
    }
}

void body_generate(struct body *b, u32 func, struct wasm_out *out) {
    struct entropy *e = b->e;
    *b = (struct body){.e = e, .plan = b->plan, .type = plan_func_type(b->plan, func), .code = {0}};
    b->budget = 20 + (i32)entropy_below(e, entropy_one_in(e, 6) ? 1500 : 250);
    b->vectors = (u8)entropy_below(e, 10);
    b->memory = (u8)(2 + entropy_below(e, 8));
    b->atomics = (u8)entropy_below(e, 10);
    b->calls = (u8)entropy_below(e, 10);
    b->control = (u8)(2 + entropy_below(e, 8));
    choose_locals(b);
    b->frames[b->depth++] = (struct body_frame){.type = b->type};
    burn_fuel(b);
    body_steps(b, 4 + entropy_below(e, 60));
    settle(b, b->type->types + b->type->param_count, b->type->result_count);
    body_op(b, OP_END);

    write_locals(b, out);
    out_bytes(out, b->code.data, b->code.len);
    out_fini(&b->code);
}
