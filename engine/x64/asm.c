// The assembler's buffer, labels, and the generic encoders that all instructions go through.
//
// The buffer grows by doubling. An encoder reserves room for the longest instruction once and then
// writes without checks; when there is no room nothing is written, the status stays, and the length
// stops moving. What was assembled before then is of no use to anybody.
//
// Invariants:
//   1. len <= capacity <= CODE_BYTES_MAX, so that every distance fits a rel32;
//   2. the rel32 fields that wait for an unbound label form a chain: label.uses - 1 is the offset
//      of the last one, which holds the `uses` from before it, and so on until 0.

#include "engine/x64/asm_internal.h"

#include "base/math.h"
#include "base/string.h"
#include "engine/api/host.h"

// No instruction is longer than 15 bytes.
#define INSTRUCTION_ROOM  16u
#define CODE_CAPACITY_MIN 1024u
#define CODE_BYTES_MAX    (1u << 30)

// -- The buffer ---------------------------------------------------------------------------------

static bool grow(struct assembler *a, u32 room) {
    if (room > CODE_BYTES_MAX - a->len) {
        a->status = ERR_LIMIT;
        return false;
    }
    u64 wanted = max_u64(CODE_CAPACITY_MIN, 2ull * a->capacity);
    wanted = min_u64(max_u64(wanted, (u64)a->len + room), CODE_BYTES_MAX);

    u8 *code = host_alloc(wanted);
    if (code == NULL) {
        a->status = ERR_NO_MEMORY;
        return false;
    }
    if (a->len != 0)
        memcpy(code, a->code, a->len);
    host_free(a->code, a->capacity);
    a->code = code;
    a->capacity = (u32)wanted;
    return true;
}

// Where to write the next at most `room` bytes, or NULL.
static inline u8 *reserve(struct assembler *a, u32 room) {
    ASSERT(a->len <= a->capacity);
    if (a->status != OK)
        return NULL;
    if (room > a->capacity - a->len && !grow(a, room))
        return NULL;
    return a->code + a->len;
}

// Ends what `reserve` began: everything before `end` has been written.
static inline void commit(struct assembler *a, const u8 *end) {
    a->len = (u32)(end - a->code);
    ASSERT(a->len <= a->capacity);
}

void asm_init(struct assembler *a) {
    *a = (struct assembler){.status = OK};
}

void asm_fini(struct assembler *a) {
    host_free(a->code, a->capacity);
    asm_init(a);
}

void asm_reset(struct assembler *a) {
    a->len = 0;
    a->status = OK;
}

void asm_bytes(struct assembler *a, const void *bytes, u32 len) {
    u8 *at = reserve(a, len);
    if (at == NULL || len == 0)
        return;
    memcpy(at, bytes, len);
    commit(a, at + len);
}

static inline u8 *put_u32(u8 *at, u32 value) {
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

static u32 get_u32(const u8 *at) {
    u32 value;
    memcpy(&value, at, sizeof(value));
    return value;
}

void asm_emit_u8(struct assembler *a, u8 value) {
    asm_bytes(a, &value, sizeof(value));
}

void asm_emit_u16(struct assembler *a, u16 value) {
    asm_bytes(a, &value, sizeof(value));
}

void asm_emit_u32(struct assembler *a, u32 value) {
    asm_bytes(a, &value, sizeof(value));
}

void asm_emit_u64(struct assembler *a, u64 value) {
    asm_bytes(a, &value, sizeof(value));
}

void asm_emit_imm(struct assembler *a, enum width w, i32 value) {
    ASSERT(w != W8);
    if (w == W16) {
        ASSERT(value >= INT16_MIN && value <= 0xffff);
        asm_emit_u16(a, (u16)value);
    } else {
        asm_emit_u32(a, (u32)value);
    }
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

void asm_align(struct assembler *a, u32 alignment) {
    ASSERT(is_power_of_two(alignment));
    u32 left = (u32)align_up(a->len, alignment) - a->len;
    while (left != 0) {
        u32 len = left < NOP_MAX ? left : NOP_MAX;
        asm_bytes(a, nops[len - 1], len);
        left -= len;
    }
}

// -- Encoding -----------------------------------------------------------------------------------

// Prefixes, REX and opcode. `rex` has the bits that extend ModRM and SIB; `force` asks for a REX
// even when it is empty.
static u8 *put_opcode(u8 *at, struct opcode op, u8 rex, bool force) {
    if (op.prefix != 0)
        *at++ = op.prefix;
    if (op.wide)
        rex |= 8;
    if (rex != 0 || force)
        *at++ = 0x40 | rex;
    if (op.map != MAP_ONE_BYTE)
        *at++ = 0x0f;
    if (op.map == MAP_0F38)
        *at++ = 0x38;
    else if (op.map == MAP_0F3A)
        *at++ = 0x3a;
    *at++ = op.code;
    return at;
}

static inline u8 modrm(u8 mod, u8 reg, u8 rm) {
    return (u8)(mod << 6 | (reg & 7) << 3 | (rm & 7));
}

// spl, bpl, sil and dil: without REX their numbers mean ah, ch, dh and bh.
static inline bool byte_needs_rex(u8 reg) {
    return reg >= RSP && reg <= RDI;
}

void asm_emit_rr(struct assembler *a, struct opcode op, u8 reg, u8 rm) {
    ASSERT(reg < 16);
    ASSERT(rm < 16);
    u8 *at = reserve(a, INSTRUCTION_ROOM);
    if (at == NULL)
        return;
    bool force = (op.byte_reg && byte_needs_rex(reg)) || (op.byte_rm && byte_needs_rex(rm));
    u8 rex = (u8)((reg >> 3) << 2 | rm >> 3);
    at = put_opcode(at, op, rex, force);
    *at++ = modrm(3, reg, rm);
    commit(a, at);
}

// Whether a base needs a displacement: its mod 0 encoding means another form (rbp, r13).
static inline bool base_needs_disp(enum gpr base) {
    return (base & 7) == RBP;
}

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

// ModRM, SIB and displacement of a memory operand.
static u8 *put_mem(u8 *at, u8 reg, struct mem m) {
    if (m.base == NO_GPR) {
        // SIB with base 5 under mod 0: no base, disp32. ModRM alone would be rip-relative.
        u8 index = m.index == NO_GPR ? RSP : m.index;
        *at++ = modrm(0, reg, 4);
        *at++ = modrm(m.scale, index, 5);
        return put_u32(at, (u32)m.disp);
    }

    u8 mod = 2;
    if (m.disp == 0 && !base_needs_disp(m.base))
        mod = 0;
    else if (fits_i8(m.disp))
        mod = 1;

    if (m.index != NO_GPR || (m.base & 7) == RSP) {
        u8 index = m.index == NO_GPR ? RSP : m.index;
        *at++ = modrm(mod, reg, 4);
        *at++ = modrm(m.scale, index, m.base);
    } else {
        *at++ = modrm(mod, reg, m.base);
    }

    if (mod == 1)
        *at++ = (u8)m.disp;
    else if (mod == 2)
        at = put_u32(at, (u32)m.disp);
    return at;
}

void asm_emit_rm(struct assembler *a, struct opcode op, u8 reg, struct mem m) {
    ASSERT(reg < 16);
    ASSERT(m.base < 16 || m.base == NO_GPR);
    ASSERT(m.index < 16 || m.index == NO_GPR);
    ASSERT(m.index != RSP);
    ASSERT(m.scale <= 3);
    ASSERT(m.index != NO_GPR || m.scale == 0);
    u8 *at = reserve(a, INSTRUCTION_ROOM);
    if (at == NULL)
        return;

    m = shortest(m);
    if (m.segment != SEG_NONE)
        *at++ = m.segment == SEG_FS ? 0x64 : 0x65;
    if (m.addr32)
        *at++ = 0x67;
    u8 rex = (u8)((reg >> 3) << 2);
    if (m.index != NO_GPR)
        rex |= (u8)((m.index >> 3) << 1);
    if (m.base != NO_GPR)
        rex |= m.base >> 3;
    at = put_opcode(at, op, rex, op.byte_reg && byte_needs_rex(reg));
    commit(a, put_mem(at, reg, m));
}

void asm_emit_plus(struct assembler *a, u8 code, bool wide, u8 reg) {
    ASSERT(reg < 16);
    ASSERT((code & 7) == 0);
    u8 *at = reserve(a, INSTRUCTION_ROOM);
    if (at == NULL)
        return;
    struct opcode op = {.code = code | (reg & 7), .wide = wide};
    commit(a, put_opcode(at, op, reg >> 3, false));
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
static void emit_rel32(struct assembler *a, struct label *label) {
    u8 *at = reserve(a, 4);
    if (at == NULL)
        return;
    u32 offset = a->len;
    if (label->bound) {
        commit(a, put_u32(at, label->offset - (offset + 4)));
    } else {
        commit(a, put_u32(at, label->uses));
        label->uses = offset + 1;
    }
}

// Jumps back with two bytes where they reach; false where they do not.
static bool emit_rel8(struct assembler *a, u8 code, const struct label *label) {
    if (!label->bound)
        return false;
    i64 distance = (i64)label->offset - ((i64)a->len + 2);
    if (!fits_i8(distance))
        return false;
    asm_bytes(a, (u8[]){code, (u8)distance}, 2);
    return true;
}

void asm_jmp(struct assembler *a, struct label *label) {
    if (emit_rel8(a, 0xeb, label))
        return;
    asm_emit_u8(a, 0xe9);
    emit_rel32(a, label);
}

void asm_jcc(struct assembler *a, enum cond cond, struct label *label) {
    ASSERT(cond < 16);
    if (emit_rel8(a, 0x70 | cond, label))
        return;
    asm_bytes(a, (u8[]){0x0f, 0x80 | cond}, 2);
    emit_rel32(a, label);
}

void asm_call(struct assembler *a, struct label *label) {
    asm_emit_u8(a, 0xe8);
    emit_rel32(a, label);
}

void asm_emit_rl(struct assembler *a, struct opcode op, u8 reg, struct label *label) {
    ASSERT(reg < 16);
    u8 *at = reserve(a, INSTRUCTION_ROOM);
    if (at == NULL)
        return;
    at = put_opcode(at, op, (u8)((reg >> 3) << 2), false);
    *at++ = modrm(0, reg, 5);
    commit(a, at);
    emit_rel32(a, label);
}

// lea to, [rip + label]
void asm_lea_label(struct assembler *a, enum gpr to, struct label *label) {
    asm_emit_rl(a, opcode_sized(W64, MAP_ONE_BYTE, 0x8d), to, label);
}

void asm_rel32(struct assembler *a, struct label *label) {
    emit_rel32(a, label);
}

static u32 emit_open_rel32(struct assembler *a, u8 code) {
    asm_emit_u8(a, code);
    u32 at = a->len;
    asm_emit_u32(a, 0);
    return at;
}

u32 asm_call_rel32(struct assembler *a) {
    return emit_open_rel32(a, 0xe8);
}

u32 asm_jmp_rel32(struct assembler *a) {
    return emit_open_rel32(a, 0xe9);
}
