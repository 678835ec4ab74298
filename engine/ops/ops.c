// The opcode table, expanded from wasm_ops.def three times: as rows for people and tools, as an
// index from code to row, and as types for the validator's inner loop.
//
// Invariants: every code has at most one row (two rows with one code do not compile: the index
// would be initialized twice), and every code is plain or has one of the known prefixes.

#include "engine/ops/ops.h"

const struct wasm_op_info wasm_ops[OP_COUNT] = {
#define WASM_OP(name, code, text, immediate, signature, proposal)                                  \
    [OP_##name] = {code, IMM_##immediate, FEATURE_##proposal, text, signature},
#include "engine/ops/wasm_ops.def"
#undef WASM_OP
};

STATIC_ASSERT(OP_COUNT < UINT16_MAX, "wasm_op_by_slot holds op + 1 in 16 bits");

const u16 wasm_op_by_slot[WASM_OP_SLOTS] = {
#define WASM_OP(name, code, text, immediate, signature, proposal)                                  \
    [WASM_OP_SLOT(code)] = OP_##name + 1,
#include "engine/ops/wasm_ops.def"
#undef WASM_OP
};

#define WASM_OP(name, code, text, immediate, signature, proposal)                                  \
    STATIC_ASSERT((code) < 0x100 ||                                                                \
                      ((code) >> 12 >= WASM_PREFIX_FIRST && (code) >> 12 <= WASM_PREFIX_LAST &&    \
                       ((code) & 0xfff) < WASM_PREFIX_SLOTS),                                      \
                  "wasm_op_by_slot has no place for it");
#include "engine/ops/wasm_ops.def"
#undef WASM_OP

// A signature is at most "aII:I"; padded, so that every position that is looked at exists.
#define SIGNATURE_AT(signature, at) (signature "\0\0\0\0\0")[at]

#define SIGNATURE_PARAMS(s)                                                                        \
    (SIGNATURE_AT(s, 0) == '*'   ? WASM_OP_SPECIAL                                                 \
     : SIGNATURE_AT(s, 0) == ':' ? 0                                                               \
     : SIGNATURE_AT(s, 1) == ':' ? 1                                                               \
     : SIGNATURE_AT(s, 2) == ':' ? 2                                                               \
                                 : 3)

#define IS_ADDRESS(letter) ((letter) == 'a' || (letter) == 'b' || (letter) == 'n')

// An address is the first operand or, of an instruction without operands, the result.
#define SIGNATURE_HAS_ADDRESS(s)                                                                   \
    (IS_ADDRESS(SIGNATURE_AT(s, 0)) ||                                                             \
     (SIGNATURE_AT(s, 0) == ':' && IS_ADDRESS(SIGNATURE_AT(s, 1))))

#define LETTER_TYPE(letter)                                                                        \
    ((letter) == 'i'      ? VALUE_I32                                                              \
     : (letter) == 'I'    ? VALUE_I64                                                              \
     : (letter) == 'f'    ? VALUE_F32                                                              \
     : (letter) == 'F'    ? VALUE_F64                                                              \
     : (letter) == 'v'    ? VALUE_V128                                                             \
     : IS_ADDRESS(letter) ? VALUE_I32                                                              \
                          : (enum value_type)0)

#define SIGNATURE_PARAM(s, at)                                                                     \
    (SIGNATURE_PARAMS(s) == WASM_OP_SPECIAL || SIGNATURE_PARAMS(s) <= (at)                         \
         ? (enum value_type)0                                                                      \
         : LETTER_TYPE(SIGNATURE_AT(s, at)))

#define SIGNATURE_RESULT(s)                                                                        \
    (SIGNATURE_PARAMS(s) == WASM_OP_SPECIAL                                                        \
         ? (enum value_type)0                                                                      \
         : LETTER_TYPE(SIGNATURE_AT(s, SIGNATURE_PARAMS(s) % 4 + 1)))

#define SIGNATURE_MASK(s) (SIGNATURE_PARAMS(s) > 3 ? 0 : (1u << 8 * (SIGNATURE_PARAMS(s) % 4)) - 1)

STATIC_ASSERT(sizeof(enum value_type) == 1, "the mask is one of bytes");

const struct wasm_op_types wasm_op_types[OP_COUNT] = {
#define WASM_OP(name, code, text, immediate, signature, proposal)                                  \
    [OP_##name] = {SIGNATURE_PARAMS(signature),                                                    \
                   SIGNATURE_RESULT(signature),                                                    \
                   SIGNATURE_HAS_ADDRESS(signature),                                               \
                   IMM_##immediate,                                                                \
                   {SIGNATURE_PARAM(signature, 0), SIGNATURE_PARAM(signature, 1),                  \
                    SIGNATURE_PARAM(signature, 2)},                                                \
                   SIGNATURE_MASK(signature),                                                      \
                   FEATURE_##proposal},
#include "engine/ops/wasm_ops.def"
#undef WASM_OP
};

enum wasm_op wasm_op_find(u32 code) {
    u32 prefix = code >> 12;
    if (code >= 0x100 && (prefix < WASM_PREFIX_FIRST || prefix > WASM_PREFIX_LAST ||
                          (code & 0xfff) >= WASM_PREFIX_SLOTS))
        return OP_COUNT;
    u16 found = wasm_op_by_slot[WASM_OP_SLOT(code)];
    return found == 0 ? OP_COUNT : (enum wasm_op)(found - 1);
}
