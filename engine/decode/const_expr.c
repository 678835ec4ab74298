// Constant expressions: instructions that give one value, and an end.
//
// Nearly all are one instruction: a constant, an immutable global, a null reference or a
// function's. Extended ones compute with integers; these become a program that is run for each
// instance. Any other sequence is read to its end or to the first instruction that is not constant,
// so that the refusal says what is wrong with it.
//
// An expression is walked once, with a stack of types, and a second time where it becomes a
// program: what is wrong with it is found in the first walk.

#include "engine/decode/decode_internal.h"
#include "engine/decode/insn.h"

void decoder_declare_ref(struct decoder *d, u32 func) {
    struct module_decl *decl = d->decl;
    ASSERT(func < decl->func_count);
    if (decl->funcs[func].ref_index == NO_REF)
        decl->funcs[func].ref_index = decl->func_ref_count++;
}

// The operands' types at a point of an expression.
struct const_walk {
    enum value_type types[LIMIT_CONST_DEPTH];
    u32 depth;
    u32 insn_count;
};

// Before extended constant expressions only imported globals can be meant.
static void const_global(struct decoder *d, const u8 *where, u32 index, struct const_expr *out) {
    const struct module_decl *decl = d->decl;
    bool own_too = (decl->features & FEATURE_EXTENDED_CONST) != 0;
    if (index >= (own_too ? decl->global_count : decl->global_import_count)) {
        reader_fail_number(&d->reader, where, ERR_INVALID, "unknown global", index);
        return;
    }
    if (decl->globals[index].type.is_mutable) {
        reader_fail_at(&d->reader, where, ERR_INVALID,
                       "constant expression required: the global is mutable");
        return;
    }
    *out = (struct const_expr){CONST_GLOBAL, decl->globals[index].type.type, {.index = index}};
}

static void const_func(struct decoder *d, const u8 *where, u32 index, struct const_expr *out) {
    if (index >= d->decl->func_count) {
        reader_fail_number(&d->reader, where, ERR_INVALID, "unknown function", index);
        return;
    }
    decoder_declare_ref(d, index);
    *out = (struct const_expr){CONST_REF_FUNC, VALUE_FUNCREF, {.index = index}};
}

// An instruction that gives a value by itself.
static void const_leaf(struct decoder *d, const u8 *where, const struct insn *insn,
                       struct const_expr *out) {
    switch (insn->op) {
    case OP_I32_CONST:
        *out = (struct const_expr){CONST_VALUE, VALUE_I32, {.value = (u32)insn->i32}};
        return;
    case OP_I64_CONST:
        *out = (struct const_expr){CONST_VALUE, VALUE_I64, {.value = (u64)insn->i64}};
        return;
    case OP_F32_CONST:
        *out = (struct const_expr){CONST_VALUE, VALUE_F32, {.value = insn->f32}};
        return;
    case OP_F64_CONST:
        *out = (struct const_expr){CONST_VALUE, VALUE_F64, {.value = insn->f64}};
        return;
    case OP_V128_CONST:
        *out = (struct const_expr){CONST_V128, VALUE_V128, {.v128 = d->reader.at - 16}};
        return;
    case OP_REF_NULL:
        *out = (struct const_expr){CONST_REF_NULL, insn->type, {}};
        return;
    case OP_GLOBAL_GET:
        const_global(d, where, insn->index, out);
        return;
    case OP_REF_FUNC:
        const_func(d, where, insn->index, out);
        return;
    default:
        reader_fail_at(&d->reader, where, ERR_INVALID, "constant expression required");
    }
}

// The arithmetic that extended expressions allow. False for other instructions.
static bool const_arithmetic(enum wasm_op op, struct const_step *out) {
    switch (op) {
    case OP_I32_ADD:
        *out = (struct const_step){STEP_ADD, VALUE_I32, 0};
        return true;
    case OP_I32_SUB:
        *out = (struct const_step){STEP_SUB, VALUE_I32, 0};
        return true;
    case OP_I32_MUL:
        *out = (struct const_step){STEP_MUL, VALUE_I32, 0};
        return true;
    case OP_I64_ADD:
        *out = (struct const_step){STEP_ADD, VALUE_I64, 0};
        return true;
    case OP_I64_SUB:
        *out = (struct const_step){STEP_SUB, VALUE_I64, 0};
        return true;
    case OP_I64_MUL:
        *out = (struct const_step){STEP_MUL, VALUE_I64, 0};
        return true;
    default:
        return false;
    }
}

static void walk_push(struct decoder *d, const u8 *where, struct const_walk *walk,
                      enum value_type type) {
    if (walk->depth == LIMIT_CONST_DEPTH)
        reader_fail_number(&d->reader, where, ERR_LIMIT,
                           "constant expression too deep: the limit is", LIMIT_CONST_DEPTH);
    else
        walk->types[walk->depth++] = type;
}

static void walk_arithmetic(struct decoder *d, const u8 *where, struct const_walk *walk,
                            enum value_type type) {
    reader_require(&d->reader, where, d->decl->features, FEATURE_EXTENDED_CONST);
    if (walk->depth < 2 || walk->types[walk->depth - 1] != type ||
        walk->types[walk->depth - 2] != type)
        reader_fail_at(&d->reader, where, ERR_INVALID, "type mismatch in a constant expression");
    else
        walk->depth--;
}

// Reads up to the end. `out` is the last value that an instruction gave by itself.
static void walk_const(struct decoder *d, struct const_walk *walk, struct const_expr *out) {
    struct reader *r = &d->reader;
    while (r->status == OK) {
        const u8 *where = r->at;
        struct insn insn;
        struct const_step step;
        insn_read(r, d->decl, &insn);
        if (r->status != OK || insn.op == OP_END)
            return;
        walk->insn_count++;
        if (const_arithmetic(insn.op, &step)) {
            walk_arithmetic(d, where, walk, step.type);
            continue;
        }
        const_leaf(d, where, &insn, out);
        if (r->status == OK)
            walk_push(d, where, walk, out->type);
    }
}

// The same instructions once more, found right, as a program.
static const struct const_program *make_program(struct decoder *d, struct reader *again,
                                                u32 count) {
    struct const_program *program =
        decoder_alloc(d, 1, sizeof(*program) + (usize)count * sizeof(struct const_step));
    if (program == NULL)
        return NULL;
    program->count = count;
    for (u32 i = 0; i < count; i++) {
        struct const_step *step = &program->steps[i];
        struct insn insn;
        insn_read(again, d->decl, &insn);
        if (const_arithmetic(insn.op, step))
            continue;
        if (insn.op == OP_GLOBAL_GET)
            *step = (struct const_step){STEP_GLOBAL, d->decl->globals[insn.index].type.type,
                                        insn.index};
        else if (insn.op == OP_I32_CONST)
            *step = (struct const_step){STEP_VALUE, VALUE_I32, (u32)insn.i32};
        else if (insn.op == OP_I64_CONST)
            *step = (struct const_step){STEP_VALUE, VALUE_I64, (u64)insn.i64};
        else
            UNREACHABLE();
    }
    ASSERT(again->status == OK);
    return program;
}

void decode_const_expr(struct decoder *d, enum value_type want, struct const_expr *out) {
    struct reader *r = &d->reader;
    struct reader again = *r;
    struct const_walk walk = {};
    *out = (struct const_expr){};
    walk_const(d, &walk, out);
    if (r->status == OK && (walk.depth != 1 || walk.types[0] != want))
        reader_fail_at(r, again.at, ERR_INVALID, "type mismatch in a constant expression");
    if (r->status != OK || walk.insn_count == 1)
        return;
    *out = (struct const_expr){CONST_PROGRAM, want, {}};
    out->program = make_program(d, &again, walk.insn_count);
}
