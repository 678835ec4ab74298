// Chooses what a generated module consists of, and writes it.
//
// Invariants: sizes are small, so that the other engine can do the same within a test's memory;
// everything is exported under its kind's letter and its index ("f3", "m0"), so that the state can
// be compared and another module can link; host functions and everything that crosses to
// JavaScript carries no vector and no exception reference.

#include "tests/oracle/plan.h"

#include <stdio.h>
#include <string.h>

#include "engine/ops/ops.h"

#define MEMORY_PAGES_MAX 12

// -- Choosing -------------------------------------------------------------------------------------

enum value_type plan_value_type(const struct plan *plan, struct entropy *e) {
    static const enum value_type common[] = {VALUE_I32, VALUE_I64, VALUE_I32, VALUE_I64,
                                             VALUE_F64, VALUE_F32, VALUE_I32, VALUE_I64};
    u32 choice = entropy_below(e, 12);
    if (choice < 8)
        return common[choice];
    if (choice < 10)
        return plan_has(plan, FEATURE_SIMD) ? VALUE_V128 : VALUE_I64;
    if (!plan_has(plan, FEATURE_REFERENCE_TYPES))
        return VALUE_F64;
    if (plan_has(plan, FEATURE_EXCEPTIONS) && !plan_has(plan, FEATURE_LEGACY_EXCEPTIONS) &&
        entropy_one_in(e, 6))
        return VALUE_EXNREF;
    return choice == 10 ? VALUE_FUNCREF : VALUE_EXTERNREF;
}

// Mostly few, sometimes more than there are registers.
static u32 value_count(struct entropy *e, u32 few) {
    if (entropy_one_in(e, 10))
        return entropy_below(e, PLAN_VALUES / 2);
    if (few > 2 && entropy_one_in(e, 6))
        return 6 + entropy_below(e, 10);
    return entropy_below(e, few + 1);
}

enum audience { FOR_HOST, FOR_MODULES };

static struct plan_type choose_type(const struct plan *plan, enum audience audience,
                                    struct entropy *e) {
    struct plan_type type = {.param_count = value_count(e, 5), .result_count = value_count(e, 2)};
    if (!plan_has(plan, FEATURE_MULTI_VALUE) && type.result_count > 1)
        type.result_count = 1;
    for (u32 i = 0; i < type.param_count + type.result_count; i++) {
        type.types[i] = plan_value_type(plan, e);
        bool crosses = type.types[i] != VALUE_V128 && type.types[i] != VALUE_EXNREF;
        if (audience == FOR_HOST && !crosses)
            type.types[i] = VALUE_I64;
    }
    return type;
}

static u32 add_type(struct plan *plan, struct plan_type type) {
    CHECK(plan->type_count < PLAN_TYPES);
    plan->types[plan->type_count] = type;
    return plan->type_count++;
}

// A type like `type` in what it returns: for tail calls.
static struct plan_type same_results(const struct plan *plan, const struct plan_type *type,
                                     struct entropy *e) {
    struct plan_type made = {.param_count = value_count(e, 5), .result_count = type->result_count};
    for (u32 i = 0; i < made.param_count; i++)
        made.types[i] = plan_value_type(plan, e);
    for (u32 i = 0; i < made.result_count; i++)
        made.types[made.param_count + i] = type->types[type->param_count + i];
    return made;
}

static void choose_funcs(struct plan *plan, struct entropy *e) {
    for (u32 i = entropy_below(e, 4); i > 0; i--) {
        u32 type = add_type(plan, choose_type(plan, FOR_HOST, e));
        plan->funcs[plan->func_count++] = (struct plan_func){type, PLAN_HOST, 0};
    }
    const struct plan *linked = plan->linked;
    for (u32 i = 0; linked != NULL && i < linked->func_count && i < 5; i++) {
        u32 type = add_type(plan, *plan_func_type(linked, i));
        plan->funcs[plan->func_count++] = (struct plan_func){type, PLAN_LINKED, i};
    }
    u32 first_type = plan->type_count;
    for (u32 i = 2 + entropy_below(e, 6); i > 0; i--) {
        struct plan_type type;
        if (plan->type_count > first_type && entropy_one_in(e, 2))
            type = same_results(
                plan, &plan->types[first_type + entropy_below(e, plan->type_count - first_type)],
                e);
        else
            type = choose_type(plan, entropy_one_in(e, 3) ? FOR_MODULES : FOR_HOST, e);
        u32 index = add_type(plan, type);
        if (index > first_type && entropy_one_in(e, 4)) // two functions of one type
            index = first_type + entropy_below(e, index - first_type);
        plan->funcs[plan->func_count++] = (struct plan_func){index, PLAN_OWN, 0};
    }
}

static void choose_tags(struct plan *plan, struct entropy *e) {
    if (!plan_has(plan, FEATURE_EXCEPTIONS | FEATURE_MULTI_VALUE))
        return;
    const struct plan *linked = plan->linked;
    u32 imported = linked == NULL ? 0 : entropy_below(e, linked->tag_count + 1);
    u32 count = imported + 1 + entropy_below(e, PLAN_TAGS - 2);
    for (u32 i = 0; i < count && i < PLAN_TAGS; i++) {
        struct plan_type type = {0}, caught = {0}, caught_ref;
        if (i < imported)
            type = linked->types[linked->tags[i].type];
        else
            type.param_count = entropy_below(e, entropy_one_in(e, 6) ? 12 : 4);
        for (u32 k = 0; k < type.param_count && i >= imported; k++)
            type.types[k] = plan_value_type(plan, e);
        caught.result_count = type.param_count;
        memcpy(caught.types, type.types, type.param_count);
        caught_ref = caught;
        caught_ref.types[caught_ref.result_count++] = VALUE_EXNREF;
        bool legacy = plan_has(plan, FEATURE_LEGACY_EXCEPTIONS);
        struct plan_tag tag = {.type = add_type(plan, type),
                               .caught = add_type(plan, caught),
                               .origin = i < imported ? PLAN_LINKED : PLAN_OWN,
                               .linked = i};
        tag.caught_ref = legacy ? tag.caught : add_type(plan, caught_ref);
        plan->tags[plan->tag_count++] = tag;
    }
}

static void choose_memories(struct plan *plan, struct entropy *e) {
    const struct plan *linked = plan->linked;
    if (linked != NULL && !entropy_one_in(e, 3))
        plan->memories[plan->memory_count++] =
            (struct plan_memory){linked->memories[0].type, PLAN_LINKED, 0};
    u32 most = plan_has(plan, FEATURE_MULTI_MEMORY) ? PLAN_MEMORIES - 1 : 1;
    u32 count = entropy_one_in(e, 3) ? 1 + entropy_below(e, most) : 1;
    while (plan->memory_count < count) {
        struct memory_type type = {.limits.min = 1 + entropy_below(e, 3), .limits.has_max = true};
        type.limits.max = type.limits.min + entropy_below(e, MEMORY_PAGES_MAX);
        type.is64 = plan_has(plan, FEATURE_MEMORY64) && entropy_one_in(e, 4);
        type.is_shared = plan_has(plan, FEATURE_THREADS) && entropy_one_in(e, 5);
        plan->memories[plan->memory_count++] = (struct plan_memory){type, PLAN_OWN, 0};
    }
}

static void choose_tables(struct plan *plan, struct entropy *e) {
    const struct plan *linked = plan->linked;
    if (linked != NULL && linked->table_count != 0 && entropy_one_in(e, 2))
        plan->tables[plan->table_count++] =
            (struct plan_table){linked->tables[0].type, PLAN_LINKED, 0};
    bool many = plan_has(plan, FEATURE_REFERENCE_TYPES);
    u32 count = many ? 1 + entropy_below(e, PLAN_TABLES - 1) : 1;
    while (plan->table_count < count) {
        struct table_type type = {.element = VALUE_FUNCREF, .limits.min = 4 + entropy_below(e, 16)};
        if (plan->table_count != 0 && entropy_one_in(e, 2))
            type.element = VALUE_EXTERNREF;
        type.limits.has_max = entropy_one_in(e, 2);
        type.limits.max = type.limits.min + entropy_below(e, 10);
        type.is64 =
            plan_has(plan, FEATURE_MEMORY64 | FEATURE_REFERENCE_TYPES) && entropy_one_in(e, 5);
        plan->tables[plan->table_count++] = (struct plan_table){type, PLAN_OWN, 0};
    }
}

static void choose_globals(struct plan *plan, struct entropy *e) {
    const struct plan *linked = plan->linked;
    struct global_type fuel = {.type = VALUE_I32, .is_mutable = true};
    plan->globals[plan->global_count++] =
        (struct plan_global){fuel, linked == NULL ? PLAN_OWN : PLAN_LINKED, PLAN_FUEL};
    for (u32 i = 1; linked != NULL && i < linked->global_count && i < 5; i++)
        plan->globals[plan->global_count++] =
            (struct plan_global){linked->globals[i].type, PLAN_LINKED, i};
    for (u32 i = 1 + entropy_below(e, 8); i > 0; i--) {
        struct global_type type = {plan_value_type(plan, e), !entropy_one_in(e, 4)};
        plan->globals[plan->global_count++] = (struct plan_global){type, PLAN_OWN, 0};
    }
}

static u32 any_func(const struct plan *plan, struct entropy *e) {
    if (plan_has(plan, FEATURE_REFERENCE_TYPES) && entropy_one_in(e, 8))
        return PLAN_NULL;
    return entropy_below(e, plan->func_count);
}

static void choose_segments(struct plan *plan, struct entropy *e) {
    bool bulk = plan_has(plan, FEATURE_BULK_MEMORY);
    for (u32 i = 1 + entropy_below(e, PLAN_SEGMENTS); i > 0; i--) {
        struct plan_segment *data = &plan->datas[plan->data_count++];
        data->mode = bulk && entropy_one_in(e, 2) ? PLAN_PASSIVE : PLAN_ACTIVE;
        data->target = entropy_below(e, plan->memory_count);
        data->at = entropy_below(e, 2000);
        data->count = entropy_below(e, PLAN_ITEMS + 1);
        for (u32 k = 0; k < data->count; k++)
            data->bytes[k] = (u8)entropy_below(e, 256);
    }
    for (u32 i = 1 + entropy_below(e, PLAN_SEGMENTS); i > 0; i--) {
        struct plan_segment *elem = &plan->elems[plan->elem_count++];
        elem->mode = bulk ? (enum plan_mode)entropy_below(e, 2) : PLAN_ACTIVE;
        elem->target = entropy_below(e, plan->table_count);
        if (plan->tables[elem->target].type.element != VALUE_FUNCREF)
            elem->target = 0;
        u32 size = (u32)plan->tables[elem->target].type.limits.min;
        elem->count = entropy_below(e, size < PLAN_ITEMS ? size : PLAN_ITEMS + 1);
        elem->at = entropy_below(e, size - elem->count + 1);
        for (u32 k = 0; k < elem->count; k++)
            elem->items[k] = any_func(plan, e);
    }
}

void plan_choose(struct plan *plan, u32 features, const struct plan *linked, struct entropy *e) {
    *plan = (struct plan){.features = features, .linked = linked};
    choose_funcs(plan, e);
    choose_tags(plan, e);
    choose_memories(plan, e);
    choose_tables(plan, e);
    choose_globals(plan, e);
    choose_segments(plan, e);
    for (u32 i = 0; i < plan->func_count && !plan->has_start; i++) {
        const struct plan_type *type = plan_func_type(plan, i);
        plan->has_start = plan->funcs[i].origin == PLAN_OWN && type->param_count == 0 &&
                          type->result_count == 0 && entropy_one_in(e, 8);
        plan->start = i;
    }
}

// -- Writing --------------------------------------------------------------------------------------

static void write_section(struct wasm_out *out, u8 id, struct wasm_out *content) {
    out_byte(out, id);
    out_sized(out, content);
}

static void write_types(const struct plan *plan, struct wasm_out *out) {
    struct wasm_out s = {0};
    out_unsigned(&s, plan->type_count);
    for (u32 i = 0; i < plan->type_count; i++) {
        const struct plan_type *type = &plan->types[i];
        out_byte(&s, 0x60);
        out_unsigned(&s, type->param_count);
        out_bytes(&s, type->types, type->param_count);
        out_unsigned(&s, type->result_count);
        out_bytes(&s, type->types + type->param_count, type->result_count);
    }
    write_section(out, 1, &s);
}

static void write_limits(struct wasm_out *s, const struct limits *limits, bool shared, bool is64) {
    out_byte(s, (u8)(limits->has_max | shared << 1 | is64 << 2));
    out_unsigned(s, limits->min);
    if (limits->has_max)
        out_unsigned(s, limits->max);
}

static void write_memory(struct wasm_out *s, const struct memory_type *type) {
    write_limits(s, &type->limits, type->is_shared, type->is64);
}

static void write_table(struct wasm_out *s, const struct table_type *type) {
    out_byte(s, type->element);
    write_limits(s, &type->limits, false, type->is64);
}

static void write_global(struct wasm_out *s, const struct global_type *type) {
    out_byte(s, type->type);
    out_byte(s, type->is_mutable);
}

static void write_name(struct wasm_out *s, char kind, u32 index) {
    char text[16];
    snprintf(text, sizeof text, "%c%u", kind, index);
    out_text(s, text);
}

static u32 write_import(struct wasm_out *s, enum plan_origin origin, enum extern_kind kind,
                        u32 index) {
    if (origin == PLAN_OWN)
        return 0;
    out_text(s, origin == PLAN_LINKED ? "linked" : "host");
    write_name(s, "ftmgx"[kind], index);
    out_byte(s, kind);
    return 1;
}

static void write_tag(struct wasm_out *s, u32 type) {
    out_byte(s, 0);
    out_unsigned(s, type);
}

static void write_imports(const struct plan *plan, struct wasm_out *out) {
    struct wasm_out s = {0};
    u32 count = 0;
    for (u32 i = 0; i < plan->func_count; i++) {
        const struct plan_func *f = &plan->funcs[i];
        u32 added =
            write_import(&s, f->origin, EXTERN_FUNC, f->origin == PLAN_LINKED ? f->linked : i);
        if (added != 0)
            out_unsigned(&s, f->type);
        count += added;
    }
    // What is linked may have grown since: import it by what it is at least.
    for (u32 i = 0; i < plan->table_count; i++) {
        u32 added = write_import(&s, plan->tables[i].origin, EXTERN_TABLE, plan->tables[i].linked);
        if (added != 0)
            write_table(&s, &plan->tables[i].type);
        count += added;
    }
    for (u32 i = 0; i < plan->memory_count; i++) {
        u32 added =
            write_import(&s, plan->memories[i].origin, EXTERN_MEMORY, plan->memories[i].linked);
        if (added != 0)
            write_memory(&s, &plan->memories[i].type);
        count += added;
    }
    for (u32 i = 0; i < plan->global_count; i++) {
        u32 added =
            write_import(&s, plan->globals[i].origin, EXTERN_GLOBAL, plan->globals[i].linked);
        if (added != 0)
            write_global(&s, &plan->globals[i].type);
        count += added;
    }
    for (u32 i = 0; i < plan->tag_count; i++) {
        u32 added = write_import(&s, plan->tags[i].origin, EXTERN_TAG, plan->tags[i].linked);
        if (added != 0)
            write_tag(&s, plan->tags[i].type);
        count += added;
    }
    struct wasm_out section = {0};
    out_unsigned(&section, count);
    out_bytes(&section, s.data, s.len);
    out_fini(&s);
    write_section(out, 2, &section);
}

static void write_declarations(const struct plan *plan, struct wasm_out *out) {
    u32 own_funcs = 0, own_tables = 0, own_memories = 0;
    struct wasm_out funcs = {0}, tables = {0}, memories = {0};
    for (u32 i = 0; i < plan->func_count; i++)
        own_funcs += plan->funcs[i].origin == PLAN_OWN;
    for (u32 i = 0; i < plan->table_count; i++)
        own_tables += plan->tables[i].origin == PLAN_OWN;
    for (u32 i = 0; i < plan->memory_count; i++)
        own_memories += plan->memories[i].origin == PLAN_OWN;
    out_unsigned(&funcs, own_funcs);
    out_unsigned(&tables, own_tables);
    out_unsigned(&memories, own_memories);
    for (u32 i = plan->func_count - own_funcs; i < plan->func_count; i++)
        out_unsigned(&funcs, plan->funcs[i].type);
    for (u32 i = plan->table_count - own_tables; i < plan->table_count; i++)
        write_table(&tables, &plan->tables[i].type);
    for (u32 i = plan->memory_count - own_memories; i < plan->memory_count; i++)
        write_memory(&memories, &plan->memories[i].type);
    write_section(out, 3, &funcs);
    write_section(out, 4, &tables);
    write_section(out, 5, &memories);

    u32 own_tags = 0;
    struct wasm_out tags = {0};
    for (u32 i = 0; i < plan->tag_count; i++)
        own_tags += plan->tags[i].origin == PLAN_OWN;
    if (own_tags == 0)
        return;
    out_unsigned(&tags, own_tags);
    for (u32 i = plan->tag_count - own_tags; i < plan->tag_count; i++)
        write_tag(&tags, plan->tags[i].type);
    write_section(out, 13, &tags);
}

static void write_constant(const struct plan *plan, enum value_type type, struct entropy *e,
                           struct wasm_out *s) {
    u64 bits = entropy_u64(e);
    switch (type) {
    case VALUE_I32:
        out_byte(s, 0x41);
        out_signed(s, (i32)bits);
        break;
    case VALUE_I64:
        out_byte(s, 0x42);
        out_signed(s, (i64)bits);
        break;
    case VALUE_F32:
        out_byte(s, 0x43);
        out_bytes(s, &bits, 4);
        break;
    case VALUE_F64:
        out_byte(s, 0x44);
        out_bytes(s, &bits, 8);
        break;
    case VALUE_V128:
        out_byte(s, 0xfd);
        out_unsigned(s, 12);
        out_bytes(s, &bits, 8);
        out_bytes(s, &bits, 8);
        break;
    default: {
        u32 func = type == VALUE_FUNCREF ? any_func(plan, e) : PLAN_NULL;
        out_byte(s, func == PLAN_NULL ? 0xd0 : 0xd2);
        if (func == PLAN_NULL)
            out_byte(s, type);
        else
            out_unsigned(s, func);
    }
    }
}

// An initial value: a constant, or something computed of constants and immutable globals.
static void write_initial(const struct plan *plan, u32 global, struct entropy *e,
                          struct wasm_out *s) {
    enum value_type type = plan->globals[global].type.type;
    bool integer = type == VALUE_I32 || type == VALUE_I64;
    bool extended = plan_has(plan, FEATURE_EXTENDED_CONST) && entropy_one_in(e, 2);
    u32 from = entropy_below(e, global);
    const struct plan_global *other = &plan->globals[from];
    bool usable = other->type.type == type && !other->type.is_mutable &&
                  (other->origin != PLAN_OWN || plan_has(plan, FEATURE_EXTENDED_CONST));
    if (usable) {
        out_byte(s, 0x23);
        out_unsigned(s, from);
    } else {
        write_constant(plan, type, e, s);
    }
    if (integer && extended) {
        write_constant(plan, type, e, s);
        out_byte(s, (u8)((type == VALUE_I32 ? 0x6a : 0x7c) + entropy_below(e, 3)));
    }
    out_byte(s, 0x0b);
}

static void write_globals(const struct plan *plan, struct entropy *e, struct wasm_out *out) {
    struct wasm_out s = {0};
    u32 own = 0;
    for (u32 i = 0; i < plan->global_count; i++)
        own += plan->globals[i].origin == PLAN_OWN;
    out_unsigned(&s, own);
    for (u32 i = plan->global_count - own; i < plan->global_count; i++) {
        write_global(&s, &plan->globals[i].type);
        if (i == PLAN_FUEL)
            out_bytes(&s, "\x41\x32\x0b", 3); // i32.const 50: for a start function
        else
            write_initial(plan, i, e, &s);
    }
    write_section(out, 6, &s);
}

static void write_exports(const struct plan *plan, struct wasm_out *out) {
    u32 counts[] = {plan->func_count, plan->table_count, plan->memory_count, plan->global_count,
                    plan->tag_count};
    struct wasm_out s = {0};
    out_unsigned(&s, counts[0] + counts[1] + counts[2] + counts[3] + counts[4]);
    for (u8 kind = 0; kind < COUNT_OF(counts); kind++) {
        for (u32 i = 0; i < counts[kind]; i++) {
            write_name(&s, "ftmgx"[kind], i);
            out_byte(&s, kind);
            out_unsigned(&s, i);
        }
    }
    write_section(out, 7, &s);
}

// A constant offset of the target's address type.
static void write_offset(struct wasm_out *s, bool is64, u32 at) {
    out_byte(s, is64 ? 0x42 : 0x41);
    out_signed(s, at);
    out_byte(s, 0x0b);
}

static void write_items(struct wasm_out *s, const struct plan_segment *elem) {
    bool nulls = false;
    for (u32 i = 0; i < elem->count; i++)
        nulls |= elem->items[i] == PLAN_NULL;
    if (nulls)
        out_byte(s, VALUE_FUNCREF);
    else
        out_byte(s, 0); // functions
    out_unsigned(s, elem->count);
    for (u32 i = 0; i < elem->count; i++) {
        if (!nulls) {
            out_unsigned(s, elem->items[i]);
        } else if (elem->items[i] == PLAN_NULL) {
            out_bytes(s, "\xd0\x70\x0b", 3);
        } else {
            out_byte(s, 0xd2);
            out_unsigned(s, elem->items[i]);
            out_byte(s, 0x0b);
        }
    }
}

static void write_elems(const struct plan *plan, struct wasm_out *out) {
    struct wasm_out s = {0};
    out_unsigned(&s, plan->elem_count);
    for (u32 i = 0; i < plan->elem_count; i++) {
        const struct plan_segment *elem = &plan->elems[i];
        bool nulls = false;
        for (u32 k = 0; k < elem->count; k++)
            nulls |= elem->items[k] == PLAN_NULL;
        // Bit 2: expressions; bit 1: a table, or declared; bit 0: not active.
        u32 flags = elem->mode == PLAN_ACTIVE ? 2 : elem->mode == PLAN_PASSIVE ? 1 : 3;
        out_unsigned(&s, flags | (nulls ? 4 : 0));
        if (elem->mode == PLAN_ACTIVE) {
            out_unsigned(&s, elem->target);
            write_offset(&s, plan->tables[elem->target].type.is64, elem->at);
        }
        write_items(&s, elem);
    }
    write_section(out, 9, &s);
}

static void write_datas(const struct plan *plan, struct wasm_out *out) {
    struct wasm_out s = {0};
    out_unsigned(&s, plan->data_count);
    for (u32 i = 0; i < plan->data_count; i++) {
        const struct plan_segment *data = &plan->datas[i];
        out_unsigned(&s, data->mode == PLAN_PASSIVE ? 1 : data->target == 0 ? 0 : 2);
        if (data->mode == PLAN_ACTIVE && data->target != 0)
            out_unsigned(&s, data->target);
        if (data->mode == PLAN_ACTIVE)
            write_offset(&s, plan->memories[data->target].type.is64, data->at);
        out_unsigned(&s, data->count);
        out_bytes(&s, data->bytes, data->count);
    }
    write_section(out, 11, &s);
}

static void write_code(const struct plan *plan, struct wasm_out *bodies, struct wasm_out *out) {
    struct wasm_out s = {0};
    u32 own = 0;
    for (u32 i = 0; i < plan->func_count; i++)
        own += plan->funcs[i].origin == PLAN_OWN;
    out_unsigned(&s, own);
    for (u32 i = 0; i < own; i++)
        out_sized(&s, &bodies[i]);
    write_section(out, 10, &s);
}

void plan_write(const struct plan *plan, struct entropy *e, struct wasm_out *bodies,
                struct wasm_out *out) {
    out_bytes(out, "\0asm\1\0\0\0", 8);
    write_types(plan, out);
    write_imports(plan, out);
    write_declarations(plan, out);
    write_globals(plan, e, out);
    write_exports(plan, out);
    if (plan->has_start) {
        struct wasm_out start = {0};
        out_unsigned(&start, plan->start);
        write_section(out, 8, &start);
    }
    write_elems(plan, out);
    if (plan_has(plan, FEATURE_BULK_MEMORY)) {
        struct wasm_out count = {0};
        out_unsigned(&count, plan->data_count);
        write_section(out, 12, &count);
    }
    write_code(plan, bodies, out);
    write_datas(plan, out);
}
