// Vector constants: they lie behind the function's code, 16-byte aligned, and are read relative to
// rip. Functions begin at multiples of 16 in the unit, and the unit at a page.

#include "engine/baseline/baseline_internal.h"

// How far back an equal constant is looked for: enough for what a loop uses, and bounded.
#define SEARCH_MAX 32

struct label *vec_constant(struct baseline *c, u64 low, u64 high) {
    u32 count = c->constant_count;
    for (u32 i = count; i > 0 && count - i < SEARCH_MAX; i--) {
        struct vec_constant *constant = &c->constants[i - 1];
        if (constant->half[0] == low && constant->half[1] == high)
            return &constant->label;
    }
    CHECK(count < c->constant_capacity);
    struct vec_constant *constant = &c->constants[c->constant_count++];
    *constant = (struct vec_constant){.half = {low, high}};
    return &constant->label;
}

// align 16; label: 16 bytes ...
void emit_vec_constants(struct baseline *c) {
    c->unit->code_end = c->a->len;
    if (c->constant_count == 0)
        return;
    asm_align(c->a, 16);
    for (u32 i = 0; i < c->constant_count; i++) {
        struct vec_constant *constant = &c->constants[i];
        asm_bind(c->a, &constant->label);
        asm_bytes(c->a, constant->half, sizeof(constant->half));
    }
}
