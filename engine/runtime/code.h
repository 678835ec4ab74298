#pragma once
// Published code and the way back from an address to the instruction it came from.

#include "engine/api/engine.h"
#include "engine/runtime/sites.h"

struct arena;

struct code_func {
    u32 entry; // code offset
    u32 site_bytes;
    const u8 *sites; // packed; code offsets count from the entry
};

// The code of one module (or thunks), published.
struct code_object {
    u64 address;
    u32 bytes;
    struct module *module; // NULL for thunks

    u32 func_count; // own functions, in order; entries ascending. All thunks are one
    u32 first_func; // index of the first own function
    struct code_func *funcs;
    struct arena *arena; // their sites

    u32 guard_count;
    struct code_guard *guards; // sorted by code_offset
    u32 try_count;
    struct code_try *tries;
    u32 catch_count;
    struct code_catch *catches;
};

// All published code, by address. Under host_registry_lock.
struct code_registry {
    u32 count;
    u32 capacity;
    struct code_object **objects; // sorted by address
};

void code_registry_init(struct code_registry *codes);
void code_registry_fini(struct code_registry *codes); // it is empty

MUST_USE enum status code_registry_add(struct code_registry *codes, struct code_object *object);
void code_registry_remove(struct code_registry *codes, struct code_object *object);

// The object that `pc` lies in, or NULL. REQUIRES the registry lock.
struct code_object *code_registry_find(const struct code_registry *codes, u64 pc);

// An instruction that traps may follow a call directly, so that an offset has a site of each kind.
enum site_kind {
    SITE_TRAP, // the instruction at this offset may trap
    SITE_CALL, // this offset is the return address of a call
};

// The site of that kind at exactly this offset; false when there is none.
MUST_USE bool code_object_site(const struct code_object *object, enum site_kind kind,
                               u32 code_offset, struct code_site *out);

// The last site below this offset in the function that contains it; false when there is none.
MUST_USE bool code_object_site_before(const struct code_object *object, u32 code_offset,
                                      struct code_site *out);

// The innermost try around the call that returns to exactly this offset, or NULL.
const struct code_try *code_object_try(const struct code_object *object, u32 code_offset);

// The try or catch of that number, which a table of the object names; NULL for none.
static inline const struct code_try *code_object_try_at(const struct code_object *object,
                                                        u32 index) {
    if (index == NO_TRY)
        return NULL;
    CHECK(index < object->try_count);
    return &object->tries[index];
}

static inline const struct code_catch *code_object_catch_at(const struct code_object *object,
                                                            u32 index) {
    if (index == NO_CATCH)
        return NULL;
    CHECK(index < object->catch_count);
    return &object->catches[index];
}

// The own function that contains the offset, as a module-wide index, or NO_FUNC.
u32 code_object_func(const struct code_object *object, u32 code_offset);
