// Constant expressions: one instruction that gives a value, and an end.
//
// The 2.0 form: a constant, an imported immutable global, a null reference or a function's. Any
// other sequence is read to its end or to the first instruction that is not constant, so that the
// refusal says what is wrong with it.

#include "engine/decode/decode_internal.h"
#include "engine/decode/insn.h"

void decoder_declare_ref(struct decoder *d, u32 func) {
    struct module_decl *decl = d->decl;
    ASSERT(func < decl->func_count);
    if (decl->funcs[func].ref_index == NO_REF)
        decl->funcs[func].ref_index = decl->func_ref_count++;
}

static void const_global(struct decoder *d, const u8 *where, u32 index, struct const_expr *out) {
    const struct module_decl *decl = d->decl;
    if (index >= decl->global_import_count) {
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

static void const_insn(struct decoder *d, const u8 *where, const struct insn *insn,
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
    case OP_REF_NULL:
        *out = (struct const_expr){CONST_REF_NULL, insn->type, {}};
        return;
    case OP_GLOBAL_GET:
        const_global(d, where, insn->index, out);
        return;
    case OP_REF_FUNC:
        const_func(d, where, insn->index, out);
        return;
    case OP_I32_ADD:
    case OP_I32_SUB:
    case OP_I32_MUL:
    case OP_I64_ADD:
    case OP_I64_SUB:
    case OP_I64_MUL:
        reader_fail_at(&d->reader, where, ERR_INVALID,
                       "constant expression required: proposal extended constant expressions is "
                       "not supported");
        return;
    default:
        reader_fail_at(&d->reader, where, ERR_INVALID, "constant expression required");
    }
}

void decode_const_expr(struct decoder *d, enum value_type want, struct const_expr *out) {
    struct reader *r = &d->reader;
    const u8 *start = r->at;
    u32 value_count = 0;
    *out = (struct const_expr){};
    while (r->status == OK) {
        const u8 *where = r->at;
        struct insn insn;
        insn_read(r, d->decl, &insn);
        if (r->status != OK)
            return;
        if (insn.op == OP_END)
            break;
        const_insn(d, where, &insn, out);
        value_count++;
    }
    if (r->status == OK && (value_count != 1 || out->type != want))
        reader_fail_at(r, start, ERR_INVALID, "type mismatch in a constant expression");
}
