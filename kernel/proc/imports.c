// What programs can import: tables of host functions, found by module and name when a process is
// linked. A table is made known to the engine when the first program imports something from it: all
// of it together, because the engine makes code for each type and packs what comes together.

#include "base/assert.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/proc_internal.h"

#define TABLES_MAX    8u
#define SIGNATURE_MAX 16u

struct import_table {
    const struct host_import *imports;
    struct func_ref **funcs; // one per import, once the table is known
    u32 count;
    bool is_known; // under known.mutex
};

static struct {
    // Fixed after boot, but for what a table says of itself:
    struct engine *engine;
    struct import_table tables[TABLES_MAX];
    u32 table_count;

    struct mutex mutex;
} known;

void imports_init(struct engine *engine) {
    known.engine = engine;
    mutex_init(&known.mutex);
}

// "iiI:i": i = i32, I = i64, f = f32, F = f64; parameters, then results.
static void parse_signature(const char *text, enum value_type *types, struct func_type *out) {
    *out = (struct func_type){.types = types};
    u32 count = 0;
    bool is_result = false;
    for (; *text != 0; text++) {
        if (*text == ':') {
            is_result = true;
            continue;
        }
        ASSERT(count < SIGNATURE_MAX);
        types[count++] = *text == 'i'   ? VALUE_I32
                         : *text == 'I' ? VALUE_I64
                         : *text == 'f' ? VALUE_F32
                                        : VALUE_F64;
        if (is_result)
            out->result_count++;
        else
            out->param_count++;
    }
}

enum status process_register_imports(const struct host_import *imports, u32 count) {
    ASSERT(known.table_count < TABLES_MAX);
    struct func_ref **funcs = kmalloc(count * sizeof *funcs);
    if (funcs == NULL)
        return ERR_NO_MEMORY;
    known.tables[known.table_count++] =
        (struct import_table){.imports = imports, .funcs = funcs, .count = count};
    return OK;
}

struct signature {
    enum value_type types[SIGNATURE_MAX];
};

static enum status make_known_locked(struct import_table *table) {
    u32 count = table->count;
    struct host_func_decl *decls = kmalloc(count * sizeof *decls);
    struct signature *signatures = kmalloc(count * sizeof *signatures);
    enum status status = ERR_NO_MEMORY;
    if (decls != NULL && signatures != NULL) {
        for (u32 i = 0; i < count; i++) {
            const struct host_import *import = &table->imports[i];
            parse_signature(import->signature, signatures[i].types, &decls[i].type);
            decls[i].code = import->code;
            decls[i].direct = import->direct;
            decls[i].context = import->context;
        }
        status = engine_host_funcs(known.engine, decls, count, table->funcs);
    }
    kfree(decls, count * sizeof *decls);
    kfree(signatures, count * sizeof *signatures);
    return status;
}

static enum status make_known(struct import_table *table) {
    mutex_lock(&known.mutex);
    enum status status = table->is_known ? OK : make_known_locked(table);
    table->is_known = status == OK;
    mutex_unlock(&known.mutex);
    return status;
}

// ERR_NOT_FOUND, or what kept it from becoming known.
static enum status find_import(struct bytes module, struct bytes name, struct func_ref **out) {
    for (u32 t = 0; t < known.table_count; t++) {
        struct import_table *table = &known.tables[t];
        for (u32 i = 0; i < table->count; i++) {
            if (!bytes_equal_text(name, table->imports[i].name) ||
                !bytes_equal_text(module, table->imports[i].module))
                continue;
            enum status status = make_known(table);
            *out = table->funcs[i];
            return status;
        }
    }
    return ERR_NOT_FOUND;
}

static enum status refuse(struct module_error *error, enum status status,
                          const struct import_info *info) {
    *error = (struct module_error){.status = status, .func = NO_FUNC};
    if (status == ERR_UNLINKABLE)
        fmt_string(error->text, sizeof error->text, "unknown import: %.*s.%.*s",
                   (int)min_u64(info->module.len, 64), (const char *)info->module.data,
                   (int)min_u64(info->name.len, 64), (const char *)info->name.data);
    else
        fmt_string(error->text, sizeof error->text, "%s", status_text(status));
    return status;
}

enum status imports_resolve(const struct module *module, struct module_error *error,
                            struct extern_ref **out) {
    u32 count = module_import_count(module);
    if (count == 0) {
        *out = NULL;
        return OK;
    }
    struct extern_ref *refs = kmalloc(count * sizeof *refs);
    if (refs == NULL)
        return ERR_NO_MEMORY;
    for (u32 i = 0; i < count; i++) {
        struct import_info info;
        struct func_ref *func = NULL;
        module_import(module, i, &info);
        bool is_memory = info.kind == EXTERN_MEMORY && info.memory.is_shared;
        enum status status = is_memory ? OK : ERR_NOT_FOUND;
        if (info.kind == EXTERN_FUNC)
            status = find_import(info.module, info.name, &func);
        if (status != OK) {
            kfree(refs, count * sizeof *refs);
            return refuse(error, status == ERR_NOT_FOUND ? ERR_UNLINKABLE : status, &info);
        }
        refs[i] = (struct extern_ref){.kind = info.kind, .func = func};
    }
    *out = refs;
    return OK;
}
