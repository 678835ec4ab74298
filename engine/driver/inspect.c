// What an embedder can ask a module about.

#include "base/math.h"
#include "engine/decode/arena.h"
#include "engine/driver/driver_internal.h"

static u64 code_held_bytes(const struct code_object *code) {
    u64 bytes = align_up(code->bytes, PAGE_SIZE) + sizeof *code;
    return bytes + code->func_count * sizeof *code->funcs + arena_bytes(code->arena);
}

// Types that other modules hold too count in full for each.
static u64 held_bytes(const struct module *module) {
    u64 bytes = sizeof *module + module->copy.len + arena_bytes(module->decl->arena);
    for (u32 i = 0; i < module->type_id_count; i++)
        bytes += type_registry_bytes(&module->engine->types, module->type_ids[i]);
    bytes += module->type_id_count * sizeof *module->type_ids;
    return module->code == NULL ? bytes : bytes + code_held_bytes(module->code);
}

void module_stats(const struct module *module, struct module_stats *out) {
    const struct module_decl *decl = module->decl;
    *out = (struct module_stats){
        .func_count = decl->func_count - decl->func_import_count,
        .wasm_code_bytes = decl->code_bytes,
        .code_bytes = module->code != NULL ? module->code->bytes : 0,
        .held_bytes = held_bytes(module),
    };
}

u32 module_import_count(const struct module *module) {
    return module->decl->import_count;
}

bool module_keeps_accesses(const struct module *module) {
    return module->keeps_accesses;
}

void module_import(const struct module *module, u32 index, struct import_info *out) {
    const struct module_decl *decl = module->decl;
    ASSERT(index < decl->import_count);
    const struct import_decl *import = &decl->imports[index];
    *out =
        (struct import_info){.module = import->module, .name = import->name, .kind = import->kind};
    switch (import->kind) {
    case EXTERN_FUNC:
        out->func = *decl_func_type(decl, import->index);
        break;
    case EXTERN_TABLE:
        out->table = decl->tables[import->index];
        break;
    case EXTERN_MEMORY:
        out->memory = decl->memories[import->index];
        break;
    case EXTERN_GLOBAL:
        out->global = decl->globals[import->index].type;
        break;
    case EXTERN_TAG:
        out->tag = *decl_tag_type(decl, import->index);
        break;
    }
}

u32 module_export_count(const struct module *module) {
    return module->decl->export_count;
}

void module_export(const struct module *module, u32 index, struct export_info *out) {
    const struct module_decl *decl = module->decl;
    ASSERT(index < decl->export_count);
    const struct export_decl *export = &decl->exports[index];
    *out = (struct export_info){.name = export->name, .kind = export->kind, .index = export->index};
}

struct bytes module_func_name(const struct module *module, u32 func) {
    return decl_func_name(module->decl, func);
}

u32 module_code_count(const struct module *module) {
    return module->code != NULL ? module->code->func_count : 0;
}

void module_code(const struct module *module, u32 index, struct func_code *out) {
    const struct code_object *code = module->code;
    ASSERT(index < module_code_count(module));
    u32 entry = code->funcs[index].entry;
    u32 end = index + 1 < code->func_count ? code->funcs[index + 1].entry : code->bytes;
    *out = (struct func_code){
        .func = code->first_func + index,
        .address = code->address + entry,
        .bytes = end - entry,
    };
}

u32 module_code_sites(const struct module *module, u32 index, struct code_site *out, u32 capacity) {
    ASSERT(index < module_code_count(module));
    const struct code_func *func = &module->code->funcs[index];
    struct site_reader r = {.at = func->sites, .end = func->sites + func->site_bytes};
    u32 count = 0;
    for (; site_next(&r); count++) {
        if (count < capacity)
            out[count] = r.site;
    }
    return count;
}

struct bytes module_tag_name(const struct module *module, u32 tag) {
    const struct module_decl *decl = module->decl;
    for (u32 i = 0; i < decl->import_count; i++) {
        if (decl->imports[i].kind == EXTERN_TAG && decl->imports[i].index == tag)
            return decl->imports[i].name;
    }
    for (u32 i = 0; i < decl->export_count; i++) {
        if (decl->exports[i].kind == EXTERN_TAG && decl->exports[i].index == tag)
            return decl->exports[i].name;
    }
    return (struct bytes){0};
}
