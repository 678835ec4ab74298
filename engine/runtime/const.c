// The values of constant expressions, for an instance. The decoder has checked them, so evaluation
// cannot fail; sums and products wrap, as those of the instructions do.

#include "engine/runtime/store.h"

static u64 step_apply(const struct const_step *step, u64 a, u64 b) {
    u64 result = step->kind == STEP_ADD ? a + b : step->kind == STEP_SUB ? a - b : a * b;
    return step->type == VALUE_I32 ? (u32)result : result;
}

static u64 program_run(struct instance *instance, const struct const_program *program) {
    u64 stack[LIMIT_CONST_DEPTH];
    u32 depth = 0;
    for (u32 i = 0; i < program->count; i++) {
        const struct const_step *step = &program->steps[i];
        switch (step->kind) {
        case STEP_VALUE:
        case STEP_GLOBAL:
            CHECK(depth < LIMIT_CONST_DEPTH);
            stack[depth++] = step->kind == STEP_VALUE
                                 ? step->value
                                 : **instance_global_ptr(instance, (u32)step->value);
            break;
        case STEP_ADD:
        case STEP_SUB:
        case STEP_MUL:
            CHECK(depth >= 2);
            depth--;
            stack[depth - 1] = step_apply(step, stack[depth - 1], stack[depth]);
            break;
        }
    }
    CHECK(depth == 1);
    return stack[0];
}

u64 instance_const(struct instance *instance, const struct const_expr *expr) {
    switch (expr->kind) {
    case CONST_VALUE:
        return expr->value;
    case CONST_GLOBAL:
        return **instance_global_ptr(instance, expr->index);
    case CONST_REF_FUNC:
        return (u64)instance_func_ref(instance, expr->index);
    case CONST_REF_NULL:
        return 0;
    case CONST_PROGRAM:
        return program_run(instance, expr->program);
    case CONST_V128:
        break;
    }
    UNREACHABLE();
}

void instance_const_cell(struct instance *instance, const struct const_expr *expr, u64 *cell) {
    if (expr->kind == CONST_V128)
        memcpy(cell, expr->v128, 16);
    else if (expr->kind == CONST_GLOBAL)
        memcpy(cell, *instance_global_ptr(instance, expr->index), 16);
    else
        cell[0] = instance_const(instance, expr);
}
