// Import matching, as the specification's "External Types" section has it: what is given may be
// larger or stricter than what is asked for, never the other way round. Limits are those that the
// given object has now.

#include "base/fmt.h"
#include "engine/runtime/store.h"

static bool limits_match(u64 size, bool has_max, u64 max, const struct limits *wanted) {
    if (size < wanted->min)
        return false;
    return !wanted->has_max || (has_max && max <= wanted->max);
}

static bool func_matches(const struct module *module, u32 func, const struct func_ref *given) {
    u32 wanted = module->type_ids[module->decl->funcs[func].type];
    return type_registry_is_subtype(&module->engine->types, given->type_id, wanted);
}

static bool table_matches(const struct table_type *wanted, const struct table *given) {
    return given->type == wanted->element && given->is64 == wanted->is64 &&
           limits_match(given->size, given->has_max, given->max_size, &wanted->limits);
}

static bool memory_matches(const struct memory_type *wanted, const struct memory *given) {
    u64 pages = memory_bytes(given) / WASM_PAGE_BYTES; // other threads may have it grow
    return given->is_shared == wanted->is_shared && given->is64 == wanted->is64 &&
           limits_match(pages, given->has_max, given->max_pages, &wanted->limits);
}

static bool tag_matches(const struct module *module, u32 tag, const struct tag *given) {
    return given->type_id == module->type_ids[module->decl->tags[tag].type];
}

// A mutable global is read and written by both sides, so the types are equal; an immutable one has
// no subtypes in this version of the language.
static bool global_matches(const struct global_type *wanted, const struct global *given) {
    return given->type.type == wanted->type && given->type.is_mutable == wanted->is_mutable;
}

static bool import_matches(const struct module *module, const struct import_decl *import,
                           const struct extern_ref *given) {
    const struct module_decl *decl = module->decl;
    if (given->kind != import->kind)
        return false;
    switch (import->kind) {
    case EXTERN_FUNC:
        return func_matches(module, import->index, given->func);
    case EXTERN_TABLE:
        return table_matches(&decl->tables[import->index], given->table);
    case EXTERN_MEMORY:
        return memory_matches(&decl->memories[import->index], given->memory);
    case EXTERN_GLOBAL:
        return global_matches(&decl->globals[import->index].type, given->global);
    case EXTERN_TAG:
        return tag_matches(module, import->index, given->tag);
    }
    UNREACHABLE();
}

// The members of the union are pointers, so any of them tells.
static bool is_unknown(const struct extern_ref *given) {
    return given->func == NULL;
}

enum status link_check(const struct module *module, const struct extern_ref *imports,
                       struct module_error *error) {
    const struct module_decl *decl = module->decl;
    for (u32 i = 0; i < decl->import_count; i++) {
        const struct import_decl *import = &decl->imports[i];
        const char *why;
        if (is_unknown(&imports[i]))
            why = "unknown import";
        else if (!import_matches(module, import, &imports[i]))
            why = "incompatible import type";
        else
            continue;
        *error = (struct module_error){.status = ERR_UNLINKABLE, .func = NO_FUNC};
        fmt_string(error->text, sizeof error->text, "%s: \"%.*s\" \"%.*s\"", why,
                   (int)import->module.len, (const char *)import->module.data,
                   (int)import->name.len, (const char *)import->name.data);
        return ERR_UNLINKABLE;
    }
    return OK;
}
