// The registry of published code, and searches in a code object's tables.
//
// Invariants: objects[0 .. count) are sorted by address and do not overlap; within an object the
// function entries and their sites ascend. Every access to the registry is under its lock; only the
// array itself is allocated outside of it.

#include "engine/runtime/code.h"

#include "base/math.h"
#include "engine/api/host.h"

#define FIRST_CAPACITY 16u

void code_registry_init(struct code_registry *codes) {
    *codes = (struct code_registry){0};
}

void code_registry_fini(struct code_registry *codes) {
    ASSERT(codes->count == 0);
    host_free(codes->objects, codes->capacity * sizeof *codes->objects);
    code_registry_init(codes);
}

// The number of objects that start at or below `pc`.
static u32 rank(const struct code_registry *codes, u64 pc) {
    u32 low = 0;
    u32 high = codes->count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (codes->objects[middle]->address <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool insert(struct code_registry *codes, struct code_object *object, u32 *capacity) {
    host_registry_lock();
    *capacity = codes->capacity;
    bool fits = codes->count < codes->capacity;
    if (fits) {
        u32 at = rank(codes, object->address);
        for (u32 i = codes->count; i > at; i--)
            codes->objects[i] = codes->objects[i - 1];
        codes->objects[at] = object;
        codes->count++;
        ASSERT(at == 0 ||
               codes->objects[at - 1]->address + codes->objects[at - 1]->bytes <= object->address);
    }
    host_registry_unlock();
    return fits;
}

// Makes room for more than `capacity` objects, unless another thread did so first.
static enum status grow(struct code_registry *codes, u32 capacity) {
    u32 bigger = capacity == 0 ? FIRST_CAPACITY : capacity * 2;
    struct code_object **objects = host_alloc(bigger * sizeof(struct code_object *));
    if (objects == NULL)
        return ERR_NO_MEMORY;

    struct code_object **unused = objects;
    u32 unused_capacity = bigger;
    host_registry_lock();
    if (codes->capacity == capacity) {
        if (codes->count != 0)
            memcpy(objects, codes->objects, codes->count * sizeof *objects);
        unused = codes->objects;
        unused_capacity = codes->capacity;
        codes->objects = objects;
        codes->capacity = bigger;
    }
    host_registry_unlock();
    host_free(unused, unused_capacity * sizeof *unused);
    return OK;
}

enum status code_registry_add(struct code_registry *codes, struct code_object *object) {
    ASSERT(object->bytes != 0);
    u32 capacity;
    while (!insert(codes, object, &capacity)) {
        enum status status = grow(codes, capacity);
        if (status != OK)
            return status;
    }
    return OK;
}

void code_registry_remove(struct code_registry *codes, struct code_object *object) {
    host_registry_lock();
    u32 at = rank(codes, object->address);
    CHECK(at != 0 && codes->objects[at - 1] == object);
    for (u32 i = at; i < codes->count; i++)
        codes->objects[i - 1] = codes->objects[i];
    codes->count--;
    host_registry_unlock();
}

struct code_object *code_registry_find(const struct code_registry *codes, u64 pc) {
    u32 at = rank(codes, pc);
    if (at == 0)
        return NULL;
    struct code_object *object = codes->objects[at - 1];
    return pc - object->address < object->bytes ? object : NULL;
}

const struct code_try *code_object_try(const struct code_object *object, u32 code_offset) {
    u32 low = 0;
    u32 high = object->guard_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (object->guards[middle].code_offset < code_offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == object->guard_count || object->guards[low].code_offset != code_offset)
        return NULL;
    return code_object_try_at(object, object->guards[low].innermost);
}

// The function that contains the offset, or NULL.
static const struct code_func *func_at(const struct code_object *object, u32 code_offset) {
    u32 low = 0;
    u32 high = object->func_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (object->funcs[middle].entry <= code_offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 || code_offset >= object->bytes ? NULL : &object->funcs[low - 1];
}

static struct site_reader read_sites(const struct code_func *func) {
    return (struct site_reader){
        .at = func->sites,
        .end = func->sites + func->site_bytes,
        .site = {.code_offset = func->entry},
    };
}

bool code_object_site(const struct code_object *object, enum site_kind kind, u32 code_offset,
                      struct code_site *out) {
    if (kind == SITE_CALL && code_offset == 0)
        return false;
    // A return address may be the entry of the next function.
    const struct code_func *func =
        func_at(object, kind == SITE_CALL ? code_offset - 1 : code_offset);
    if (func == NULL)
        return false;
    struct site_reader r = read_sites(func);
    while (site_next(&r) && r.site.code_offset <= code_offset) {
        *out = r.site;
        if (r.site.code_offset == code_offset && (r.site.trap == TRAP_NONE) == (kind == SITE_CALL))
            return true;
    }
    return false;
}

bool code_object_site_before(const struct code_object *object, u32 code_offset,
                             struct code_site *out) {
    const struct code_func *func = func_at(object, code_offset);
    if (func == NULL)
        return false;
    bool found = false;
    struct site_reader r = read_sites(func);
    while (site_next(&r) && r.site.code_offset < code_offset) {
        *out = r.site;
        found = true;
    }
    return found;
}

u32 code_object_func(const struct code_object *object, u32 code_offset) {
    const struct code_func *func = func_at(object, code_offset);
    if (func == NULL || object->module == NULL)
        return NO_FUNC;
    return object->first_func + (u32)(func - object->funcs);
}
