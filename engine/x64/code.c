// The lists beside the bytes of a code unit: sites, calls, and tries with their guards and catches.
// All grow by doubling; running out of memory shows in the assembler's sticky status, so a compiler
// checks one thing.

#include "engine/x64/code.h"

#include "base/string.h"
#include "engine/api/host.h"

#define LIST_CAPACITY_MIN 64u

// Makes room for one more entry of `size` bytes in a full list: returns the list, moved to twice
// the room, or NULL with the status set. The old list is given back only when that succeeds.
static void *grown(struct code_unit *unit, void *list, u32 *capacity, usize size) {
    u32 wanted = *capacity == 0 ? LIST_CAPACITY_MIN : 2 * *capacity;
    if (wanted < *capacity) {
        unit->code.status = ERR_LIMIT;
        return NULL;
    }
    void *larger = host_alloc(wanted * size);
    if (larger == NULL) {
        unit->code.status = ERR_NO_MEMORY;
        return NULL;
    }
    if (*capacity != 0)
        memcpy(larger, list, *capacity * size);
    host_free(list, *capacity * size);
    *capacity = wanted;
    return larger;
}

void code_unit_init(struct code_unit *unit) {
    *unit = (struct code_unit){0};
    asm_init(&unit->code);
}

void code_unit_fini(struct code_unit *unit) {
    asm_fini(&unit->code);
    host_free(unit->sites, unit->site_capacity * sizeof(*unit->sites));
    host_free(unit->calls, unit->call_capacity * sizeof(*unit->calls));
    host_free(unit->guards, unit->guard_capacity * sizeof(*unit->guards));
    host_free(unit->tries, unit->try_capacity * sizeof(*unit->tries));
    host_free(unit->catches, unit->catch_capacity * sizeof(*unit->catches));
    *unit = (struct code_unit){0};
}

void code_unit_reset(struct code_unit *unit) {
    asm_reset(&unit->code);
    unit->site_count = 0;
    unit->call_count = 0;
    unit->guard_count = 0;
    unit->try_count = 0;
    unit->catch_count = 0;
}

void code_unit_site_slow(struct code_unit *unit, struct code_site site) {
    if (unit->code.status != OK)
        return;
    void *sites = grown(unit, unit->sites, &unit->site_capacity, sizeof(*unit->sites));
    if (sites == NULL)
        return;
    unit->sites = sites;
    unit->sites[unit->site_count++] = site;
}

void code_unit_call(struct code_unit *unit, u32 code_offset, u32 func) {
    if (unit->code.status != OK)
        return;
    if (unit->call_count == unit->call_capacity) {
        void *calls = grown(unit, unit->calls, &unit->call_capacity, sizeof(*unit->calls));
        if (calls == NULL)
            return;
        unit->calls = calls;
    }
    unit->calls[unit->call_count++] = (struct code_call){code_offset, func};
}

// -- Exceptions ---------------------------------------------------------------------------------

u32 code_unit_try(struct code_unit *unit, u32 outer) {
    if (unit->code.status != OK)
        return NO_TRY;
    ASSERT(outer == NO_TRY || outer < unit->try_count);
    if (unit->try_count == unit->try_capacity) {
        void *tries = grown(unit, unit->tries, &unit->try_capacity, sizeof(*unit->tries));
        if (tries == NULL)
            return NO_TRY;
        unit->tries = tries;
    }
    unit->tries[unit->try_count] =
        (struct code_try){.outer = outer, .first_catch = NO_CATCH, .last_catch = NO_CATCH};
    return unit->try_count++;
}

void code_unit_guard(struct code_unit *unit, u32 code_offset, u32 innermost) {
    if (unit->code.status != OK)
        return;
    ASSERT(innermost < unit->try_count);
    ASSERT(unit->guard_count == 0 || unit->guards[unit->guard_count - 1].code_offset < code_offset);
    if (unit->guard_count == unit->guard_capacity) {
        void *guards = grown(unit, unit->guards, &unit->guard_capacity, sizeof(*unit->guards));
        if (guards == NULL)
            return;
        unit->guards = guards;
    }
    unit->guards[unit->guard_count++] = (struct code_guard){code_offset, innermost};
    unit->tries[innermost].is_guarding = true;
}

u32 code_unit_catch(struct code_unit *unit, u32 in, const struct code_catch *added) {
    if (unit->code.status != OK)
        return NO_CATCH;
    ASSERT(in < unit->try_count);
    if (unit->catch_count == unit->catch_capacity) {
        void *catches = grown(unit, unit->catches, &unit->catch_capacity, sizeof(*unit->catches));
        if (catches == NULL)
            return NO_CATCH;
        unit->catches = catches;
    }
    u32 index = unit->catch_count++;
    unit->catches[index] = *added;
    unit->catches[index].next = NO_CATCH;
    struct code_try *try = &unit->tries[in];
    if (try->last_catch == NO_CATCH)
        try->first_catch = index;
    else
        unit->catches[try->last_catch].next = index;
    try->last_catch = index;
    return index;
}
