// The lists beside the bytes of a code unit: sites and calls. Both grow by doubling; running out of
// memory shows in the assembler's sticky status, so a compiler checks one thing.

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
    *unit = (struct code_unit){0};
}

void code_unit_reset(struct code_unit *unit) {
    asm_reset(&unit->code);
    unit->site_count = 0;
    unit->call_count = 0;
}

void code_unit_site(struct code_unit *unit, u32 code_offset, u32 wasm_offset, enum trap trap) {
    if (unit->code.status != OK)
        return;
    if (unit->site_count == unit->site_capacity) {
        void *sites = grown(unit, unit->sites, &unit->site_capacity, sizeof(*unit->sites));
        if (sites == NULL)
            return;
        unit->sites = sites;
    }
    ASSERT(unit->site_count == 0 || unit->sites[unit->site_count - 1].code_offset <= code_offset);
    unit->sites[unit->site_count++] = (struct code_site){code_offset, wasm_offset, trap};
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
