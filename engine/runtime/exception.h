#pragma once
// Exceptions that programs hold references to: making them, and giving them back when nobody does.
// For engine/runtime only.
//
// An exception exists only when a catch asks for the reference; other catches get the payload from
// the throwing frame. A reference cannot be forged, for values of type exnref come from catches
// only; but it can be copied freely, and neither compiler counts the copies. So each store has a
// pool of fixed cells, and when that is full everything is kept that a reference may lie to:
//
//   on the running thread's stack, from the throw up to the entry into WebAssembly: any word there
//     that is the address of a cell in use. At a throw no register has a value, so this sees all;
//   in a global or a table of references to exceptions, of the store;
//   in the payload of an exception that is kept.
//
// A number that happens to look like such an address keeps a cell longer, no more. The pool grows,
// at the expense of the store's owner, until half of it is free after that, and it is not small
// against what had to be looked through: so a throw costs the same on average, however many there
// are. When it cannot grow, and no cell is free, the throw is the trap "out of memory".
//
// Several threads may run instances of one store when it owns a shared memory. As other threads'
// stacks are not seen, nothing is taken back then before the store goes, and the pool only grows.
// An embedder who gives each thread a store of its own, with an imported memory, does not meet
// this: references cannot leave a store through a memory, so its own thread's stack is all there
// is to see.
//
// A reference that func_call returns to C is good until code of the store runs again.

#include "engine/api/engine.h"

#define EXCEPTION_INLINE_SLOTS 5u
#define LIMIT_EXCEPTIONS       (1u << 20) // of one store, at once

enum exception_state : u8 { EXCEPTION_FREE, EXCEPTION_USED, EXCEPTION_KEPT };

// A cell of the pool.
struct exception {
    const struct tag *tag;
    struct exception *next; // in a list of free ones, or of those that are still to be looked into
    u32 payload_slots;
    enum exception_state state;
    union {
        u64 few[EXCEPTION_INLINE_SLOTS];
        u64 *many; // when payload_slots is larger
    };
};

STATIC_ASSERT(sizeof(struct exception) == 64, "cells are cache lines");

#define EXCEPTION_CHUNKS 15u

// Cells come in chunks, each as large as all before it.
struct exception_pool {
    u32 chunk_count;
    u32 capacity;   // cells of all chunks
    u32 free_count; // of them
    struct exception *free;
    struct exception *chunks[EXCEPTION_CHUNKS];
};

void exception_pool_fini(struct exception_pool *pool, void *owner);

static inline const u64 *exception_payload(const struct exception *exception) {
    return exception->payload_slots <= EXCEPTION_INLINE_SLOTS ? exception->few : exception->many;
}

// The stack of the running thread that references may lie on.
struct stack_range {
    const u64 *low;
    const u64 *high;
};

// Makes an exception with a copy of the payload. NULL when out of memory.
struct exception *exception_create(struct store *store, const struct tag *tag, const u64 *payload,
                                   struct stack_range stack);
