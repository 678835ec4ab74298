#pragma once
// Canonical types: two types are the same exactly when their numbers are, engine-wide, so that a
// function reference from any module can be checked with one comparison.
//
// What is canonical is a group of types that may refer to each other (the specification's recursive
// type). References inside a group are relative and those out of it are numbers, so that equal
// groups have equal keys, wherever they were declared. A type that a module declares by itself is a
// group of one final function type without a supertype.
//
// Every intern takes a reference to the group; a number stays what it is until the last one is
// given back, and is used again then. Whoever keeps a number where it can be compared or looked up
// holds such a reference: modules for what their code and their instances' function references
// name, host functions and the embedder's tags for theirs, groups for their supertypes'.

#include "engine/api/engine.h"

#define TYPE_NONE      UINT32_MAX
#define TYPE_RELATIVE  (1u << 31) // or an index: a member of the same group

#define LIMIT_SUBTYPES 63u // longest chain of supertypes, as the JavaScript API has it

struct type_def {
    struct func_type func;
    u32 super; // TYPE_NONE, TYPE_RELATIVE | index of an earlier member, or a canonical number
    bool is_final;
};

struct type_group;

// A canonical type. Fixed, except for the thunk, as long as its group is referred to.
struct canonical_type {
    struct type_def def; // own copy
    struct type_group *group;
    u32 id;
    u32 depth;              // supertypes above it
    u32 *display;           // numbers of these, outermost first, then its own
    const void *host_thunk; // code of host functions of this type; NULL until there is one
};

struct type_slot {
    struct canonical_type *type; // NULL: the number is free
    u32 next_free;               // then 1 + the one that is used after it, or 0
};

struct type_registry {
    u32 count;                   // numbers in use
    u32 top;                     // numbers that ever were in use
    u32 capacity;                // of both arrays; zero or a power of two
    u32 free;                    // 1 + the number that is used next, or 0: `top` is
    struct type_slot *slots;     // by number; moves when it grows
    struct type_group **buckets; // by hash
};

void type_registry_init(struct type_registry *types);
void type_registry_fini(struct type_registry *types); // nobody holds a reference any more

// Finds or adds a group and takes one reference to it. `numbers` gets its members' numbers.
// Supertypes are not final, and those that are canonical numbers are held by the caller.
MUST_USE enum status type_registry_intern_group(struct type_registry *types,
                                                const struct type_def *defs, u32 count,
                                                u32 *numbers);

// The same for one final function type.
MUST_USE enum status type_registry_intern(struct type_registry *types, const struct func_type *type,
                                          u32 *out);

// Gives back one reference to the group that `id` is a member of.
void type_registry_release(struct type_registry *types, u32 id);

// Below, `id` is a number that the caller knows to be held. The result lives as long.
struct func_type type_registry_type(const struct type_registry *types, u32 id);

// What the group takes, its entries in the registry included.
u64 type_registry_bytes(const struct type_registry *types, u32 id);

// Whether a value of type `sub` is one of type `super`. Takes constant time.
bool type_registry_is_subtype(const struct type_registry *types, u32 sub, u32 super);

// The thunk is set once: it has to live as long as the engine.
const void *type_registry_host_thunk(const struct type_registry *types, u32 id);
void type_registry_set_host_thunk(struct type_registry *types, u32 id, const void *thunk);
