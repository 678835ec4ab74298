// Tables of references.
//
// Invariant: size <= capacity <= LIMIT_TABLE_SIZE and size <= max_size, the declared maximum or
// what indices can reach; elements holds `capacity` slots, those beyond `size` are never read.

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/runtime/store.h"

static void elements_free(void *owner, u64 *elements, u32 capacity) {
    host_data_free(owner, elements, capacity * sizeof *elements);
}

static enum status reserve(struct table *table, u64 capacity) {
    if (capacity <= table->capacity)
        return OK;
    // At least double, so that growing one by one stays linear.
    u64 wanted = max_u64(capacity, min_u64(2ull * table->capacity, LIMIT_TABLE_SIZE));
    void *data;
    enum status status = host_data_alloc(table->owner, wanted * sizeof *table->elements, &data);
    if (status != OK)
        return status;
    u64 *elements = data;
    if (table->size != 0)
        memcpy(elements, table->elements, table->size * sizeof *elements);
    elements_free(table->owner, table->elements, table->capacity);
    table->elements = elements;
    table->capacity = (u32)wanted;
    return OK;
}

enum status store_table(struct store *store, struct table_type type, struct table **out) {
    const struct limits *limits = &type.limits;
    if (limits->min > LIMIT_TABLE_SIZE || (limits->has_max && limits->max < limits->min))
        return ERR_LIMIT;
    struct store_table *made = host_alloc(sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;

    struct table *table = &made->table;
    table->owner = store->owner;
    table->type = type.element;
    table->has_max = limits->has_max;
    table->is64 = type.is64;
    table->max_size = limits->has_max ? limits->max : type.is64 ? UINT64_MAX : UINT32_MAX;
    enum status status = reserve(table, limits->min);
    if (status != OK) {
        host_free(made, sizeof *made);
        return status;
    }
    table->size = limits->min;

    made->next = store->tables;
    store->tables = made;
    *out = table;
    return OK;
}

bool table_grow(struct table *table, u64 count, u64 value) {
    u64 limit = min_u64(table->max_size, LIMIT_TABLE_SIZE);
    if (table->size > limit || count > limit - table->size)
        return false;
    if (reserve(table, table->size + count) != OK)
        return false;
    for (u64 i = 0; i < count; i++)
        table->elements[table->size + i] = value;
    table->size += count;
    return true;
}

void table_reset(struct table *table, u64 size) {
    CHECK(size <= table->capacity);
    table->size = size;
    if (size != 0)
        memset(table->elements, 0, size * sizeof *table->elements);
}

void table_fini(struct table *table) {
    elements_free(table->owner, table->elements, table->capacity);
}
