#pragma once
// A store and what it owns. For engine/runtime only.

#include "engine/runtime/exception.h"
#include "engine/runtime/runtime.h"

struct store_memory {
    struct memory memory;
    struct store_memory *next;
};

struct store_table {
    struct table table;
    struct store_table *next;
};

struct store_global {
    struct global global;
    u64 cell[2];
    struct store_global *next;
};

struct store_tag {
    struct tag tag;
    struct store_tag *next;
};

// What the run-time system keeps of an instance besides what generated code reads.
struct instance_state {
    struct instance *instance;
    struct module *module;
    struct instance_state *next;
    struct global **globals; // all of them, imports first
    struct global *own_globals;
    bool *data_dropped;
    bool *elem_dropped;
    struct func_ref start; // the start function's: being one does not make a function a value
};

// The lists are stacks: what was made last is first, so a prefix can be undone.
struct store {
    struct engine *engine;
    void *owner;
    struct store_memory *memories;
    struct store_table *tables;
    struct store_global *globals;
    struct store_tag *tags;
    struct instance_state *instances;
    struct exception_pool exceptions;
};

// Frees what was made after `mark` was copied from the store.
void store_rollback(struct store *store, const struct store *mark);

// -- memory.c, table.c --------------------------------------------------------------------------

// Grows by `pages`, from *old_pages. False, changing nothing, when the maximum, the owner's limit
// or the machine does not allow it. Several threads may grow a shared memory.
MUST_USE bool memory_grow(struct memory *memory, u64 pages, u64 *old_pages);
void memory_fini(struct memory *memory);

// Grows by `count` elements of value `value`.
MUST_USE bool table_grow(struct table *table, u64 count, u64 value);
void table_reset(struct table *table, u64 size); // to `size` null references, which it once had
void table_fini(struct table *table);

// -- instance.c ---------------------------------------------------------------------------------

// Frees an instance, not the memories and tables, which are the store's. Touches nothing of it.
void instance_free(struct instance_state *state, void *owner);

// Makes the instance, whose memory has an image and is the only one, what instance_create made it.
// False: that did not work, and it is of no more use.
MUST_USE bool instance_renew(struct instance *instance);

// Where the instance keeps the pointer to memory `memory`, and to tag `tag`.
static inline struct memory **instance_memory_ptr(struct instance *instance, u32 memory) {
    const struct module *module = instance->module;
    CHECK(memory < module->decl->memory_count);
    return (struct memory **)((uptr)instance + layout_memory(&module->layout, memory));
}

static inline struct tag **instance_tag_ptr(struct instance *instance, u32 tag) {
    const struct module *module = instance->module;
    CHECK(tag < module->decl->tag_count);
    return (struct tag **)((uptr)instance + layout_tag(&module->layout, tag));
}

static inline struct table *instance_table(const struct instance *instance, u32 table) {
    const struct module *module = instance->module;
    CHECK(table < module->decl->table_count);
    return *(struct table **)((uptr)instance + layout_table(&module->layout, table));
}

// Where the instance keeps the pointer to imported function `func`.
static inline struct func_ref **instance_import(struct instance *instance, u32 func) {
    const struct module *module = instance->module;
    CHECK(func < module->decl->func_import_count);
    return (struct func_ref **)((uptr)instance + layout_import(&module->layout, func));
}

static inline u64 **instance_global_ptr(struct instance *instance, u32 global) {
    const struct module *module = instance->module;
    CHECK(global < module->decl->global_count);
    return (u64 **)((uptr)instance + layout_global_ptr(&module->layout, global));
}

// The instance's reference of a function that may be used as a value.
struct func_ref *instance_func_ref(struct instance *instance, u32 func);

// memory.init and table.init: TRAP_NONE or why nothing was written.
struct init_range {
    u64 to;
    u64 from;
    u64 count;
};
MUST_USE enum trap instance_data_init(struct instance *instance, u32 memory, u32 segment,
                                      struct init_range range);
MUST_USE enum trap instance_elem_init(struct instance *instance, u32 table, u32 segment,
                                      struct init_range range);

// -- const.c ------------------------------------------------------------------------------------

// The value of a constant expression that is not a v128. The globals that it names have theirs.
u64 instance_const(struct instance *instance, const struct const_expr *expr);

// The value of any constant expression, into a global's cell.
void instance_const_cell(struct instance *instance, const struct const_expr *expr, u64 *cell);

// -- link.c -------------------------------------------------------------------------------------

// Checks every import of `module`. ERR_UNLINKABLE says which and why in `error`.
MUST_USE enum status link_check(const struct module *module, const struct extern_ref *imports,
                                struct module_error *error);

// -- helpers.c ----------------------------------------------------------------------------------

// C entry points for generated code, by enum helper.
const void *const *helper_table(void);
