// The C functions behind instructions that are too long to be emitted: growing, bulk operations.
//
// Generated code is type-checked, so operands have their types and segment and table indices exist;
// everything else about them is checked here, before anything is written. Operands are 64-bit
// values, or 32-bit ones zero-extended, so nothing is added to them unchecked.

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/runtime/entry.h"
#include "engine/runtime/store.h"

// What growing gives when it fails: -1 of the address type.
static u64 grow_failed(bool is64) {
    return is64 ? UINT64_MAX : UINT32_MAX;
}

// Every helper that may be called in a loop ends with one of these two. A program that spends all
// its time in helpers is hardly ever interrupted in its own code, where it could be redirected; so
// it notices here that it is to end, or to stand still for a while.
static struct helper_result value(u64 result) {
    return (struct helper_result){.value = result, .trap = host_pause()};
}

static struct helper_result outcome(enum trap trap) {
    struct helper_result result = value(0);
    if (trap != TRAP_NONE)
        result.trap = trap;
    return result;
}

static struct helper_result helper_memory_grow(struct instance *instance, u64 memory_index,
                                               u64 pages) {
    struct memory *memory = *instance_memory_ptr(instance, (u32)memory_index);
    u64 old_pages;
    return value(memory_grow(memory, pages, &old_pages) ? old_pages : grow_failed(memory->is64));
}

// The convention of generated code: operands in registers, hence the six of them here and below.
static struct helper_result helper_memory_init(struct instance *instance, u64 memory, u64 segment,
                                               u64 to, u64 from, u64 count) {
    struct init_range range = {.to = to, .from = from, .count = count};
    return outcome(instance_data_init(instance, (u32)memory, (u32)segment, range));
}

static struct helper_result helper_data_drop(struct instance *instance, u64 segment) {
    CHECK(segment < instance->module->decl->data_count);
    instance->state->data_dropped[segment] = true;
    return outcome(TRAP_NONE);
}

static struct helper_result helper_table_grow(struct instance *instance, u64 table_index,
                                              u64 element, u64 count) {
    struct table *table = instance_table(instance, (u32)table_index);
    u64 old_size = table->size;
    return value(table_grow(table, count, element) ? old_size : grow_failed(table->is64));
}

static struct helper_result helper_table_fill(struct instance *instance, u64 table_index, u64 at,
                                              u64 element, u64 count) {
    struct table *table = instance_table(instance, (u32)table_index);
    if (!range_fits(at, count, table->size))
        return outcome(TRAP_TABLE_BOUNDS);
    for (u64 i = 0; i < count; i++)
        table->elements[at + i] = element;
    return outcome(TRAP_NONE);
}

static struct helper_result helper_table_copy(struct instance *instance, u64 to_table,
                                              u64 from_table, u64 to, u64 from, u64 count) {
    struct table *target = instance_table(instance, (u32)to_table);
    struct table *source = instance_table(instance, (u32)from_table);
    if (!range_fits(to, count, target->size) || !range_fits(from, count, source->size))
        return outcome(TRAP_TABLE_BOUNDS);
    if (count != 0)
        memmove(target->elements + to, source->elements + from, count * sizeof(u64));
    return outcome(TRAP_NONE);
}

static struct helper_result helper_table_init(struct instance *instance, u64 table, u64 segment,
                                              u64 to, u64 from, u64 count) {
    struct init_range range = {.to = to, .from = from, .count = count};
    return outcome(instance_elem_init(instance, (u32)table, (u32)segment, range));
}

static struct helper_result helper_elem_drop(struct instance *instance, u64 segment) {
    CHECK(segment < instance->module->decl->elem_count);
    instance->state->elem_dropped[segment] = true;
    return outcome(TRAP_NONE);
}

// -- Waiting ------------------------------------------------------------------------------------

// Where an atomic access of `bytes` at index + offset lies, or why it may not be made.
static enum trap atomic_address(const struct memory *memory, u64 offset, u64 index, u32 bytes,
                                u64 *out) {
    u64 at;
    if (__builtin_add_overflow(index, offset, &at) || !range_fits(at, bytes, memory_bytes(memory)))
        return TRAP_MEMORY_BOUNDS;
    if (at % bytes != 0)
        return TRAP_UNALIGNED_ATOMIC;
    *out = memory->base + at;
    return TRAP_NONE;
}

static struct helper_result wait_at(const struct memory *memory, u64 offset, u64 index,
                                    struct host_wait wait) {
    enum trap trap = atomic_address(memory, offset, index, wait.bytes, &wait.address);
    if (trap == TRAP_NONE && !memory->is_shared)
        trap = TRAP_EXPECTED_SHARED;
    if (trap != TRAP_NONE)
        return outcome(trap);
    enum host_wait_result result = WAIT_WOKEN;
    trap = host_memory_wait(memory->owner, &wait, &result);
    return trap == TRAP_NONE ? value(result) : outcome(trap);
}

static struct helper_result helper_wait32(struct instance *instance, u64 memory, u64 offset,
                                          u64 index, u64 expected, u64 timeout) {
    struct host_wait wait = {.bytes = 4, .expected = expected, .timeout_ns = (i64)timeout};
    return wait_at(*instance_memory_ptr(instance, (u32)memory), offset, index, wait);
}

static struct helper_result helper_wait64(struct instance *instance, u64 memory, u64 offset,
                                          u64 index, u64 expected, u64 timeout) {
    struct host_wait wait = {.bytes = 8, .expected = expected, .timeout_ns = (i64)timeout};
    return wait_at(*instance_memory_ptr(instance, (u32)memory), offset, index, wait);
}

// Nobody can wait in a memory that is not shared.
static struct helper_result helper_notify(struct instance *instance, u64 memory_index, u64 offset,
                                          u64 index, u64 count) {
    const struct memory *memory = *instance_memory_ptr(instance, (u32)memory_index);
    u64 address;
    enum trap trap = atomic_address(memory, offset, index, 4, &address);
    if (trap != TRAP_NONE)
        return outcome(trap);
    return value(memory->is_shared ? host_memory_notify(memory->owner, address, (u32)count) : 0);
}

static const void *const helpers[HELPER_COUNT] = {
    [HELPER_MEMORY_GROW] = helper_memory_grow,
    [HELPER_MEMORY_INIT] = helper_memory_init,
    [HELPER_DATA_DROP] = helper_data_drop,
    [HELPER_TABLE_GROW] = helper_table_grow,
    [HELPER_TABLE_FILL] = helper_table_fill,
    [HELPER_TABLE_COPY] = helper_table_copy,
    [HELPER_TABLE_INIT] = helper_table_init,
    [HELPER_ELEM_DROP] = helper_elem_drop,
    [HELPER_STACK_GROW] = entry_stack_grow,
    [HELPER_SEGMENT_SET] = entry_segment_set,
    [HELPER_TAIL_CALL] = entry_tail_call,
    [HELPER_WAIT32] = helper_wait32,
    [HELPER_WAIT64] = helper_wait64,
    [HELPER_NOTIFY] = helper_notify,
    [HELPER_THROW] = entry_throw,
    [HELPER_THROW_REF] = entry_throw_ref,
    [HELPER_PAUSE] = host_pause,
};

const void *const *helper_table(void) {
    return helpers;
}
