#pragma once
// The immediates that instructions mostly have, read inline. Whatever is rare or malformed is left
// to insn_read: then nothing was read.

#include "engine/decode/insn.h"

// The block type without parameters and results.
#define BLOCK_TYPE_EMPTY 0x40
extern const struct func_type insn_empty_type;

// Only where there are so many bytes: more than an opcode and the longest immediates of these.
#define QUICK_BYTES 16

// A number of up to three bytes; false when it has more.
[[gnu::always_inline]] static inline bool quick_leb_u32(const u8 **at, u32 *value) {
    const u8 *p = *at;
    u32 low = p[0];
    u32 len = 1;
    if (low >= 0x80) {
        low = (low & 0x7f) | (u32)p[1] << 7;
        len = 2;
        if (low >= 0x80 << 7) {
            low = (low & 0x3fff) | (u32)p[2] << 14;
            len = 3;
            if (low >= 0x80 << 14)
                return false;
        }
    }
    *value = low;
    *at = p + len;
    return true;
}

// The same, signed.
[[gnu::always_inline]] static inline bool quick_leb_i32(const u8 **at, i32 *value) {
    const u8 *start = *at;
    u32 bits;
    if (!quick_leb_u32(at, &bits))
        return false;
    u32 unused = 32 - 7 * (u32)(*at - start);
    *value = (i32)(bits << unused) >> unused;
    return true;
}

// A memarg without a memory index, of an access whose natural alignment is `natural_align`.
[[gnu::always_inline]] static inline bool
quick_memarg(const struct module_decl *decl, const u8 **at, u32 natural_align, struct insn *insn) {
    u8 align = *(*at)++;
    u32 offset;
    if (align > natural_align || decl->memory_count == 0 || decl->has_address64 ||
        !quick_leb_u32(at, &offset))
        return false;
    insn->mem.offset = offset;
    insn->mem.memory = 0;
    insn->mem.align = align;
    insn->mem.lane = 0;
    insn->mem.is64 = false;
    return true;
}

// Reads an immediate; false when it takes insn_read. An access that is not aligned naturally or
// less does, too.
[[gnu::always_inline]] static inline bool quick_immediate(const struct module_decl *decl,
                                                          enum immediate immediate, const u8 **at,
                                                          struct insn *insn) {
    switch (immediate) {
    case IMM_NONE:
        return true;
    case IMM_LOCAL:
    case IMM_LABEL:
    case IMM_FUNC:
    case IMM_GLOBAL:
        return quick_leb_u32(at, &insn->index);
    case IMM_I32:
        return quick_leb_i32(at, &insn->i32);
    case IMM_I64: {
        i32 value;
        if (!quick_leb_i32(at, &value))
            return false;
        insn->i64 = value;
        return true;
    }
    case IMM_MEM1:
    case IMM_MEM2:
    case IMM_MEM4:
    case IMM_MEM8:
        return quick_memarg(decl, at, immediate - IMM_MEM1, insn);
    case IMM_BLOCK:
        insn->block.type = &insn_empty_type;
        return *(*at)++ == BLOCK_TYPE_EMPTY;
    default:
        return false;
    }
}

STATIC_ASSERT(IMM_MEM2 == IMM_MEM1 + 1 && IMM_MEM4 == IMM_MEM1 + 2 && IMM_MEM8 == IMM_MEM1 + 3,
              "the difference is the natural alignment");
