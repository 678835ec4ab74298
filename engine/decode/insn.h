#pragma once
// One instruction of a function body, decoded: what validator, compilers and disassembler consume.

#include "engine/decode/module.h"
#include "engine/ops/ops.h"

// A block type: either a type index, or at most one result.
struct block_type {
    const struct func_type *type; // never NULL; shorthand forms point to static types
};

struct insn {
    enum wasm_op op;
    u32 offset; // of the opcode, into the module
    union {
        struct block_type block;
        struct {
            struct block_type block; // the same as above
            const u8 *at;            // the first of count catch clauses: see insn_next_catch
            u32 count;
        } try_table;
        u32 index; // LABEL FUNC LOCAL GLOBAL TAG TABLE MEMORY DATA ELEM
        struct {
            u32 a; // TYPE_TABLE: type; TABLE_TABLE, MEMORY_MEMORY: to; DATA_MEMORY: data;
                   // ELEM_TABLE: elem
            u32 b; // table; from; memory; table
        } pair;
        struct {
            u64 offset; // of 64 bits where the memory is
            u32 memory;
            u8 align;  // log2
            u8 lane;   // MEMn_LANE
            bool is64; // the memory's address type is i64
        } mem;
        struct {
            const u8 *at; // the first of count + 1 LEB128 label indices, the default last
            u32 count;
        } labels;
        enum value_type type; // TYPES (exactly one is valid; others are refused), REF_TYPE
        u8 lane;              // LANEn
        u8 lanes[16];         // SHUFFLE
        i32 i32;
        i64 i64;
        u32 f32;     // bits
        u64 f64;     // bits
        u64 v128[2]; // bits, the low half first
    };
};

// The forms of a try_table's catch clauses: the bits are "with the reference" and "all".
enum catch_kind : u8 { CATCH_TAG, CATCH_TAG_REF, CATCH_ALL, CATCH_ALL_REF };

static inline bool catch_has_tag(enum catch_kind kind) {
    return kind < CATCH_ALL;
}

static inline bool catch_has_ref(enum catch_kind kind) {
    return (kind & 1) != 0;
}

struct catch_clause {
    enum catch_kind kind;
    u32 tag;   // only where catch_has_tag
    u32 label; // counted from outside of the try_table
};

// Reads one instruction. Checks form: known opcode, enabled feature, immediates well-formed, and
// type indices of block types in range. Failure is in `r`. For LABELS and TRY_TABLE the whole
// vector is read (and checked for form), `at` points to its first element.
void insn_read(struct reader *r, const struct module_decl *decl, struct insn *out);

// Reads the next label of a br_table; `at` advances. The vector was checked by insn_read.
u32 insn_next_label(const u8 **at);

// Reads the next catch clause of a try_table, likewise.
struct catch_clause insn_next_catch(const u8 **at);

// Reads the locals of a function body. `types` receives the parameters' and the locals' types, in
// memory from host_alloc that the caller frees; LIMIT_LOCALS in all.
void insn_read_locals(struct reader *r, const struct module_decl *decl, u32 func,
                      enum value_type **types, u32 *count);
