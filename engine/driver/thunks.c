// Thunks, emitted: one for each type of host functions, one for all that are called directly, and
// two for calls from one instance into another, whatever the type. All are entered with the struct
// func_ref in rax and the caller's instance in r15, keep a frame like any function, and change no
// register that generated code relies on.
//
// Scratch registers: r10 and r11 carry neither parameters nor results. A frame that may be more
// than STACK_SLACK_BYTES checks the stack limit as a prologue does; a smaller one lives in the
// headroom.

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/decode/callconv.h"
#include "engine/driver/driver_internal.h"
#include "engine/driver/image.h"
#include "engine/x64/asm_vec.h"

static const enum gpr param_gprs[CALLCONV_GPRS] = {RDI, RSI, RDX, RCX, R8, R9};

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

//     ret 8 * param_slots
static void emit_ret(struct assembler *a, u32 param_slots) {
    if (param_slots != 0)
        asm_ret_pop(a, (u16)(8 * param_slots));
    else
        asm_ret(a);
}

// Goes to `overflow` unless rsp can go down to rax; then rax is what r11 is.
//     cmp rax, [r14 + THREAD_STACK_LIMIT]
//     jae enough
//     mov r10, [r15 + INSTANCE_HELPERS]
//     call [r10 + 8 * HELPER_STACK_GROW]
//     test eax, eax
//     jne overflow
// enough:
//     mov rax, r11
static void emit_stack_check(struct assembler *a, struct label *overflow) {
    struct label enough = {0};
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

//     leave
//     ret 8 * param_slots
static void emit_return(struct assembler *a, u32 param_slots) {
    asm_leave(a);
    emit_ret(a, param_slots);
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

// Goes back to `goes_on` when the host function's trap, eax, is none that ends the program.
static void emit_pause(struct assembler *a, struct label *goes_on) {
    struct label ended = {0};
    asm_alu_ri(a, ALU_CMP, W32, RAX, TRAP_PAUSED);
    asm_jcc(a, COND_NE, &ended);
    asm_load(a, W64, R10, mem_at(R15, INSTANCE_HELPERS));
    asm_call_m(a, helper_at(R10, HELPER_PAUSE));
    asm_test_rr(a, W32, RAX, RAX);
    asm_jcc(a, COND_E, goes_on);
    asm_bind(a, &ended);
}

//     push rbp
//     mov rbp, rsp
//     check the stack, if the values are many
//     sub rsp, values
//     mov [rsp + 8 * i], parameter i             for each
//     mov rdi, r15
//     mov rsi, rsp
//     mov rdx, [rax + FUNC_REF_HOST_CONTEXT]
//     call [rax + FUNC_REF_HOST_CODE]
//     test eax, eax
//     jne trapped
//     mov result i, [rsp + 8 * i]                for each
//     add rsp, values
//     pop rbp
//     ret 8 * parameter slots
// trapped:
//     cmp eax, TRAP_PAUSED
//     jne ended
//     mov r10, [r15 + INSTANCE_HELPERS]
//     call [r10 + 8 * HELPER_PAUSE]
//     test eax, eax
//     je goes_on                                 behind the other jne
// ended:
//     mov [r14 + THREAD_PENDING_TRAP], eax
//     ud2
//
// Not by `leave`: after a switch to another thread the processor guesses the return wrong, and
// finds that out the sooner, the less rsp hangs on (here on no rbp that is loaded first).
static void emit_host_thunk(struct code_unit *unit, const struct func_type *type) {
    struct assembler *a = &unit->code;
    struct label trapped = {0};
    struct label goes_on = {0};
    struct label overflow = {0};
    u32 frame_bytes = (u32)align_up(8ull * func_type_slots(type), 16);
    bool is_large = frame_bytes > STACK_SLACK_BYTES;
    struct callconv cc;
    callconv_begin(&cc);

    emit_frame(a);
    if (is_large) {
        asm_mov_rr(a, W64, R11, RAX);
        asm_lea(a, W64, RAX, mem_at(RSP, -(i32)frame_bytes));
        emit_stack_check(a, &overflow);
    }
    if (frame_bytes != 0)
        asm_alu_ri(a, ALU_SUB, W64, RSP, (i32)frame_bytes);
    emit_store_params(a, type, &cc);
    asm_mov_rr(a, W64, RDI, R15);
    asm_mov_rr(a, W64, RSI, RSP);
    asm_load(a, W64, RDX, mem_at(RAX, FUNC_REF_HOST_CONTEXT));
    asm_call_m(a, mem_at(RAX, FUNC_REF_HOST_CODE));
    asm_test_rr(a, W32, RAX, RAX);
    asm_jcc(a, COND_NE, &trapped);
    asm_bind(a, &goes_on);
    emit_load_results(a, type, &cc);
    if (frame_bytes != 0)
        asm_alu_ri(a, ALU_ADD, W64, RSP, (i32)frame_bytes);
    asm_pop(a, RBP);
    emit_ret(a, callconv_param_slots(type));

    asm_bind(a, &trapped);
    emit_pause(a, &goes_on);
    asm_store(a, W32, mem_at(R14, THREAD_PENDING_TRAP), RAX);
    code_unit_site(unit, a->len, 0, TRAP_DYNAMIC);
    asm_ud2(a);
    if (is_large)
        emit_overflow(unit, &overflow);
}

// As emit_pause, of the trap in edx; the result in rax is kept.
static void emit_direct_pause(struct assembler *a, struct label *goes_on) {
    struct label ended = {0};
    asm_alu_ri(a, ALU_CMP, W32, RDX, TRAP_PAUSED);
    asm_jcc(a, COND_NE, &ended);
    asm_push(a, RAX);
    asm_push(a, RAX);
    asm_load(a, W64, R10, mem_at(R15, INSTANCE_HELPERS));
    asm_call_m(a, helper_at(R10, HELPER_PAUSE));
    asm_mov_rr(a, W32, RDX, RAX);
    asm_pop(a, RAX);
    asm_pop(a, RAX);
    asm_test_rr(a, W32, RDX, RDX);
    asm_jcc(a, COND_E, goes_on);
    asm_bind(a, &ended);
}

// For what is called directly, of whatever type: the arguments are where they are to be. Not by
// `leave` either.
//     push rbp
//     mov rbp, rsp
//     call [rax + FUNC_REF_HOST_CODE]
//     test edx, edx
//     jne trapped
// goes_on:
//     mov eax, eax
//     pop rbp
//     ret
// trapped:
//     cmp edx, TRAP_PAUSED
//     jne ended
//     push rax                                   twice, for the alignment
//     mov r10, [r15 + INSTANCE_HELPERS]
//     call [r10 + 8 * HELPER_PAUSE]
//     mov edx, eax
//     pop rax                                    twice
//     test edx, edx
//     je goes_on
// ended:
//     mov [r14 + THREAD_PENDING_TRAP], edx
//     ud2
static void emit_direct_thunk(struct code_unit *unit) {
    struct assembler *a = &unit->code;
    struct label trapped = {0};
    struct label goes_on = {0};
    STATIC_ASSERT(HOST_DIRECT_PARAMS <= CALLCONV_GPRS, "all in registers");
    emit_frame(a);
    asm_call_m(a, mem_at(RAX, FUNC_REF_HOST_CODE));
    asm_test_rr(a, W32, RDX, RDX);
    asm_jcc(a, COND_NE, &trapped);
    asm_bind(a, &goes_on);
    asm_mov_rr(a, W32, RAX, RAX);
    asm_pop(a, RBP);
    asm_ret(a);

    asm_bind(a, &trapped);
    emit_direct_pause(a, &goes_on);
    asm_store(a, W32, mem_at(R14, THREAD_PENDING_TRAP), RDX);
    code_unit_site(unit, a->len, 0, TRAP_DYNAMIC);
    asm_ud2(a);
}

// -- Other instances' functions ------------------------------------------------------------------

// The caller's instance, and how many slots of stack parameters and results there are.
#define CROSS_INSTANCE (-8)
#define CROSS_PARAMS   (-16)
#define CROSS_RESULTS  (-12)

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
static void emit_cross_frame(struct assembler *a) {
    emit_frame(a);
    asm_push(a, R15);
}

//     mov r10, [r15 + INSTANCE_MEMORY_BASE]
//     mov r15, [rax + FUNC_REF_INSTANCE]
//     switch the segment
//     call [rax + FUNC_REF_CODE]
//     the mark
static void emit_cross_call(struct assembler *a) {
    asm_load(a, W64, R10, mem_at(R15, INSTANCE_MEMORY_BASE));
    asm_load(a, W64, R15, mem_at(RAX, FUNC_REF_INSTANCE));
    emit_segment_switch(a);
    asm_call_m(a, mem_at(RAX, FUNC_REF_CODE));
    emit_return_mark(a);
}

//     mov r10, [r15 + INSTANCE_MEMORY_BASE]
//     mov r15, [rbp + CROSS_INSTANCE]
//     switch the segment
static void emit_switch_back(struct assembler *a) {
    asm_load(a, W64, R10, mem_at(R15, INSTANCE_MEMORY_BASE));
    asm_load(a, W64, R15, mem_at(RBP, CROSS_INSTANCE));
    emit_segment_switch(a);
}

// For types with everything in registers.
//     the frame
//     sub rsp, 8
//     the call
//     switch back
//     leave
//     ret
static void emit_cross_plain(struct assembler *a) {
    emit_cross_frame(a);
    asm_alu_ri(a, ALU_SUB, W64, RSP, 8);
    emit_cross_call(a);
    emit_switch_back(a);
    emit_return(a, 0);
}

// Copies slots [0 .. r11) between two areas, the last first; goes on at once where r11d is zero.
//     test r11d, r11d
//     je done
// next:
//     mov r10, [from + 8 * r11 - 8]
//     mov [to + 8 * r11 - 8], r10
//     sub r11, 1
//     jne next
// done:
static void emit_copy_slots(struct assembler *a, struct mem to, struct mem from) {
    struct label next = {0};
    struct label done = {0};
    to.index = from.index = R11;
    to.scale = from.scale = 3;
    to.disp -= 8;
    from.disp -= 8;
    asm_test_rr(a, W32, R11, R11);
    asm_jcc(a, COND_E, &done);
    asm_bind(a, &next);
    asm_load(a, W64, R10, from);
    asm_store(a, W64, to, R10);
    asm_alu_ri(a, ALU_SUB, W64, R11, 1);
    asm_jcc(a, COND_NE, &next);
    asm_bind(a, &done);
}

// Makes room for what goes over the stack: parameters and results, to a multiple of sixteen bytes.
//     mov r10d, [rbp + CROSS_PARAMS]
//     add r10d, [rbp + CROSS_RESULTS]
//     lea r10, [8 * r10 + 8]
//     and r10, -16
//     mov r11, rax
//     mov rax, rsp
//     sub rax, r10
//     check the stack
//     the first four again, as the check may have changed r10
//     sub rsp, r10
static void emit_area_bytes(struct assembler *a) {
    struct mem eight_times = {.base = NO_GPR, .index = R10, .scale = 3, .disp = 8};
    asm_load(a, W32, R10, mem_at(RBP, CROSS_PARAMS));
    asm_alu_rm(a, ALU_ADD, W32, R10, mem_at(RBP, CROSS_RESULTS));
    asm_lea(a, W64, R10, eight_times);
    asm_alu_ri(a, ALU_AND, W64, R10, -16);
}

static void emit_area(struct assembler *a, struct label *overflow) {
    emit_area_bytes(a);
    asm_mov_rr(a, W64, R11, RAX);
    asm_mov_rr(a, W64, RAX, RSP);
    asm_alu_rr(a, ALU_SUB, W64, RAX, R10);
    emit_stack_check(a, overflow);
    emit_area_bytes(a);
    asm_alu_rr(a, ALU_SUB, W64, RSP, R10);
}

// Returns, and pops the stack parameters: their number is not known here, so the return address
// moves up over them.
//     mov ecx, [rbp + CROSS_PARAMS]
//     lea rcx, [rbp + 8 * rcx + 8]
//     mov r11, [rbp + 8]
//     mov rbp, [rbp]
//     mov [rcx], r11
//     mov rsp, rcx
//     ret
static void emit_return_over_params(struct assembler *a) {
    struct mem above = {.base = RBP, .index = RCX, .scale = 3, .disp = 8};
    asm_load(a, W32, RCX, mem_at(RBP, CROSS_PARAMS));
    asm_lea(a, W64, RCX, above);
    asm_load(a, W64, R11, mem_at(RBP, 8));
    asm_load(a, W64, RBP, mem_at(RBP, 0));
    asm_store(a, W64, mem_at(RCX, 0), R11);
    asm_mov_rr(a, W64, RSP, RCX);
    asm_ret(a);
}

// For all other types: the reference tells how much goes over the stack. Behind the call, rcx is
// free: neither results nor anything else is in it.
//     the frame
//     push [rax + FUNC_REF_STACK_PARAMS]         both numbers
//     the area
//     mov r11d, [rbp + CROSS_PARAMS]
//     copy the parameters down
//     the call
//     mov ecx, [rbp + CROSS_PARAMS]
//     lea rcx, [rbp + 8 * rcx + 16]
//     mov r11d, [rbp + CROSS_RESULTS]
//     copy the results up, from where rsp is now
//     switch back
//     return
static void emit_cross_stacked(struct code_unit *unit) {
    struct assembler *a = &unit->code;
    struct label overflow = {0};
    struct mem results = {.base = RBP, .index = RCX, .scale = 3, .disp = 16};
    emit_cross_frame(a);
    asm_push_m(a, mem_at(RAX, FUNC_REF_STACK_PARAMS));
    emit_area(a, &overflow);
    asm_load(a, W32, R11, mem_at(RBP, CROSS_PARAMS));
    emit_copy_slots(a, own_slot(0), caller_slot(0));
    emit_cross_call(a);
    asm_load(a, W32, RCX, mem_at(RBP, CROSS_PARAMS));
    asm_lea(a, W64, RCX, results);
    asm_load(a, W32, R11, mem_at(RBP, CROSS_RESULTS));
    emit_copy_slots(a, mem_at(RCX, 0), own_slot(0));
    emit_switch_back(a);
    emit_return_over_params(a);
    emit_overflow(unit, &overflow);
}

// -- Making them ---------------------------------------------------------------------------------

// Publishes what was emitted, as one function.
static enum status publish(struct engine *engine, const struct code_unit *unit,
                           struct code_object **out) {
    if (unit->code.status != OK)
        return unit->code.status;
    struct code_image image;
    enum status status = image_init(&image, 1);
    if (status == OK)
        status = image_add(&image, unit, 0);
    if (status != OK) {
        image_fini(&image);
        return status;
    }
    return image_publish(&image, engine, out);
}

enum status thunks_make_common(struct engine *engine) {
    struct code_unit unit;
    code_unit_init(&unit);
    emit_cross_plain(&unit.code);
    asm_align(&unit.code, 16);
    u32 stacked = unit.code.len;
    emit_cross_stacked(&unit);
    asm_align(&unit.code, 16);
    u32 direct = unit.code.len;
    emit_direct_thunk(&unit);
    enum status status = publish(engine, &unit, &engine->common_code);
    code_unit_fini(&unit);
    if (status != OK)
        return status;
    u64 address = engine->common_code->address;
    engine->cross_thunks.plain = (const void *)address;
    engine->cross_thunks.stacked = (const void *)(address + stacked);
    engine->direct_thunk = (const void *)(address + direct);
    return OK;
}

#define NO_ENTRY UINT32_MAX

static bool contains(const u32 *type_ids, u32 count, u32 type_id) {
    for (u32 i = 0; i < count; i++) {
        if (type_ids[i] == type_id)
            return true;
    }
    return false;
}

// Emits what is missing; entries[i] is NO_ENTRY where nothing was.
static void emit_missing(const struct type_registry *types, const u32 *type_ids, u32 count,
                         struct code_unit *unit, u32 *entries) {
    for (u32 i = 0; i < count; i++) {
        entries[i] = NO_ENTRY;
        if (type_registry_host_thunk(types, type_ids[i]) != NULL ||
            contains(type_ids, i, type_ids[i]))
            continue;
        struct func_type type = type_registry_type(types, type_ids[i]);
        asm_align(&unit->code, 16);
        entries[i] = unit->code.len;
        emit_host_thunk(unit, &type);
    }
}

static void set_thunks(struct type_registry *types, const u32 *type_ids, u32 count, u64 address,
                       const u32 *entries) {
    for (u32 i = 0; i < count; i++) {
        if (entries[i] != NO_ENTRY)
            type_registry_set_host_thunk(types, type_ids[i], (const void *)(address + entries[i]));
    }
}

enum status thunks_make_host(struct engine *engine, const u32 *type_ids, u32 count,
                             struct code_object **out) {
    *out = NULL;
    u32 *entries = host_alloc(count * sizeof *entries);
    if (entries == NULL)
        return ERR_NO_MEMORY;
    struct code_unit unit;
    code_unit_init(&unit);
    emit_missing(&engine->types, type_ids, count, &unit, entries);
    enum status status = unit.code.status;
    if (status == OK && unit.code.len != 0)
        status = publish(engine, &unit, out);
    if (status == OK && *out != NULL)
        set_thunks(&engine->types, type_ids, count, (*out)->address, entries);
    code_unit_fini(&unit);
    host_free(entries, count * sizeof *entries);
    return status;
}
