// Instances: allocation, initialisation, exports.
//
// instance_create has a commit point: before it, nothing outside of the new instance has changed
// and a failure undoes everything; behind it the active segments are written, which may change
// imported tables and memories. So from there on what fails is reported as a trap, and the instance
// stays, because other instances' tables may hold its functions.

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/decode/callconv.h"
#include "engine/runtime/store.h"

// -- Constants and segments ---------------------------------------------------------------------

struct func_ref *instance_func_ref(struct instance *instance, u32 func) {
    const struct module *module = instance->module;
    CHECK(func < module->decl->func_count);
    u32 ref_index = module->decl->funcs[func].ref_index;
    CHECK(ref_index < module->decl->func_ref_count);
    return (struct func_ref *)((uptr)instance + layout_func_ref(&module->layout, ref_index));
}

enum trap instance_data_init(struct instance *instance, u32 memory_index, u32 segment,
                             struct init_range range) {
    const struct module_decl *decl = instance->module->decl;
    CHECK(segment < decl->data_count);
    struct memory *memory = *instance_memory_ptr(instance, memory_index);
    struct bytes bytes = decl->datas[segment].bytes;
    usize len = instance->state->data_dropped[segment] ? 0 : bytes.len;
    if (!range_fits(range.from, range.count, len) ||
        !range_fits(range.to, range.count, memory_bytes(memory)))
        return TRAP_MEMORY_BOUNDS;
    if (range.count == 0)
        return TRAP_NONE;
    if (host_memory_write(memory->owner, memory->base + range.to, bytes.data + range.from,
                          range.count) != OK)
        return TRAP_OUT_OF_MEMORY;
    return TRAP_NONE;
}

enum trap instance_elem_init(struct instance *instance, u32 table_index, u32 segment,
                             struct init_range range) {
    const struct module_decl *decl = instance->module->decl;
    CHECK(segment < decl->elem_count);
    struct table *table = instance_table(instance, table_index);
    const struct elem_segment *elem = &decl->elems[segment];
    u32 len = instance->state->elem_dropped[segment] ? 0 : elem->count;
    if (!range_fits(range.from, range.count, len) ||
        !range_fits(range.to, range.count, table->size))
        return TRAP_TABLE_BOUNDS;
    for (u64 i = 0; i < range.count; i++)
        table->elements[range.to + i] = instance_const(instance, &elem->items[range.from + i]);
    return TRAP_NONE;
}

static enum trap run_elem_segments(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = 0; i < decl->elem_count; i++) {
        const struct elem_segment *elem = &decl->elems[i];
        if (elem->mode == SEGMENT_ACTIVE) {
            struct init_range range = {.to = instance_const(instance, &elem->offset),
                                       .count = elem->count};
            enum trap trap = instance_elem_init(instance, elem->table, i, range);
            if (trap != TRAP_NONE)
                return trap;
        }
        if (elem->mode != SEGMENT_PASSIVE)
            instance->state->elem_dropped[i] = true;
    }
    return TRAP_NONE;
}

static void drop_active_data(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = 0; i < decl->data_count; i++) {
        if (decl->datas[i].mode == SEGMENT_ACTIVE)
            instance->state->data_dropped[i] = true;
    }
}

static enum trap run_data_segments(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    if (instance->module->has_image &&
        host_memory_image(instance->owner, instance->module, instance->memory_base)) {
        drop_active_data(instance);
        return TRAP_NONE;
    }
    for (u32 i = 0; i < decl->data_count; i++) {
        const struct data_segment *data = &decl->datas[i];
        if (data->mode != SEGMENT_ACTIVE)
            continue;
        struct init_range range = {.to = instance_const(instance, &data->offset),
                                   .count = data->bytes.len};
        enum trap trap = instance_data_init(instance, data->memory, i, range);
        if (trap != TRAP_NONE)
            return trap;
        instance->state->data_dropped[i] = true;
    }
    return TRAP_NONE;
}

static enum trap run_segments(struct instance *instance) {
    enum trap trap = run_elem_segments(instance);
    return trap == TRAP_NONE ? run_data_segments(instance) : trap;
}

// Version 1.0 had an instance fail as a whole, before anything is written, when an active segment
// is out of bounds; bulk memory operations made it a trap in the middle. The text of the first that
// does not fit, or NULL.
static const char *find_unfit_segment(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = 0; i < decl->elem_count; i++) {
        const struct elem_segment *elem = &decl->elems[i];
        if (!range_fits(instance_const(instance, &elem->offset), elem->count,
                        instance_table(instance, elem->table)->size))
            return "elements segment does not fit";
    }
    for (u32 i = 0; i < decl->data_count; i++) {
        const struct data_segment *data = &decl->datas[i];
        if (!range_fits(instance_const(instance, &data->offset), data->bytes.len,
                        memory_bytes(*instance_memory_ptr(instance, data->memory))))
            return "data segment does not fit";
    }
    return NULL;
}

// -- Making the parts ---------------------------------------------------------------------------

static void *alloc_array(u32 count, usize size) {
    return host_alloc(count == 0 ? size : count * size);
}

static void free_array(void *array, u32 count, usize size) {
    host_free(array, count == 0 ? size : count * size);
}

void instance_free(struct instance_state *state, void *owner) {
    struct module *module = state->module;
    const struct module_decl *decl = module->decl;
    u32 own_globals = decl->global_count - decl->global_import_count;
    free_array(state->globals, decl->global_count, sizeof *state->globals);
    free_array(state->own_globals, own_globals, sizeof *state->own_globals);
    free_array(state->data_dropped, decl->data_count, sizeof *state->data_dropped);
    free_array(state->elem_dropped, decl->elem_count, sizeof *state->elem_dropped);
    host_data_free(owner, state->instance, module->layout.size);
    host_free(state, sizeof *state);
    module_release(module);
}

// Allocates everything of fixed size and puts the instance on the store's list.
static enum status instance_alloc(struct store *store, struct module *module,
                                  struct instance **out) {
    const struct module_decl *decl = module->decl;
    u32 own_globals = decl->global_count - decl->global_import_count;
    struct instance_state *state = host_alloc(sizeof *state);
    if (state == NULL)
        return ERR_NO_MEMORY;
    void *data;
    enum status status = host_data_alloc(store->owner, module->layout.size, &data);
    if (status != OK) {
        host_free(state, sizeof *state);
        return status;
    }
    struct instance *instance = data;
    *instance = (struct instance){
        .helpers = helper_table(),
        .module = module,
        .store = store,
        .owner = store->owner,
        .state = state,
    };
    module_retain(module);
    state->instance = instance;
    state->module = module;
    state->globals = alloc_array(decl->global_count, sizeof *state->globals);
    state->own_globals = alloc_array(own_globals, sizeof *state->own_globals);
    state->data_dropped = alloc_array(decl->data_count, sizeof *state->data_dropped);
    state->elem_dropped = alloc_array(decl->elem_count, sizeof *state->elem_dropped);
    if (state->globals == NULL || state->own_globals == NULL || state->data_dropped == NULL ||
        state->elem_dropped == NULL) {
        instance_free(state, store->owner);
        return ERR_NO_MEMORY;
    }
    state->next = store->instances;
    store->instances = state;
    *out = instance;
    return OK;
}

static void set_table(struct instance *instance, u32 index, struct table *table) {
    *(struct table **)((uptr)instance + layout_table(&instance->module->layout, index)) = table;
}

static void set_global(struct instance *instance, u32 index, struct global *global) {
    instance->state->globals[index] = global;
    *instance_global_ptr(instance, index) = global->cell;
}

static void take_imports(struct instance *instance, const struct extern_ref *imports) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = 0; i < decl->import_count; i++) {
        u32 index = decl->imports[i].index;
        switch (decl->imports[i].kind) {
        case EXTERN_FUNC:
            *instance_import(instance, index) = imports[i].func;
            break;
        case EXTERN_TABLE:
            set_table(instance, index, imports[i].table);
            break;
        case EXTERN_MEMORY:
            *instance_memory_ptr(instance, index) = imports[i].memory;
            break;
        case EXTERN_GLOBAL:
            set_global(instance, index, imports[i].global);
            break;
        case EXTERN_TAG:
            *instance_tag_ptr(instance, index) = imports[i].tag;
            break;
        }
    }
}

static enum status make_own_memories(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = decl->memory_import_count; i < decl->memory_count; i++) {
        enum status status =
            store_memory(instance->store, decl->memories[i], instance_memory_ptr(instance, i));
        if (status != OK)
            return status;
    }
    if (decl->memory_count != 0) {
        instance->memory = *instance_memory_ptr(instance, 0);
        instance->memory_base = instance->memory->base;
    }
    return OK;
}

static enum status make_own_tables(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = decl->table_import_count; i < decl->table_count; i++) {
        struct table *table;
        enum status status = store_table(instance->store, decl->tables[i], &table);
        if (status != OK)
            return status;
        set_table(instance, i, table);
    }
    return OK;
}

static enum status make_own_tags(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = decl->tag_import_count; i < decl->tag_count; i++) {
        enum status status =
            store_tag(instance->store, decl_tag_type(decl, i), instance_tag_ptr(instance, i));
        if (status != OK)
            return status;
    }
    return OK;
}

// The reference of a function of this instance. An imported one is a copy of the exporter's; if it
// is a host function, this instance becomes the one that hands it on.
static struct func_ref make_func_ref(struct instance *instance, u32 func) {
    const struct module *module = instance->module;
    const struct module_decl *decl = module->decl;
    if (func_is_import(decl, func)) {
        struct func_ref ref = **instance_import(instance, func);
        if (ref.host_code != NULL)
            ref.instance = instance;
        return ref;
    }
    const struct code_object *code = module->code;
    const struct cross_thunks *thunks = &module->engine->cross_thunks;
    const struct func_type *type = decl_func_type(decl, func);
    u32 param_slots = callconv_param_slots(type);
    u32 area_slots = callconv_area_slots(type);
    return (struct func_ref){
        .code = (const void *)(code->address + code->funcs[func - decl->func_import_count].entry),
        .cross_code = area_slots == 0 ? thunks->plain : thunks->stacked,
        .instance = instance,
        .type_id = module->type_ids[decl->funcs[func].type],
        .func_index = func,
        .stack_params = param_slots,
        .stack_results = area_slots - param_slots,
    };
}

static void make_func_refs(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = 0; i < decl->func_count; i++) {
        if (decl->funcs[i].ref_index != NO_REF)
            *instance_func_ref(instance, i) = make_func_ref(instance, i);
    }
    if (decl->has_start)
        instance->state->start = make_func_ref(instance, decl->start_func);
}

static void make_own_globals(struct instance *instance) {
    const struct module *module = instance->module;
    const struct module_decl *decl = module->decl;
    for (u32 i = decl->global_import_count; i < decl->global_count; i++) {
        u32 own = i - decl->global_import_count;
        struct global *global = &instance->state->own_globals[own];
        global->type = decl->globals[i].type;
        global->cell = (u64 *)((uptr)instance + layout_global_cell(&module->layout, own));
        set_global(instance, i, global);
        instance_const_cell(instance, &decl->globals[i].init, global->cell);
    }
}

// -- The interface ------------------------------------------------------------------------------

static enum status fail_with(struct module_error *error, enum status status, const char *text) {
    *error = (struct module_error){.status = status, .func = NO_FUNC};
    memcpy(error->text, text, min_u64(strlen(text), sizeof error->text - 1));
    return status;
}

static enum status fail(struct module_error *error, enum status status) {
    return fail_with(error, status, status_text(status));
}

enum status instance_create(struct store *store, struct module *module,
                            const struct extern_ref *imports, struct module_error *error,
                            enum trap *trap, struct instance **out) {
    ASSERT(module->engine == store->engine);
    enum status status = link_check(module, imports, error);
    if (status != OK)
        return status;

    struct store mark = *store;
    struct instance *instance;
    status = instance_alloc(store, module, &instance);
    if (status != OK)
        return fail(error, status);
    take_imports(instance, imports);
    status = make_own_memories(instance);
    if (status == OK)
        status = make_own_tables(instance);
    if (status == OK)
        status = make_own_tags(instance);
    if (status != OK) {
        store_rollback(store, &mark);
        return fail(error, status);
    }
    make_func_refs(instance);
    make_own_globals(instance);
    if ((module->decl->features & FEATURE_BULK_MEMORY) == 0) {
        const char *unfit = find_unfit_segment(instance);
        if (unfit != NULL) {
            store_rollback(store, &mark);
            return fail_with(error, ERR_UNLINKABLE, unfit);
        }
    }

    // Commit point.
    *trap = run_segments(instance);
    *out = instance;
    return OK;
}

// Globals, tables and segments as they are before the active segments are run.
static void reset_parts(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    struct instance_state *state = instance->state;
    make_own_globals(instance);
    for (u32 i = decl->table_import_count; i < decl->table_count; i++)
        table_reset(instance_table(instance, i), decl->tables[i].limits.min);
    memset(state->data_dropped, 0, decl->data_count * sizeof *state->data_dropped);
    memset(state->elem_dropped, 0, decl->elem_count * sizeof *state->elem_dropped);
}

bool instance_renew(struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    struct memory *memory = instance->memory;
    reset_parts(instance);
    if (run_elem_segments(instance) != TRAP_NONE)
        return false;
    u64 bytes = decl->memories[0].limits.min * WASM_PAGE_BYTES;
    if (!host_memory_retire(instance->owner, instance->module, memory->base, memory->bytes, bytes))
        return false;
    memory->bytes = bytes;
    drop_active_data(instance);
    return true;
}

bool instance_can_reset(const struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    return decl->memory_count == decl->memory_import_count;
}

enum trap instance_reset(struct instance *instance) {
    ASSERT(instance_can_reset(instance));
    reset_parts(instance);
    return run_segments(instance);
}

struct func_ref *instance_start_func(struct instance *instance) {
    return instance->module->decl->has_start ? &instance->state->start : NULL;
}

static struct extern_ref export_ref(struct instance *instance, const struct export_decl *export) {
    struct extern_ref ref = {.kind = export->kind};
    switch (export->kind) {
    case EXTERN_FUNC:
        ref.func = instance_func_ref(instance, export->index);
        break;
    case EXTERN_TABLE:
        ref.table = instance_table(instance, export->index);
        break;
    case EXTERN_MEMORY:
        ref.memory = *instance_memory_ptr(instance, export->index);
        break;
    case EXTERN_GLOBAL:
        ref.global = instance->state->globals[export->index];
        break;
    case EXTERN_TAG:
        ref.tag = *instance_tag_ptr(instance, export->index);
        break;
    }
    return ref;
}

bool instance_export(struct instance *instance, struct bytes name, struct extern_ref *out) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = 0; i < decl->export_count; i++) {
        if (bytes_equal(decl->exports[i].name, name)) {
            *out = export_ref(instance, &decl->exports[i]);
            return true;
        }
    }
    return false;
}
