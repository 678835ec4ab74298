// Stores: what one process instantiates, freed as a whole.
//
// Invariant: everything that an instance of the store points to (memories, tables, globals,
// tags, function references) belongs to the same store, to a host function of the engine, or to a
// module that an instance of the store keeps alive. So freeing it all at once leaves nothing
// dangling. It touches nothing that may be mapped for the owner alone (host_data_alloc), but for
// exceptions that a program has made. Memories may also belong to a store that goes later: threads
// share them.

#include "engine/runtime/store.h"

#include "engine/api/host.h"

enum status store_create(struct engine *engine, void *owner, struct store **out) {
    struct store *store = host_alloc(sizeof *store);
    if (store == NULL)
        return ERR_NO_MEMORY;
    store->engine = engine;
    store->owner = owner;
    *out = store;
    return OK;
}

void store_rollback(struct store *store, const struct store *mark) {
    while (store->memories != mark->memories) {
        struct store_memory *memory = store->memories;
        store->memories = memory->next;
        memory_fini(&memory->memory);
        host_free(memory, sizeof *memory);
    }
    while (store->tables != mark->tables) {
        struct store_table *table = store->tables;
        store->tables = table->next;
        table_fini(&table->table);
        host_free(table, sizeof *table);
    }
    while (store->globals != mark->globals) {
        struct store_global *global = store->globals;
        store->globals = global->next;
        host_free(global, sizeof *global);
    }
    while (store->tags != mark->tags) {
        struct store_tag *tag = store->tags;
        store->tags = tag->next;
        type_registry_release(&store->engine->types, tag->tag.type_id);
        host_free(tag, sizeof *tag);
    }
    while (store->instances != mark->instances) {
        struct instance_state *state = store->instances;
        store->instances = state->next;
        instance_free(state, store->owner);
    }
}

void store_destroy(struct store *store) {
    if (store == NULL)
        return;
    store_rollback(store, &(struct store){0});
    exception_pool_fini(&store->exceptions, store->owner);
    host_free(store, sizeof *store);
}

enum status store_global(struct store *store, struct global_type type, u64 value,
                         struct global **out) {
    struct store_global *made = host_alloc(sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    made->cell[0] = value;
    made->global = (struct global){.cell = made->cell, .type = type};
    made->next = store->globals;
    store->globals = made;
    *out = &made->global;
    return OK;
}

enum status store_tag(struct store *store, const struct func_type *type, struct tag **out) {
    ASSERT(type->result_count == 0);
    struct store_tag *made = host_alloc(sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    enum status status = type_registry_intern(&store->engine->types, type, &made->tag.type_id);
    if (status != OK) {
        host_free(made, sizeof *made);
        return status;
    }
    for (u32 i = 0; i < type->param_count; i++)
        made->tag.payload_slots += value_type_slots(type->types[i]);
    made->next = store->tags;
    store->tags = made;
    *out = &made->tag;
    return OK;
}
