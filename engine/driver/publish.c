// From a finished code unit to a published code object, and back.

#include "engine/api/host.h"
#include "engine/driver/driver_internal.h"

static void *copy_array(const void *from, usize bytes) {
    void *copy = host_alloc(bytes == 0 ? 1 : bytes);
    if (copy != NULL && bytes != 0)
        memcpy(copy, from, bytes);
    return copy;
}

static void free_array(void *array, usize bytes) {
    host_free(array, bytes == 0 ? 1 : bytes);
}

// Everything but registry and code.
static void object_free(struct code_object *object) {
    free_array(object->sites, object->site_count * sizeof *object->sites);
    free_array(object->entries, object->func_count * sizeof *object->entries);
    free_array(object->guards, object->guard_count * sizeof *object->guards);
    free_array(object->tries, object->try_count * sizeof *object->tries);
    free_array(object->catches, object->catch_count * sizeof *object->catches);
    host_free(object, sizeof *object);
}

static enum status publish_bytes(const struct assembler *code, u64 *address_out) {
    u64 address;
    enum status status = host_code_reserve(code->len, &address);
    if (status != OK)
        return status;
    status = host_code_write(address, code->code, code->len);
    if (status == OK)
        status = host_code_publish(address, code->len);
    if (status != OK) {
        host_code_release(address, code->len);
        return status;
    }
    *address_out = address;
    return OK;
}

// False when out of memory.
static bool copy_tables(const struct code_unit *unit, const u32 *entries, u32 entry_count,
                        struct code_object *object) {
    object->site_count = unit->site_count;
    object->func_count = entry_count;
    object->guard_count = unit->guard_count;
    object->try_count = unit->try_count;
    object->catch_count = unit->catch_count;
    object->sites = copy_array(unit->sites, unit->site_count * sizeof *unit->sites);
    object->entries = copy_array(entries, entry_count * sizeof *entries);
    object->guards = copy_array(unit->guards, unit->guard_count * sizeof *unit->guards);
    object->tries = copy_array(unit->tries, unit->try_count * sizeof *unit->tries);
    object->catches = copy_array(unit->catches, unit->catch_count * sizeof *unit->catches);
    return object->sites != NULL && object->entries != NULL && object->guards != NULL &&
           object->tries != NULL && object->catches != NULL;
}

enum status code_unit_publish(struct engine *engine, const struct code_unit *unit,
                              const u32 *entries, u32 entry_count, struct code_object **out) {
    ASSERT(unit->code.status == OK);
    ASSERT(unit->code.len != 0);
    struct code_object *object = host_alloc(sizeof *object);
    if (object == NULL)
        return ERR_NO_MEMORY;
    object->bytes = unit->code.len;
    enum status status = ERR_NO_MEMORY;
    if (!copy_tables(unit, entries, entry_count, object))
        goto fail;
    status = publish_bytes(&unit->code, &object->address);
    if (status != OK)
        goto fail;
    status = code_registry_add(&engine->codes, object);
    if (status != OK)
        goto fail_add;
    *out = object;
    return OK;

fail_add:
    host_code_release(object->address, object->bytes);
fail:
    object_free(object);
    return status;
}

void code_unpublish(struct engine *engine, struct code_object *object) {
    if (object == NULL)
        return;
    code_registry_remove(&engine->codes, object);
    host_code_release(object->address, object->bytes);
    object_free(object);
}
