// The validation algorithm of the specification's appendix, over two explicit stacks.
//
// Invariants:
//  1. Every control's height is at most the operand count: no instruction pops below it.
//  2. There is always room for one more operand when an instruction is looked at; those that push
//     more make the room themselves.
//  3. Where code can be reached no operand is VALUE_ANY.
//  4. Work per instruction is bounded by the types that it names, at most LIMIT_PARAMS +
//     LIMIT_RESULTS of them, compared and copied as bytes; a br_table by that for each label.
//  5. Memory is bounded by LIMIT_LOCALS, LIMIT_OPERANDS and LIMIT_BLOCK_DEPTH.
//
// What is common in programs is read and checked in one go (quick.c). The others take the path
// through insn_read and validator_step; those without fixed types are in body_rules.c and
// exceptions.c; immediates are checked in immediates.c.

#include "engine/validate/validate.h"

#include "base/fmt.h"
#include "base/math.h"
#include "engine/api/host.h"
#include "engine/validate/validate_internal.h"

#define OPERANDS_MIN 64u
#define CONTROL_MIN  16u

STATIC_ASSERT(LIMIT_PARAMS + LIMIT_RESULTS < LIMIT_OPERANDS, "operand counts do not overflow");
STATIC_ASSERT(LIMIT_OPERANDS % OPERANDS_MIN == 0 && (LIMIT_OPERANDS & (LIMIT_OPERANDS - 1)) == 0,
              "doubling reaches the limit exactly");

// -- The stacks -----------------------------------------------------------------------------------

void validator_fail(struct validator *v, enum status status, const char *why) {
    reader_fail_at(&v->reader, v->insn_at, status, why);
}

void validator_fail_index(struct validator *v, const char *why, u32 index) {
    reader_fail_number(&v->reader, v->insn_at, ERR_INVALID, why, index);
}

bool validator_mismatch(struct validator *v, enum value_type expected, enum value_type found) {
    if (v->reader.status == OK) {
        v->expected = expected;
        v->found = found;
    }
    validator_fail(v, ERR_INVALID, "type mismatch");
    return false;
}

// Doubles `*array` until it has room for `need` elements of `size` bytes.
static bool grow(struct validator *v, void **array, u32 *capacity, u32 need, u32 size) {
    u32 wanted = *capacity;
    while (wanted < need)
        wanted *= 2;
    void *bigger = host_alloc((usize)wanted * size + OPERANDS_SLACK);
    if (bigger == NULL) {
        validator_fail(v, ERR_NO_MEMORY, status_text(ERR_NO_MEMORY));
        return false;
    }
    memcpy(bigger, *array, (usize)*capacity * size);
    host_free(*array, (usize)*capacity * size + OPERANDS_SLACK);
    *array = bigger;
    *capacity = wanted;
    return true;
}

bool operands_reserve_slow(struct validator *v, u32 count) {
    u32 need = v->operand_count + count;
    if (need > LIMIT_OPERANDS) {
        reader_fail_number(&v->reader, v->insn_at, ERR_LIMIT,
                           "too many operands on the stack: the limit is", LIMIT_OPERANDS);
        return false;
    }
    return grow(v, (void **)&v->operands, &v->operand_capacity, need, sizeof(*v->operands));
}

bool pop_slow(struct validator *v, enum value_type want) {
    const struct control *c = control_top(v);
    if (v->operand_count == c->height) {
        if (c->unreachable)
            return true;
        return validator_mismatch(v, want, VALUE_ANY);
    }
    enum value_type found = v->operands[v->operand_count - 1];
    if (found != VALUE_ANY && found != want)
        return validator_mismatch(v, want, found);
    v->operand_count--;
    return true;
}

bool pop_any(struct validator *v, enum value_type *out) {
    const struct control *c = control_top(v);
    *out = VALUE_ANY;
    if (v->operand_count > c->height)
        *out = v->operands[--v->operand_count];
    else if (!c->unreachable)
        return validator_mismatch(v, VALUE_ANY, VALUE_ANY);
    return true;
}

bool operands_match(struct validator *v, const enum value_type *types, u32 count) {
    if (count == 0)
        return true;
    const struct control *c = control_top(v);
    u32 compared = (u32)min_u64(v->operand_count - c->height, count);
    const enum value_type *top = v->operands + v->operand_count;
    bool same = compared == 0 ||
                memcmp(top - compared, types + count - compared, compared * sizeof(*types)) == 0;
    for (u32 i = 1; i <= compared && !same; i++) {
        enum value_type want = types[count - i];
        enum value_type found = *(top - i);
        if (found != want && found != VALUE_ANY)
            return validator_mismatch(v, want, found);
    }
    if (compared < count && !c->unreachable)
        return validator_mismatch(v, types[count - compared - 1], VALUE_ANY);
    return true;
}

bool pop_types(struct validator *v, const enum value_type *types, u32 count) {
    if (count == 0)
        return true;
    if (!operands_match(v, types, count))
        return false;
    u32 available = v->operand_count - control_top(v)->height;
    v->operand_count -= (u32)min_u64(available, count);
    return true;
}

bool push_types(struct validator *v, const enum value_type *types, u32 count) {
    if (count == 0)
        return true;
    if (!operands_reserve(v, count))
        return false;
    memcpy(v->operands + v->operand_count, types, count * sizeof(*types));
    v->operand_count += count;
    return true;
}

bool control_push(struct validator *v, enum wasm_op op, const struct func_type *type) {
    if (v->control_count == LIMIT_BLOCK_DEPTH) {
        reader_fail_number(&v->reader, v->insn_at, ERR_LIMIT,
                           "blocks nested too deeply: the limit is", LIMIT_BLOCK_DEPTH);
        return false;
    }
    if (v->control_count == v->control_capacity &&
        !grow(v, (void **)&v->control, &v->control_capacity, v->control_count + 1,
              sizeof(*v->control)))
        return false;
    v->control[v->control_count++] =
        (struct control){.op = op, .type = {type}, .height = v->operand_count};
    v->height = v->operand_count;
    return true;
}

// -- A function -----------------------------------------------------------------------------------

static bool stacks_create(struct validator *v) {
    if (v->operands == NULL) {
        v->operands = host_alloc(OPERANDS_MIN * sizeof(*v->operands) + OPERANDS_SLACK);
        v->operand_capacity = v->operands == NULL ? 0 : OPERANDS_MIN;
    }
    if (v->control == NULL) {
        v->control = host_alloc(CONTROL_MIN * sizeof(*v->control) + OPERANDS_SLACK);
        v->control_capacity = v->control == NULL ? 0 : CONTROL_MIN;
    }
    if (v->operands != NULL && v->control != NULL)
        return true;
    validator_fail(v, ERR_NO_MEMORY, status_text(ERR_NO_MEMORY));
    return false;
}

static void locals_free(struct validator *v) {
    host_free(v->locals, v->local_count * sizeof(*v->locals));
    v->locals = NULL;
    v->local_count = 0;
}

void validator_fini(struct validator *v) {
    locals_free(v);
    if (v->operands != NULL)
        host_free(v->operands, v->operand_capacity * sizeof(*v->operands) + OPERANDS_SLACK);
    if (v->control != NULL)
        host_free(v->control, v->control_capacity * sizeof(*v->control) + OPERANDS_SLACK);
    *v = (struct validator){};
}

void validator_begin(struct validator *v, const struct module_decl *decl, u32 func) {
    ASSERT(func < decl->func_count);
    ASSERT(!func_is_import(decl, func));
    v->decl = decl;
    v->func = func;
    v->operand_count = 0;
    v->control_count = 0;
    v->height = 0;
    v->operand_type = VALUE_ANY;
    v->expected = VALUE_ANY;
    v->found = VALUE_ANY;
    reader_init(&v->reader, decl->bytes.data, decl->funcs[func].body);
    v->insn_at = v->reader.at;

    locals_free(v);
    insn_read_locals(&v->reader, decl, func, &v->locals, &v->local_count);
    if (v->reader.status == OK && stacks_create(v))
        (void)control_push(v, OP_BLOCK, decl_func_type(decl, func));
}

// The path of instructions whose types are fixed. Invariant 2 gives the room for the result.
static inline bool step_fixed(struct validator *v, const struct wasm_op_types *types) {
    for (u32 i = types->param_count; i-- > 0;) {
        if (!pop(v, types->params[i]))
            return false;
    }
    if (types->result != VALUE_ANY)
        v->operands[v->operand_count++] = types->result;
    return true;
}

bool validator_step(struct validator *v, const struct insn *insn) {
    if (v->reader.status != OK)
        return false;
    ASSERT(v->control_count != 0);
    v->insn_at = v->reader.start + insn->offset;
    if (!operands_reserve(v, 1))
        return false;

    const struct wasm_op_types *types = &wasm_op_types[insn->op];
    if (types->param_count == WASM_OP_SPECIAL)
        return step_special(v, insn);
    if (types->immediate != IMM_NONE && !check_immediate(v, insn))
        return false;
    if (types->has_address && v->decl->has_address64)
        return step_addressed(v, insn);
    return step_fixed(v, types);
}

static const char *type_name(enum value_type type, const char *none) {
    switch (type) {
    case VALUE_I32:
        return "i32";
    case VALUE_I64:
        return "i64";
    case VALUE_F32:
        return "f32";
    case VALUE_F64:
        return "f64";
    case VALUE_V128:
        return "v128";
    case VALUE_FUNCREF:
        return "funcref";
    case VALUE_EXTERNREF:
        return "externref";
    case VALUE_EXNREF:
        return "exnref";
    default:
        return none;
    }
}

static void report_mismatch(const struct validator *v, struct module_error *error) {
    if (v->expected == VALUE_ANY && v->found == VALUE_ANY)
        return;
    usize len = strlen(error->text);
    fmt_string(error->text + len, sizeof(error->text) - len, ": expected %s, found %s",
               type_name(v->expected, "nothing"), type_name(v->found, "nothing"));
}

enum status validator_end(struct validator *v, struct module_error *error) {
    struct reader *r = &v->reader;
    if (r->status == OK && v->control_count != 0)
        reader_fail(r, ERR_TRUNCATED, "END opcode expected");
    if (r->status == OK && reader_left(r) != 0)
        reader_fail(r, ERR_MALFORMED, "section size mismatch: code after the function's end");
    if (r->status != OK) {
        reader_report(r, v->func, error);
        report_mismatch(v, error);
    }
    return r->status;
}

enum status validate_module(const struct module_decl *decl, struct module_error *error) {
    struct validator v = {};
    enum status status = OK;
    for (u32 func = decl->func_import_count; func < decl->func_count && status == OK; func++) {
        validator_begin(&v, decl, func);
        while (!validator_done(&v)) {
            struct insn insn;
            if (!validator_next(&v, &insn))
                break;
        }
        status = validator_end(&v, error);
    }
    validator_fini(&v);
    return status;
}
