// The host module "spectest": print functions that print nothing, tables, a memory and globals.

#include "tests/spec/spectest.h"

static enum trap print(struct instance *caller, u64 *values, void *context) {
    (void)caller;
    (void)values;
    (void)context;
    return TRAP_NONE;
}

static const struct {
    const char *name;
    u32 param_count;
    enum value_type params[2];
} func_list[SPECTEST_FUNC_COUNT] = {
    {"print", 0, {}},
    {"print_i32", 1, {VALUE_I32}},
    {"print_i64", 1, {VALUE_I64}},
    {"print_f32", 1, {VALUE_F32}},
    {"print_f64", 1, {VALUE_F64}},
    {"print_i32_f32", 2, {VALUE_I32, VALUE_F32}},
    {"print_f64_f64", 2, {VALUE_F64, VALUE_F64}},
};

static const struct {
    const char *name;
    enum value_type type;
    u64 value;
} global_list[4] = {
    {"global_i32", VALUE_I32, 666},
    {"global_i64", VALUE_I64, 666},
    {"global_f32", VALUE_F32, 0x4426a666},         // 666.6
    {"global_f64", VALUE_F64, 0x4084d4cccccccccd}, // 666.6
};

enum status spectest_funcs_create(struct engine *engine, struct spectest_funcs *out) {
    for (u32 i = 0; i < SPECTEST_FUNC_COUNT; i++) {
        struct func_type type = {.param_count = func_list[i].param_count,
                                 .types = func_list[i].params};
        enum status status = engine_host_func(engine, &type, print, NULL, &out->funcs[i]);
        if (status != OK)
            return status;
    }
    return OK;
}

enum status spectest_create(struct store *store, const struct spectest_funcs *funcs,
                            struct spectest *out) {
    *out = (struct spectest){.funcs = funcs};
    struct table_type table = {.element = VALUE_FUNCREF,
                               .limits = {.min = 10, .max = 20, .has_max = true}};
    enum status status = store_table(store, table, &out->table);
    if (status != OK)
        return status;
    table.is64 = true;
    status = store_table(store, table, &out->table64);
    if (status != OK)
        return status;
    struct memory_type memory = {.limits = {.min = 1, .max = 2, .has_max = true}};
    status = store_memory(store, memory, &out->memory);
    for (u32 i = 0; i < COUNT_OF(global_list) && status == OK; i++) {
        struct global_type type = {.type = global_list[i].type};
        status = store_global(store, type, global_list[i].value, &out->globals[i]);
    }
    return status;
}

bool spectest_export(const struct spectest *spectest, struct bytes name, struct extern_ref *out) {
    if (bytes_equal_text(name, "table")) {
        *out = (struct extern_ref){.kind = EXTERN_TABLE, .table = spectest->table};
        return true;
    }
    if (bytes_equal_text(name, "table64")) {
        *out = (struct extern_ref){.kind = EXTERN_TABLE, .table = spectest->table64};
        return true;
    }
    if (bytes_equal_text(name, "memory")) {
        *out = (struct extern_ref){.kind = EXTERN_MEMORY, .memory = spectest->memory};
        return true;
    }
    for (u32 i = 0; i < SPECTEST_FUNC_COUNT; i++) {
        if (bytes_equal_text(name, func_list[i].name)) {
            *out = (struct extern_ref){.kind = EXTERN_FUNC, .func = spectest->funcs->funcs[i]};
            return true;
        }
    }
    for (u32 i = 0; i < COUNT_OF(global_list); i++) {
        if (bytes_equal_text(name, global_list[i].name)) {
            *out = (struct extern_ref){.kind = EXTERN_GLOBAL, .global = spectest->globals[i]};
            return true;
        }
    }
    return false;
}
