#pragma once
// What a generated module consists of, before its functions have bodies: chosen at random, written
// as sections. For the generator only; see generate.h.

#include "engine/api/engine.h"
#include "tests/oracle/entropy.h"
#include "tests/oracle/wasm_out.h"

#define PLAN_VALUES   96
#define PLAN_TYPES    40
#define PLAN_FUNCS    20
#define PLAN_GLOBALS  20
#define PLAN_MEMORIES 4
#define PLAN_TABLES   4
#define PLAN_SEGMENTS 6
#define PLAN_ITEMS    12
#define PLAN_TAGS     4

struct plan_type {
    u32 param_count;
    u32 result_count;
    enum value_type types[PLAN_VALUES]; // parameters, then results
};

// Where a thing comes from. What is imported comes before what is own.
enum plan_origin { PLAN_HOST, PLAN_LINKED, PLAN_OWN };

struct plan_func {
    u32 type;
    enum plan_origin origin;
    u32 linked; // PLAN_LINKED: index in the other module
};

struct plan_global {
    struct global_type type;
    enum plan_origin origin;
    u32 linked;
};

struct plan_memory {
    struct memory_type type;
    enum plan_origin origin;
    u32 linked;
};

struct plan_table {
    struct table_type type;
    enum plan_origin origin;
    u32 linked;
};

// Its type, and those of blocks that take what is caught, without and with the exception.
struct plan_tag {
    u32 type;
    u32 caught;
    u32 caught_ref;
    enum plan_origin origin;
    u32 linked;
};

struct plan_segment {
    enum plan_mode { PLAN_ACTIVE, PLAN_PASSIVE, PLAN_DECLARED } mode;
    u32 target; // memory or table
    u32 at;     // where it goes, when active
    u32 count;
    u32 items[PLAN_ITEMS]; // functions, or PLAN_NULL
    u8 bytes[PLAN_ITEMS];
};

#define PLAN_NULL UINT32_MAX

struct plan {
    u32 features;              // enum feature bits that may be used
    const struct plan *linked; // the module that this one imports from, or NULL

    u32 type_count;
    struct plan_type types[PLAN_TYPES];
    u32 func_count;
    struct plan_func funcs[PLAN_FUNCS];
    u32 memory_count;
    struct plan_memory memories[PLAN_MEMORIES];
    u32 table_count;
    struct plan_table tables[PLAN_TABLES];
    u32 global_count;
    struct plan_global globals[PLAN_GLOBALS]; // the first holds the fuel
    u32 tag_count;
    struct plan_tag tags[PLAN_TAGS];
    u32 data_count;
    struct plan_segment datas[PLAN_SEGMENTS];
    u32 elem_count;
    struct plan_segment elems[PLAN_SEGMENTS];
    bool has_start;
    u32 start;
};

#define PLAN_FUEL 0 // the global with what is left of it

static inline bool plan_has(const struct plan *plan, u32 features) {
    return (plan->features & features) == features;
}

static inline const struct plan_type *plan_func_type(const struct plan *plan, u32 func) {
    return &plan->types[plan->funcs[func].type];
}

static inline bool plan_is_ref(enum value_type type) {
    return type == VALUE_FUNCREF || type == VALUE_EXTERNREF || type == VALUE_EXNREF;
}

// A type that a value may have, by the features.
enum value_type plan_value_type(const struct plan *plan, struct entropy *e);

void plan_choose(struct plan *plan, u32 features, const struct plan *linked, struct entropy *e);

// The whole module. `bodies` are those of the own functions, with locals, without their size.
void plan_write(const struct plan *plan, struct entropy *e, struct wasm_out *bodies,
                struct wasm_out *out);
