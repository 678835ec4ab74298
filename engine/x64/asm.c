// The assembler's buffer, labels, and the generic encoders that all instructions go through.
//
// The buffer grows by doubling. There is always room for one more instruction, so an encoder writes
// without checks and sees to the room behind it. When memory runs out the status stays, and what
// follows overwrites the buffer from its start again: what is in it is of no use to anybody.
//
// Invariants:
//   1. len <= capacity <= CODE_BYTES_MAX, so that every distance fits a rel32; limit is
//      INSTRUCTION_ROOM - 1 less than the capacity, and len is below it between instructions;
//   2. the rel32 fields that wait for an unbound label form a chain: label.uses - 1 is the offset
//      of the last one, which holds the `uses` from before it, and so on until 0.

#include "engine/x64/asm_internal.h"

#include "base/math.h"
#include "engine/api/host.h"

#define CODE_CAPACITY_MIN 1024u
// One function. Two bytes can push a thousand results, and a branch can carry as many, so the size
// of the WebAssembly bounds it badly.
#define CODE_BYTES_MAX (256u << 20)

// -- The buffer ---------------------------------------------------------------------------------

static enum status grow(struct assembler *a, u32 room) {
    if (a->status != OK)
        return a->status;
    if (room > CODE_BYTES_MAX - a->len)
        return ERR_LIMIT;
    u64 wanted = max_u64(CODE_CAPACITY_MIN, 2ull * a->capacity);
    wanted = min_u64(max_u64(wanted, (u64)a->len + room), CODE_BYTES_MAX);

    u8 *code = host_alloc(wanted);
    if (code == NULL)
        return ERR_NO_MEMORY;
    memcpy(code, a->code, a->len);
    if (a->code != a->spare)
        host_free(a->code, a->capacity);
    a->code = code;
    a->capacity = (u32)wanted;
    a->limit = a->capacity - (INSTRUCTION_ROOM - 1);
    return OK;
}

void asm_grow(struct assembler *a, u32 room) {
    ASSERT(a->len <= a->capacity);
    a->status = grow(a, room);
    if (a->status != OK)
        a->len = 0;
}

void asm_init(struct assembler *a) {
    *a = (struct assembler){.status = OK};
    a->code = a->spare;
    a->capacity = sizeof(a->spare);
    a->limit = a->capacity - (INSTRUCTION_ROOM - 1);
}

void asm_fini(struct assembler *a) {
    if (a->code != a->spare)
        host_free(a->code, a->capacity);
    asm_init(a);
}

void asm_reset(struct assembler *a) {
    a->len = 0;
    a->status = OK;
}

void asm_bytes(struct assembler *a, const void *bytes, u32 len) {
    if (len > a->capacity - a->len)
        asm_grow(a, len);
    if (len == 0 || a->status != OK)
        return;
    memcpy(a->code + a->len, bytes, len);
    commit(a, a->code + a->len + len);
}

static u32 get_u32(const u8 *at) {
    u32 value;
    memcpy(&value, at, sizeof(value));
    return value;
}

// The nops that the manuals recommend, by length.
#define NOP_MAX 9
static const u8 nops[NOP_MAX][NOP_MAX] = {
    {0x90},
    {0x66, 0x90},
    {0x0f, 0x1f, 0x00},
    {0x0f, 0x1f, 0x40, 0x00},
    {0x0f, 0x1f, 0x44, 0x00, 0x00},
    {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
    {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
    {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
};

void asm_nops(struct assembler *a, u32 len) {
    while (len != 0) {
        u32 part = len < NOP_MAX ? len : NOP_MAX;
        asm_bytes(a, nops[part - 1], part);
        len -= part;
    }
}

void asm_window_open(struct assembler *a, struct asm_window *window, u32 start, u32 end) {
    ASSERT(a->status == OK);
    ASSERT(start <= end && end <= a->len);
    window->end = end;
    window->resume = a->len;
    memcpy(window->behind, a->code + end, sizeof(window->behind));
    a->len = start;
}

void asm_window_close(struct assembler *a, const struct asm_window *window) {
    CHECK(a->len <= window->end);
    asm_nops(a, window->end - a->len);
    memcpy(a->code + window->end, window->behind, sizeof(window->behind));
    a->len = window->resume;
}

void asm_align(struct assembler *a, u32 alignment) {
    ASSERT(is_power_of_two(alignment));
    asm_nops(a, (u32)align_up(a->len, alignment) - a->len);
}

// -- Encoding -----------------------------------------------------------------------------------

// The same address in the form that encodes shortest: an index alone costs four bytes of
// displacement that it does not cost as a base, and so does rbp one byte. Which of the two is the
// base matters only to the default segment, and all of those are flat.
static struct mem shortest(struct mem m) {
    if (m.base == NO_GPR && m.index != NO_GPR && m.scale <= 1) {
        m.base = m.index;
        if (m.scale == 0)
            m.index = NO_GPR;
        m.scale = 0;
    } else if (m.base != NO_GPR && m.index != NO_GPR && m.scale == 0 && m.disp == 0 &&
               base_needs_disp(m.base) && !base_needs_disp(m.index)) {
        enum gpr base = m.base;
        m.base = m.index;
        m.index = base;
    }
    return m;
}

// SIB with base 5 under mod 0: no base, disp32. ModRM alone would be rip-relative.
static u8 *put_baseless(u8 *at, u8 reg, struct mem m) {
    u8 index = m.index == NO_GPR ? RSP : m.index;
    *at++ = modrm(0, reg, 4);
    *at++ = modrm(m.scale, index, 5);
    return put_u32(at, (u32)m.disp);
}

u8 *asm_put_indexed(u8 *at, struct opcode op, u8 reg, struct mem m) {
    ASSERT(m.base < 16 || m.base == NO_GPR);
    ASSERT(m.index < 16 || m.index == NO_GPR);
    ASSERT(m.index != RSP);
    ASSERT(m.scale <= 3);
    ASSERT(m.index != NO_GPR || m.scale == 0);
    m = shortest(m);
    at = put_segment(at, m);
    if (m.base != NO_GPR && m.index == NO_GPR)
        return put_unindexed(at, op, reg, m);

    u8 rex = (u8)((reg >> 3) << 2);
    if (m.index != NO_GPR)
        rex |= (u8)((m.index >> 3) << 1);
    if (m.base != NO_GPR)
        rex |= m.base >> 3;
    at = put_opcode(at, op, rex, op.byte_reg && byte_needs_rex(reg));
    if (m.base == NO_GPR)
        return put_baseless(at, reg, m);

    u8 mod = 2;
    if (m.disp == 0 && !base_needs_disp(m.base))
        mod = 0;
    else if (fits_i8(m.disp))
        mod = 1;
    *at++ = modrm(mod, reg, 4);
    *at++ = modrm(m.scale, m.index, m.base);
    put_u32(at, (u32)m.disp);
    return at + (mod == 2 ? 4 : mod);
}

void asm_emit_rr(struct assembler *a, struct opcode op, u8 reg, u8 rm) {
    emit_rr(a, op, reg, rm);
}

void asm_emit_rm(struct assembler *a, struct opcode op, u8 reg, struct mem m) {
    emit_rm(a, op, reg, m);
}

void asm_emit_rr_i8(struct assembler *a, struct opcode op, u8 reg, u8 rm, u8 imm) {
    emit_rr_i8(a, op, reg, rm, imm);
}

void asm_emit_rm_i8(struct assembler *a, struct opcode op, u8 reg, struct mem m, u8 imm) {
    emit_rm_i8(a, op, reg, m, imm);
}

// -- Labels -------------------------------------------------------------------------------------

void asm_patch_rel32(u8 *code, u32 at, u32 target) {
    put_u32(code + at, target - (at + 4));
}

void asm_patch_u32(struct assembler *a, u32 at, u32 value) {
    if (a->status != OK)
        return;
    ASSERT(range_fits(at, 4, a->len));
    put_u32(a->code + at, value);
}

void asm_bind(struct assembler *a, struct label *label) {
    ASSERT(!label->bound);
    label->bound = true;
    label->offset = a->len;
    if (a->status != OK)
        return;
    for (u32 use = label->uses; use != 0;) {
        u32 at = use - 1;
        ASSERT(range_fits(at, 4, a->len));
        use = get_u32(a->code + at);
        asm_patch_rel32(a->code, at, label->offset);
    }
}

// Ends an instruction with the rel32 that reaches the label, now or when it is bound.
static inline void end_rel32(struct assembler *a, u8 *at, struct label *label) {
    u32 offset = (u32)(at - a->code);
    if (label->bound) {
        put_u32(at, label->offset - (offset + 4));
    } else {
        put_u32(at, label->uses);
        label->uses = offset + 1;
    }
    commit(a, at + 4);
}

// Jumps back with two bytes where they reach, with opcode `code`; false where they do not.
static inline bool end_rel8(struct assembler *a, u8 *at, u8 code, const struct label *label) {
    if (!label->bound)
        return false;
    i64 distance = (i64)label->offset - ((i64)a->len + 2);
    if (!fits_i8(distance))
        return false;
    *at++ = code;
    *at++ = (u8)distance;
    commit(a, at);
    return true;
}

void asm_jmp(struct assembler *a, struct label *label) {
    u8 *at = begin(a);
    if (end_rel8(a, at, 0xeb, label))
        return;
    *at++ = 0xe9;
    end_rel32(a, at, label);
}

void asm_jcc(struct assembler *a, enum cond cond, struct label *label) {
    ASSERT(cond < 16);
    u8 *at = begin(a);
    if (end_rel8(a, at, 0x70 | cond, label))
        return;
    *at++ = 0x0f;
    *at++ = 0x80 | cond;
    end_rel32(a, at, label);
}

void asm_call(struct assembler *a, struct label *label) {
    u8 *at = begin(a);
    *at++ = 0xe8;
    end_rel32(a, at, label);
}

void asm_emit_rl(struct assembler *a, struct opcode op, u8 reg, struct label *label) {
    ASSERT(reg < 16);
    u8 *at = begin(a);
    at = put_opcode(at, op, (u8)((reg >> 3) << 2), false);
    *at++ = modrm(0, reg, 5);
    end_rel32(a, at, label);
}

// lea to, [rip + label]
void asm_lea_label(struct assembler *a, enum gpr to, struct label *label) {
    asm_emit_rl(a, opcode_full(W64, MAP_ONE_BYTE, 0x8d), to, label);
}

void asm_rel32(struct assembler *a, struct label *label) {
    end_rel32(a, begin(a), label);
}

static u32 emit_open_rel32(struct assembler *a, u8 code) {
    emit_fixed(a, code, 5);
    return a->len - 4;
}

u32 asm_call_rel32(struct assembler *a) {
    return emit_open_rel32(a, 0xe8);
}

u32 asm_jmp_rel32(struct assembler *a) {
    return emit_open_rel32(a, 0xe9);
}
