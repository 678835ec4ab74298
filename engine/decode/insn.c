// Instructions and locals, out of a function body.
//
// This is the decoder's inner loop: one table look-up for the opcode, one switch for the form of
// its immediates, and numbers of one byte without a call. Whether an index exists and whether types
// agree is the validator's business; here it is only whether the bytes are an instruction.

#include "engine/decode/insn.h"

#include "engine/api/host.h"
#include "engine/decode/quick.h"
#include "engine/decode/refuse.h"

// The block types that need no row in the type section.
static const enum value_type shorthand_types[] = {
    VALUE_I32,  VALUE_I64,     VALUE_F32,       VALUE_F64,
    VALUE_V128, VALUE_FUNCREF, VALUE_EXTERNREF, VALUE_EXNREF,
};
static const struct func_type shorthand_results[] = {
    {0, 1, &shorthand_types[0]}, {0, 1, &shorthand_types[1]}, {0, 1, &shorthand_types[2]},
    {0, 1, &shorthand_types[3]}, {0, 1, &shorthand_types[4]}, {0, 1, &shorthand_types[5]},
    {0, 1, &shorthand_types[6]}, {0, 1, &shorthand_types[7]},
};
STATIC_ASSERT(COUNT_OF(shorthand_types) == COUNT_OF(shorthand_results), "one for each");
const struct func_type insn_empty_type = {0, 0, shorthand_types};

static void read_block_type(struct reader *r, const struct module_decl *decl,
                            struct block_type *out) {
    out->type = &insn_empty_type;
    if (reader_left(r) != 0 && *r->at == BLOCK_TYPE_EMPTY) {
        r->at++;
        return;
    }
    // A negative number of one byte is a value type, any other number that is not negative an
    // index.
    if (reader_left(r) != 0 && (*r->at & 0xc0) == 0x40) {
        enum value_type type = read_value_type(r, decl->features);
        for (u32 i = 0; i < COUNT_OF(shorthand_types); i++) {
            if (shorthand_types[i] == type)
                out->type = &shorthand_results[i];
        }
        return;
    }

    const u8 *where = r->at;
    i64 index = reader_leb_i33(r);
    if (r->status != OK)
        return;
    reader_require(r, where, decl->features, FEATURE_MULTI_VALUE);
    if (index < 0)
        reader_fail_at(r, where, ERR_MALFORMED, "malformed block type");
    else if (index >= decl->type_count)
        reader_fail_number(r, where, ERR_INVALID, "unknown type", (u32)index);
    else
        out->type = &decl->types[index];
}

static void read_labels(struct reader *r, struct insn *out) {
    const u8 *where = r->at;
    u32 count = reader_leb_u32(r);
    if (count >= reader_left(r)) { // with the default there is one more
        reader_fail_at(r, where, ERR_TRUNCATED, reader_unexpected_end);
        return;
    }
    out->labels.at = r->at;
    out->labels.count = count;
    for (u64 i = 0; i <= count && r->status == OK; i++)
        (void)reader_leb_u32(r);
}

// A number that was read before, so that it is one.
static u32 next_leb(const u8 **at) {
    u32 number = 0;
    for (u32 shift = 0;; shift += 7) {
        u8 byte = *(*at)++;
        number |= (u32)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return number;
        ASSERT(shift < 28);
    }
}

u32 insn_next_label(const u8 **at) {
    return next_leb(at);
}

static void read_catches(struct reader *r, struct insn *out) {
    const u8 *where = r->at;
    u32 count = reader_leb_u32(r);
    if (count > reader_left(r)) {
        reader_fail_at(r, where, ERR_TRUNCATED, reader_unexpected_end);
        return;
    }
    out->try_table.at = r->at;
    out->try_table.count = count;
    for (u32 i = 0; i < count && r->status == OK; i++) {
        where = r->at;
        u8 kind = reader_u8(r);
        if (kind > CATCH_ALL_REF)
            reader_fail_at(r, where, ERR_MALFORMED, "malformed catch clause");
        if (catch_has_tag((enum catch_kind)kind))
            (void)reader_leb_u32(r);
        (void)reader_leb_u32(r);
    }
}

struct catch_clause insn_next_catch(const u8 **at) {
    struct catch_clause clause = {.kind = (enum catch_kind) * (*at)++};
    ASSERT(clause.kind <= CATCH_ALL_REF);
    if (catch_has_tag(clause.kind))
        clause.tag = next_leb(at);
    clause.label = next_leb(at);
    return clause;
}

static void read_select_types(struct reader *r, const struct module_decl *decl, struct insn *out) {
    const u8 *where = r->at;
    u32 count = reader_leb_u32(r);
    if (r->status == OK && count != 1)
        reader_fail_at(r, where, ERR_INVALID, "invalid result arity");
    out->type = read_value_type(r, decl->features);
}

// An index of a memory: before multi-memory a byte that must be zero.
static u32 read_memory_index(struct reader *r, const struct module_decl *decl) {
    if ((decl->features & FEATURE_MULTI_MEMORY) != 0)
        return reader_leb_u32(r);
    const u8 *where = r->at;
    if (reader_u8(r) != 0)
        reader_fail_at(r, where, ERR_MALFORMED,
                       "zero byte expected: proposal multi-memory is switched off");
    return 0;
}

#define MEMARG_HAS_MEMORY 0x40u // else it is memory 0
#define MEMARG_ALIGN_END  0x20u // alignments are a power of two: these and more cannot be meant

// The memory of a memarg whose flags, read at `where`, are more than an alignment.
static u32 read_memarg_memory(struct reader *r, const struct module_decl *decl, const u8 *where,
                              u32 flags) {
    if ((flags & ~(MEMARG_ALIGN_END - 1)) != MEMARG_HAS_MEMORY)
        reader_fail_at(r, where, ERR_MALFORMED, "malformed memop flags");
    else if ((decl->features & FEATURE_MULTI_MEMORY) == 0)
        reader_fail_at(r, where, ERR_UNSUPPORTED,
                       "malformed memop flags: proposal multi-memory is switched off");
    return reader_leb_u32(r);
}

static void read_memarg(struct reader *r, const struct module_decl *decl, struct insn *out) {
    const u8 *where = r->at;
    u32 flags = reader_leb_u32(r);
    u32 memory = flags < MEMARG_ALIGN_END ? 0 : read_memarg_memory(r, decl, where, flags);
    bool wide = (decl->features & FEATURE_MEMORY64) != 0;
    out->mem.offset = wide ? reader_leb_u64(r) : reader_leb_u32(r);
    out->mem.memory = memory;
    out->mem.align = (u8)(flags & (MEMARG_ALIGN_END - 1));
    out->mem.lane = 0;
    out->mem.is64 = memory < decl->memory_count && decl->memories[memory].is64;
}

static void read_v128(struct reader *r, struct insn *out) {
    out->v128[0] = reader_u64_le(r);
    out->v128[1] = reader_u64_le(r);
}

static void read_fence(struct reader *r) {
    const u8 *where = r->at;
    if (reader_u8(r) != 0)
        reader_fail_at(r, where, ERR_MALFORMED, "zero byte expected");
}

// An index of a table: before reference types a byte that must be zero.
static u32 read_table_index(struct reader *r, const struct module_decl *decl) {
    if ((decl->features & FEATURE_REFERENCE_TYPES) != 0)
        return reader_leb_u32(r);
    const u8 *where = r->at;
    if (reader_u8(r) != 0)
        reader_fail_at(r, where, ERR_UNSUPPORTED,
                       "zero byte expected: proposal reference types is switched off");
    return 0;
}

// The data section comes after the code: code that names a data segment needs their number first.
static u32 read_data_index(struct reader *r, const struct module_decl *decl) {
    const u8 *where = r->at;
    u32 index = reader_leb_u32(r);
    if (r->status == OK && !decl->has_data_count)
        reader_fail_at(r, where, ERR_MALFORMED, "data count section required");
    return index;
}

static void read_two_indices(struct reader *r, const struct module_decl *decl,
                             enum immediate immediate, struct insn *out) {
    switch (immediate) {
    case IMM_TYPE_TABLE:
        out->pair.a = reader_leb_u32(r);
        out->pair.b = read_table_index(r, decl);
        return;
    case IMM_TABLE_TABLE:
        out->pair.a = read_table_index(r, decl);
        out->pair.b = read_table_index(r, decl);
        return;
    case IMM_MEMORY_MEMORY:
        out->pair.a = read_memory_index(r, decl);
        out->pair.b = read_memory_index(r, decl);
        return;
    case IMM_DATA_MEMORY:
        out->pair.a = read_data_index(r, decl);
        out->pair.b = read_memory_index(r, decl);
        return;
    case IMM_ELEM_TABLE:
        out->pair.a = reader_leb_u32(r);
        out->pair.b = read_table_index(r, decl);
        return;
    default:
        UNREACHABLE();
    }
}

static void read_immediate(struct reader *r, const struct module_decl *decl,
                           enum immediate immediate, struct insn *out) {
    switch (immediate) {
    case IMM_NONE:
        return;
    case IMM_LABEL:
    case IMM_FUNC:
    case IMM_LOCAL:
    case IMM_GLOBAL:
    case IMM_TAG:
    case IMM_TABLE:
    case IMM_ELEM:
        out->index = reader_leb_u32(r);
        return;
    case IMM_MEM1:
    case IMM_MEM2:
    case IMM_MEM4:
    case IMM_MEM8:
    case IMM_MEM16:
    case IMM_ATOMIC1:
    case IMM_ATOMIC2:
    case IMM_ATOMIC4:
    case IMM_ATOMIC8:
        read_memarg(r, decl, out);
        return;
    case IMM_MEM1_LANE:
    case IMM_MEM2_LANE:
    case IMM_MEM4_LANE:
    case IMM_MEM8_LANE:
        read_memarg(r, decl, out);
        out->mem.lane = reader_u8(r);
        return;
    case IMM_LANE16:
    case IMM_LANE8:
    case IMM_LANE4:
    case IMM_LANE2:
        out->lane = reader_u8(r);
        return;
    case IMM_V128:
    case IMM_SHUFFLE: // the same bytes
        read_v128(r, out);
        return;
    case IMM_FENCE:
        read_fence(r);
        return;
    case IMM_I32:
        out->i32 = reader_leb_i32(r);
        return;
    case IMM_I64:
        out->i64 = reader_leb_i64(r);
        return;
    case IMM_F32:
        out->f32 = reader_u32_le(r);
        return;
    case IMM_F64:
        out->f64 = reader_u64_le(r);
        return;
    case IMM_BLOCK:
        read_block_type(r, decl, &out->block);
        return;
    case IMM_TRY_TABLE:
        read_block_type(r, decl, &out->block);
        read_catches(r, out);
        return;
    case IMM_LABELS:
        read_labels(r, out);
        return;
    case IMM_TYPES:
        read_select_types(r, decl, out);
        return;
    case IMM_MEMORY:
        out->index = read_memory_index(r, decl);
        return;
    case IMM_REF_TYPE:
        out->type = read_ref_type(r, decl->features);
        return;
    case IMM_DATA:
        out->index = read_data_index(r, decl);
        return;
    default:
        read_two_indices(r, decl, immediate, out);
        return;
    }
}

// The rest of an opcode that begins with a byte that is no instruction by itself.
static enum wasm_op read_prefixed(struct reader *r, const u8 *where, u8 prefix) {
    if (prefix < WASM_PREFIX_FIRST || prefix > WASM_PREFIX_LAST) {
        reader_refuse(r, where, refuse_opcode(0, prefix));
        return OP_UNREACHABLE;
    }
    u32 code = reader_leb_u32(r);
    enum wasm_op op = code >= WASM_PREFIX_SLOTS ? OP_COUNT : wasm_op_find((u32)prefix << 12 | code);
    if (r->status == OK && op == OP_COUNT)
        reader_refuse(r, where, refuse_opcode(prefix, code));
    return r->status == OK ? op : OP_UNREACHABLE;
}

// Reads what has no prefix and a common immediate.
static inline bool read_quick(struct reader *r, const struct module_decl *decl, struct insn *out) {
    if (reader_left(r) < QUICK_BYTES)
        return false;
    u16 found = wasm_op_by_slot[*r->at];
    if (found == 0)
        return false;
    const struct wasm_op_types *types = &wasm_op_types[found - 1];
    const u8 *at = r->at + 1;
    if ((types->feature & ~decl->features) != 0 ||
        !quick_immediate(decl, types->immediate, &at, out))
        return false;
    out->op = (enum wasm_op)(found - 1);
    out->offset = reader_offset(r);
    r->at = at;
    return true;
}

static void read_any(struct reader *r, const struct module_decl *decl, struct insn *out) {
    const u8 *where = r->at;
    out->offset = reader_offset(r);
    u8 code = reader_u8(r);
    if (r->status != OK) {
        out->op = OP_UNREACHABLE;
        return;
    }
    out->op = wasm_op_find_plain(code);
    if (out->op == OP_COUNT)
        out->op = read_prefixed(r, where, code);

    const struct wasm_op_types *types = &wasm_op_types[out->op];
    reader_require(r, where, decl->features, types->feature);
    if (types->immediate != IMM_NONE)
        read_immediate(r, decl, types->immediate, out);
}

void insn_read(struct reader *r, const struct module_decl *decl, struct insn *out) {
    if (!read_quick(r, decl, out))
        read_any(r, decl, out);
}

static void types_fill(enum value_type *at, enum value_type type, u32 count) {
    for (u32 i = 0; i < count; i++)
        at[i] = type;
}

// Walks the runs of equal locals. Stores their types behind `at` unless it is NULL; returns how
// many there are, counted before anything is stored.
static u64 walk_locals(struct reader *r, const struct module_decl *decl, enum value_type *at) {
    u64 total = 0;
    u32 runs = reader_count(r, UINT32_MAX, "too many locals: the limit is");
    for (u32 i = 0; i < runs && r->status == OK; i++) {
        const u8 *where = r->at;
        u32 count = reader_leb_u32(r);
        enum value_type type = read_value_type(r, decl->features);
        if (total + count > UINT32_MAX)
            reader_fail_at(r, where, ERR_MALFORMED, "too many locals");
        if (at != NULL && count != 0)
            types_fill(at + total, type, count);
        total += count;
    }
    return total;
}

void insn_read_locals(struct reader *r, const struct module_decl *decl, u32 func,
                      enum value_type **types, u32 *count) {
    const struct func_type *type = decl_func_type(decl, func);
    const u8 *where = r->at;
    *types = NULL;
    *count = 0;

    struct reader again = *r;
    u64 total = walk_locals(r, decl, NULL) + type->param_count;
    if (r->status == OK && total > LIMIT_LOCALS)
        reader_fail_number(r, where, ERR_LIMIT, "too many locals: the limit is", LIMIT_LOCALS);
    if (r->status != OK || total == 0)
        return;

    enum value_type *all = host_alloc(total * sizeof(*all));
    if (all == NULL) {
        reader_fail_at(r, where, ERR_NO_MEMORY, status_text(ERR_NO_MEMORY));
        return;
    }
    if (type->param_count != 0)
        memcpy(all, type->types, type->param_count * sizeof(*all));
    (void)walk_locals(&again, decl, all + type->param_count);
    ASSERT(again.at == r->at);
    *types = all;
    *count = (u32)total;
}
