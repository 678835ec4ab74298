// The name section, for messages: the names of functions.
//
// It is a custom section, so nothing in it can make a module malformed. What is well-formed up to
// the first fault is kept, in order and without duplicates, so that a search may halve.

#include "engine/decode/decode_internal.h"

#define SUBSECTION_FUNC_NAMES 1

static void decode_func_names(struct decoder *d, struct reader *r) {
    struct module_decl *decl = d->decl;
    u32 count = reader_count(r, LIMIT_FUNCTIONS, "");
    if (count > decl->func_count)
        count = decl->func_count;
    decl->func_names = decoder_alloc(d, count, sizeof(*decl->func_names));
    if (decl->func_names == NULL)
        return;

    u32 kept = 0;
    for (u32 i = 0; i < count; i++) {
        u32 func = reader_leb_u32(r);
        struct bytes name = reader_name(r);
        if (r->status != OK || func >= decl->func_count)
            break;
        if (kept != 0 && func <= decl->func_names[kept - 1].func)
            break;
        decl->func_names[kept++] = (struct func_name){func, name};
    }
    decl->func_name_count = kept;
}

void decode_names(struct decoder *d) {
    struct reader r;
    reader_init(&r, d->decl->bytes.data, d->name_section);
    while (r.status == OK && reader_left(&r) != 0) {
        u8 id = reader_u8(&r);
        struct bytes content = reader_bytes(&r);
        if (r.status != OK || id != SUBSECTION_FUNC_NAMES)
            continue;
        struct reader names;
        reader_init(&names, r.start, content);
        decode_func_names(d, &names);
        return;
    }
}
