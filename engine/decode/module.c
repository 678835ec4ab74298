// A whole module: header, sections in their order, and what only holds between sections.
//
// Every section is read by its own function through a reader that ends where the section ends, and
// must be read up to there. Invariants:
//  1. Counts are bounded by the bytes that are left before anything is allocated for them, and an
//     element's record is at most about thirty times its smallest encoding: so memory taken is
//     bounded by a multiple of the input.
//  2. Nothing recurses, and every loop consumes input or is bounded by a count as in 1.
//  3. A module that fails leaves nothing behind: all it has is in its arena.

#include "engine/decode/module.h"

#include "base/fmt.h"
#include "engine/decode/decode_internal.h"

void *decoder_alloc(struct decoder *d, u64 count, usize size) {
    void *memory = arena_alloc(d->decl->arena, count, size);
    if (memory == NULL)
        reader_fail(&d->reader, ERR_NO_MEMORY, status_text(ERR_NO_MEMORY));
    return memory;
}

void *decoder_extend(struct decoder *d, const void *from, u32 count, u32 more, usize size) {
    void *memory = decoder_alloc(d, (u64)count + more, size);
    if (memory != NULL && count != 0)
        memcpy(memory, from, count * size);
    return memory;
}

void reader_report(const struct reader *r, u32 func, struct module_error *error) {
    ASSERT(r->status != OK);
    error->status = r->status;
    error->offset = r->error_offset;
    error->func = func;
    if (r->error_has_number)
        fmt_string(error->text, sizeof(error->text), "%s %u", r->error, r->error_number);
    else
        fmt_string(error->text, sizeof(error->text), "%s", r->error);
}

bool func_type_equal(const struct func_type *a, const struct func_type *b) {
    if (a->param_count != b->param_count || a->result_count != b->result_count)
        return false;
    u32 count = a->param_count + a->result_count;
    return count == 0 || memcmp(a->types, b->types, count * sizeof(*a->types)) == 0;
}

struct bytes decl_func_name(const struct module_decl *decl, u32 func) {
    u32 low = 0;
    u32 high = decl->func_name_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (decl->func_names[middle].func < func)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < decl->func_name_count && decl->func_names[low].func == func)
        return decl->func_names[low].name;
    return (struct bytes){};
}

// -- Sections ------------------------------------------------------------------------------------

#define SECTION_CUSTOM 0

struct section {
    u8 order; // their place in the module; 0 when there is no such section
    void (*decode)(struct decoder *d);
};

static const struct section sections[] = {
    [1] = {1, decode_types},   [2] = {2, decode_imports},  [3] = {3, decode_functions},
    [4] = {4, decode_tables},  [5] = {5, decode_memories}, [6] = {7, decode_globals},
    [7] = {8, decode_exports}, [8] = {9, decode_start},    [9] = {10, decode_elems},
    [10] = {12, decode_code},  [11] = {13, decode_datas},  [12] = {11, decode_data_count},
    [13] = {6, decode_tags},
};

// Its name must be one; of its content only the name section's is of interest, later.
static void decode_custom(struct decoder *d) {
    struct reader *r = &d->reader;
    struct bytes name = reader_name(r);
    if (r->status == OK && bytes_equal_text(name, "name") && d->name_section.data == NULL)
        d->name_section = (struct bytes){r->at, reader_left(r)};
    r->at = r->end;
}

// Reads the section at `module->at`; `*order` is the place of the last one.
static void decode_section(struct decoder *d, struct reader *module, u8 *order) {
    const u8 *where = module->at;
    u8 id = reader_u8(module);
    if (id != SECTION_CUSTOM && (id >= COUNT_OF(sections) || sections[id].order == 0)) {
        reader_fail_at(module, where, ERR_MALFORMED, "malformed section id");
        return;
    }
    struct bytes content = reader_bytes(module);
    if (module->status != OK)
        return;
    if (id != SECTION_CUSTOM && sections[id].order <= *order) {
        reader_fail_at(module, where, ERR_MALFORMED,
                       "unexpected content after last section: section out of order or repeated");
        return;
    }

    struct reader *r = &d->reader;
    reader_init(r, module->start, content);
    if (id == SECTION_CUSTOM) {
        decode_custom(d);
    } else {
        *order = sections[id].order;
        sections[id].decode(d);
    }
    if (r->status == OK && reader_left(r) != 0)
        reader_fail(r, ERR_MALFORMED, "section size mismatch");
}

#define WASM_MAGIC   0x6d736100u // "\0asm"
#define WASM_VERSION 1

static void decode_header(struct reader *r) {
    const u8 *where = r->at;
    if (reader_u32_le(r) != WASM_MAGIC && r->status == OK)
        reader_fail_at(r, where, ERR_MALFORMED, "magic header not detected");
    where = r->at;
    if (reader_u32_le(r) != WASM_VERSION && r->status == OK)
        reader_fail_at(r, where, ERR_MALFORMED, "unknown binary version");
}

// What is only known when every section has been read.
static void check_whole(struct decoder *d) {
    struct module_decl *decl = d->decl;
    struct reader *r = &d->reader;
    if (d->code_count != d->declared_func_count)
        reader_fail(r, ERR_MALFORMED, "function and code section have inconsistent lengths");
    else if (decl->has_data_count && decl->data_count != d->data_count)
        reader_fail(r, ERR_MALFORMED, "data count and data section have inconsistent lengths");
    else if (d->name_section.data != NULL)
        decode_names(d);
}

static void decode_all(struct decoder *d) {
    struct reader module;
    reader_init(&module, d->decl->bytes.data, d->decl->bytes);
    decode_header(&module);

    u8 order = 0;
    while (module.status == OK && d->reader.status == OK && reader_left(&module) != 0)
        decode_section(d, &module, &order);

    if (d->reader.status != OK)
        return;
    // From here on the position is the end of the module, or where the frame of sections broke.
    d->reader = module;
    if (module.status == OK)
        check_whole(d);
}

static struct module_decl *decl_create(struct bytes wasm, u32 features) {
    struct arena *arena = arena_create();
    if (arena == NULL)
        return NULL;
    struct module_decl *decl = arena_alloc(arena, 1, sizeof(*decl));
    if (decl == NULL) {
        arena_destroy(arena);
        return NULL;
    }
    decl->bytes = wasm;
    decl->features = features;
    decl->arena = arena;
    return decl;
}

static enum status refuse_early(enum status status, const char *why, struct module_error *error) {
    *error = (struct module_error){.status = status, .func = NO_FUNC};
    fmt_string(error->text, sizeof(error->text), "%s", why);
    return status;
}

enum status module_decode(struct bytes wasm, u32 features, struct module_error *error,
                          struct module_decl **out) {
    if (wasm.len > LIMIT_MODULE_BYTES)
        return refuse_early(ERR_LIMIT, "module too large: the limit is 1 GiB", error);

    struct decoder d = {.decl = decl_create(wasm, features), .func = NO_FUNC};
    if (d.decl == NULL)
        return refuse_early(ERR_NO_MEMORY, status_text(ERR_NO_MEMORY), error);

    decode_all(&d);
    if (d.reader.status != OK) {
        reader_report(&d.reader, d.func, error);
        module_decl_destroy(d.decl);
        return error->status;
    }
    *out = d.decl;
    return OK;
}

void module_decl_destroy(struct module_decl *decl) {
    if (decl != NULL)
        arena_destroy(decl->arena);
}
