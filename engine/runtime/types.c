// Canonical function types: a hash table whose values are numbers handed out in order.
//
// Types are never removed: a number may be in a function reference or in published code anywhere.
// So a type costs memory for as long as the engine lives; LIMIT_ENGINE_TYPES bounds that.
//
// Invariants:
//   1. entries[0 .. count) are pairwise different;
//   2. every entry is in exactly one bucket chain position found by linear probing from its hash;
//   3. bucket_count is zero or a power of two, and at least a third of the buckets are empty.
//
// The arrays are allocated outside of the registry lock, so an insertion may find that another
// thread has grown them meanwhile: it starts over.

#include "engine/runtime/types.h"

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/decode/module.h"

#define LIMIT_ENGINE_TYPES (1u << 22)
#define FIRST_CAPACITY     32u

struct arrays {
    struct type_entry *entries;
    u32 capacity;
    u32 *buckets;
    u32 bucket_count;
};

void type_registry_init(struct type_registry *types) {
    *types = (struct type_registry){0};
}

static usize type_bytes(const struct func_type *type) {
    return ((usize)type->param_count + type->result_count) * sizeof(*type->types);
}

static void arrays_free(const struct arrays *a) {
    host_free(a->entries, a->capacity * sizeof *a->entries);
    host_free(a->buckets, a->bucket_count * sizeof *a->buckets);
}

void type_registry_fini(struct type_registry *types) {
    for (u32 i = 0; i < types->count; i++) {
        const struct func_type *type = &types->entries[i].type;
        host_free((void *)type->types, type_bytes(type));
    }
    arrays_free(
        &(struct arrays){types->entries, types->capacity, types->buckets, types->bucket_count});
    type_registry_init(types);
}

// FNV-1a over the counts and the types.
static u32 type_hash(const struct func_type *type) {
    u32 hash = 2166136261u ^ type->param_count;
    hash = hash * 16777619u ^ type->result_count;
    for (usize i = 0; i < (usize)type->param_count + type->result_count; i++)
        hash = (hash ^ (u32)type->types[i]) * 16777619u;
    return hash ^ (hash >> 15);
}

// The bucket that holds `type`, or the empty one where it belongs. There is an empty bucket.
static u32 *bucket_of(const struct arrays *a, const struct func_type *type) {
    ASSERT(is_power_of_two(a->bucket_count));
    u32 at = type_hash(type) & (a->bucket_count - 1);
    while (a->buckets[at] != 0 && !func_type_equal(&a->entries[a->buckets[at] - 1].type, type))
        at = (at + 1) & (a->bucket_count - 1);
    return &a->buckets[at];
}

static struct arrays arrays_of(const struct type_registry *types) {
    return (struct arrays){types->entries, types->capacity, types->buckets, types->bucket_count};
}

static enum status arrays_alloc(u32 capacity, struct arrays *out) {
    struct arrays a = {.capacity = capacity, .bucket_count = capacity * 2};
    a.entries = host_alloc(a.capacity * sizeof *a.entries);
    a.buckets = host_alloc(a.bucket_count * sizeof *a.buckets);
    if (a.entries == NULL || a.buckets == NULL) {
        arrays_free(&a);
        return ERR_NO_MEMORY;
    }
    *out = a;
    return OK;
}

// Makes room for more than `capacity` types, unless another thread did so first.
static enum status grow(struct type_registry *types, u32 capacity) {
    if (capacity >= LIMIT_ENGINE_TYPES)
        return ERR_LIMIT;
    struct arrays bigger;
    enum status status = arrays_alloc(capacity == 0 ? FIRST_CAPACITY : capacity * 2, &bigger);
    if (status != OK)
        return status;

    struct arrays unused = bigger;
    host_registry_lock();
    if (types->capacity == capacity) {
        unused = arrays_of(types);
        if (types->count != 0)
            memcpy(bigger.entries, types->entries, types->count * sizeof *bigger.entries);
        for (u32 i = 0; i < types->count; i++)
            *bucket_of(&bigger, &bigger.entries[i].type) = i + 1;
        types->entries = bigger.entries;
        types->capacity = bigger.capacity;
        types->buckets = bigger.buckets;
        types->bucket_count = bigger.bucket_count;
    }
    host_registry_unlock();
    arrays_free(&unused);
    return OK;
}

enum insertion { FOUND, INSERTED, FULL };

// `entry.type` is `type` with its own copy of the types.
static enum insertion find_or_insert(struct type_registry *types, const struct type_entry *entry,
                                     u32 *out, u32 *capacity) {
    enum insertion result = FULL;
    host_registry_lock();
    *capacity = types->capacity;
    struct arrays a = arrays_of(types);
    u32 *bucket = a.bucket_count != 0 ? bucket_of(&a, &entry->type) : NULL;
    if (bucket != NULL && *bucket != 0) {
        *out = *bucket - 1;
        result = FOUND;
    } else if (bucket != NULL && types->count < types->capacity) {
        types->entries[types->count] = *entry;
        *bucket = ++types->count;
        *out = types->count - 1;
        result = INSERTED;
    }
    host_registry_unlock();
    return result;
}

static bool find(const struct type_registry *types, const struct func_type *type, u32 *out) {
    host_registry_lock();
    struct arrays a = arrays_of(types);
    u32 number = a.bucket_count != 0 ? *bucket_of(&a, type) : 0;
    host_registry_unlock();
    if (number != 0)
        *out = number - 1;
    return number != 0;
}

enum status type_registry_intern(struct type_registry *types, const struct func_type *type,
                                 u32 *out) {
    if (find(types, type, out))
        return OK;

    usize bytes = type_bytes(type);
    struct type_entry entry = {.type = *type};
    entry.type.types = NULL; // what belongs to the module must not outlive it
    if (bytes != 0) {
        enum value_type *copy = host_alloc(bytes);
        if (copy == NULL)
            return ERR_NO_MEMORY;
        memcpy(copy, type->types, bytes);
        entry.type.types = copy;
    }

    enum status status = OK;
    enum insertion result;
    u32 capacity;
    while ((result = find_or_insert(types, &entry, out, &capacity)) == FULL && status == OK)
        status = grow(types, capacity);
    if (result != INSERTED && bytes != 0)
        host_free((void *)entry.type.types, bytes);
    return result == FULL ? status : OK;
}

struct func_type type_registry_type(const struct type_registry *types, u32 id) {
    host_registry_lock();
    CHECK(id < types->count);
    struct func_type type = types->entries[id].type;
    host_registry_unlock();
    return type;
}

const void *type_registry_host_thunk(const struct type_registry *types, u32 id) {
    host_registry_lock();
    CHECK(id < types->count);
    const void *thunk = types->entries[id].host_thunk;
    host_registry_unlock();
    return thunk;
}

const void *type_registry_cross_thunk(const struct type_registry *types, u32 id) {
    host_registry_lock();
    CHECK(id < types->count);
    const void *thunk = types->entries[id].cross_thunk;
    host_registry_unlock();
    return thunk;
}

void type_registry_set_host_thunk(struct type_registry *types, u32 id, const void *thunk) {
    host_registry_lock();
    CHECK(id < types->count);
    struct type_entry *entry = &types->entries[id];
    if (entry->host_thunk == NULL)
        entry->host_thunk = thunk;
    host_registry_unlock();
}

void type_registry_set_cross_thunk(struct type_registry *types, u32 id, const void *thunk) {
    host_registry_lock();
    CHECK(id < types->count);
    struct type_entry *entry = &types->entries[id];
    if (entry->cross_thunk == NULL)
        entry->cross_thunk = thunk;
    host_registry_unlock();
}
