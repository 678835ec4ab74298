#pragma once
// The calling convention of contract.h, as a function from a type to places.

#include "engine/api/engine.h"

#define CALLCONV_GPRS 6 // rdi rsi rdx rcx r8 r9, in this order
#define CALLCONV_XMMS 8 // xmm0 to xmm7

enum place_kind : u8 { PLACE_GPR, PLACE_XMM, PLACE_STACK };

// PLACE_GPR: `index` counts rdi rsi rdx rcx r8 r9 for parameters; it is 0 (rax) for a result.
// PLACE_XMM: the register's number. PLACE_STACK: `index` is the first eight-byte slot of the
// outgoing area, of which a v128 takes two; results continue after the parameters, at an even slot.
struct place {
    enum place_kind kind;
    u16 index;
};

// Walks the parameters, then the results, of a type in order.
struct callconv {
    u32 gprs;
    u32 xmms;
    u32 slots;
    bool in_results;
};

static inline void callconv_begin(struct callconv *cc) {
    *cc = (struct callconv){0};
}

struct place callconv_param(struct callconv *cc, enum value_type type);

// All parameters have been walked.
struct place callconv_result(struct callconv *cc, enum value_type type);

// Slots of the outgoing area that parameters take (an even number: what the callee pops), and
// parameters and results together.
u32 callconv_param_slots(const struct func_type *type);
u32 callconv_area_slots(const struct func_type *type);
