// Runs one case and writes it down: see case.h.
//
// Values are written as hexadecimal bits, a NaN as "nan", a reference as what it is known by: the
// export that is the same function ("m.f3", m the module's number), or an external value's number.
// What the host provides is a function of types and counters alone, the same on both sides.

#include "tests/oracle/case.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "tests/oracle/generate.h"
#include "tools/lib/host_linux.h"

#define VALUES_MAX 2048

struct loaded {
    struct module *module;
    struct instance *instance;
    u32 import_count;
    struct import_info *infos;
    struct extern_ref *imports;
};

struct run;

// What an imported function is given; lives as long as the run.
struct import_context {
    struct run *run;
    struct func_type type;
    struct import_context *next;
};

struct run {
    struct engine *engine;
    struct store *store;
    struct thread_block thread;
    FILE *out;
    struct case_stats *stats;
    u32 loaded_count;
    struct loaded loaded[CASE_MODULES];
    u32 host_calls; // imported functions return values by it
    u32 host_hash;  // of what they were given
    struct import_context *contexts;
    bool is_over; // what follows cannot be compared
};

static u32 mix(u32 hash, u32 value) {
    hash = (hash ^ value) * 0x01000193;
    return hash ^ hash >> 15;
}

static bool is_nan(enum value_type type, u64 bits) {
    if (type == VALUE_F32)
        return (bits & 0x7fffffff) > 0x7f800000;
    return type == VALUE_F64 && (bits & 0x7fffffffffffffff) > 0x7ff0000000000000;
}

static char letter(enum value_type type) {
    switch (type) {
    case VALUE_I32:
        return 'i';
    case VALUE_I64:
        return 'I';
    case VALUE_F32:
        return 'f';
    case VALUE_F64:
        return 'F';
    case VALUE_V128:
        return 'v';
    case VALUE_FUNCREF:
        return 'r';
    case VALUE_EXTERNREF:
        return 'x';
    case VALUE_EXNREF:
        return 'e';
    }
    UNREACHABLE();
}

static bool is_ref(enum value_type type) {
    return type == VALUE_FUNCREF || type == VALUE_EXTERNREF || type == VALUE_EXNREF;
}

// What the n-th value of a call or of a host function's result is. JavaScript computes the same.
static u64 made_value(enum value_type type, u32 n) {
    static const u32 words[] = {0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 100, 0xfffffff6, 0x10000};
    static const u32 floats[] = {0x3f800000, 0x80000000, 0x7f800000, 0x42c80000,
                                 0xc7000000, 0x00000001, 0x7fc00000, 0x4f7fffff};
    static const u32 doubles[] = {0x3ff00000, 0x80000000, 0x7ff00000, 0x40590000,
                                  0xc0e00000, 0x00000001, 0x7ff80000, 0x43efffff};
    u32 hash = mix(mix(0x811c9dc5, n), n >> 3);
    bool interesting = (hash & 3) != 0;
    u32 at = hash >> 8 & 7;
    switch (type) {
    case VALUE_I32:
        return interesting ? words[at] : hash;
    case VALUE_I64:
        return interesting ? (u64)words[at] | (u64)words[hash >> 11 & 7] << 32
                           : (u64)hash << 32 | mix(hash, 7);
    case VALUE_F32:
        return floats[at];
    case VALUE_F64:
        return (u64)doubles[at] << 32;
    case VALUE_EXTERNREF:
        return hash & 7;
    default:
        return 0; // null
    }
}

// -- Imports --------------------------------------------------------------------------------------

static enum trap imported(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    struct run *run = ((struct import_context *)context)->run;
    const struct func_type *type = &((struct import_context *)context)->type;
    for (u32 i = 0; i < type->param_count; i++) {
        u64 value = values[i];
        if (is_nan(type->types[i], value))
            value = 0x7ff8;
        if (is_ref(type->types[i]) && type->types[i] != VALUE_EXTERNREF)
            value = value != 0;
        run->host_hash = mix(mix(run->host_hash, (u32)value), (u32)(value >> 32));
    }
    for (u32 i = 0; i < type->result_count; i++)
        values[i] = made_value(type->types[type->param_count + i], run->host_calls++);
    return TRAP_NONE;
}

static enum status import_func(struct run *run, const struct func_type *type,
                               struct extern_ref *out) {
    struct import_context *context = malloc(sizeof *context);
    CHECK(context != NULL);
    *context = (struct import_context){run, *type, run->contexts};
    run->contexts = context;
    return engine_host_func(run->engine, type, imported, context, &out->func);
}

static bool find_linked(struct run *run, const struct import_info *import, struct extern_ref *out) {
    if (run->loaded_count == 0 || import->module.len != 6 ||
        memcmp(import->module.data, "linked", 6) != 0)
        return false;
    return instance_export(run->loaded[0].instance, import->name, out);
}

static enum status make_import(struct run *run, const struct import_info *import,
                               struct extern_ref *out) {
    if (find_linked(run, import, out))
        return OK;
    out->kind = import->kind;
    switch (import->kind) {
    case EXTERN_FUNC:
        return import_func(run, &import->func, out);
    case EXTERN_TABLE:
        return store_table(run->store, import->table, &out->table);
    case EXTERN_MEMORY:
        return store_memory(run->store, import->memory, &out->memory);
    case EXTERN_GLOBAL:
        return store_global(run->store, import->global, 0, &out->global);
    case EXTERN_TAG:
        return store_tag(run->store, &import->tag, &out->tag);
    }
    UNREACHABLE();
}

static void write_types(FILE *out, const enum value_type *types, u32 count) {
    for (u32 i = 0; i < count; i++)
        fputc(letter(types[i]), out);
}

static void write_signature(FILE *out, const struct func_type *type) {
    write_types(out, type->types, type->param_count);
    fputc('>', out);
    write_types(out, type->types + type->param_count, type->result_count);
}

static void write_limits(FILE *out, const struct limits *limits) {
    fprintf(out, " %" PRIu64, limits->min);
    if (limits->has_max)
        fprintf(out, " %" PRIu64, limits->max);
}

// What an import is, for JavaScript, which is not told the types.
static void write_import(FILE *out, const struct import_info *import) {
    switch (import->kind) {
    case EXTERN_FUNC:
        fputs("func ", out);
        write_signature(out, &import->func);
        break;
    case EXTERN_TABLE:
        fprintf(out, "table %c", letter(import->table.element));
        write_limits(out, &import->table.limits);
        break;
    case EXTERN_MEMORY:
        fprintf(out, "memory %s", import->memory.is_shared ? "shared" : "own");
        write_limits(out, &import->memory.limits);
        break;
    case EXTERN_GLOBAL:
        fprintf(out, "global %c %s", letter(import->global.type),
                import->global.is_mutable ? "mutable" : "constant");
        break;
    case EXTERN_TAG:
        fputs("tag ", out);
        write_signature(out, &import->tag);
        break;
    }
}

// -- Values ---------------------------------------------------------------------------------------

// A module that exports what it imported has a reference of its own for it.
static bool same_func(const struct func_ref *a, const struct func_ref *b) {
    if (a->host_code != NULL || b->host_code != NULL)
        return a->host_code == b->host_code && a->host_context == b->host_context;
    return a->instance == b->instance && a->func_index == b->func_index;
}

static void write_func(struct run *run, const struct func_ref *func) {
    for (u32 m = 0; m < run->loaded_count; m++) {
        const struct loaded *loaded = &run->loaded[m];
        for (u32 i = 0; i < module_export_count(loaded->module); i++) {
            struct export_info info;
            struct extern_ref found;
            module_export(loaded->module, i, &info);
            if (info.kind == EXTERN_FUNC && instance_export(loaded->instance, info.name, &found) &&
                same_func(found.func, func)) {
                fprintf(run->out, "%u.%.*s", m, (int)info.name.len, (const char *)info.name.data);
                return;
            }
        }
    }
    fputs("ref", run->out);
}

static void write_value(struct run *run, enum value_type type, u64 bits) {
    if (is_nan(type, bits))
        fputs("nan", run->out);
    else if (is_ref(type) && bits == 0)
        fputs("null", run->out);
    else if (type == VALUE_FUNCREF)
        write_func(run, (const struct func_ref *)bits);
    else if (type == VALUE_EXNREF)
        fputs("exception", run->out);
    else
        fprintf(run->out, "%" PRIx64, bits);
}

// -- Calls ----------------------------------------------------------------------------------------

static bool crosses(const struct func_type *type) {
    for (u32 i = 0; i < type->param_count + type->result_count; i++) {
        if (type->types[i] == VALUE_V128 || type->types[i] == VALUE_EXNREF)
            return false;
    }
    return true;
}

// Own modules have fuel, those of binaryen a function that sets theirs.
static void refuel(struct run *run, const struct loaded *loaded) {
    struct extern_ref found;
    u64 none[1];
    if (instance_export(loaded->instance, bytes_of("hangLimitInitializer"), &found))
        run->is_over |= func_call(run->engine, &run->thread, found.func, none) != TRAP_NONE;
    else if (instance_export(loaded->instance, bytes_of("g0"), &found) &&
             found.kind == EXTERN_GLOBAL)
        *found.global->cell = GENERATED_FUEL;
}

static void note_trap(struct run *run, enum trap trap) {
    run->stats->traps[trap]++;
    run->is_over |= trap == TRAP_STACK_OVERFLOW || trap == TRAP_OUT_OF_MEMORY;
}

static void call(struct run *run, u32 m, const struct export_info *info, struct func_ref *func,
                 u32 vector) {
    static u64 values[VALUES_MAX];
    struct func_type type;
    func_ref_type(run->engine, func, &type);
    if (!crosses(&type))
        return;
    refuel(run, &run->loaded[m]);
    if (run->is_over)
        return;
    fprintf(run->out, "{\"m\":%u,\"name\":\"%.*s\",\"type\":\"", m, (int)info->name.len,
            (const char *)info->name.data);
    write_signature(run->out, &type);
    fprintf(run->out, "\",\"vector\":%u,\"gives\":\"", vector);
    for (u32 i = 0; i < type.param_count; i++)
        values[i] = made_value(type.types[i], 31 * vector + i);
    enum trap trap = func_call(run->engine, &run->thread, func, values);
    note_trap(run, trap);
    run->stats->calls++;
    if (trap != TRAP_NONE)
        fprintf(run->out, "trap: %s", trap_text(trap));
    for (u32 i = 0; trap == TRAP_NONE && i < type.result_count; i++) {
        fputs(i == 0 ? "" : " ", run->out);
        write_value(run, type.types[type.param_count + i], values[i]);
    }
    fputs("\"},", run->out);
    fflush(run->out); // what comes before a crash is worth having
}

static void call_exports(struct run *run, u32 vectors) {
    for (u32 vector = 0; vector < vectors; vector++) {
        for (u32 m = 0; m < run->loaded_count; m++) {
            const struct loaded *loaded = &run->loaded[m];
            for (u32 i = 0; i < module_export_count(loaded->module) && !run->is_over; i++) {
                struct export_info info;
                struct extern_ref found;
                module_export(loaded->module, i, &info);
                if (info.kind == EXTERN_FUNC &&
                    instance_export(loaded->instance, info.name, &found))
                    call(run, m, &info, found.func, vector);
            }
        }
    }
}

// -- What is left behind --------------------------------------------------------------------------

static u32 memory_hash(const struct memory *memory) {
    u32 hash = 0x811c9dc5;
    const u32 *words = (const u32 *)memory->base;
    for (u32 i = 0; i < memory->bytes / 4; i++) {
        if (words[i] != 0)
            hash = mix(mix(hash, i), words[i]);
    }
    return hash;
}

static void write_extern(struct run *run, const struct extern_ref *found) {
    switch (found->kind) {
    case EXTERN_MEMORY:
        fprintf(run->out, "%" PRIx64 " %x", found->memory->bytes, memory_hash(found->memory));
        break;
    case EXTERN_TABLE:
        for (u64 i = 0; i < found->table->size; i++) {
            fputs(i == 0 ? "" : " ", run->out);
            write_value(run, (enum value_type)found->table->type, found->table->elements[i]);
        }
        break;
    case EXTERN_GLOBAL:
        if (found->global->type.type == VALUE_V128)
            break; // JavaScript cannot read it
        write_value(run, found->global->type.type, found->global->cell[0]);
        break;
    default:
        break;
    }
}

static void write_state(struct run *run) {
    for (u32 m = 0; m < run->loaded_count; m++) {
        const struct loaded *loaded = &run->loaded[m];
        for (u32 i = 0; i < module_export_count(loaded->module); i++) {
            struct export_info info;
            struct extern_ref found;
            module_export(loaded->module, i, &info);
            bool is_state = info.kind == EXTERN_MEMORY || info.kind == EXTERN_TABLE ||
                            info.kind == EXTERN_GLOBAL;
            if (!is_state || !instance_export(loaded->instance, info.name, &found))
                continue;
            fprintf(run->out, "{\"m\":%u,\"name\":\"%.*s\",\"type\":\"%c\",\"is\":\"", m,
                    (int)info.name.len, (const char *)info.name.data,
                    info.kind == EXTERN_MEMORY  ? 'm'
                    : info.kind == EXTERN_TABLE ? 't'
                                                : letter(found.global->type.type));
            write_extern(run, &found);
            fputs("\"},", run->out);
        }
    }
}

// -- Modules --------------------------------------------------------------------------------------

static void write_base64(FILE *out, struct bytes bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (usize i = 0; i < bytes.len; i += 3) {
        u32 left = bytes.len - i < 3 ? (u32)(bytes.len - i) : 3;
        u32 group = 0;
        for (u32 k = 0; k < 3; k++)
            group = group << 8 | (k < left ? bytes.data[i + k] : 0);
        for (u32 k = 0; k < 4; k++)
            fputc(k <= left ? digits[group >> (18 - 6 * k) & 63] : '=', out);
    }
}

// Compiles and links. NULL, or why it was refused.
static const char *load(struct run *run, struct bytes wasm, enum trap *trap) {
    static struct module_error error;
    struct loaded *loaded = &run->loaded[run->loaded_count];
    *loaded = (struct loaded){0};
    fputs("{\"bytes\":\"", run->out);
    write_base64(run->out, wasm);
    fputs("\",\"imports\":[", run->out);
    fflush(run->out);
    if (module_create(run->engine, wasm, &error, &loaded->module) != OK)
        return error.text;
    loaded->import_count = module_import_count(loaded->module);
    loaded->infos = calloc(loaded->import_count + 1, sizeof *loaded->infos);
    loaded->imports = calloc(loaded->import_count + 1, sizeof *loaded->imports);
    CHECK(loaded->infos != NULL && loaded->imports != NULL);
    for (u32 i = 0; i < loaded->import_count; i++) {
        module_import(loaded->module, i, &loaded->infos[i]);
        fputs(i == 0 ? "\"" : ",\"", run->out);
        write_import(run->out, &loaded->infos[i]);
        fputs("\"", run->out);
        if (make_import(run, &loaded->infos[i], &loaded->imports[i]) != OK)
            return "an import cannot be made";
    }
    if (instance_create(run->store, loaded->module, loaded->imports, &error, trap,
                        &loaded->instance) != OK)
        return error.text;
    struct func_ref *start = instance_start_func(loaded->instance);
    if (*trap == TRAP_NONE && start != NULL)
        *trap = func_call(run->engine, &run->thread, start, (u64[1]){0});
    return NULL;
}

static void load_all(struct run *run, const struct case_input *input) {
    for (u32 m = 0; m < input->module_count && !run->is_over; m++) {
        enum trap trap = TRAP_NONE;
        fputs(m == 0 ? "" : ",", run->out);
        const char *why = load(run, input->modules[m], &trap);
        run->stats->modules++;
        run->stats->refused += why != NULL;
        fprintf(run->out, "],\"gives\":\"%s%s\"}", why != NULL ? "refused: " : "",
                why != NULL         ? why
                : trap != TRAP_NONE ? trap_text(trap)
                                    : "");
        run->is_over = why != NULL || trap != TRAP_NONE;
        if (why == NULL && trap == TRAP_NONE)
            run->loaded_count++;
    }
}

void case_run(const struct case_input *input, FILE *out, struct case_stats *stats) {
    struct run run = {.out = out, .stats = stats, .host_hash = 0x811c9dc5};
    struct engine_config config = {
        .segment = SEGMENT_GS, .features = FEATURES_SUPPORTED, .cpu = input->cpu};
    CHECK(engine_create(&config, &run.engine) == OK);
    CHECK(store_create(run.engine, NULL, &run.store) == OK);
    host_linux_engine(run.engine);
    host_linux_thread(&run.thread, HOST_LINUX_STACK_BYTES / 2);

    fprintf(out, "{\"case\":%" PRIu64 ",\"label\":\"%s\",\"modules\":[", input->number,
            input->label);
    load_all(&run, input);
    fputs("],\"calls\":[", out);
    if (!run.is_over)
        call_exports(&run, input->vectors);
    fputs("null],\"state\":[", out);
    if (!run.is_over)
        write_state(&run);
    fprintf(out, "null],\"imports\":\"%x\",\"over\":%s}\n", run.host_hash,
            run.is_over ? "true" : "false");
    fflush(out);

    host_linux_engine(NULL);
    store_destroy(run.store);
    for (u32 m = 0; m < CASE_MODULES; m++) {
        module_release(run.loaded[m].module);
        free(run.loaded[m].infos);
        free(run.loaded[m].imports);
    }
    engine_destroy(run.engine);
    while (run.contexts != NULL) {
        struct import_context *context = run.contexts;
        run.contexts = context->next;
        free(context);
    }
}
