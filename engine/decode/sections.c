// The sections that declare: types, functions, tables, memories, globals, exports, start.
//
// Invariant: an index space's array holds its imports when the import section has been read, and is
// copied once into one with room for the module's own when their section comes.

#include "engine/decode/decode_internal.h"

#include "base/math.h"

// -- Types ----------------------------------------------------------------------------------------

#define TYPE_FORM_FUNC 0x60

// Reads a vector of value types onto what `types` already holds; returns how many.
static u32 read_types(struct decoder *d, u32 limit, const char *what, enum value_type *types) {
    struct reader *r = &d->reader;
    u32 count = reader_count(r, limit, what);
    for (u32 i = 0; i < count && r->status == OK; i++)
        types[i] = read_value_type(r, d->decl->features);
    return count;
}

static void decode_func_type(struct decoder *d, struct func_type *type) {
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    u8 form = reader_u8(r);
    if (form != TYPE_FORM_FUNC) {
        reader_refuse(r, where, refuse_type_form(form));
        return;
    }

    enum value_type all[LIMIT_PARAMS + LIMIT_RESULTS];
    type->param_count = read_types(d, LIMIT_PARAMS, "too many parameters: the limit is", all);
    where = r->at;
    type->result_count =
        read_types(d, LIMIT_RESULTS, "too many results: the limit is", all + type->param_count);
    if (type->result_count > 1)
        reader_require(r, where, d->decl->features, FEATURE_MULTI_VALUE);
    if (r->status != OK)
        return;

    u32 count = type->param_count + type->result_count;
    enum value_type *types = decoder_alloc(d, count, sizeof(*types));
    if (types != NULL && count != 0)
        memcpy(types, all, count * sizeof(*types));
    type->types = types;
}

void decode_types(struct decoder *d) {
    u32 count = reader_count(&d->reader, LIMIT_TYPES, "too many types: the limit is");
    d->decl->types = decoder_alloc(d, count, sizeof(struct func_type));
    for (u32 i = 0; i < count && d->reader.status == OK; i++)
        decode_func_type(d, &d->decl->types[i]);
    d->decl->type_count = count;
}

// -- Descriptions: what imports and own declarations have in common -------------------------------

u32 read_type_index(struct decoder *d) {
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    u32 type = reader_leb_u32(r);
    if (r->status == OK && type >= d->decl->type_count)
        reader_fail_number(r, where, ERR_INVALID, "unknown type", type);
    return type;
}

#define LIMITS_HAS_MAX 1
#define LIMITS_SHARED  2
#define LIMITS_64      4
#define LIMITS_FLAGS   7

static u8 read_limits_flags(struct decoder *d) {
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    u8 flags = reader_u8(r);
    if (flags > LIMITS_FLAGS)
        reader_refuse(r, where, refuse_limits(flags));
    if ((flags & LIMITS_SHARED) != 0)
        reader_require(r, where, d->decl->features, FEATURE_THREADS);
    if ((flags & LIMITS_64) != 0)
        reader_require(r, where, d->decl->features, FEATURE_MEMORY64);
    return flags;
}

static struct limits read_limits(struct reader *r, u8 flags) {
    struct limits limits = {.has_max = (flags & LIMITS_HAS_MAX) != 0};
    bool is64 = (flags & LIMITS_64) != 0;
    const u8 *where = r->at;
    limits.min = is64 ? reader_leb_u64(r) : reader_leb_u32(r);
    if (limits.has_max)
        limits.max = is64 ? reader_leb_u64(r) : reader_leb_u32(r);
    if (limits.has_max && limits.max < limits.min)
        reader_fail_at(r, where, ERR_INVALID, "size minimum must not be greater than maximum");
    return limits;
}

struct table_type read_table_type(struct decoder *d) {
    struct reader *r = &d->reader;
    struct table_type type = {.element = read_ref_type(r, d->decl->features)};
    const u8 *where = r->at;
    u8 flags = read_limits_flags(d);
    if ((flags & LIMITS_SHARED) != 0)
        reader_fail_at(r, where, ERR_MALFORMED, "malformed limits flags: a table is not shared");
    type.limits = read_limits(r, flags);
    type.is64 = (flags & LIMITS_64) != 0;
    d->decl->has_address64 |= type.is64;
    return type;
}

#define MEMORY64_MAX_PAGES (1ull << 48)

struct memory_type read_memory_type(struct decoder *d) {
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    u8 flags = read_limits_flags(d);
    struct memory_type type = {
        .is_shared = (flags & LIMITS_SHARED) != 0,
        .is64 = (flags & LIMITS_64) != 0,
    };
    if (type.is_shared && (flags & LIMITS_HAS_MAX) == 0)
        reader_fail_at(r, where, ERR_INVALID, "shared memory must have maximum");
    type.limits = read_limits(r, flags);
    u64 limit = type.is64 ? MEMORY64_MAX_PAGES : MEMORY_MAX_PAGES;
    if (type.limits.min > limit || (type.limits.has_max && type.limits.max > limit))
        reader_fail_at(r, where, ERR_INVALID,
                       type.is64 ? "memory size must be at most 2^48 pages"
                                 : "memory size must be at most 65536 pages (4GiB)");
    d->decl->has_address64 |= type.is64;
    return type;
}

// A tag's attribute, which is zero (an exception), and its type.
struct tag_decl read_tag_type(struct decoder *d) {
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    if (reader_u8(r) != 0)
        reader_fail_at(r, where, ERR_MALFORMED, "malformed tag attribute");
    where = r->at;
    struct tag_decl tag = {.type = read_type_index(d)};
    if (r->status == OK && d->decl->types[tag.type].result_count != 0)
        reader_fail_at(r, where, ERR_INVALID, "non-empty tag result type");
    return tag;
}

struct global_type read_global_type(struct decoder *d) {
    struct reader *r = &d->reader;
    struct global_type type = {.type = read_value_type(r, d->decl->features)};
    const u8 *where = r->at;
    u8 mutability = reader_u8(r);
    if (mutability > 1)
        reader_fail_at(r, where, ERR_MALFORMED, "malformed mutability");
    type.is_mutable = mutability == 1;
    return type;
}

void check_memory_count(struct decoder *d, const u8 *where, u64 count) {
    if (count > 1 && (d->decl->features & FEATURE_MULTI_MEMORY) == 0)
        reader_fail_at(&d->reader, where, ERR_INVALID,
                       "multiple memories: proposal multi-memory is switched off");
    if (count > LIMIT_MEMORIES)
        reader_fail_number(&d->reader, where, ERR_LIMIT, "too many memories: the limit is",
                           LIMIT_MEMORIES);
}

void check_table_count(struct decoder *d, const u8 *where, u64 count) {
    if (count > LIMIT_TABLES)
        reader_fail_number(&d->reader, where, ERR_LIMIT, "too many tables: the limit is",
                           LIMIT_TABLES);
    if (count > 1)
        reader_require(&d->reader, where, d->decl->features, FEATURE_REFERENCE_TYPES);
}

// -- Own declarations -----------------------------------------------------------------------------

void decode_functions(struct decoder *d) {
    struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    static const char what[] = "too many functions: the limit is";
    u32 count = reader_count(r, LIMIT_FUNCTIONS, what);
    if (count > LIMIT_FUNCTIONS - decl->func_count)
        reader_fail_number(r, where, ERR_LIMIT, what, LIMIT_FUNCTIONS);

    struct func_decl *funcs =
        r->status == OK ? decoder_extend(d, decl->funcs, decl->func_count, count, sizeof(*funcs))
                        : NULL;
    if (funcs == NULL)
        return;
    decl->funcs = funcs;
    for (u32 i = 0; i < count && r->status == OK; i++)
        funcs[decl->func_count++] =
            (struct func_decl){.type = read_type_index(d), .ref_index = NO_REF};
    d->declared_func_count = count;
}

void decode_tables(struct decoder *d) {
    struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    u32 count = reader_count(r, LIMIT_TABLES, "too many tables: the limit is");
    check_table_count(d, where, (u64)decl->table_count + count);

    struct table_type *tables =
        decoder_extend(d, decl->tables, decl->table_count, count, sizeof(*tables));
    if (tables == NULL)
        return;
    decl->tables = tables;
    for (u32 i = 0; i < count && r->status == OK; i++)
        tables[decl->table_count++] = read_table_type(d);
}

void decode_memories(struct decoder *d) {
    struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    u32 count = reader_count(r, UINT32_MAX, "");
    check_memory_count(d, where, (u64)decl->memory_count + count);
    struct memory_type *memories =
        r->status == OK
            ? decoder_extend(d, decl->memories, decl->memory_count, count, sizeof(*memories))
            : NULL;
    if (memories == NULL)
        return;
    decl->memories = memories;
    for (u32 i = 0; i < count && r->status == OK; i++)
        memories[decl->memory_count++] = read_memory_type(d);
}

void decode_tags(struct decoder *d) {
    struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    static const char what[] = "too many tags: the limit is";
    reader_require(r, where, decl->features, FEATURE_EXCEPTIONS);
    u32 count = reader_count(r, LIMIT_TAGS, what);
    if (count > LIMIT_TAGS - decl->tag_count)
        reader_fail_number(r, where, ERR_LIMIT, what, LIMIT_TAGS);

    struct tag_decl *tags =
        r->status == OK ? decoder_extend(d, decl->tags, decl->tag_count, count, sizeof(*tags))
                        : NULL;
    if (tags == NULL)
        return;
    decl->tags = tags;
    for (u32 i = 0; i < count && r->status == OK; i++)
        tags[decl->tag_count++] = read_tag_type(d);
}

void decode_globals(struct decoder *d) {
    struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    static const char what[] = "too many globals: the limit is";
    u32 count = reader_count(r, LIMIT_GLOBALS, what);
    if (count > LIMIT_GLOBALS - decl->global_count)
        reader_fail_number(r, where, ERR_LIMIT, what, LIMIT_GLOBALS);

    struct global_decl *globals =
        r->status == OK
            ? decoder_extend(d, decl->globals, decl->global_count, count, sizeof(*globals))
            : NULL;
    if (globals == NULL)
        return;
    decl->globals = globals;
    for (u32 i = 0; i < count && r->status == OK; i++) {
        struct global_decl *global = &globals[decl->global_count];
        global->type = read_global_type(d);
        decode_const_expr(d, global->type.type, &global->init);
        decl->global_count++;
    }
}

// -- Exports and start ----------------------------------------------------------------------------

static void check_exported(struct decoder *d, const u8 *where, const struct export_decl *export) {
    const struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    switch (export->kind) {
    case EXTERN_FUNC:
        if (export->index >= decl->func_count)
            reader_fail_number(r, where, ERR_INVALID, "unknown function", export->index);
        else
            decoder_declare_ref(d, export->index);
        return;
    case EXTERN_TABLE:
        if (export->index >= decl->table_count)
            reader_fail_number(r, where, ERR_INVALID, "unknown table", export->index);
        return;
    case EXTERN_MEMORY:
        if (export->index >= decl->memory_count)
            reader_fail_number(r, where, ERR_INVALID, "unknown memory", export->index);
        return;
    case EXTERN_GLOBAL:
        if (export->index >= decl->global_count)
            reader_fail_number(r, where, ERR_INVALID, "unknown global", export->index);
        else if (decl->globals[export->index].type.is_mutable)
            reader_require(r, where, decl->features, FEATURE_MUTABLE_GLOBALS);
        return;
    case EXTERN_TAG:
        if (export->index >= decl->tag_count)
            reader_fail_number(r, where, ERR_INVALID, "unknown tag", export->index);
        return;
    }
}

static void decode_export(struct decoder *d, struct export_decl *export) {
    struct reader *r = &d->reader;
    export->name = reader_name(r);
    const u8 *where = r->at;
    u8 kind = reader_u8(r);
    if (kind == EXTERN_TAG)
        reader_require(r, where, d->decl->features, FEATURE_EXCEPTIONS);
    else if (kind > EXTERN_TAG)
        reader_fail_at(r, where, ERR_MALFORMED, "malformed export kind");
    where = r->at;
    export->kind = (enum extern_kind)kind;
    export->index = reader_leb_u32(r);
    if (r->status == OK)
        check_exported(d, where, export);
}

void decode_exports(struct decoder *d) {
    u32 count = reader_count(&d->reader, LIMIT_EXPORTS, "too many exports: the limit is");
    d->decl->exports = decoder_alloc(d, count, sizeof(struct export_decl));
    for (u32 i = 0; i < count && d->reader.status == OK; i++)
        decode_export(d, &d->decl->exports[i]);
    d->decl->export_count = count;
    if (d->reader.status == OK)
        check_export_names(d);
}

void decode_start(struct decoder *d) {
    struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    u32 func = reader_leb_u32(r);
    if (r->status != OK)
        return;
    if (func >= decl->func_count) {
        reader_fail_number(r, where, ERR_INVALID, "unknown function", func);
        return;
    }
    const struct func_type *type = decl_func_type(decl, func);
    if (type->param_count != 0 || type->result_count != 0)
        reader_fail_at(r, where, ERR_INVALID,
                       "start function must have no parameters and no results");
    decl->has_start = true;
    decl->start_func = func;
}
