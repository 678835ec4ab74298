// Assigns parameters and results to registers and stack slots as contract.h has it. Invariant: a
// place depends only on the types before it, so that callers and callees agree by construction.

#include "engine/decode/callconv.h"

#include "base/assert.h"
#include "base/math.h"
#include "engine/decode/module.h"

static struct place next_slots(struct callconv *cc, enum value_type type) {
    ASSERT(cc->slots + value_type_slots(type) <= UINT16_MAX);
    struct place place = {PLACE_STACK, (u16)cc->slots};
    cc->slots += value_type_slots(type);
    return place;
}

STATIC_ASSERT(16 * LIMIT_PARAMS <= UINT16_MAX, "places are 16 bits; so is what ret pops");

// What a callee pops keeps rsp aligned.
static u32 param_slots(const struct callconv *cc) {
    return (u32)align_up(cc->slots, 2);
}

struct place callconv_param(struct callconv *cc, enum value_type type) {
    ASSERT(!cc->in_results);
    if (value_type_in_xmm(type) && cc->xmms < CALLCONV_XMMS)
        return (struct place){PLACE_XMM, (u16)cc->xmms++};
    if (!value_type_in_xmm(type) && cc->gprs < CALLCONV_GPRS)
        return (struct place){PLACE_GPR, (u16)cc->gprs++};
    return next_slots(cc, type);
}

struct place callconv_result(struct callconv *cc, enum value_type type) {
    if (!cc->in_results) {
        cc->in_results = true;
        cc->slots = param_slots(cc);
        cc->gprs = 0;
        cc->xmms = 0;
    }
    if (value_type_in_xmm(type) && cc->xmms == 0)
        return (struct place){PLACE_XMM, (u16)cc->xmms++};
    if (!value_type_in_xmm(type) && cc->gprs == 0)
        return (struct place){PLACE_GPR, (u16)cc->gprs++};
    return next_slots(cc, type);
}

static void walk_params(struct callconv *cc, const struct func_type *type) {
    callconv_begin(cc);
    for (u32 i = 0; i < type->param_count; i++)
        (void)callconv_param(cc, type->types[i]);
}

u32 callconv_param_slots(const struct func_type *type) {
    struct callconv cc;
    walk_params(&cc, type);
    return param_slots(&cc);
}

u32 callconv_area_slots(const struct func_type *type) {
    struct callconv cc;
    walk_params(&cc, type);
    cc.slots = param_slots(&cc);
    for (u32 i = 0; i < type->result_count; i++)
        (void)callconv_result(&cc, type->types[type->param_count + i]);
    return cc.slots;
}
