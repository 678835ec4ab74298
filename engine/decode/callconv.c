// Assigns parameters and results to registers and stack slots as contract.h has it. Invariant: a
// place depends only on the types before it, so that callers and callees agree by construction.

#include "engine/decode/callconv.h"

#include "base/assert.h"
#include "engine/decode/module.h"

static struct place next_slot(struct callconv *cc) {
    ASSERT(cc->slots < UINT16_MAX);
    return (struct place){PLACE_STACK, (u16)cc->slots++};
}

struct place callconv_param(struct callconv *cc, enum value_type type) {
    ASSERT(!cc->in_results);
    ASSERT(type != VALUE_V128);
    if (value_type_is_float(type) && cc->xmms < CALLCONV_XMMS)
        return (struct place){PLACE_XMM, (u16)cc->xmms++};
    if (!value_type_is_float(type) && cc->gprs < CALLCONV_GPRS)
        return (struct place){PLACE_GPR, (u16)cc->gprs++};
    return next_slot(cc);
}

struct place callconv_result(struct callconv *cc, enum value_type type) {
    ASSERT(type != VALUE_V128);
    if (!cc->in_results) {
        cc->in_results = true;
        cc->gprs = 0;
        cc->xmms = 0;
    }
    if (value_type_is_float(type) && cc->xmms == 0)
        return (struct place){PLACE_XMM, (u16)cc->xmms++};
    if (!value_type_is_float(type) && cc->gprs == 0)
        return (struct place){PLACE_GPR, (u16)cc->gprs++};
    return next_slot(cc);
}

static void walk_params(struct callconv *cc, const struct func_type *type) {
    callconv_begin(cc);
    for (u32 i = 0; i < type->param_count; i++)
        (void)callconv_param(cc, type->types[i]);
}

u32 callconv_param_slots(const struct func_type *type) {
    struct callconv cc;
    walk_params(&cc, type);
    return cc.slots;
}

u32 callconv_area_slots(const struct func_type *type) {
    struct callconv cc;
    walk_params(&cc, type);
    for (u32 i = 0; i < type->result_count; i++)
        (void)callconv_result(&cc, type->types[type->param_count + i]);
    return cc.slots;
}
