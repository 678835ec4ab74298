// Calls from C into WebAssembly: values go into their places by the calling convention, the entry
// stub does the rest.

#include "engine/api/host.h"
#include "engine/decode/callconv.h"
#include "engine/runtime/entry.h"
#include "engine/runtime/runtime.h"

// An outgoing area up to this size is built on the C stack, a larger one on the heap.
#define SMALL_AREA_SLOTS 32u

// Stack that func_call and the entry stub themselves use below func_call's frame address.
#define ENTRY_FRAME_BYTES 1024u

// 32-bit values have their upper half zero, wherever they are.
static u64 normalised(enum value_type type, u64 value) {
    return type == VALUE_I32 || type == VALUE_F32 ? (u32)value : value;
}

static void place_params(struct callconv *cc, const struct func_type *type, const u64 *values,
                         struct entry_call *call) {
    for (u32 i = 0; i < type->param_count; i++) {
        enum value_type param = type->types[i];
        struct place place = callconv_param(cc, param);
        u64 *to = NULL;
        switch (place.kind) {
        case PLACE_GPR:
            to = &call->gprs[place.index];
            break;
        case PLACE_XMM:
            to = call->xmms[place.index];
            break;
        case PLACE_STACK:
            to = &call->area[place.index];
            break;
        }
        to[0] = normalised(param, values[0]);
        if (param == VALUE_V128)
            to[1] = values[1];
        values += value_type_slots(param);
    }
}

static void fetch_results(struct callconv *cc, const struct func_type *type, u64 *values,
                          const struct entry_call *call) {
    for (u32 i = 0; i < type->result_count; i++) {
        enum value_type result = type->types[type->param_count + i];
        struct place place = callconv_result(cc, result);
        const u64 *from = NULL;
        switch (place.kind) {
        case PLACE_GPR:
            from = &call->result_gpr;
            break;
        case PLACE_XMM:
            from = call->result_xmm;
            break;
        case PLACE_STACK:
            from = &call->area[place.index];
            break;
        }
        values[0] = normalised(result, from[0]);
        if (result == VALUE_V128)
            values[1] = from[1];
        values += value_type_slots(result);
    }
}

static u32 slots_of(const enum value_type *types, u32 count) {
    u32 slots = 0;
    for (u32 i = 0; i < count; i++)
        slots += value_type_slots(types[i]);
    return slots;
}

u32 func_type_slots(const struct func_type *type) {
    u32 params = slots_of(type->types, type->param_count);
    u32 results = slots_of(type->types + type->param_count, type->result_count);
    return params > results ? params : results;
}

static bool stack_suffices(struct thread_block *thread, u32 area_slots) {
    u64 here = (u64)__builtin_frame_address(0);
    u64 needed = ENTRY_FRAME_BYTES + 8ull * area_slots;
    if (here < needed)
        return false;
    return here - needed >= thread->stack_limit || host_stack_grow(thread, here - needed);
}

static void note_outcome(struct thread_block *thread, enum trap trap) {
    struct trap_report *report = thread->report;
    if (report == NULL)
        return;
    report->trap = trap;
    report->tag = NO_TAG;
    report->frame_count = 0; // the frames are not cleared: there are none
    report->frames_total = 0;
}

static enum trap call_direct(const struct func_ref *func, const struct func_type *type,
                             u64 *values) {
    u64 args[HOST_DIRECT_PARAMS] = {0};
    for (u32 i = 0; i < type->param_count; i++)
        args[i] = values[i];
    host_direct code = (host_direct)func->host_code;
    struct helper_result result = code(args[0], args[1], args[2], args[3], args[4], args[5]);
    values[0] = (u32)result.value;
    return (enum trap)result.trap;
}

static enum trap call_host(struct engine *engine, struct thread_block *thread,
                           struct func_ref *func, const struct func_type *type, u64 *values) {
    u32 slot = 0;
    for (u32 i = 0; i < type->param_count; i++) {
        values[slot] = normalised(type->types[i], values[slot]);
        slot += value_type_slots(type->types[i]);
    }
    enum trap trap;
    if (host_is_direct(engine, func))
        trap = call_direct(func, type, values);
    else
        trap = ((host_func)func->host_code)(func->instance, values, func->host_context);
    if (trap == TRAP_PAUSED)
        trap = host_pause();
    note_outcome(thread, trap);
    return trap;
}

enum trap func_call(struct engine *engine, struct thread_block *thread, struct func_ref *func,
                    u64 *values) {
    struct func_type type = type_registry_type(&engine->types, func->type_id);
    if (func->host_code != NULL)
        return call_host(engine, thread, func, &type, values);

    u64 small_area[SMALL_AREA_SLOTS];
    u32 area_slots = callconv_area_slots(&type);
    note_outcome(thread, TRAP_NONE);
    if (!stack_suffices(thread, area_slots)) {
        note_outcome(thread, TRAP_STACK_OVERFLOW);
        return TRAP_STACK_OVERFLOW;
    }
    u64 *area = small_area;
    if (area_slots > SMALL_AREA_SLOTS) {
        area = host_alloc(area_slots * sizeof *area);
        if (area == NULL) {
            note_outcome(thread, TRAP_OUT_OF_MEMORY);
            return TRAP_OUT_OF_MEMORY;
        }
    } else {
        memset(small_area, 0, area_slots * sizeof *small_area); // results start as zeros
    }
    struct entry_call call = {
        .area = area,
        .area_slots = area_slots,
        .code = func->code,
        .instance = func->instance,
        .thread = thread,
        .func = func,
    };
    struct callconv cc;
    callconv_begin(&cc);
    place_params(&cc, &type, values, &call);

    u64 outer_sp = thread->entry_sp;
    host_segment_base_set(func->instance->memory_base);
    enum trap trap = entry_enter(&call);
    thread->entry_sp = outer_sp;

    if (trap == TRAP_NONE)
        fetch_results(&cc, &type, values, &call);
    if (area != small_area)
        host_free(area, area_slots * sizeof *area);
    return trap;
}

void func_ref_type(struct engine *engine, const struct func_ref *func, struct func_type *out) {
    *out = type_registry_type(&engine->types, func->type_id);
}
