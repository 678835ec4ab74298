#pragma once
// What the kernel keeps with a module for the processes that run it: linked imports, the initial
// image of its memory, and stores that are ready to be used again. Belongs to the module, and goes
// with it.

#include "engine/api/engine.h"
#include "kernel/mm/image.h"
#include "kernel/sched/wait.h"

struct program {
    u32 is_cached; // atomic: the module is in the cache, so that keeping stores of it pays

    struct mutex lock;

    // Atomic, set under lock when what follows is there for good:
    bool is_linked;
    struct extern_ref *imports; // one for each of the module's; NULL: it has none
    u32 import_count;
    bool imports_memory; // then processes have imports of their own
    struct image *image; // NULL: memory 0 starts as zeros, or has no image
    u64 held_bytes;      // by the module and all of this
};

void programs_init(void);

// The module's program, not linked yet. NULL: out of memory.
struct program *program_of(struct module *module);

// The same with everything in it. ERR_UNLINKABLE with the reason in `error`, ERR_NO_MEMORY.
MUST_USE enum status program_link(struct module *module, struct module_error *error,
                                  struct program **out);

// Whether the module is in the cache from now on. When not, its stores are given back.
void program_set_cached(struct module *module, bool is_cached);

// -- Stores that are ready (store_pool.c) --------------------------------------------------------

// A store of the module that store_adopt can be called for, or NULL.
struct store *store_pool_take(const struct module *module);

// Takes over a store of whose owner nothing runs any more, for others to use, or destroys it.
void store_pool_put(struct module *module, struct store *store);

// Destroys what there is of the module; NULL: of all modules.
void store_pool_drop(const struct module *module);

void store_pool_init(void);
