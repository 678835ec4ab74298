// The instructions whose types are fixed, picked from the opcode table by what they give, and what
// they need: constants with interesting values, addresses, NaNs that are the same everywhere.
//
// Relaxed vector instructions are in body_relaxed.c. Nobody is ever woken: that needs a second
// thread.

#include "tests/oracle/body.h"

#include <string.h>

enum op_class { CLASS_PURE, CLASS_LOAD, CLASS_STORE, CLASS_ATOMIC, CLASS_COUNT };

// One row for each type of result; 0 for none.
enum { ROWS = 6 };

struct op_list {
    u32 count;
    u16 ops[OP_COUNT];
};

static u32 row_of(enum value_type type) {
    static const enum value_type rows[ROWS] = {VALUE_NONE, VALUE_I32, VALUE_I64,
                                               VALUE_F32,  VALUE_F64, VALUE_V128};
    for (u32 i = 0; i < ROWS; i++) {
        if (rows[i] == type)
            return i;
    }
    return ROWS;
}

static u32 class_of(enum wasm_op op) {
    const struct wasm_op_info *info = &wasm_ops[op];
    const struct wasm_op_types *types = &wasm_op_types[op];
    if (types->param_count == WASM_OP_SPECIAL || info->feature == FEATURE_RELAXED_SIMD)
        return CLASS_COUNT;
    if (op == OP_MEMORY_ATOMIC_WAIT32 || op == OP_MEMORY_ATOMIC_WAIT64 || op == OP_ATOMIC_FENCE)
        return CLASS_COUNT;
    enum immediate immediate = info->immediate;
    if (immediate >= IMM_ATOMIC1 && immediate <= IMM_ATOMIC8)
        return CLASS_ATOMIC;
    if (immediate >= IMM_MEM1 && immediate <= IMM_MEM8_LANE)
        return types->result == VALUE_NONE ? CLASS_STORE : CLASS_LOAD;
    bool lanes = immediate >= IMM_SHUFFLE && immediate <= IMM_LANE2;
    if ((immediate == IMM_NONE || lanes) && types->result != VALUE_NONE)
        return CLASS_PURE;
    return CLASS_COUNT;
}

static const struct op_list *op_list(enum op_class class, enum value_type result) {
    static struct op_list lists[CLASS_COUNT][ROWS];
    static bool filled;
    for (u32 op = 0; !filled && op < OP_COUNT; op++) {
        u32 found = class_of((enum wasm_op)op);
        if (found == CLASS_COUNT)
            continue;
        struct op_list *list = &lists[found][row_of(wasm_op_types[op].result)];
        list->ops[list->count++] = (u16)op;
    }
    filled = true;
    return &lists[class][row_of(result)];
}

// Picks one that the features allow; OP_COUNT when none was found.
static enum wasm_op pick(struct body *b, enum op_class class, enum value_type result) {
    if (row_of(result) == ROWS)
        return OP_COUNT;
    const struct op_list *list = op_list(class, result);
    for (u32 tries = 0; list->count != 0 && tries < 8; tries++) {
        enum wasm_op op = (enum wasm_op)list->ops[entropy_below(b->e, list->count)];
        bool wide = wasm_ops[op].feature == FEATURE_SIMD;
        if (wide && result != VALUE_V128 && entropy_below(b->e, 10) >= b->vectors)
            continue;
        if (plan_has(b->plan, wasm_ops[op].feature))
            return op;
    }
    return OP_COUNT;
}

// -- Constants ------------------------------------------------------------------------------------

static u64 number(struct body *b, u32 bits) {
    static const u64 interesting[] = {
        0,      1,       2,       3,    7,      8,          31,         32,         33,
        63,     64,      65,      0x7f, 0x80,   0xff,       0x100,      0x7fff,     0x8000,
        0xffff, 0x10000, 0x7ffff, 1000, 100000, 0x7fffffff, 0x80000000, 1ull << 32, 1ull << 63};
    u64 value = interesting[entropy_below(b->e, COUNT_OF(interesting))];
    switch (entropy_below(b->e, 5)) {
    case 0:
        break;
    case 1:
        value = ~value;
        break;
    case 2:
        value = -value;
        break;
    case 3:
        value += entropy_below(b->e, 16);
        break;
    default:
        value = entropy_u64(b->e);
    }
    return bits == 64 ? value : (u32)value;
}

static u32 f32_bits(struct body *b) {
    static const u32 interesting[] = {
        0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000,
        0xffc00000, 0x7fa00000, 0xff800001, 1,          0x80000001, 0x007fffff, 0x00800000,
        0x7f7fffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x4f800000, 0x5f000000, 0xdf000000,
        0x5f800000, 0x3f000000, 0x3fc00000, 0x4b000000, 0x4b800001, 0x42c80000};
    u32 choice = entropy_below(b->e, COUNT_OF(interesting) + 8);
    return choice < COUNT_OF(interesting) ? interesting[choice] : (u32)entropy_u64(b->e);
}

static u64 f64_bits(struct body *b) {
    static const u64 interesting[] = {
        0,
        0x8000000000000000,
        0x3ff0000000000000,
        0xbff0000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0xfff8000000000000,
        0x7ff4000000000000,
        0xfff0000000000001,
        1,
        0x000fffffffffffff,
        0x7fefffffffffffff,
        0x41dfffffffc00000, // 2^31 - 1
        0x41e0000000000000,
        0xc1e0000000200000, // -2^31 - 1
        0x41f0000000000000,
        0x43e0000000000000, // 2^63
        0xc3e0000000000000,
        0x43f0000000000000,
        0x3fe0000000000000,
        0x3ff8000000000000,
        0x4330000000000001,
        0x4059000000000000,
        0x36a0000000000000, // the least f32
        0x47efffffe0000000, // the largest
    };
    u32 choice = entropy_below(b->e, COUNT_OF(interesting) + 8);
    return choice < COUNT_OF(interesting) ? interesting[choice] : entropy_u64(b->e);
}

static void vector_const(struct body *b) {
    u64 bits[2];
    for (u32 i = 0; i < 2; i++) {
        switch (entropy_below(b->e, 4)) {
        case 0:
            bits[i] = number(b, 64);
            break;
        case 1:
            bits[i] = f32_bits(b) | (u64)f32_bits(b) << 32;
            break;
        case 2:
            bits[i] = f64_bits(b);
            break;
        default:
            bits[i] = entropy_u64(b->e);
        }
    }
    out_bytes(&b->code, bits, sizeof bits);
}

void body_const(struct body *b, enum value_type type) {
    switch (type) {
    case VALUE_I32:
        body_op(b, OP_I32_CONST);
        out_signed(&b->code, (i32)number(b, 32));
        break;
    case VALUE_I64:
        body_op(b, OP_I64_CONST);
        out_signed(&b->code, (i64)number(b, 64));
        break;
    case VALUE_F32: {
        u32 bits = f32_bits(b);
        body_op(b, OP_F32_CONST);
        out_bytes(&b->code, &bits, sizeof bits);
        break;
    }
    case VALUE_F64: {
        u64 bits = f64_bits(b);
        body_op(b, OP_F64_CONST);
        out_bytes(&b->code, &bits, sizeof bits);
        break;
    }
    case VALUE_V128:
        body_op(b, OP_V128_CONST);
        vector_const(b);
        break;
    case VALUE_FUNCREF:
        if (entropy_one_in(b->e, 2)) {
            body_op(b, OP_REF_FUNC);
            out_unsigned(&b->code, entropy_below(b->e, b->plan->func_count));
            break;
        }
        [[fallthrough]];
    default:
        body_op(b, OP_REF_NULL);
        out_byte(&b->code, type);
    }
    body_push(b, type, true);
}

// -- NaNs -----------------------------------------------------------------------------------------

static void local_op(struct body *b, enum wasm_op op, u32 local) {
    body_op(b, op);
    out_unsigned(&b->code, local);
}

//     local.tee t; nan; local.get t; local.get t; eq; select
void body_make_exact(struct body *b) {
    if (b->height == b->frames[b->depth - 1].base) // dead code
        return;
    struct body_slot *top = &b->stack[b->height - 1];
    if (top->is_exact)
        return;
    bool is_f32 = top->type == VALUE_F32;
    if (!is_f32 && top->type != VALUE_F64)
        return;
    u32 t = b->temporaries + (is_f32 ? 0 : 1);
    local_op(b, OP_LOCAL_TEE, t);
    if (is_f32) {
        body_op(b, OP_F32_CONST);
        out_bytes(&b->code, "\0\0\xc0\x7f", 4);
    } else {
        body_op(b, OP_F64_CONST);
        out_bytes(&b->code, "\0\0\0\0\0\0\xf8\x7f", 8);
    }
    local_op(b, OP_LOCAL_GET, t);
    local_op(b, OP_LOCAL_GET, t);
    body_op(b, is_f32 ? OP_F32_EQ : OP_F64_EQ);
    body_op(b, OP_SELECT);
    top->is_exact = true;
}

// The same for every lane:
//     local.tee t; nans; local.get t; local.get t; eq; bitselect
static void make_vector_exact(struct body *b, bool is_f32) {
    u32 t = b->temporaries + 2;
    local_op(b, OP_LOCAL_TEE, t);
    body_op(b, OP_V128_CONST);
    for (u32 i = 0; i < 4; i++) {
        if (is_f32)
            out_bytes(&b->code, "\0\0\xc0\x7f", 4);
        else
            out_bytes(&b->code, i % 2 == 0 ? "\0\0\0\0" : "\0\0\xf8\x7f", 4);
    }
    local_op(b, OP_LOCAL_GET, t);
    local_op(b, OP_LOCAL_GET, t);
    body_op(b, is_f32 ? OP_F32X4_EQ : OP_F64X2_EQ);
    body_op(b, OP_V128_BITSELECT);
}

static bool contains(const char *text, const char *const *words, usize count) {
    for (usize i = 0; i < count; i++) {
        if (strstr(text, words[i]) != NULL)
            return true;
    }
    return false;
}

// Whether the instruction can make a NaN of a kind that the specification leaves open.
static bool may_make_nan(enum wasm_op op) {
    static const char *const names[] = {"eq",  "ne",  "lt",   "gt",   "le",    "ge",
                                        "abs", "neg", "pmin", "pmax", "splat", "copysign"};
    static const char *const parts[] = {"_lane", "convert_", "reinterpret", "load"};
    const char *text = wasm_ops[op].text;
    const char *dot = strchr(text, '.');
    if (text[0] != 'f' || dot == NULL || contains(text, parts, COUNT_OF(parts)))
        return false;
    for (usize i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(dot + 1, names[i]) == 0)
            return false;
    }
    return true;
}

// Whether it lets the bits of a float on top of the stack be seen.
static bool shows_bits(enum wasm_op op) {
    static const char *const showing[] = {"reinterpret", "store", "splat", "replace_lane",
                                          "copysign"};
    return contains(wasm_ops[op].text, showing, COUNT_OF(showing));
}

// Of absolute value, negation and copysign the result is as exact as the first operand.
static bool result_is_exact(enum wasm_op op, bool first_is_exact) {
    const char *text = wasm_ops[op].text;
    if (strstr(text, ".abs") != NULL || strstr(text, ".neg") != NULL ||
        strstr(text, "copysign") != NULL)
        return first_is_exact;
    return !may_make_nan(op);
}

static void push_result(struct body *b, enum wasm_op op, bool first_is_exact) {
    enum value_type type = wasm_op_types[op].result;
    if (type == VALUE_NONE)
        return;
    body_push(b, type, type == VALUE_V128 || result_is_exact(op, first_is_exact));
    if (type == VALUE_V128 && may_make_nan(op))
        make_vector_exact(b, wasm_ops[op].text[1] == '3');
}

// -- Instructions ---------------------------------------------------------------------------------

static void lanes(struct body *b, enum immediate immediate) {
    switch (immediate) {
    case IMM_SHUFFLE:
        for (u32 i = 0; i < 16; i++)
            out_byte(&b->code, (u8)entropy_below(b->e, 32));
        break;
    case IMM_LANE16:
    case IMM_MEM1_LANE:
        out_byte(&b->code, (u8)entropy_below(b->e, 16));
        break;
    case IMM_LANE8:
    case IMM_MEM2_LANE:
        out_byte(&b->code, (u8)entropy_below(b->e, 8));
        break;
    case IMM_LANE4:
    case IMM_MEM4_LANE:
        out_byte(&b->code, (u8)entropy_below(b->e, 4));
        break;
    case IMM_LANE2:
    case IMM_MEM8_LANE:
        out_byte(&b->code, (u8)entropy_below(b->e, 2));
        break;
    default:
        break;
    }
}

// A float that a truncation takes: of an integer of sixteen bits.
static void small_float(struct body *b, enum value_type type) {
    body_value(b, VALUE_I32);
    body_op(b, OP_I32_CONST);
    out_signed(&b->code, 0xffff);
    body_op(b, OP_I32_AND);
    body_op(b, type == VALUE_F32 ? OP_F32_CONVERT_I32_U : OP_F64_CONVERT_I32_U);
    body_pop(b, 1);
    body_push(b, type, true);
}

static bool traps(enum wasm_op op) {
    static const char *const words[] = {".div_s", ".div_u", ".rem_s", ".rem_u"};
    return contains(wasm_ops[op].text, words, COUNT_OF(words));
}

static bool truncates(enum wasm_op op) {
    const char *text = wasm_ops[op].text;
    return text[0] == 'i' && strstr(text, ".trunc_f") != NULL;
}

static void operands(struct body *b, enum wasm_op op) {
    const struct wasm_op_types *types = &wasm_op_types[op];
    if (truncates(op) && !entropy_one_in(b->e, 8)) {
        small_float(b, types->params[0]);
        return;
    }
    body_provide(b, types->params, types->param_count);
    if (traps(op) && !entropy_one_in(b->e, 8)) { // the divisor is not 0
        bool wide = types->params[0] == VALUE_I64;
        body_op(b, wide ? OP_I64_CONST : OP_I32_CONST);
        out_signed(&b->code, 1);
        body_op(b, wide ? OP_I64_OR : OP_I32_OR);
    }
    if (shows_bits(op))
        body_make_exact(b);
}

bool body_pure(struct body *b, enum value_type type) {
    enum wasm_op op = pick(b, CLASS_PURE, type);
    if (op == OP_COUNT)
        return false;
    u32 params = wasm_op_types[op].param_count;
    operands(b, op);
    u32 base = b->frames[b->depth - 1].base;
    bool exact = b->height - base >= params && b->stack[b->height - params].is_exact;
    body_pop(b, params);
    body_op(b, op);
    lanes(b, wasm_ops[op].immediate);
    push_result(b, op, exact);
    return true;
}

// -- Memory ---------------------------------------------------------------------------------------

void body_small(struct body *b, enum value_type type, u32 limit) {
    bool wide = type == VALUE_I64;
    if (entropy_one_in(b->e, 2)) {
        body_op(b, wide ? OP_I64_CONST : OP_I32_CONST);
        out_signed(&b->code, (i64)entropy_below(b->e, limit));
        body_push(b, type, true);
        return;
    }
    body_value(b, type);
    if (entropy_one_in(b->e, 24)) // whatever it is
        return;
    body_op(b, wide ? OP_I64_CONST : OP_I32_CONST);
    out_signed(&b->code, (i64)limit);
    body_op(b, wide ? OP_I64_REM_U : OP_I32_REM_U);
}

static void i32_op(struct body *b, i32 constant, enum wasm_op op) {
    body_op(b, OP_I32_CONST);
    out_signed(&b->code, constant);
    body_op(b, op);
}

// (value and mask) << count
static void scaled(struct body *b, u32 count, u32 mask) {
    body_value(b, VALUE_I32);
    i32_op(b, (i32)mask, OP_I32_AND);
    i32_op(b, (i32)count, OP_I32_SHL);
}

// An i32 below ADDRESS_SPAN, made in one of several ways: what an engine may get wrong is the upper
// half of the register that holds it.
static void address32(struct body *b) {
    switch (entropy_below(b->e, 11)) {
    case 0:
        body_op(b, OP_I32_CONST);
        out_signed(&b->code, (i32)entropy_below(b->e, ADDRESS_SPAN));
        body_push(b, VALUE_I32, true);
        return;
    case 1:
    case 2:
        local_op(b, OP_LOCAL_GET, b->temporaries + ADDRESS_LOCAL);
        body_push(b, VALUE_I32, true);
        return;
    case 3: // garbage above what is kept
        body_value(b, VALUE_I64);
        body_op(b, OP_I64_CONST);
        out_signed(&b->code, (i64)(0xffffffff00000000 | (ADDRESS_SPAN - 1)));
        body_op(b, OP_I64_AND);
        body_op(b, OP_I32_WRAP_I64);
        body_pop(b, 1);
        body_push(b, VALUE_I32, true);
        break;
    case 4:
        body_value(b, VALUE_I32);
        i32_op(b, 17, OP_I32_SHR_U);
        break;
    case 5: // two negative numbers
        body_value(b, VALUE_I32);
        i32_op(b, ADDRESS_SPAN - 1, OP_I32_AND);
        i32_op(b, INT32_MIN, OP_I32_OR);
        i32_op(b, INT32_MIN, OP_I32_ADD);
        break;
    case 6: { // down below 0 and up again
        i32 distance = (i32)number(b, 32);
        body_value(b, VALUE_I32);
        i32_op(b, ADDRESS_SPAN - 1, OP_I32_AND);
        i32_op(b, distance, OP_I32_SUB);
        if (entropy_one_in(b->e, 2))
            local_op(b, OP_LOCAL_TEE, b->temporaries + SCRATCH_LOCAL);
        i32_op(b, distance, OP_I32_ADD);
        break;
    }
    case 7: // bits that the shift drops
        scaled(b, 3, 0xe0000fff);
        break;
    case 8: // a base and an index
        body_value(b, VALUE_I32);
        i32_op(b, ADDRESS_SPAN / 2 - 1, OP_I32_AND);
        scaled(b, 1 + entropy_below(b->e, 3), 0x7ff);
        body_op(b, OP_I32_ADD);
        body_pop(b, 1);
        break;
    default:
        body_value(b, VALUE_I32);
        i32_op(b, ADDRESS_SPAN - 1, OP_I32_AND);
    }
    if (entropy_one_in(b->e, 3))
        local_op(b, OP_LOCAL_TEE, b->temporaries + ADDRESS_LOCAL);
}

void body_address(struct body *b, enum value_type type) {
    if (entropy_one_in(b->e, 30)) {
        body_value(b, type);
        return;
    }
    address32(b);
    if (type == VALUE_I64) {
        body_op(b, OP_I64_EXTEND_I32_U);
        body_pop(b, 1);
        body_push(b, VALUE_I64, true);
    }
}

// Static offsets at which engines change what they emit.
static u64 far_offset(struct body *b, bool is64) {
    static const u64 at[] = {0x10000,    0x20000,    0x7fffffff,         0x80000000, 0xffffffff,
                             64 * MIB,   2 * GIB,    4 * GIB - 16,       4 * GIB,    8 * GIB,
                             1ull << 47, 1ull << 63, 0xffffffffffffffff, 0xfff0};
    u64 offset = at[entropy_below(b->e, COUNT_OF(at))] + entropy_below(b->e, 33) - 16;
    return is64 ? offset : (u32)offset;
}

// The memarg, and the address below it: an address that with a far offset wraps around, sometimes.
static void memory_access(struct body *b, u32 bytes, bool natural, struct wasm_out *memarg) {
    u32 memory = entropy_below(b->e, b->plan->memory_count);
    bool is64 = b->plan->memories[memory].type.is64;
    enum value_type type = is64 ? VALUE_I64 : VALUE_I32;
    u64 offset = entropy_one_in(b->e, 3) ? entropy_below(b->e, 0x7f00) : 0;
    if (entropy_one_in(b->e, 40)) {
        offset = far_offset(b, is64);
        body_op(b, is64 ? OP_I64_CONST : OP_I32_CONST);
        static const u64 from[] = {0, 0xffffff00, 0x80000000};
        u64 address = entropy_below(b->e, 40) + from[entropy_below(b->e, 3)];
        if (entropy_one_in(b->e, 2))
            address -= offset;
        out_signed(&b->code, is64 ? (i64)address : (i32)address);
        body_push(b, type, true);
    } else {
        body_address(b, type);
    }
    u32 align = (u32)__builtin_ctz(bytes);
    if (natural && !entropy_one_in(b->e, 12)) {
        offset &= ~(u64)(bytes - 1);
        body_op(b, is64 ? OP_I64_CONST : OP_I32_CONST);
        out_signed(&b->code, -(i64)bytes);
        body_op(b, is64 ? OP_I64_AND : OP_I32_AND);
    }
    if (!natural)
        align = entropy_below(b->e, align + 1);
    bool named =
        memory != 0 || (plan_has(b->plan, FEATURE_MULTI_MEMORY) && entropy_one_in(b->e, 8));
    out_unsigned(memarg, align | (named ? 0x40 : 0));
    if (named)
        out_unsigned(memarg, memory);
    out_unsigned(memarg, offset);
}

static u32 access_bytes(enum immediate immediate) {
    if (immediate >= IMM_ATOMIC1 && immediate <= IMM_ATOMIC8)
        return 1u << (immediate - IMM_ATOMIC1);
    if (immediate >= IMM_MEM1_LANE && immediate <= IMM_MEM8_LANE)
        return 1u << (immediate - IMM_MEM1_LANE);
    return 1u << (immediate - IMM_MEM1);
}

static void access(struct body *b, enum wasm_op op) {
    const struct wasm_op_types *types = &wasm_op_types[op];
    enum immediate immediate = wasm_ops[op].immediate;
    bool natural = immediate >= IMM_ATOMIC1 && immediate <= IMM_ATOMIC8;
    struct wasm_out memarg = {0};
    memory_access(b, access_bytes(immediate), natural, &memarg);
    for (u32 i = 1; i < types->param_count; i++)
        body_value(b, types->params[i]);
    if (shows_bits(op) && types->param_count > 1)
        body_make_exact(b);
    body_pop(b, types->param_count);
    body_op(b, op);
    out_bytes(&b->code, memarg.data, memarg.len);
    out_fini(&memarg);
    lanes(b, immediate);
    push_result(b, op, true);
}

bool body_load(struct body *b, enum value_type type) {
    enum wasm_op op = pick(b, CLASS_LOAD, type);
    if (op == OP_COUNT)
        return false;
    access(b, op);
    return true;
}

bool body_atomic(struct body *b, enum value_type type) {
    enum wasm_op op = pick(b, CLASS_ATOMIC, type);
    if (op == OP_COUNT)
        return false;
    access(b, op);
    return true;
}

void body_store(struct body *b) {
    enum wasm_op op = pick(b, CLASS_STORE, VALUE_NONE);
    if (op != OP_COUNT)
        access(b, op);
}

// The value there is compared first; then the time is up at once.
void body_wait(struct body *b) {
    bool wide = entropy_one_in(b->e, 2);
    struct wasm_out memarg = {0};
    memory_access(b, wide ? 8 : 4, true, &memarg);
    body_value(b, wide ? VALUE_I64 : VALUE_I32);
    body_op(b, OP_I64_CONST);
    out_signed(&b->code, entropy_below(b->e, 1000));
    body_op(b, wide ? OP_MEMORY_ATOMIC_WAIT64 : OP_MEMORY_ATOMIC_WAIT32);
    out_bytes(&b->code, memarg.data, memarg.len);
    out_fini(&memarg);
    body_pop(b, 2);
    body_push(b, VALUE_I32, true);
}
