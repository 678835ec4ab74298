// The pool of exceptions. What keeps them is said in exception.h.
//
// Invariants:
//   1. a cell that is not EXCEPTION_FREE has its payload; free ones are on the list `free`;
//   2. between collections no cell is EXCEPTION_KEPT;
//   3. chunk i has FIRST_CELLS cells if i is 0, else as many as the chunks before it together.
//
// The pool is changed under the registry lock where several threads may run in the store; then
// nothing is collected.

#include "engine/runtime/exception.h"

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/runtime/store.h"

#define FIRST_CELLS 64u

STATIC_ASSERT(FIRST_CELLS << (EXCEPTION_CHUNKS - 1) == LIMIT_EXCEPTIONS, "chunks double");

// Words that a collection may look through for each cell of the pool.
#define ROOT_WORDS_PER_CELL 64u

static u32 chunk_cells(u32 chunk) {
    return chunk == 0 ? FIRST_CELLS : FIRST_CELLS << (chunk - 1);
}

static usize payload_bytes(const struct exception *exception) {
    return exception->payload_slots * sizeof(u64);
}

static bool has_many(const struct exception *exception) {
    return exception->payload_slots > EXCEPTION_INLINE_SLOTS;
}

static void release_payload(struct exception *exception, void *owner) {
    if (!has_many(exception))
        return;
    host_data_free(owner, exception->many, payload_bytes(exception));
}

void exception_pool_fini(struct exception_pool *pool, void *owner) {
    for (u32 i = 0; i < pool->chunk_count; i++) {
        struct exception *cells = pool->chunks[i];
        usize bytes = chunk_cells(i) * sizeof *cells;
        for (u32 k = 0; k < chunk_cells(i); k++) {
            if (cells[k].state != EXCEPTION_FREE)
                release_payload(&cells[k], owner);
        }
        host_data_free(owner, cells, bytes);
    }
    *pool = (struct exception_pool){0};
}

static void put_free(struct exception_pool *pool, struct exception *cell) {
    *cell = (struct exception){.next = pool->free, .state = EXCEPTION_FREE};
    pool->free = cell;
    pool->free_count++;
}

// -- Collecting ---------------------------------------------------------------------------------

struct collection {
    struct exception_pool *pool;
    struct exception *pending; // kept, but their payload was not looked into
    u64 root_words;
};

// The cell in use that `word` is the address of, or NULL.
static struct exception *find_cell(const struct exception_pool *pool, u64 word) {
    for (u32 i = pool->chunk_count; i-- > 0;) {
        u64 offset = word - (u64)pool->chunks[i];
        if (offset >= chunk_cells(i) * sizeof(struct exception))
            continue;
        struct exception *cell = &pool->chunks[i][offset / sizeof *cell];
        bool is_start = offset % sizeof *cell == 0;
        return is_start && cell->state != EXCEPTION_FREE ? cell : NULL;
    }
    return NULL;
}

static void keep_words(struct collection *c, const u64 *words, u64 count) {
    for (u64 i = 0; i < count; i++) {
        struct exception *cell = find_cell(c->pool, words[i]);
        if (cell == NULL || cell->state == EXCEPTION_KEPT)
            continue;
        cell->state = EXCEPTION_KEPT;
        cell->next = c->pending;
        c->pending = cell;
    }
}

static void keep_roots(struct collection *c, const u64 *words, u64 count) {
    keep_words(c, words, count);
    c->root_words += count;
}

static void keep_globals(struct collection *c, const struct store *store) {
    for (const struct store_global *g = store->globals; g != NULL; g = g->next) {
        if (g->global.type.type == VALUE_EXNREF)
            keep_roots(c, g->global.cell, 1);
    }
    for (const struct instance_state *state = store->instances; state != NULL;
         state = state->next) {
        const struct module_decl *decl = state->instance->module->decl;
        u32 own_count = decl->global_count - decl->global_import_count;
        for (u32 i = 0; i < own_count; i++) {
            const struct global *global = &state->own_globals[i];
            if (global->type.type == VALUE_EXNREF)
                keep_roots(c, global->cell, 1);
        }
        c->root_words += own_count;
    }
}

static void keep_tables(struct collection *c, const struct store *store) {
    for (const struct store_table *t = store->tables; t != NULL; t = t->next) {
        if (t->table.type == VALUE_EXNREF)
            keep_roots(c, t->table.elements, t->table.size);
    }
}

static void keep_payloads(struct collection *c) {
    while (c->pending != NULL) {
        const struct exception *cell = c->pending;
        c->pending = cell->next;
        keep_words(c, exception_payload(cell), cell->payload_slots);
    }
}

static void sweep(struct exception_pool *pool, void *owner) {
    for (u32 i = 0; i < pool->chunk_count; i++) {
        for (u32 k = 0; k < chunk_cells(i); k++) {
            struct exception *cell = &pool->chunks[i][k];
            if (cell->state == EXCEPTION_USED) {
                release_payload(cell, owner);
                put_free(pool, cell);
            } else if (cell->state == EXCEPTION_KEPT) {
                cell->state = EXCEPTION_USED;
            }
        }
    }
}

static bool has_shared_memory(const struct store *store) {
    for (const struct store_memory *m = store->memories; m != NULL; m = m->next) {
        if (m->memory.is_shared)
            return true;
    }
    return false;
}

// Returns how many words had to be looked through besides payloads.
static u64 collect(struct store *store, struct stack_range stack) {
    struct collection c = {.pool = &store->exceptions};
    CHECK(stack.low <= stack.high);
    keep_roots(&c, stack.low, (u64)(stack.high - stack.low));
    keep_globals(&c, store);
    keep_tables(&c, store);
    keep_payloads(&c);
    sweep(&store->exceptions, store->owner);
    return c.root_words;
}

// -- Growing ------------------------------------------------------------------------------------

// Adds a chunk. Does nothing when there is no memory for one, or another thread has added it.
static void grow(struct store *store, u32 chunk) {
    struct exception_pool *pool = &store->exceptions;
    if (chunk == EXCEPTION_CHUNKS)
        return;
    usize bytes = chunk_cells(chunk) * sizeof(struct exception);
    void *data;
    if (host_data_alloc(store->owner, bytes, &data) != OK)
        return;
    struct exception *cells = data;
    host_registry_lock();
    if (pool->chunk_count == chunk) {
        pool->chunks[pool->chunk_count++] = cells;
        pool->capacity += chunk_cells(chunk);
        for (u32 i = chunk_cells(chunk); i-- > 0;)
            put_free(pool, &cells[i]);
        cells = NULL;
    }
    host_registry_unlock();
    host_data_free(store->owner, cells, bytes); // NULL, when it was taken
}

static void make_room(struct store *store, struct stack_range stack) {
    struct exception_pool *pool = &store->exceptions;
    if (pool->chunk_count == 0 || has_shared_memory(store)) {
        grow(store, pool->chunk_count);
        return;
    }
    u64 root_words = collect(store, stack);
    if (pool->free_count < pool->capacity / 2 ||
        root_words > (u64)pool->capacity * ROOT_WORDS_PER_CELL)
        grow(store, pool->chunk_count);
}

// A free cell that is off the list, or NULL.
static struct exception *take_free(struct exception_pool *pool) {
    host_registry_lock();
    struct exception *cell = pool->free;
    if (cell != NULL) {
        pool->free = cell->next;
        pool->free_count--;
    }
    host_registry_unlock();
    return cell;
}

// Room for a payload that does not fit into a cell, or NULL.
static u64 *alloc_many(void *owner, usize bytes) {
    void *data;
    return host_data_alloc(owner, bytes, &data) == OK ? data : NULL;
}

struct exception *exception_create(struct store *store, const struct tag *tag, const u64 *payload,
                                   struct stack_range stack) {
    struct exception *cell = take_free(&store->exceptions);
    if (cell == NULL) {
        make_room(store, stack);
        cell = take_free(&store->exceptions);
        if (cell == NULL)
            return NULL;
    }
    cell->tag = tag;
    cell->payload_slots = tag->payload_slots;
    u64 *to = cell->few;
    if (has_many(cell)) {
        to = cell->many = alloc_many(store->owner, payload_bytes(cell));
        if (to == NULL) {
            host_registry_lock();
            put_free(&store->exceptions, cell);
            host_registry_unlock();
            return NULL;
        }
    }
    if (payload_bytes(cell) != 0)
        memcpy(to, payload, payload_bytes(cell));
    cell->state = EXCEPTION_USED;
    return cell;
}
