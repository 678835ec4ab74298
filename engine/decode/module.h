#pragma once
// A decoded module: what the binary declares, checked for form and (outside function bodies) for
// validity, before any code exists. Made by module_decode, immutable afterwards.
//
// Index spaces hold imports first, as in the specification. Strings, bodies and segment bytes point
// into `bytes`, the binary itself.

#include "base/status.h"
#include "engine/api/engine.h"
#include "engine/decode/reader.h"

// Implementation limits, as published in the JavaScript API of the specification
// (https://webassembly.github.io/spec/js-api/#limits).
#define LIMIT_MODULE_BYTES     (1u << 30)
#define LIMIT_TYPES            1000000u
#define LIMIT_FUNCTIONS        1000000u
#define LIMIT_IMPORTS          1000000u
#define LIMIT_EXPORTS          1000000u
#define LIMIT_GLOBALS          1000000u
#define LIMIT_DATA_SEGMENTS    100000u
#define LIMIT_ELEMENT_SEGMENTS 10000000u
#define LIMIT_TABLES           100000u
#define LIMIT_TABLE_SIZE       10000000u
#define LIMIT_FUNCTION_BYTES   7654321u
#define LIMIT_LOCALS           50000u
#define LIMIT_PARAMS           1000u
#define LIMIT_RESULTS          1000u
#define LIMIT_MEMORIES         100u
#define LIMIT_TAGS             1000000u
#define LIMIT_BLOCK_DEPTH      50000u  // ours: nesting of blocks in one function
#define LIMIT_OPERANDS         131072u // ours: height of the operand stack in one function

#define LIMIT_CONST_DEPTH      64u // ours: operands at once in a constant expression

enum const_kind : u8 {
    CONST_VALUE,
    CONST_V128,
    CONST_GLOBAL,
    CONST_REF_FUNC,
    CONST_REF_NULL,
    CONST_PROGRAM, // more than one instruction: integer arithmetic
};

// A constant expression.
struct const_expr {
    enum const_kind kind;
    enum value_type type;
    union {
        u64 value;      // CONST_VALUE: bits, zero-extended
        const u8 *v128; // CONST_V128: 16 bytes, little-endian, in the module's bytes
        u32 index;      // CONST_GLOBAL, CONST_REF_FUNC
        const struct const_program *program;
    };
};

// Steps in postfix order over a stack of integers that never holds more than LIMIT_CONST_DEPTH; one
// is left at the end.
struct const_step {
    enum const_step_kind : u8 { STEP_VALUE, STEP_GLOBAL, STEP_ADD, STEP_SUB, STEP_MUL } kind;
    enum value_type type; // VALUE_I32 or VALUE_I64
    u64 value;            // STEP_VALUE: bits, zero-extended; STEP_GLOBAL: index
};

struct const_program {
    u32 count;
    struct const_step steps[];
};

struct import_decl {
    struct bytes module;
    struct bytes name;
    enum extern_kind kind;
    u32 index; // in the index space of its kind
};

struct func_decl {
    u32 type;      // index into types
    u32 ref_index; // number of its struct func_ref in the instance, or NO_REF when never a value
    struct bytes body; // locals and code, without the size; empty for imports
    u32 body_offset;   // of `body` in the module
};

#define NO_REF UINT32_MAX

// An exception's: its type has no results.
struct tag_decl {
    u32 type; // index into types
};

struct global_decl {
    struct global_type type;
    struct const_expr init; // own globals only
};

struct export_decl {
    struct bytes name;
    enum extern_kind kind;
    u32 index;
};

enum segment_mode : u8 { SEGMENT_ACTIVE, SEGMENT_PASSIVE, SEGMENT_DECLARED };

struct elem_segment {
    enum segment_mode mode;
    enum value_type type;
    u32 table;
    struct const_expr offset; // active only
    u32 count;
    struct const_expr *items; // in the module's arena
};

struct data_segment {
    enum segment_mode mode;
    u32 memory;
    struct const_expr offset; // active only
    struct bytes bytes;
};

struct module_decl {
    struct bytes bytes;
    u32 features;

    u32 type_count;
    struct func_type *types;

    u32 import_count;
    struct import_decl *imports;

    u32 func_count; // with imports
    u32 func_import_count;
    struct func_decl *funcs;
    u32 func_ref_count; // own and imported functions that may be used as values

    u32 table_count;
    u32 table_import_count;
    struct table_type *tables;

    u32 memory_count;
    u32 memory_import_count;
    struct memory_type *memories;
    bool has_address64; // some memory or table is of 64 bits

    u32 tag_count;
    u32 tag_import_count;
    struct tag_decl *tags;

    u32 global_count;
    u32 global_import_count;
    struct global_decl *globals;

    u32 export_count;
    struct export_decl *exports;

    bool has_start;
    u32 start_func;

    u32 elem_count;
    struct elem_segment *elems;

    u32 data_count; // segments in the data section
    struct data_segment *datas;
    bool has_data_count; // the data count section, which memory.init and data.drop need

    u32 func_name_count; // from the name section, sorted by func; malformed names are ignored
    struct func_name {
        u32 func;
        struct bytes name;
    } *func_names;

    u32 code_offset; // of the code section's content in the module
    u32 code_bytes;

    struct arena *arena; // owns everything above but the bytes
};

// Decodes and checks everything but function bodies. `wasm` must outlive the result. On success the
// caller owns *out (module_decl_destroy); on failure *error is filled in. Memory taken is at most a
// small multiple of the input plus what is refused by limits.
MUST_USE enum status module_decode(struct bytes wasm, u32 features, struct module_error *error,
                                   struct module_decl **out);
void module_decl_destroy(struct module_decl *decl); // NULL is allowed

static inline const struct func_type *decl_func_type(const struct module_decl *decl, u32 func) {
    return &decl->types[decl->funcs[func].type];
}

static inline bool func_is_import(const struct module_decl *decl, u32 func) {
    return func < decl->func_import_count;
}

static inline const struct func_type *decl_tag_type(const struct module_decl *decl, u32 tag) {
    return &decl->types[decl->tags[tag].type];
}

// The type of addresses in a memory, and of indices into a table.
static inline enum value_type decl_memory_address(const struct module_decl *decl, u32 memory) {
    return decl->memories[memory].is64 ? VALUE_I64 : VALUE_I32;
}

static inline enum value_type decl_table_address(const struct module_decl *decl, u32 table) {
    return decl->tables[table].is64 ? VALUE_I64 : VALUE_I32;
}

static inline bool value_type_is_ref(enum value_type type) {
    return type == VALUE_FUNCREF || type == VALUE_EXTERNREF || type == VALUE_EXNREF;
}

static inline bool value_type_is_float(enum value_type type) {
    return type == VALUE_F32 || type == VALUE_F64;
}

// Whether values of the type live in vector registers.
static inline bool value_type_in_xmm(enum value_type type) {
    return value_type_is_float(type) || type == VALUE_V128;
}

bool func_type_equal(const struct func_type *a, const struct func_type *b);

// Fills in `error` from the failure of `r`, in function `func` or NO_FUNC.
void reader_report(const struct reader *r, u32 func, struct module_error *error);

// The function's name from the name section, else empty.
struct bytes decl_func_name(const struct module_decl *decl, u32 func);
