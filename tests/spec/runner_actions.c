// Actions of scripts: reading the arguments, calling, and comparing what comes back. NaN patterns
// are compared as the specification has them: canonical ones by all bits but the sign, arithmetic
// ones by exponent and quiet bit.

#include "tests/spec/runner_internal.h"

#define LANES_MAX 4u

struct lane {
    enum script_value kind;
    u64 bits;
};

// A value of a script: one lane, or the lanes of a v128.
struct value {
    enum script_value kind;
    u32 lane_count;
    struct lane lanes[LANES_MAX];
};

// -- Values ---------------------------------------------------------------------------------------

static struct lane read_lane(struct runner *r, enum script_value kind) {
    return (struct lane){.kind = kind, .bits = read_number(r, 8)};
}

// A value that is no choice between several.
static struct value read_value_of(struct runner *r, enum script_value kind) {
    struct value value = {.kind = kind, .lane_count = 1};
    if (kind != SCRIPT_V128) {
        value.lanes[0] = read_lane(r, kind);
        return value;
    }
    value.lane_count = (u32)read_number(r, 1);
    if (value.lane_count != 2 && value.lane_count != 4) {
        r->broken = true;
        value.lane_count = 0;
    }
    for (u32 i = 0; i < value.lane_count; i++) {
        enum script_value lane = (enum script_value)read_number(r, 1);
        value.lanes[i] = read_lane(r, lane);
    }
    return value;
}

static struct value read_value(struct runner *r) {
    return read_value_of(r, (enum script_value)read_number(r, 1));
}

static bool kind_has_type(enum script_value kind, enum value_type type) {
    switch (kind) {
    case SCRIPT_I32:
        return type == VALUE_I32;
    case SCRIPT_I64:
        return type == VALUE_I64;
    case SCRIPT_F32:
    case SCRIPT_F32_CANONICAL:
    case SCRIPT_F32_ARITHMETIC:
        return type == VALUE_F32;
    case SCRIPT_F64:
    case SCRIPT_F64_CANONICAL:
    case SCRIPT_F64_ARITHMETIC:
        return type == VALUE_F64;
    case SCRIPT_EXTERNREF:
        return type == VALUE_EXTERNREF;
    case SCRIPT_FUNCREF_NULL:
    case SCRIPT_FUNCREF_ANY:
        return type == VALUE_FUNCREF;
    case SCRIPT_EXNREF_NULL:
    case SCRIPT_EXNREF_ANY:
        return type == VALUE_EXNREF;
    case SCRIPT_REF_NULL:
    case SCRIPT_REF_ANY:
        return type == VALUE_FUNCREF || type == VALUE_EXTERNREF || type == VALUE_EXNREF;
    case SCRIPT_V128:
        return type == VALUE_V128;
    case SCRIPT_EITHER:
    case SCRIPT_VALUE_COUNT:
        break;
    }
    return false;
}

static void pack_lanes(const struct value *value, u64 *to) {
    if (value->lane_count != 4) {
        for (u32 i = 0; i < value->lane_count; i++)
            to[i] = value->lanes[i].bits;
        return;
    }
    for (u32 i = 0; i < 2; i++)
        to[i] = (u32)value->lanes[2 * i].bits | value->lanes[2 * i + 1].bits << 32;
}

// Reads the arguments into r->values. False when they do not fit `type`.
static bool read_arguments(struct runner *r, const struct func_type *type) {
    u32 count = (u32)read_number(r, 2);
    bool fits = type != NULL && count == type->param_count && func_type_slots(type) <= VALUES_MAX;
    u32 slot = 0;
    for (u32 i = 0; i < count && !r->broken; i++) {
        struct value value = read_value(r);
        fits = fits && kind_has_type(value.kind, type->types[i]);
        if (!fits)
            continue;
        pack_lanes(&value, &r->values[slot]);
        slot += value_type_slots(type->types[i]);
    }
    return fits;
}

static enum trap invoke(struct runner *r, struct func_ref *func) {
    struct func_type type;
    func_ref_type(r->engine, func, &type);
    if (!read_arguments(r, &type)) {
        fail(r, "the arguments do not fit the function");
        return TRAP_NONE;
    }
    r->value_count = type.result_count;
    for (u32 i = 0; i < type.result_count; i++)
        r->value_types[i] = type.types[type.param_count + i];
    return func_call(r->engine, r->thread, func, r->values);
}

// Results are in r->values. A failed lookup is reported and counts as a return.
static enum trap do_action(struct runner *r) {
    r->value_count = 0;
    enum script_action action = (enum script_action)read_number(r, 1);
    struct instance *instance = instance_named(r, read_text(r));
    struct bytes field = read_text(r);
    struct extern_ref found = {0};
    if (instance == NULL) {
        (void)read_arguments(r, NULL);
        return TRAP_NONE;
    }
    bool exists = instance_export(instance, field, &found);
    enum extern_kind wanted = action == SCRIPT_INVOKE ? EXTERN_FUNC : EXTERN_GLOBAL;
    if (!exists || found.kind != wanted) {
        fail(r, "no export \"%.*s\"", (int)field.len, (const char *)field.data);
        (void)read_arguments(r, NULL);
        return TRAP_NONE;
    }
    if (action == SCRIPT_INVOKE)
        return invoke(r, found.func);
    (void)read_arguments(r, NULL);
    r->value_count = 1;
    r->values[0] = found.global->cell[0];
    r->values[1] = found.global->cell[1];
    r->value_types[0] = found.global->type.type;
    return TRAP_NONE;
}

#define F32_QUIET 0x7fc00000u
#define F64_QUIET 0x7ff8000000000000u
#define F32_SIGN  0x80000000u
#define F64_SIGN  0x8000000000000000u

static bool lane_matches(u64 bits, const struct lane *expected) {
    switch (expected->kind) {
    case SCRIPT_FUNCREF_ANY:
    case SCRIPT_EXNREF_ANY:
    case SCRIPT_REF_ANY:
        return bits != 0;
    case SCRIPT_F32_CANONICAL:
        return (bits & ~(u64)F32_SIGN) == F32_QUIET;
    case SCRIPT_F32_ARITHMETIC:
        return (bits & F32_QUIET) == F32_QUIET;
    case SCRIPT_F64_CANONICAL:
        return (bits & ~F64_SIGN) == F64_QUIET;
    case SCRIPT_F64_ARITHMETIC:
        return (bits & F64_QUIET) == F64_QUIET;
    default:
        return bits == expected->bits;
    }
}

// `bits` are the slots of a value of the right type.
static bool value_matches(const u64 *bits, const struct value *expected) {
    for (u32 i = 0; i < expected->lane_count; i++) {
        u64 lane = expected->lane_count != 4 ? bits[i] : (u32)(bits[i / 2] >> (32 * (i % 2)));
        if (!lane_matches(lane, &expected->lanes[i]))
            return false;
    }
    return true;
}

// Reads what is expected of a result: a value, or several of which one matches. `*last` is what was
// compared last.
static bool read_and_match(struct runner *r, const u64 *bits, enum value_type type,
                           struct value *last) {
    enum script_value kind = (enum script_value)read_number(r, 1);
    u32 count = kind == SCRIPT_EITHER ? (u32)read_number(r, 1) : 1;
    bool matches = false;
    for (u32 i = 0; i < count && !r->broken; i++) {
        *last = kind == SCRIPT_EITHER ? read_value(r) : read_value_of(r, kind);
        matches |= kind_has_type(last->kind, type) && value_matches(bits, last);
    }
    return matches;
}

static void report_result(struct runner *r, u32 index, const u64 *bits, enum value_type type,
                          const struct value *expected) {
    u64 wanted[LANES_MAX] = {0};
    pack_lanes(expected, wanted);
    if (!kind_has_type(expected->kind, type))
        fail(r, "result %u has another type", index);
    else if (type == VALUE_V128)
        fail(r, "result %u is 0x%016llx%016llx, expected 0x%016llx%016llx, or NaNs, in %u lanes",
             index, (unsigned long long)bits[1], (unsigned long long)bits[0],
             (unsigned long long)wanted[1], (unsigned long long)wanted[0], expected->lane_count);
    else
        fail(r, "result %u is 0x%llx, expected 0x%llx%s", index, (unsigned long long)bits[0],
             (unsigned long long)wanted[0], expected->kind > SCRIPT_REF_ANY ? " (a NaN)" : "");
}

void do_assert_return(struct runner *r) {
    enum trap trap = do_action(r);
    u32 count = (u32)read_number(r, 2);
    if (trap != TRAP_NONE)
        fail(r, "trap: %s", trap_text(trap));
    else if (count != r->value_count)
        fail(r, "%u results, expected %u", r->value_count, count);
    const u64 *bits = r->values;
    for (u32 i = 0; i < count && !r->broken; i++) {
        enum value_type type = r->failed ? VALUE_I32 : r->value_types[i];
        struct value expected = {0};
        if (!read_and_match(r, bits, type, &expected) && !r->failed && !r->broken)
            report_result(r, i, bits, type, &expected);
        if (!r->failed)
            bits += value_type_slots(type);
    }
}

void do_assert_trap(struct runner *r) {
    enum trap trap = do_action(r);
    struct bytes expected = read_text(r);
    if (trap == TRAP_NONE)
        fail(r, "no trap, expected \"%.*s\"", (int)expected.len, (const char *)expected.data);
    check_text(r, trap_text(trap), expected);
}

void do_assert_exception(struct runner *r) {
    enum trap trap = do_action(r);
    if (trap != TRAP_EXCEPTION)
        fail(r, "%s", trap == TRAP_NONE ? "no exception" : trap_text(trap));
}

void do_action_command(struct runner *r) {
    enum trap trap = do_action(r);
    if (trap != TRAP_NONE)
        fail(r, "trap: %s", trap_text(trap));
}
