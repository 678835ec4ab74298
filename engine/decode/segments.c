// The sections with content: element segments, code bodies, data segments.
//
// Invariant: the items of an element segment are constant expressions whichever of the eight forms
// it was written in; a body is a range of the module that lies within the code section.

#include "engine/decode/decode_internal.h"

// -- Element segments -----------------------------------------------------------------------------

#define ELEM_NOT_ACTIVE 1 // passive, or declared
#define ELEM_EXPLICIT   2 // active: the table is given; not active: declared
#define ELEM_EXPRS      4 // items are expressions, the type a reference type
#define ELEM_FLAGS      7
#define ELEM_KIND_FUNC  0

static void check_elem_flags(struct decoder *d, const u8 *where, u32 flags) {
    struct reader *r = &d->reader;
    if (flags > ELEM_FLAGS) {
        reader_fail_at(r, where, ERR_MALFORMED, "malformed elements segment kind");
        return;
    }
    if (flags != 0)
        reader_require(r, where, d->decl->features, FEATURE_BULK_MEMORY);
    bool is_declared = (flags & (ELEM_NOT_ACTIVE | ELEM_EXPLICIT)) == 3;
    if (is_declared || flags == ELEM_EXPRS || flags == (ELEM_EXPRS | ELEM_EXPLICIT))
        reader_require(r, where, d->decl->features, FEATURE_REFERENCE_TYPES);
}

// The type of a segment's items, which forms 0 and 4 leave out.
static enum value_type read_elem_type(struct decoder *d, u32 flags) {
    struct reader *r = &d->reader;
    if ((flags & (ELEM_NOT_ACTIVE | ELEM_EXPLICIT)) == 0)
        return VALUE_FUNCREF;
    if ((flags & ELEM_EXPRS) != 0)
        return read_ref_type(r, d->decl->features);
    const u8 *where = r->at;
    if (reader_u8(r) != ELEM_KIND_FUNC)
        reader_fail_at(r, where, ERR_MALFORMED, "malformed element kind");
    return VALUE_FUNCREF;
}

static void decode_elem_func(struct decoder *d, struct const_expr *item) {
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    u32 func = reader_leb_u32(r);
    if (r->status != OK)
        return;
    if (func >= d->decl->func_count) {
        reader_fail_number(r, where, ERR_INVALID, "unknown function", func);
        return;
    }
    decoder_declare_ref(d, func);
    *item = (struct const_expr){CONST_REF_FUNC, VALUE_FUNCREF, {.index = func}};
}

static void decode_elem(struct decoder *d, struct elem_segment *elem) {
    const struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    const u8 *start = r->at;
    u32 flags = reader_leb_u32(r);
    check_elem_flags(d, start, flags);

    elem->mode = (flags & ELEM_NOT_ACTIVE) == 0 ? SEGMENT_ACTIVE
                 : (flags & ELEM_EXPLICIT) == 0 ? SEGMENT_PASSIVE
                                                : SEGMENT_DECLARED;
    const u8 *where = r->at;
    if (elem->mode == SEGMENT_ACTIVE && (flags & ELEM_EXPLICIT) != 0)
        elem->table = reader_leb_u32(r);
    if (r->status == OK && elem->mode == SEGMENT_ACTIVE && elem->table >= decl->table_count)
        reader_fail_number(r, where, ERR_INVALID, "unknown table", elem->table);
    if (elem->mode == SEGMENT_ACTIVE)
        decode_const_expr(d, r->status == OK ? decl_table_address(decl, elem->table) : VALUE_I32,
                          &elem->offset);

    where = r->at;
    elem->type = read_elem_type(d, flags);
    if (r->status == OK && elem->mode == SEGMENT_ACTIVE &&
        decl->tables[elem->table].element != elem->type)
        reader_fail_at(r, where, ERR_INVALID, "type mismatch: element segment and table");

    u32 count = reader_count(r, LIMIT_TABLE_SIZE, "too many elements in a segment: the limit is");
    if (r->status != OK)
        return;
    elem->items = decoder_alloc(d, count, sizeof(struct const_expr));
    for (u32 i = 0; i < count && r->status == OK; i++) {
        if ((flags & ELEM_EXPRS) != 0)
            decode_const_expr(d, elem->type, &elem->items[i]);
        else
            decode_elem_func(d, &elem->items[i]);
    }
    elem->count = count;
}

void decode_elems(struct decoder *d) {
    u32 count =
        reader_count(&d->reader, LIMIT_ELEMENT_SEGMENTS, "too many element segments: the limit is");
    d->decl->elems = decoder_alloc(d, count, sizeof(struct elem_segment));
    for (u32 i = 0; i < count && d->reader.status == OK; i++)
        decode_elem(d, &d->decl->elems[i]);
    d->decl->elem_count = count;
}

// -- Code -----------------------------------------------------------------------------------------

void decode_code(struct decoder *d) {
    struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    decl->code_offset = reader_offset(r);
    decl->code_bytes = (u32)reader_left(r);

    u32 count = reader_count(r, LIMIT_FUNCTIONS, "too many functions: the limit is");
    if (r->status == OK && count > d->declared_func_count)
        reader_fail_at(r, where, ERR_MALFORMED,
                       "function and code section have inconsistent lengths");
    for (u32 i = 0; i < count && r->status == OK; i++) {
        struct func_decl *func = &decl->funcs[decl->func_import_count + i];
        where = r->at;
        d->func = decl->func_import_count + i;
        func->body = reader_bytes(r);
        func->body_offset = (u32)(r->at - func->body.len - r->start);
        if (func->body.len > LIMIT_FUNCTION_BYTES)
            reader_fail_number(r, where, ERR_LIMIT, "function body too large: the limit is",
                               LIMIT_FUNCTION_BYTES);
    }
    if (r->status == OK)
        d->func = NO_FUNC;
    d->code_count = count;
}

// -- Data segments --------------------------------------------------------------------------------

#define DATA_PASSIVE  1
#define DATA_EXPLICIT 2

void decode_data_count(struct decoder *d) {
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    reader_require(r, where, d->decl->features, FEATURE_BULK_MEMORY);
    d->data_count = reader_leb_u32(r);
    if (d->data_count > LIMIT_DATA_SEGMENTS)
        reader_fail_number(r, where, ERR_LIMIT, "too many data segments: the limit is",
                           LIMIT_DATA_SEGMENTS);
    d->decl->has_data_count = true;
}

static void decode_data(struct decoder *d, struct data_segment *data) {
    struct reader *r = &d->reader;
    const u8 *where = r->at;
    u32 flags = reader_leb_u32(r);
    if (flags > DATA_EXPLICIT)
        reader_fail_at(r, where, ERR_MALFORMED, "malformed data segment kind");
    if (flags != 0)
        reader_require(r, where, d->decl->features, FEATURE_BULK_MEMORY);

    data->mode = flags == DATA_PASSIVE ? SEGMENT_PASSIVE : SEGMENT_ACTIVE;
    where = r->at;
    if (flags == DATA_EXPLICIT)
        data->memory = reader_leb_u32(r);
    if (r->status == OK && data->mode == SEGMENT_ACTIVE && data->memory >= d->decl->memory_count)
        reader_fail_number(r, where, ERR_INVALID, "unknown memory", data->memory);
    if (data->mode == SEGMENT_ACTIVE)
        decode_const_expr(d,
                          r->status == OK ? decl_memory_address(d->decl, data->memory) : VALUE_I32,
                          &data->offset);
    data->bytes = reader_bytes(r);
}

void decode_datas(struct decoder *d) {
    u32 count =
        reader_count(&d->reader, LIMIT_DATA_SEGMENTS, "too many data segments: the limit is");
    d->decl->datas = decoder_alloc(d, count, sizeof(struct data_segment));
    for (u32 i = 0; i < count && d->reader.status == OK; i++)
        decode_data(d, &d->decl->datas[i]);
    d->decl->data_count = count;
}
