#pragma once
// The instructions as an enumeration and a table, both expanded from wasm_ops.def.

#include "engine/api/engine.h"

enum wasm_op : u16 {
#define WASM_OP(name, code, text, immediate, signature, proposal) OP_##name,
#include "engine/ops/wasm_ops.def"
#undef WASM_OP
    OP_COUNT
};

enum immediate : u8 {
    IMM_NONE,
    IMM_BLOCK,         // block type
    IMM_LABEL,         // label index
    IMM_LABELS,        // br_table: vector of label indices and a default
    IMM_FUNC,          // function index
    IMM_TYPE_TABLE,    // type index, table index
    IMM_TYPES,         // vector of value types
    IMM_LOCAL,         // local index
    IMM_GLOBAL,        // global index
    IMM_TABLE,         // table index
    IMM_TABLE_TABLE,   // two table indices: to, from
    IMM_MEM1,          // memarg of a 1-byte access
    IMM_MEM2,          //
    IMM_MEM4,          //
    IMM_MEM8,          //
    IMM_MEMORY,        // memory index
    IMM_MEMORY_MEMORY, // two memory indices: to, from
    IMM_I32,
    IMM_I64,
    IMM_F32,
    IMM_F64,
    IMM_REF_TYPE, // reference type
    IMM_DATA,     // data segment index
    IMM_DATA_MEMORY,
    IMM_ELEM, // element segment index
    IMM_ELEM_TABLE,
};

#define FEATURE_MVP 0

struct wasm_op_info {
    u16 code; // as in wasm_ops.def
    enum immediate immediate;
    const char *text;
    const char *signature;
    u32 feature; // an enum feature bit, or 0
};

extern const struct wasm_op_info wasm_ops[OP_COUNT];

// The instruction with this code (prefix << 8 | opcode), or OP_COUNT when there is none.
enum wasm_op wasm_op_find(u32 code);
