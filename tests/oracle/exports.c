// Calls every exported function of a module and prints what came of it, line by line; exports.mjs
// does the same with another engine, and compare.py compares the two.
//
// Both sides follow these rules. Imported functions return zeros and add their arguments to a hash;
// the other imports are made to fit. Exports are called in order, with arguments that depend on
// their position only; before each call an export "hangLimitInitializer", if there is one, is
// called. A NaN is printed as such, a reference as null or not, every trap as one of the texts of
// the specification. At the end come the hash of the imports' arguments and that of the memory;
// a second argument names a file to write the memory to. Before these, --cpu=LEVEL says what
// generated code may use.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/engine.h"
#include "tools/lib/host_linux.h"

#define VALUES_MAX 1024

static u64 import_hash = 0xcbf29ce484222325;

static u64 hash_add(u64 hash, u64 value) {
    return (hash ^ value) * 0x100000001b3;
}

static bool is_nan(enum value_type type, u64 bits) {
    if (type == VALUE_F32)
        return (bits & 0x7fffffff) > 0x7f800000;
    return type == VALUE_F64 && (bits & 0x7fffffffffffffff) > 0x7ff0000000000000;
}

static bool is_ref(enum value_type type) {
    return type == VALUE_FUNCREF || type == VALUE_EXTERNREF;
}

static enum trap imported(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    const struct func_type *type = context;
    for (u32 i = 0; i < type->param_count; i++) {
        u64 value = values[i];
        if (is_nan(type->types[i], value))
            value = 0x7ff8;
        if (is_ref(type->types[i]))
            value = value != 0;
        import_hash = hash_add(import_hash, value);
    }
    memset(values, 0, type->result_count * sizeof *values);
    return TRAP_NONE;
}

[[noreturn]] static void refuse(const char *why) {
    printf("refused: %s\n", why);
    exit(0);
}

static void make_import(struct engine *engine, struct store *store, struct import_info *import,
                        struct extern_ref *out) {
    enum status status = OK;
    out->kind = import->kind;
    switch (import->kind) {
    case EXTERN_FUNC:
        // The type is the host function's context; both live as long as the module.
        status = engine_host_func(engine, &import->func, imported, &import->func, &out->func);
        break;
    case EXTERN_TABLE:
        status = store_table(store, import->table, &out->table);
        break;
    case EXTERN_MEMORY:
        status = store_memory(store, import->memory, &out->memory);
        break;
    case EXTERN_GLOBAL:
        status = store_global(store, import->global, 0, &out->global);
        break;
    case EXTERN_TAG:
        status = store_tag(store, &import->tag, &out->tag);
        break;
    }
    if (status != OK)
        refuse(status_text(status));
}

static u64 argument(enum value_type type, u32 position) {
    u64 number = position * 0x9e3779b97f4a7c15;
    float f32 = (float)(i32)(number >> 40) / 16;
    double f64 = (double)(i32)(number >> 32) / 16;
    u64 bits = 0;
    switch (type) {
    case VALUE_I32:
        return (u32)(number >> 32);
    case VALUE_I64:
        return number;
    case VALUE_F32:
        memcpy(&bits, &f32, sizeof f32);
        return bits;
    case VALUE_F64:
        memcpy(&bits, &f64, sizeof f64);
        return bits;
    default:
        return 0; // a null reference
    }
}

static void print_results(const struct func_type *type, const u64 *values) {
    for (u32 i = 0; i < type->result_count; i++) {
        enum value_type result = type->types[type->param_count + i];
        if (is_nan(result, values[i]))
            printf(" nan");
        else if (is_ref(result))
            printf(" %s", values[i] != 0 ? "ref" : "null");
        else
            printf(" %" PRIx64, values[i]);
    }
    printf("\n");
}

static void call_export(struct engine *engine, struct thread_block *thread, const char *name,
                        struct func_ref *func) {
    static u64 values[VALUES_MAX];
    struct func_type type;
    func_ref_type(engine, func, &type);
    for (u32 i = 0; i < type.param_count; i++)
        values[i] = argument(type.types[i], i);
    enum trap trap = func_call(engine, thread, func, values);
    printf("%s:", name);
    if (trap != TRAP_NONE)
        printf(" trap: %s\n", trap_text(trap));
    else
        print_results(&type, values);
    fflush(stdout);
}

static void call_exports(struct engine *engine, struct thread_block *thread,
                         struct instance *instance, const struct module *module, const char *dump) {
    struct extern_ref limit;
    bool has_limit = instance_export(instance, bytes_of("hangLimitInitializer"), &limit);
    for (u32 i = 0; i < module_export_count(module); i++) {
        struct export_info info;
        struct extern_ref found;
        module_export(module, i, &info);
        if (info.kind != EXTERN_FUNC || !instance_export(instance, info.name, &found))
            continue;
        u64 none[1];
        if (has_limit && func_call(engine, thread, limit.func, none) != TRAP_NONE)
            refuse("the limit's export traps");
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)info.name.len, (const char *)info.name.data);
        call_export(engine, thread, name, found.func);
    }
    printf("imports: %" PRIx64 "\n", import_hash);
    const struct memory *memory = instance_memory(instance);
    u64 hash = 0;
    for (u64 at = 0; memory != NULL && at < memory->bytes; at += 4) {
        u32 word;
        memcpy(&word, (const void *)(memory->base + at), 4);
        if (word != 0)
            hash = hash_add(hash_add(hash, at), word);
    }
    printf("memory: %" PRIx64 "\n", hash);
    if (dump != NULL && memory != NULL) {
        FILE *file = fopen(dump, "wb");
        if (file == NULL || fwrite((const void *)memory->base, 1, memory->bytes, file) == 0)
            refuse("the memory cannot be written");
        fclose(file);
    }
}

static struct bytes read_all(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        refuse("cannot be read");
    static u8 bytes[16 << 20];
    usize len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return (struct bytes){bytes, len};
}

int main(int argc, char **argv) {
    struct engine_config config = {.segment = SEGMENT_GS, .features = FEATURES_SUPPORTED};
    if (argc > 1 && strncmp(argv[1], "--cpu=", 6) == 0) {
        if (!cpu_level_named(bytes_of(argv[1] + 6), &config.cpu))
            return 2;
        argc--;
        argv++;
    }
    if (argc != 2 && argc != 3)
        return 2;
    struct engine *engine;
    struct store *store;
    struct module *module;
    struct module_error error;
    if (engine_create(&config, &engine) != OK || store_create(engine, NULL, &store) != OK)
        return 1;
    if (module_create(engine, read_all(argv[1]), &error, &module) != OK)
        refuse(error.text);

    u32 count = module_import_count(module);
    struct import_info *infos = calloc(count + 1, sizeof *infos);
    struct extern_ref *imports = calloc(count + 1, sizeof *imports);
    for (u32 i = 0; i < count; i++) {
        module_import(module, i, &infos[i]);
        make_import(engine, store, &infos[i], &imports[i]);
    }
    struct thread_block thread = {0};
    host_linux_engine(engine);
    host_linux_thread(&thread, HOST_LINUX_STACK_BYTES);
    enum trap trap;
    struct instance *instance;
    if (instance_create(store, module, imports, &error, &trap, &instance) != OK)
        refuse(error.text);
    struct func_ref *start = instance_start_func(instance);
    if (trap == TRAP_NONE && start != NULL)
        trap = func_call(engine, &thread, start, (u64[1]){0});
    if (trap != TRAP_NONE)
        refuse(trap_text(trap));
    call_exports(engine, &thread, instance, module, argc == 3 ? argv[2] : NULL);
    return 0;
}
