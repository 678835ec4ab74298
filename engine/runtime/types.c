// Canonical types: a hash table of groups, and a table of the numbers of their members.
//
// Invariants:
//   1. the groups are pairwise different, and each is in the bucket of its hash;
//   2. a number below `top` is in use (its slot points to its type) or on the list of free ones;
//   3. a group's ref_count is how many interns were not released yet, plus how many members of
//      other groups name one of its members as their supertype: it is freed when that is zero.
//
// What a number means changes only under the registry lock. Nothing is allocated or freed under it,
// so an insertion may find that another thread has grown the arrays or added the same group
// meanwhile: it starts over.

#include "engine/runtime/types.h"

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/decode/module.h"

#define LIMIT_ENGINE_TYPES (1u << 22)
#define FIRST_CAPACITY     32u

struct type_group {
    struct type_group *next; // in its bucket; of the dead, in the list of these
    u32 hash;
    u32 ref_count;
    u32 count;
    u32 bytes; // of the allocation: the displays and the value types lie behind the members
    struct canonical_type members[];
};

// What is looked for: a group as somebody declares it.
struct group_key {
    const struct type_def *defs;
    u32 count;
    u32 hash;
};

void type_registry_init(struct type_registry *types) {
    *types = (struct type_registry){0};
}

static void arrays_free(struct type_slot *slots, struct type_group **buckets, u32 capacity) {
    host_free(slots, capacity * sizeof *slots);
    host_free(buckets, capacity * sizeof(struct type_group *));
}

void type_registry_fini(struct type_registry *types) {
    ASSERT(types->count == 0);
    arrays_free(types->slots, types->buckets, types->capacity);
    type_registry_init(types);
}

// -- Keys ---------------------------------------------------------------------------------------

static u32 value_count(const struct func_type *type) {
    return type->param_count + type->result_count;
}

static bool is_number(u32 super) {
    return super != TYPE_NONE && (super & TYPE_RELATIVE) == 0;
}

// FNV-1a over everything that group_is() compares.
static u32 hash_word(u32 hash, u32 word) {
    return (hash ^ word) * 16777619u;
}

static u32 hash_def(u32 hash, const struct type_def *def) {
    hash = hash_word(hash, def->super);
    hash = hash_word(hash, def->is_final);
    hash = hash_word(hash, def->func.param_count);
    hash = hash_word(hash, def->func.result_count);
    for (u32 i = 0; i < value_count(&def->func); i++)
        hash = hash_word(hash, def->func.types[i]);
    return hash;
}

static struct group_key key_of(const struct type_def *defs, u32 count) {
    u32 hash = 2166136261u;
    for (u32 i = 0; i < count; i++)
        hash = hash_def(hash, &defs[i]);
    return (struct group_key){.defs = defs, .count = count, .hash = hash ^ (hash >> 15)};
}

static bool group_is(const struct type_group *group, const struct group_key *key) {
    if (group->hash != key->hash || group->count != key->count)
        return false;
    for (u32 i = 0; i < key->count; i++) {
        const struct type_def *a = &group->members[i].def;
        const struct type_def *b = &key->defs[i];
        if (a->super != b->super || a->is_final != b->is_final ||
            !func_type_equal(&a->func, &b->func))
            return false;
    }
    return true;
}

// -- Lookup, under the lock ---------------------------------------------------------------------

static struct canonical_type *type_at_locked(const struct type_registry *types, u32 id) {
    CHECK(id < types->top);
    struct canonical_type *type = types->slots[id].type;
    CHECK(type != NULL);
    return type;
}

static struct type_group **bucket_locked(const struct type_registry *types, u32 hash) {
    ASSERT(is_power_of_two(types->capacity));
    return &types->buckets[hash & (types->capacity - 1)];
}

static struct type_group *find_locked(const struct type_registry *types,
                                      const struct group_key *key) {
    if (types->capacity == 0)
        return NULL;
    struct type_group *group = *bucket_locked(types, key->hash);
    while (group != NULL && !group_is(group, key))
        group = group->next;
    return group;
}

static void take_locked(struct type_group *group, u32 *numbers) {
    CHECK(group->ref_count != UINT32_MAX);
    group->ref_count++;
    for (u32 i = 0; i < group->count; i++)
        numbers[i] = group->members[i].id;
}

static bool find_and_take(const struct type_registry *types, const struct group_key *key,
                          u32 *numbers) {
    host_registry_lock();
    struct type_group *group = find_locked(types, key);
    if (group != NULL)
        take_locked(group, numbers);
    host_registry_unlock();
    return group != NULL;
}

// -- Making a group -----------------------------------------------------------------------------

// How many supertypes a member has above it; something above LIMIT_SUBTYPES if that is too many.
static u32 depth_of(const struct type_registry *types, const struct group_key *key, u32 index) {
    u32 depth = 0;
    u32 super = key->defs[index].super;
    while (super != TYPE_NONE && !is_number(super) && depth <= LIMIT_SUBTYPES) {
        u32 above = super & ~TYPE_RELATIVE;
        CHECK(above < index);
        index = above;
        super = key->defs[index].super;
        depth++;
    }
    if (is_number(super)) {
        host_registry_lock();
        depth += type_at_locked(types, super)->depth + 1;
        host_registry_unlock();
    }
    return depth;
}

static enum status group_bytes(const struct type_registry *types, const struct group_key *key,
                               u64 *out) {
    u64 bytes = sizeof(struct type_group) + (u64)key->count * sizeof(struct canonical_type);
    for (u32 i = 0; i < key->count; i++) {
        u32 depth = depth_of(types, key, i);
        if (depth > LIMIT_SUBTYPES)
            return ERR_LIMIT;
        bytes += (depth + 1) * sizeof(u32);
        bytes += value_count(&key->defs[i].func) * sizeof(enum value_type);
    }
    *out = bytes;
    return bytes <= UINT32_MAX ? OK : ERR_LIMIT;
}

// A copy of what the key names. It has no numbers yet.
static enum status group_create(const struct type_registry *types, const struct group_key *key,
                                struct type_group **out) {
    u64 bytes;
    enum status status = group_bytes(types, key, &bytes);
    if (status != OK)
        return status;
    struct type_group *group = host_alloc(bytes);
    if (group == NULL)
        return ERR_NO_MEMORY;
    group->hash = key->hash;
    group->count = key->count;
    group->bytes = (u32)bytes;
    u32 *display = (u32 *)&group->members[group->count];
    for (u32 i = 0; i < group->count; i++) {
        struct canonical_type *member = &group->members[i];
        member->def = key->defs[i];
        member->depth = depth_of(types, key, i);
        member->display = display;
        display += member->depth + 1;
    }
    enum value_type *values = (enum value_type *)display;
    for (u32 i = 0; i < group->count; i++) {
        struct func_type *func = &group->members[i].def.func;
        u32 count = value_count(func);
        if (count != 0)
            memcpy(values, func->types, count * sizeof *values);
        func->types = values;
        values += count;
    }
    ASSERT((uptr)values == (uptr)group + bytes);
    *out = group;
    return OK;
}

static void group_free(struct type_group *group) {
    host_free(group, group->bytes);
}

// -- Insertion ----------------------------------------------------------------------------------

static u32 number_locked(struct type_registry *types) {
    types->count++;
    if (types->free == 0)
        return types->top++;
    u32 id = types->free - 1;
    types->free = types->slots[id].next_free;
    return id;
}

// Fills in a member's display and takes the reference to its supertype.
static void link_super_locked(struct type_registry *types, struct type_group *group,
                              struct canonical_type *member) {
    u32 super = member->def.super;
    if (super != TYPE_NONE) {
        const struct canonical_type *above = is_number(super)
                                                 ? type_at_locked(types, super)
                                                 : &group->members[super & ~TYPE_RELATIVE];
        ASSERT(!above->def.is_final);
        ASSERT(above->depth + 1 == member->depth);
        memcpy(member->display, above->display, member->depth * sizeof *member->display);
        if (is_number(super))
            above->group->ref_count++;
    }
    member->display[member->depth] = member->id;
}

static void insert_locked(struct type_registry *types, struct type_group *group) {
    for (u32 i = 0; i < group->count; i++) {
        struct canonical_type *member = &group->members[i];
        member->group = group;
        member->id = number_locked(types);
        types->slots[member->id].type = member;
        link_super_locked(types, group, member);
    }
    struct type_group **bucket = bucket_locked(types, group->hash);
    group->next = *bucket;
    *bucket = group;
}

enum insertion { FOUND, INSERTED, FULL };

static enum insertion find_or_insert(struct type_registry *types, const struct group_key *key,
                                     struct type_group *made, u32 *numbers, u32 *capacity) {
    enum insertion result = FULL;
    host_registry_lock();
    *capacity = types->capacity;
    struct type_group *group = find_locked(types, key);
    if (group != NULL) {
        result = FOUND;
    } else if (made->count <= types->capacity - types->count) {
        group = made;
        insert_locked(types, group);
        result = INSERTED;
    }
    if (group != NULL)
        take_locked(group, numbers);
    host_registry_unlock();
    return result;
}

// Moves what the registry has into bigger arrays, and exchanges these for its own.
static void move_locked(struct type_registry *types, struct type_slot **slots,
                        struct type_group ***buckets, u32 capacity) {
    struct type_registry old = *types;
    types->slots = *slots;
    types->buckets = *buckets;
    types->capacity = capacity;
    if (old.top != 0)
        memcpy(types->slots, old.slots, old.top * sizeof *old.slots);
    for (u32 i = 0; i < old.capacity; i++) {
        struct type_group *group = old.buckets[i];
        while (group != NULL) {
            struct type_group *next = group->next;
            struct type_group **bucket = bucket_locked(types, group->hash);
            group->next = *bucket;
            *bucket = group;
            group = next;
        }
    }
    *slots = old.slots;
    *buckets = old.buckets;
}

// Makes room for more than `capacity` types, unless another thread did so first.
static enum status grow(struct type_registry *types, u32 capacity) {
    if (capacity >= LIMIT_ENGINE_TYPES)
        return ERR_LIMIT;
    u32 bigger = capacity == 0 ? FIRST_CAPACITY : capacity * 2;
    struct type_slot *slots = host_alloc(bigger * sizeof *slots);
    struct type_group **buckets = host_alloc(bigger * sizeof(struct type_group *));
    if (slots == NULL || buckets == NULL) {
        arrays_free(slots, buckets, bigger);
        return ERR_NO_MEMORY;
    }
    u32 unused = bigger;
    host_registry_lock();
    if (types->capacity == capacity) {
        move_locked(types, &slots, &buckets, bigger);
        unused = capacity;
    }
    host_registry_unlock();
    arrays_free(slots, buckets, unused);
    return OK;
}

enum status type_registry_intern_group(struct type_registry *types, const struct type_def *defs,
                                       u32 count, u32 *numbers) {
    ASSERT(count != 0);
    struct group_key key = key_of(defs, count);
    if (find_and_take(types, &key, numbers))
        return OK;
    struct type_group *group;
    enum status status = group_create(types, &key, &group);
    if (status != OK)
        return status;
    enum insertion result;
    u32 capacity;
    while ((result = find_or_insert(types, &key, group, numbers, &capacity)) == FULL &&
           status == OK)
        status = grow(types, capacity);
    if (result != INSERTED)
        group_free(group);
    return result == FULL ? status : OK;
}

enum status type_registry_intern(struct type_registry *types, const struct func_type *type,
                                 u32 *out) {
    const struct type_def def = {.func = *type, .super = TYPE_NONE, .is_final = true};
    return type_registry_intern_group(types, &def, 1, out);
}

// -- Release ------------------------------------------------------------------------------------

static void remove_locked(struct type_registry *types, struct type_group *group) {
    struct type_group **at = bucket_locked(types, group->hash);
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    for (u32 i = 0; i < group->count; i++) {
        u32 id = group->members[i].id;
        types->slots[id] = (struct type_slot){.next_free = types->free};
        types->free = id + 1;
    }
    types->count -= group->count;
}

// Gives one reference back. A group that loses its last goes from the registry to `dead`.
static void drop_locked(struct type_registry *types, struct type_group *group,
                        struct type_group **dead) {
    ASSERT(group->ref_count != 0);
    if (--group->ref_count != 0)
        return;
    remove_locked(types, group);
    group->next = *dead;
    *dead = group;
}

// Whose supertypes are in the groups that die with it, and so on: a chain of LIMIT_SUBTYPES at most
// for each member.
static void drop_supers_locked(struct type_registry *types, const struct type_group *group,
                               struct type_group **dead) {
    for (u32 i = 0; i < group->count; i++) {
        u32 super = group->members[i].def.super;
        if (is_number(super))
            drop_locked(types, type_at_locked(types, super)->group, dead);
    }
}

void type_registry_release(struct type_registry *types, u32 id) {
    struct type_group *dead = NULL;
    host_registry_lock();
    drop_locked(types, type_at_locked(types, id)->group, &dead);
    host_registry_unlock();
    while (dead != NULL) {
        struct type_group *group = dead;
        dead = group->next;
        host_registry_lock();
        drop_supers_locked(types, group, &dead);
        host_registry_unlock();
        group_free(group);
    }
}

// -- Reading ------------------------------------------------------------------------------------

struct func_type type_registry_type(const struct type_registry *types, u32 id) {
    host_registry_lock();
    struct func_type type = type_at_locked(types, id)->def.func;
    host_registry_unlock();
    return type;
}

u64 type_registry_bytes(const struct type_registry *types, u32 id) {
    host_registry_lock();
    const struct type_group *group = type_at_locked(types, id)->group;
    u64 bytes = group->bytes;
    bytes += group->count * (sizeof *types->slots + sizeof *types->buckets);
    host_registry_unlock();
    return bytes;
}

bool type_registry_is_subtype(const struct type_registry *types, u32 sub, u32 super) {
    if (sub == super)
        return true;
    host_registry_lock();
    const struct canonical_type *below = type_at_locked(types, sub);
    u32 depth = type_at_locked(types, super)->depth;
    bool is_subtype = depth < below->depth && below->display[depth] == super;
    host_registry_unlock();
    return is_subtype;
}

const void *type_registry_host_thunk(const struct type_registry *types, u32 id) {
    host_registry_lock();
    const void *thunk = type_at_locked(types, id)->host_thunk;
    host_registry_unlock();
    return thunk;
}

void type_registry_set_host_thunk(struct type_registry *types, u32 id, const void *thunk) {
    host_registry_lock();
    struct canonical_type *type = type_at_locked(types, id);
    if (type->host_thunk == NULL)
        type->host_thunk = thunk;
    host_registry_unlock();
}
