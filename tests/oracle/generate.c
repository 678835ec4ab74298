// Puts the parts of the generator together.

#include "tests/oracle/generate.h"

#include <stdlib.h>

#include "tests/oracle/body.h"
#include "tests/oracle/plan.h"

static void generate_module(struct entropy *e, const struct plan *plan, struct wasm_out *out) {
    struct wasm_out bodies[PLAN_FUNCS] = {0};
    struct body *body = calloc(1, sizeof *body);
    CHECK(body != NULL);
    u32 own = 0;
    for (u32 i = 0; i < plan->func_count; i++) {
        if (plan->funcs[i].origin != PLAN_OWN)
            continue;
        body->e = e;
        body->plan = plan;
        body_generate(body, i, &bodies[own++]);
    }
    plan_write(plan, e, bodies, out);
    free(body);
}

// Sometimes a few proposals are left out, so that what remains is not drowned in them.
static u32 choose_features(struct entropy *e, u32 features) {
    static const u32 optional[] = {FEATURE_SIMD, FEATURE_THREADS, FEATURE_MEMORY64,
                                   FEATURE_MULTI_MEMORY, FEATURE_MULTI_VALUE};
    for (u32 i = 0; i < COUNT_OF(optional); i++) {
        if (entropy_one_in(e, 4))
            features &= ~optional[i];
    }
    // Exceptions with references or the older ones: engines do not take both in one module.
    if (entropy_one_in(e, 3))
        return features;
    return features & ~(u32)FEATURE_LEGACY_EXCEPTIONS;
}

void generate(struct entropy *e, u32 features, struct generated *out) {
    struct plan plans[GENERATED_MODULES];
    *out = (struct generated){0};
    features = choose_features(e, features);
    u32 count = entropy_one_in(e, 4) ? 2 : 1;
    for (u32 i = 0; i < count; i++) {
        plan_choose(&plans[i], features, i == 0 ? NULL : &plans[0], e);
        generate_module(e, &plans[i], &out->modules[i]);
        out->count++;
    }
}
