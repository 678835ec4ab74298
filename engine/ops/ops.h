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
    IMM_TRY_TABLE,     // block type, vector of catch clauses
    IMM_LABEL,         // label index
    IMM_LABELS,        // br_table: vector of label indices and a default
    IMM_FUNC,          // function index
    IMM_TYPE_TABLE,    // type index, table index
    IMM_TYPES,         // vector of value types
    IMM_LOCAL,         // local index
    IMM_GLOBAL,        // global index
    IMM_TAG,           // tag index
    IMM_TABLE,         // table index
    IMM_TABLE_TABLE,   // two table indices: to, from
    IMM_MEM1,          // memarg of a 1-byte access
    IMM_MEM2,          //
    IMM_MEM4,          //
    IMM_MEM8,          //
    IMM_MEM16,         //
    IMM_MEM1_LANE,     // memarg of a 1-byte access, lane index
    IMM_MEM2_LANE,     //
    IMM_MEM4_LANE,     //
    IMM_MEM8_LANE,     //
    IMM_ATOMIC1,       // memarg of a 1-byte access whose alignment must be natural
    IMM_ATOMIC2,       //
    IMM_ATOMIC4,       //
    IMM_ATOMIC8,       //
    IMM_FENCE,         // a zero byte
    IMM_MEMORY,        // memory index
    IMM_MEMORY_MEMORY, // two memory indices: to, from
    IMM_I32,
    IMM_I64,
    IMM_F32,
    IMM_F64,
    IMM_V128,     // 16 bytes
    IMM_SHUFFLE,  // 16 lane indices below 32
    IMM_LANE16,   // lane index below 16
    IMM_LANE8,    //
    IMM_LANE4,    //
    IMM_LANE2,    //
    IMM_REF_TYPE, // reference type
    IMM_DATA,     // data segment index
    IMM_DATA_MEMORY,
    IMM_ELEM, // element segment index
    IMM_ELEM_TABLE,
};

#define FEATURE_MVP 0

struct wasm_op_info {
    u32 code; // as in wasm_ops.def
    enum immediate immediate;
    u32 feature; // an enum feature bit, or 0
    const char *text;
    const char *signature;
};

extern const struct wasm_op_info wasm_ops[OP_COUNT];

// Codes without a prefix, then those with each of the prefixes, in order: op + 1, or 0 where there
// is no instruction.
#define WASM_PREFIX_FIRST 0xfbu
#define WASM_PREFIX_LAST  0xfeu
#define WASM_PREFIX_SLOTS 0x200u // opcodes behind a prefix are below this
#define WASM_OP_SLOTS     (0x100 + (WASM_PREFIX_LAST - WASM_PREFIX_FIRST + 1) * WASM_PREFIX_SLOTS)
#define WASM_OP_SLOT(code)                                                                         \
    ((code) < 0x100 ? (code)                                                                       \
                    : 0x100 + (((code) >> 12) - WASM_PREFIX_FIRST) * WASM_PREFIX_SLOTS +           \
                          ((code) & (WASM_PREFIX_SLOTS - 1)))
extern const u16 wasm_op_by_slot[WASM_OP_SLOTS];

// The instruction with this code (prefix << 12 | opcode), or OP_COUNT when there is none.
enum wasm_op wasm_op_find(u32 code);

// The same for a code without a prefix.
static inline enum wasm_op wasm_op_find_plain(u8 code) {
    u16 found = wasm_op_by_slot[code];
    return found == 0 ? OP_COUNT : (enum wasm_op)(found - 1);
}

// What decoding and validating look at for every instruction, in one place. The signature is that
// of an instruction whose types are fixed, as value types. Addresses are i32 here.
struct wasm_op_types {
    u8 param_count;         // WASM_OP_SPECIAL for a signature "*"
    enum value_type result; // 0 when there is none
    bool has_address;       // some of the types depend on a memory's or table's type
    enum immediate immediate;
    enum value_type params[4];
    u32 params_mask; // of the bytes of `params` that are in use
    u32 feature;
};

#define WASM_OP_SPECIAL 0xff

extern const struct wasm_op_types wasm_op_types[OP_COUNT];
