// The import section.
//
// An entry is one import, or, in the compact form, several of one module: a marker in place of the
// kind says that names and descriptions follow, or one description and names. How many imports
// there are is known from the number of entries until the first compact one comes; then the rest of
// the section is read ahead, once, so that the arrays are copied once.

#include "engine/decode/decode_internal.h"

#define COMPACT_ITEMS 0x7f // then a vector of names with descriptions
#define COMPACT_NAMES 0x7e // then a description and a vector of names

// -- One import -----------------------------------------------------------------------------------

// The arrays of the index spaces get room for all imports at first use of their kind; `count` is
// how many there are.
static bool import_room(struct decoder *d, void **array, u32 count, usize size) {
    if (*array == NULL)
        *array = decoder_alloc(d, count, size);
    return *array != NULL;
}

static u32 decode_import_func(struct decoder *d, u32 count) {
    struct module_decl *decl = d->decl;
    u32 type = read_type_index(d);
    if (!import_room(d, (void **)&decl->funcs, count, sizeof(struct func_decl)))
        return 0;
    decl->funcs[decl->func_count] = (struct func_decl){.type = type, .ref_index = NO_REF};
    decl->func_import_count++;
    return decl->func_count++;
}

static u32 decode_import_table(struct decoder *d, u32 count) {
    struct module_decl *decl = d->decl;
    check_table_count(d, d->reader.at, (u64)decl->table_count + 1);
    struct table_type type = read_table_type(d);
    if (d->reader.status != OK ||
        !import_room(d, (void **)&decl->tables, count, sizeof(struct table_type)))
        return 0;
    decl->tables[decl->table_count] = type;
    decl->table_import_count++;
    return decl->table_count++;
}

static u32 decode_import_memory(struct decoder *d) {
    struct module_decl *decl = d->decl;
    check_memory_count(d, d->reader.at, (u64)decl->memory_count + 1);
    struct memory_type type = read_memory_type(d);
    if (d->reader.status != OK ||
        !import_room(d, (void **)&decl->memories, LIMIT_MEMORIES, sizeof(type)))
        return 0;
    decl->memories[decl->memory_count] = type;
    decl->memory_import_count++;
    return decl->memory_count++;
}

static u32 decode_import_global(struct decoder *d, u32 count) {
    struct module_decl *decl = d->decl;
    const u8 *where = d->reader.at;
    struct global_type type = read_global_type(d);
    if (type.is_mutable)
        reader_require(&d->reader, where, decl->features, FEATURE_MUTABLE_GLOBALS);
    if (!import_room(d, (void **)&decl->globals, count, sizeof(struct global_decl)))
        return 0;
    decl->globals[decl->global_count].type = type;
    decl->global_import_count++;
    return decl->global_count++;
}

static u32 decode_import_tag(struct decoder *d, u32 count) {
    struct module_decl *decl = d->decl;
    struct tag_decl tag = read_tag_type(d);
    if (d->reader.status != OK || !import_room(d, (void **)&decl->tags, count, sizeof(tag)))
        return 0;
    decl->tags[decl->tag_count] = tag;
    decl->tag_import_count++;
    return decl->tag_count++;
}

// What is behind the kind at `where`.
static void decode_description(struct decoder *d, const u8 *where, u32 count,
                               struct import_decl *import) {
    switch (import->kind) {
    case EXTERN_FUNC:
        import->index = decode_import_func(d, count);
        return;
    case EXTERN_TABLE:
        import->index = decode_import_table(d, count);
        return;
    case EXTERN_MEMORY:
        import->index = decode_import_memory(d);
        return;
    case EXTERN_GLOBAL:
        import->index = decode_import_global(d, count);
        return;
    case EXTERN_TAG:
        reader_require(&d->reader, where, d->decl->features, FEATURE_EXCEPTIONS);
        import->index = decode_import_tag(d, count);
        return;
    }
    reader_refuse(&d->reader, where, refuse_import_kind());
}

static bool is_compact(u8 kind, struct bytes name) {
    return (kind == COMPACT_ITEMS || kind == COMPACT_NAMES) && name.len == 0;
}

// -- How many -------------------------------------------------------------------------------------

// Reads a kind and what is behind it.
static void skip_description(struct decoder *d) {
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    switch (reader_u8(r)) {
    case EXTERN_FUNC:
        (void)read_type_index(d);
        return;
    case EXTERN_TABLE:
        (void)read_table_type(d);
        return;
    case EXTERN_MEMORY:
        (void)read_memory_type(d);
        return;
    case EXTERN_GLOBAL:
        (void)read_global_type(d);
        return;
    case EXTERN_TAG:
        (void)read_tag_type(d);
        return;
    default:
        reader_refuse(r, where, refuse_import_kind());
    }
}

static u32 skip_items(struct decoder *d, u8 marker) {
    struct reader *r = &d->reader;
    if (marker == COMPACT_NAMES)
        skip_description(d);
    u32 count = reader_count(r, LIMIT_IMPORTS, "");
    for (u32 i = 0; i < count && r->status == OK; i++) {
        (void)reader_bytes(r);
        if (marker == COMPACT_ITEMS)
            skip_description(d);
    }
    return count;
}

// How many imports the rest of the section has, from the marker of a compact entry on, which has
// `entries` entries behind it. Where that fails, decoding will, at the same place.
static u64 count_ahead(const struct decoder *d, u8 marker, u32 entries) {
    struct decoder ahead = *d;
    struct reader *r = &ahead.reader;
    u64 total = skip_items(&ahead, marker);
    for (u32 i = 0; i < entries && r->status == OK; i++) {
        (void)reader_bytes(r);
        struct bytes name = reader_bytes(r);
        const u8 *at = r->at;
        u8 kind = reader_u8(r);
        if (r->status == OK && is_compact(kind, name)) {
            total += skip_items(&ahead, kind);
        } else if (r->status == OK) {
            r->at = at;
            skip_description(&ahead);
            total++;
        }
    }
    return total;
}

// -- The section ----------------------------------------------------------------------------------

// The imports under way: `done` of `total`, in arrays that have room for `total`.
struct progress {
    u32 done;
    u32 total;
    bool is_final; // the total has been counted
};

static void extend(struct decoder *d, void **array, u32 count, u32 total, usize size) {
    if (*array != NULL)
        *array = decoder_extend(d, *array, count, total - count, size);
}

static void make_room(struct decoder *d, struct progress *p, const u8 *where, u64 total) {
    struct module_decl *decl = d->decl;
    if (total > LIMIT_IMPORTS)
        reader_fail_number(&d->reader, where, ERR_LIMIT, "too many imports: the limit is",
                           LIMIT_IMPORTS);
    if (d->reader.status != OK)
        return;
    p->total = (u32)total;
    p->is_final = true;
    extend(d, (void **)&decl->imports, p->done, p->total, sizeof *decl->imports);
    extend(d, (void **)&decl->funcs, decl->func_count, p->total, sizeof *decl->funcs);
    extend(d, (void **)&decl->tables, decl->table_count, p->total, sizeof *decl->tables);
    extend(d, (void **)&decl->globals, decl->global_count, p->total, sizeof *decl->globals);
    extend(d, (void **)&decl->tags, decl->tag_count, p->total, sizeof *decl->tags);
}

static void take(struct decoder *d, struct progress *p, struct import_decl import,
                 const u8 *where) {
    CHECK(p->done < p->total);
    decode_description(d, where, p->total, &import);
    d->decl->imports[p->done++] = import;
}

// The imports of one compact entry, of which module and marker have been read.
static void decode_items(struct decoder *d, struct progress *p, struct bytes module, u8 marker) {
    struct reader *r = &d->reader;
    struct import_decl import = {.module = module};
    const u8 *description = r->at;
    if (marker == COMPACT_NAMES)
        skip_description(d);
    u32 count = reader_count(r, LIMIT_IMPORTS, "too many imports: the limit is");
    for (u32 i = 0; i < count && r->status == OK; i++) {
        import.name = reader_name(r);
        const u8 *behind = r->at;
        if (marker == COMPACT_NAMES)
            r->at = description; // each is of that kind
        const u8 *where = r->at;
        import.kind = (enum extern_kind)reader_u8(r);
        if (r->status != OK)
            return;
        take(d, p, import, where);
        if (marker == COMPACT_NAMES && r->status == OK)
            r->at = behind;
    }
}

// An entry with `left` entries behind it.
static void decode_entry(struct decoder *d, struct progress *p, u32 left) {
    struct reader *r = &d->reader;
    struct import_decl import = {.module = reader_name(r)};
    import.name = reader_name(r);
    const u8 *where = r->at;
    u8 kind = reader_u8(r);
    if (r->status != OK)
        return;
    if (!is_compact(kind, import.name)) {
        import.kind = (enum extern_kind)kind;
        take(d, p, import, where);
        return;
    }
    reader_require(r, where, d->decl->features, FEATURE_COMPACT_IMPORTS);
    if (!p->is_final)
        make_room(d, p, where, p->done + count_ahead(d, kind, left));
    if (r->status == OK)
        decode_items(d, p, import.module, kind);
}

void decode_imports(struct decoder *d) {
    struct progress p = {0};
    u32 entries = reader_count(&d->reader, LIMIT_IMPORTS, "too many imports: the limit is");
    p.total = entries;
    d->decl->imports = decoder_alloc(d, entries, sizeof(struct import_decl));
    for (u32 i = 0; i < entries && d->reader.status == OK; i++)
        decode_entry(d, &p, entries - i - 1);
    d->decl->import_count = p.done;
}
