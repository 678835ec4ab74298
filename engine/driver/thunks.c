// The two thunks of a function type, emitted: for calls of host functions, and for calls from one
// instance into another. Both are entered with the struct func_ref in rax and the caller's instance
// in r15, keep a frame like any function, and change no register that generated code relies on.
//
// Scratch registers: r10 and r11 carry neither parameters nor results. A frame of more than
// STACK_SLACK_BYTES checks the stack limit as a prologue does; a smaller one lives in the headroom.

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/decode/callconv.h"
#include "engine/driver/driver_internal.h"
#include "engine/driver/image.h"
#include "engine/x64/asm_vec.h"

static const enum gpr param_gprs[CALLCONV_GPRS] = {RDI, RSI, RDX, RCX, R8, R9};

// Stack slots are copied one by one up to this many, then by a loop.
#define UNROLLED_SLOTS 8u

static struct mem helper_at(enum gpr helpers, enum helper helper) {
    return mem_at(helpers, 8 * (i32)helper);
}

// The caller's slot `slot` of the outgoing area: above the return address and the saved rbp.
static struct mem caller_slot(u32 slot) {
    return mem_at(RBP, 16 + 8 * (i32)slot);
}

static struct mem own_slot(u32 slot) {
    return mem_at(RSP, 8 * (i32)slot);
}

//     push rbp
//     mov rbp, rsp
static void emit_frame(struct assembler *a) {
    asm_push(a, RBP);
    asm_mov_rr(a, W64, RBP, RSP);
}

//     mov rsp, rbp
//     pop rbp
//     ret 8 * param_slots
static void emit_return(struct assembler *a, u32 param_slots) {
    asm_mov_rr(a, W64, RSP, RBP);
    asm_pop(a, RBP);
    if (param_slots != 0)
        asm_ret_pop(a, (u16)(8 * param_slots));
    else
        asm_ret(a);
}

// Goes to `overflow` unless `bytes` of stack can be had. Keeps rax.
//     mov r11, rax
//     lea rax, [rsp - bytes]
//     cmp rax, [r14 + THREAD_STACK_LIMIT]
//     jae enough
//     mov r10, [r15 + INSTANCE_HELPERS]
//     call [r10 + 8 * HELPER_STACK_GROW]
//     test eax, eax
//     jne overflow
// enough:
//     mov rax, r11
static void emit_stack_check(struct assembler *a, u32 bytes, struct label *overflow) {
    struct label enough = {0};
    asm_mov_rr(a, W64, R11, RAX);
    asm_lea(a, W64, RAX, mem_at(RSP, -(i32)bytes));
    asm_alu_rm(a, ALU_CMP, W64, RAX, mem_at(R14, THREAD_STACK_LIMIT));
    asm_jcc(a, COND_AE, &enough);
    asm_load(a, W64, R10, mem_at(R15, INSTANCE_HELPERS));
    asm_call_m(a, helper_at(R10, HELPER_STACK_GROW));
    asm_test_rr(a, W32, RAX, RAX);
    asm_jcc(a, COND_NE, overflow);
    asm_bind(a, &enough);
    asm_mov_rr(a, W64, RAX, R11);
}

// overflow:
//     ud2
static void emit_overflow(struct code_unit *unit, struct label *overflow) {
    asm_bind(&unit->code, overflow);
    code_unit_site(unit, unit->code.len, 0, TRAP_STACK_OVERFLOW);
    asm_ud2(&unit->code);
}

// -- Host functions -------------------------------------------------------------------------------

static enum width slot_width(enum value_type type) {
    return type == VALUE_I32 || type == VALUE_F32 ? W32 : W64;
}

// A v128 that lies in two slots goes by xmm15, which is never live across a call.
#define THUNK_XMM XMM15

// movups [rsp + 8 * slot], xmm
static void emit_store_vector(struct assembler *a, struct place place, u32 slot) {
    enum xmm x = THUNK_XMM;
    if (place.kind == PLACE_XMM)
        x = (enum xmm)place.index;
    else
        asm_loadv(a, x, caller_slot(place.index));
    asm_storev(a, own_slot(slot), x);
}

// movups xmm, [rsp + 8 * slot]
static void emit_load_vector(struct assembler *a, struct place place, u32 slot) {
    enum xmm x = place.kind == PLACE_XMM ? (enum xmm)place.index : THUNK_XMM;
    asm_loadv(a, x, own_slot(slot));
    if (place.kind == PLACE_STACK)
        asm_storev(a, caller_slot(place.index), x);
}

// Stores each parameter into its slot of the values array at rsp. 32-bit values get a zero upper
// half: integers have one in their register, floats and stack slots are given one here.
static void emit_store_params(struct assembler *a, const struct func_type *type,
                              struct callconv *cc) {
    u32 slot = 0;
    for (u32 i = 0; i < type->param_count; i++) {
        enum value_type param = type->types[i];
        struct place place = callconv_param(cc, param);
        if (param == VALUE_V128) {
            emit_store_vector(a, place, slot);
        } else if (place.kind == PLACE_GPR) {
            asm_store(a, W64, own_slot(slot), param_gprs[place.index]);
        } else if (place.kind == PLACE_XMM) {
            asm_mov_rx(a, slot_width(param), R10, (enum xmm)place.index);
            asm_store(a, W64, own_slot(slot), R10);
        } else {
            asm_load(a, slot_width(param), R10, caller_slot(place.index));
            asm_store(a, W64, own_slot(slot), R10);
        }
        slot += value_type_slots(param);
    }
}

// Loads each result from its slot into its place; i32 results by a 32-bit load, which zero-extends.
static void emit_load_results(struct assembler *a, const struct func_type *type,
                              struct callconv *cc) {
    u32 slot = 0;
    for (u32 i = 0; i < type->result_count; i++) {
        enum value_type result = type->types[type->param_count + i];
        struct place place = callconv_result(cc, result);
        if (result == VALUE_V128) {
            emit_load_vector(a, place, slot);
        } else if (place.kind == PLACE_GPR) {
            asm_load(a, slot_width(result), RAX, own_slot(slot));
        } else if (place.kind == PLACE_XMM) {
            asm_loadf(a, result == VALUE_F32 ? F32 : F64, (enum xmm)place.index, own_slot(slot));
        } else {
            asm_load(a, slot_width(result), R10, own_slot(slot));
            asm_store(a, W64, caller_slot(place.index), R10);
        }
        slot += value_type_slots(result);
    }
}

//     push rbp
//     mov rbp, rsp
//     sub rsp, values
//     mov [rsp + 8 * i], parameter i             for each
//     mov rdi, r15
//     mov rsi, rsp
//     mov rdx, [rax + FUNC_REF_HOST_CONTEXT]
//     call [rax + FUNC_REF_HOST_CODE]
//     test eax, eax
//     jne trapped
//     mov result i, [rsp + 8 * i]                for each
//     mov rsp, rbp
//     pop rbp
//     ret 8 * parameter slots
// trapped:
//     mov [r14 + THREAD_PENDING_TRAP], eax
//     ud2
static void emit_host_thunk(struct code_unit *unit, const struct func_type *type) {
    struct assembler *a = &unit->code;
    struct label trapped = {0};
    struct label overflow = {0};
    u32 frame_bytes = (u32)align_up(8ull * func_type_slots(type), 16);
    bool is_large = frame_bytes > STACK_SLACK_BYTES;
    struct callconv cc;
    callconv_begin(&cc);

    emit_frame(a);
    if (is_large)
        emit_stack_check(a, frame_bytes, &overflow);
    if (frame_bytes != 0)
        asm_alu_ri(a, ALU_SUB, W64, RSP, (i32)frame_bytes);
    emit_store_params(a, type, &cc);
    asm_mov_rr(a, W64, RDI, R15);
    asm_mov_rr(a, W64, RSI, RSP);
    asm_load(a, W64, RDX, mem_at(RAX, FUNC_REF_HOST_CONTEXT));
    asm_call_m(a, mem_at(RAX, FUNC_REF_HOST_CODE));
    asm_test_rr(a, W32, RAX, RAX);
    asm_jcc(a, COND_NE, &trapped);
    emit_load_results(a, type, &cc);
    emit_return(a, callconv_param_slots(type));

    asm_bind(a, &trapped);
    asm_store(a, W32, mem_at(R14, THREAD_PENDING_TRAP), RAX);
    code_unit_site(unit, a->len, 0, TRAP_DYNAMIC);
    asm_ud2(a);
    if (is_large)
        emit_overflow(unit, &overflow);
}

// -- Other instances' functions
// ---------------------------------------------------------------------

// Copies `count` slots of the outgoing area from the caller's to our own.
//     mov r11d, count
// next:
//     mov r10, [caller + 8 * r11 - 8]
//     mov [own + 8 * r11 - 8], r10
//     sub r11, 1
//     jne next
// Copying up is the same with the two addresses exchanged.
enum copy_direction { COPY_DOWN, COPY_UP };

static void emit_slot_copy(struct assembler *a, enum copy_direction direction, struct mem caller,
                           struct mem own) {
    asm_load(a, W64, R10, direction == COPY_DOWN ? caller : own);
    asm_store(a, W64, direction == COPY_DOWN ? own : caller, R10);
}

static void emit_copy_slots(struct assembler *a, enum copy_direction direction, struct mem caller,
                            struct mem own, u32 count) {
    if (count <= UNROLLED_SLOTS) {
        for (u32 i = 0; i < count; i++) {
            emit_slot_copy(a, direction, caller, own);
            caller.disp += 8;
            own.disp += 8;
        }
        return;
    }
    struct label next = {0};
    asm_mov_ri(a, R11, count);
    asm_bind(a, &next);
    caller.index = own.index = R11;
    caller.scale = own.scale = 3;
    caller.disp -= 8;
    own.disp -= 8;
    emit_slot_copy(a, direction, caller, own);
    asm_alu_ri(a, ALU_SUB, W64, R11, 1);
    asm_jcc(a, COND_NE, &next);
}

// What HELPER_TAIL_CALL looks for at a return address.
//     nop dword [rax + disp32]
static void emit_return_mark(struct assembler *a) {
    u32 mark = CROSS_RETURN_MARK;
    asm_bytes(
        a, (const u8[]){(u8)mark, (u8)(mark >> 8), (u8)(mark >> 16), (u8)(mark >> 24), 0, 0, 0}, 7);
}

// Makes r15's memory the running one, unless its base is r10, which runs now. Keeps rax.
//     cmp r10, [r15 + INSTANCE_MEMORY_BASE]
//     je same
//     mov r11, rax
//     mov rax, [r15 + INSTANCE_MEMORY_BASE]
//     mov r10, [r15 + INSTANCE_HELPERS]
//     call [r10 + 8 * HELPER_SEGMENT_SET]
//     mov rax, r11
// same:
static void emit_segment_switch(struct assembler *a) {
    struct label same = {0};
    asm_alu_rm(a, ALU_CMP, W64, R10, mem_at(R15, INSTANCE_MEMORY_BASE));
    asm_jcc(a, COND_E, &same);
    asm_mov_rr(a, W64, R11, RAX);
    asm_load(a, W64, RAX, mem_at(R15, INSTANCE_MEMORY_BASE));
    asm_load(a, W64, R10, mem_at(R15, INSTANCE_HELPERS));
    asm_call_m(a, helper_at(R10, HELPER_SEGMENT_SET));
    asm_mov_rr(a, W64, RAX, R11);
    asm_bind(a, &same);
}

//     push rbp
//     mov rbp, rsp
//     push r15
//     sub rsp, 8 + area
//     copy stack parameters down
//     mov r10, [r15 + INSTANCE_MEMORY_BASE]
//     mov r15, [rax + FUNC_REF_INSTANCE]
//     switch the segment
//     call [rax + FUNC_REF_CODE]
//     the mark
//     copy stack results up, from where rsp is now
//     mov r10, [r15 + INSTANCE_MEMORY_BASE]
//     mov r15, [rbp - 8]
//     switch the segment
//     mov rsp, rbp
//     pop rbp
//     ret 8 * parameter slots
static void emit_cross_thunk(struct code_unit *unit, const struct func_type *type) {
    struct assembler *a = &unit->code;
    struct label overflow = {0};
    u32 param_slots = callconv_param_slots(type);
    u32 area_slots = callconv_area_slots(type);
    u32 frame_bytes = 8 + (u32)align_up(8ull * area_slots, 16);
    bool is_large = frame_bytes > STACK_SLACK_BYTES;

    emit_frame(a);
    asm_push(a, R15);
    if (is_large)
        emit_stack_check(a, frame_bytes, &overflow);
    asm_alu_ri(a, ALU_SUB, W64, RSP, (i32)frame_bytes);
    emit_copy_slots(a, COPY_DOWN, caller_slot(0), own_slot(0), param_slots);
    asm_load(a, W64, R10, mem_at(R15, INSTANCE_MEMORY_BASE));
    asm_load(a, W64, R15, mem_at(RAX, FUNC_REF_INSTANCE));
    emit_segment_switch(a);
    asm_call_m(a, mem_at(RAX, FUNC_REF_CODE));
    emit_return_mark(a);
    emit_copy_slots(a, COPY_UP, caller_slot(param_slots), own_slot(0), area_slots - param_slots);
    asm_load(a, W64, R10, mem_at(R15, INSTANCE_MEMORY_BASE));
    asm_load(a, W64, R15, mem_at(RBP, -8));
    emit_segment_switch(a);
    emit_return(a, param_slots);
    if (is_large)
        emit_overflow(unit, &overflow);
}

// -- Batches
// ----------------------------------------------------------------------------------------

static const void *thunk_of(const struct engine *engine, enum thunk_kind kind, u32 type_id) {
    return kind == THUNK_HOST ? type_registry_host_thunk(&engine->types, type_id)
                              : type_registry_cross_thunk(&engine->types, type_id);
}

static void set_thunk(struct engine *engine, enum thunk_kind kind, u32 type_id, const void *thunk) {
    if (kind == THUNK_HOST)
        type_registry_set_host_thunk(&engine->types, type_id, thunk);
    else
        type_registry_set_cross_thunk(&engine->types, type_id, thunk);
}

#define NO_ENTRY UINT32_MAX

// Emits what is missing; entries[i] is NO_ENTRY where nothing was.
static void emit_missing(struct engine *engine, enum thunk_kind kind, const u32 *type_ids,
                         u32 count, struct code_unit *unit, u32 *entries) {
    for (u32 i = 0; i < count; i++) {
        entries[i] = NO_ENTRY;
        if (thunk_of(engine, kind, type_ids[i]) != NULL)
            continue;
        struct func_type type = type_registry_type(&engine->types, type_ids[i]);
        asm_align(&unit->code, 16);
        entries[i] = unit->code.len;
        if (kind == THUNK_HOST)
            emit_host_thunk(unit, &type);
        else
            emit_cross_thunk(unit, &type);
    }
}

static enum status publish_batch(struct engine *engine, const struct code_unit *unit,
                                 struct code_object **out) {
    if (unit->code.status != OK)
        return unit->code.status;
    if (unit->code.len == 0)
        return OK;
    struct code_image image; // the batch is one function to it
    enum status status = image_init(&image, 1);
    if (status == OK)
        status = image_add(&image, unit, 0);
    if (status != OK) {
        image_fini(&image);
        return status;
    }
    status = image_publish(&image, engine, out);
    if (status != OK)
        return status;
    host_registry_lock();
    (*out)->next = engine->thunks;
    engine->thunks = *out;
    host_registry_unlock();
    return OK;
}

enum status thunks_ensure(struct engine *engine, enum thunk_kind kind, const u32 *type_ids,
                          u32 count) {
    if (count == 0)
        return OK;
    u32 *entries = host_alloc(count * sizeof *entries);
    if (entries == NULL)
        return ERR_NO_MEMORY;
    struct code_unit unit;
    code_unit_init(&unit);
    emit_missing(engine, kind, type_ids, count, &unit, entries);

    struct code_object *object = NULL;
    enum status status = publish_batch(engine, &unit, &object);
    if (status == OK && object != NULL) {
        for (u32 i = 0; i < count; i++) {
            if (entries[i] != NO_ENTRY)
                set_thunk(engine, kind, type_ids[i], (const void *)(object->address + entries[i]));
        }
    }
    code_unit_fini(&unit);
    host_free(entries, count * sizeof *entries);
    return status;
}
