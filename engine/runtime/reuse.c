// Using a store again: what a program left is made what a new one would find, and charged to
// whoever is next.
//
// Between two owners a store belongs to nobody (NULL), whom nothing is charged to. Everything that
// a program can have changed is put back here: globals, tables, which segments are dropped,
// exceptions, and by the host the memory. What instance_create made and no program can change stays
// as it is: references of functions, imports, addresses.

#include "engine/api/host.h"
#include "engine/runtime/store.h"

// The only instance in the store, whose parts are all that the store has; or NULL.
static struct instance *only_instance(const struct store *store) {
    const struct instance_state *state = store->instances;
    bool is_only = state != NULL && state->next == NULL && store->globals == NULL;
    return is_only ? state->instance : NULL;
}

// What the module imports of others could be gone when the instance is used again, but for host
// functions, which last as long as the engine.
static bool imports_last(const struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = 0; i < decl->func_import_count; i++) {
        if ((*instance_import((struct instance *)instance, i))->host_code == NULL)
            return false;
    }
    return decl->func_import_count == decl->import_count;
}

static bool tables_are_small(const struct instance *instance) {
    const struct module_decl *decl = instance->module->decl;
    for (u32 i = 0; i < decl->table_count; i++) {
        if (instance_table(instance, i)->capacity != decl->tables[i].limits.min)
            return false;
    }
    return true;
}

// What the owner is charged for the store, its memory apart.
static u64 charged_bytes(const struct store *store) {
    u64 bytes = store->instances->instance->module->layout.size;
    for (const struct store_table *table = store->tables; table != NULL; table = table->next)
        bytes += table->table.capacity * sizeof *table->table.elements;
    return bytes;
}

static void set_owner(struct store *store, void *owner) {
    store->owner = owner;
    store->instances->instance->owner = owner;
    store->memories->memory.owner = owner;
    for (struct store_table *table = store->tables; table != NULL; table = table->next)
        table->table.owner = owner;
}

bool store_retire(struct store *store) {
    struct instance *instance = only_instance(store);
    if (instance == NULL || !instance->module->has_image ||
        instance->module->decl->memory_count != 1 || !imports_last(instance) ||
        !tables_are_small(instance))
        return false;
    exception_pool_fini(&store->exceptions, store->owner);
    store->exceptions = (struct exception_pool){0};
    if (!instance_renew(instance))
        return false;
    host_refund(store->owner, charged_bytes(store));
    set_owner(store, NULL);
    return true;
}

enum status store_adopt(struct store *store, void *owner, struct instance **out) {
    ASSERT(store->owner == NULL && store->instances != NULL);
    const struct memory *memory = &store->memories->memory;
    u64 bytes = charged_bytes(store);
    enum status status = host_charge(owner, bytes);
    if (status != OK)
        return status;
    status = host_memory_adopt(owner, memory->base, memory->bytes);
    if (status != OK) {
        host_refund(owner, bytes);
        return status;
    }
    set_owner(store, owner);
    *out = store->instances->instance;
    return OK;
}
