// Loads left to the next instruction, which takes memory as its operand: add r, [m]; cmp [m], imm.
//
// Such a load is on the stack only in between (SLOT_LOAD), so nothing can happen meanwhile that it
// would have to come before. Whether the next instruction is of that kind is seen from its bytes,
// which validation has yet to see; it refuses the function if the operand has another type. The
// fault of the folded instruction is the load's: its site names the load.

#include "engine/baseline/baseline_internal.h"

#define BYTE_IF        0x04
#define BYTE_BR_IF     0x0d
#define BYTE_I32_CONST 0x41
#define BYTE_SIMD      0xfdu

// The opcodes of one operand type that take memory as their right operand, as the binary format
// numbers them, and eqz. Less-than of floats is left out: it is compared the other way round.
struct range {
    u8 first;
    u8 last;
};
struct takers {
    u8 eqz;
    struct range ranges[3];
};

static const struct takers *takers_of(enum value_type type) {
    static const struct takers i32 = {0x45, {{0x46, 0x4f}, {0x6a, 0x6c}, {0x71, 0x73}}};
    static const struct takers i64 = {0x50, {{0x51, 0x5a}, {0x7c, 0x7e}, {0x83, 0x85}}};
    static const struct takers f32 = {0xff, {{0x5b, 0x5c}, {0x5e, 0x5e}, {0x92, 0x95}}};
    static const struct takers f64 = {0xff, {{0x61, 0x62}, {0x64, 0x64}, {0xa0, 0xa3}}};
    switch (type) {
    case VALUE_I32:
        return &i32;
    case VALUE_I64:
        return &i64;
    case VALUE_F32:
        return &f32;
    default:
        return &f64;
    }
}

static bool within(u8 byte, u8 first, u8 last) {
    return byte >= first && byte <= last;
}

// Whether a comparison for equality with a constant of one byte follows.
static bool next_compares_byte(const struct reader *r) {
    const u8 *at = r->at;
    if (r->end - at < 4 || at[0] != BYTE_I32_CONST)
        return false;
    at++;
    // 64 to 127 take two bytes, and 128 to 255 the same two with the next bit.
    if (at[0] < 0x40)
        return within(at[1], 0x46, 0x47);
    return at[0] >= 0x80 && at[1] <= 1 && within(at[2], 0x46, 0x47);
}

// Whether a comparison of an i32 with a constant follows.
static bool next_compares_const(const struct reader *r) {
    const u8 *at = r->at;
    if (*at != BYTE_I32_CONST)
        return false;
    at++;
    while (at != r->end && *at >= 0x80)
        at++;
    return r->end - at >= 2 && within(at[1], 0x46, 0x4f);
}

// Whether the next instruction takes the load as its right operand. The left one must be what that
// will have in a register.
static bool next_takes_memory(const struct baseline *c, const struct takers *takers) {
    u8 next = *c->validator.reader.at;
    if (c->operand_count == 0 || operand_is_const(&c->operands[c->operand_count - 1]))
        return false;
    for (u32 i = 0; i < COUNT_OF(takers->ranges); i++) {
        if (within(next, takers->ranges[i].first, takers->ranges[i].last))
            return true;
    }
    return false;
}

// Whether a vector instruction follows that takes memory at any address as its right operand: AVX
// forms do.
static bool next_takes_vector(const struct baseline *c) {
    const u8 *at = c->validator.reader.at;
    usize left = (usize)(c->validator.reader.end - at);
    if (!c->target.has_avx || c->operand_count == 0 || left < 3 || at[0] != BYTE_SIMD)
        return false;
    u32 code = at[1];
    if (code >= 0x80) {
        if (at[2] >= 0x80)
            return false;
        code = (code & 0x7f) | (u32)at[2] << 7;
    }
    return code < WASM_PREFIX_SLOTS && simd_takes_memory(wasm_op_find(BYTE_SIMD << 12 | code));
}

bool load_is_folded(const struct baseline *c, enum value_type type, enum width width, bool sign) {
    const struct reader *r = &c->validator.reader;
    const struct takers *takers = takers_of(type);
    if (r->at == r->end)
        return false;
    if (type == VALUE_V128)
        return next_takes_vector(c);
    bool is_i32 = type == VALUE_I32;
    if (*r->at == takers->eqz || (is_i32 && (*r->at == BYTE_IF || *r->at == BYTE_BR_IF)))
        return true;
    if (is_i32 && width == W8 && !sign)
        return next_compares_byte(r);
    if (!value_type_is_float(type) && width != type_width(type))
        return false;
    return next_takes_memory(c, takers) || (is_i32 && next_compares_const(r));
}

struct mem folded_load(struct baseline *c) {
    code_unit_site(c->unit, c->a->len, c->folded.wasm_offset, TRAP_MEMORY_BOUNDS);
    return c->folded.mem;
}

// cmp [m], 0
void folded_test(struct baseline *c) {
    enum width width = c->folded.width;
    struct mem mem = folded_load(c);
    asm_alu_mi(c->a, ALU_CMP, width, mem, 0);
}
