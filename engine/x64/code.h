#pragma once
// What a compiler makes of a function body and the driver assembles into a module's code object:
// bytes, sites and unresolved calls.

#include "engine/api/contract.h"
#include "engine/x64/asm.h"

// A direct call: the rel32 at code_offset must reach function `func` of the module.
struct code_call {
    u32 code_offset;
    u32 func;
};

// Offsets count from the start of `code`, which will lie at a multiple of 16.
struct code_unit {
    struct assembler code;
    u32 code_end; // what follows are constants

    u32 site_count; // sorted by code_offset
    u32 site_capacity;
    struct code_site *sites;

    u32 call_count;
    u32 call_capacity;
    struct code_call *calls;

    // What a throw looks for; guards are sorted by code_offset.
    u32 guard_count;
    u32 guard_capacity;
    struct code_guard *guards;
    u32 try_count;
    u32 try_capacity;
    struct code_try *tries;
    u32 catch_count;
    u32 catch_capacity;
    struct code_catch *catches;
};

void code_unit_init(struct code_unit *unit);
void code_unit_fini(struct code_unit *unit);
void code_unit_reset(struct code_unit *unit); // empties it, keeping memory

// Running out of memory shows in unit->code.status. Sites are added in the order of the code; a
// call and the instruction behind it may have sites at one offset.
void code_unit_site_slow(struct code_unit *unit, struct code_site site);
static inline void code_unit_site(struct code_unit *unit, u32 code_offset, u32 wasm_offset,
                                  enum trap trap) {
    struct code_site site = {code_offset, wasm_offset, trap};
    if (unit->site_count < unit->site_capacity)
        unit->sites[unit->site_count++] = site;
    else
        code_unit_site_slow(unit, site);
}
void code_unit_call(struct code_unit *unit, u32 code_offset, u32 func);

// Adds a try without catches that guards nothing yet; NO_TRY when out of memory. `outer` may be
// NO_TRY. Guards are added in ascending order; a catch becomes the last of its try.
u32 code_unit_try(struct code_unit *unit, u32 outer);
void code_unit_guard(struct code_unit *unit, u32 code_offset, u32 innermost);
u32 code_unit_catch(struct code_unit *unit, u32 in, const struct code_catch *added);
