// A function's frame: where locals live, the prologue, and the way to a larger stack.
//
//   push rbp; mov rbp, rsp
//   room: lea rax, [rsp - frame]; cmp rax, [r14 + stack_limit]; jb grow; grown: mov rsp, rax
//         xor eax, eax; mov [home], rax ... for locals that may be read before they are set
//   ... body ...
//   cold: grow: call of HELPER_STACK_GROW
//
// What the prologue must do is known when the body has been compiled: how large the frame is,
// whether anything is called, and which locals need their zero. So the body begins behind room that
// is enough for the worst, and the prologue is written into it last. What is left is skipped.
//
// A function that calls nothing and has a small frame does not check the stack: it lives in the
// headroom that is below the limit. Its prologue is push rbp; mov rbp, rsp; sub rsp, frame.
//
// Definite assignment is followed for the first 64 locals, one bit each, along with the code: a
// branch takes what is assigned there to its label, where only what all branches agree on counts.
//
// Frame, from rbp down: homes of locals, homes of operands, outgoing area (at rsp). The home of a
// parameter that came on the stack is where it came.

#include "engine/baseline/baseline_internal.h"

#include "engine/decode/callconv.h"

// lea, cmp, jb and mov; xor; the stores, or the loop of zero_all.
#define CHECK_ROOM     (8 + 3 + 6 + 3)
#define XOR_ROOM       2
#define STORE_ROOM     7
#define ZERO_LOOP_ROOM 40

// More homes than this get no room of their own: if too many of them need a zero, a loop does it.
#define ZERO_STORES_MAX 24

// Room that is jumped over rather than filled with nops.
#define SKIP_BY_JUMP 18

// -- Which locals need a zero ---------------------------------------------------------------------

static u64 assignment_bit(u32 local) {
    return local < 64 ? (u64)1 << local : 0;
}

void local_assigned(struct baseline *c, u32 local) {
    c->assigned |= assignment_bit(local);
}

void local_read(struct baseline *c, u32 local) {
    c->read_unassigned |= assignment_bit(local) & ~c->assigned;
}

static bool local_needs_zero(const struct baseline *c, u32 local) {
    u64 bit = assignment_bit(local);
    return bit == 0 || (c->read_unassigned & bit) != 0;
}

// -- Places ---------------------------------------------------------------------------------------

// Parameters are where the caller put them. Locals beyond them have consecutive homes, downwards.
static void place_locals(struct baseline *c) {
    static const u8 param_gprs[CALLCONV_GPRS] = {RDI, RSI, RDX, RCX, R8, R9};
    struct callconv cc;
    callconv_begin(&cc);
    c->param_slots = 0;
    for (u32 i = 0; i < c->validator.local_count; i++) {
        enum value_type type = c->validator.locals[i];
        struct local *local = &c->local[i];
        local->reg = NO_REG;
        local->temporary_of = 0;
        struct place place = {.kind = PLACE_GPR};
        if (i < c->type->param_count) {
            place = callconv_param(&cc, type);
            local_assigned(c, i);
        }
        if (place.kind == PLACE_STACK) {
            local->home = 16 + 8 * (i32)place.index;
            continue;
        }
        c->home_slots += value_type_slots(type);
        local->home = -8 * (i32)c->home_slots;
        if (i >= c->type->param_count)
            continue;
        c->param_slots = c->home_slots;
        local->reg = place.kind == PLACE_GPR ? param_gprs[place.index] : xmm_reg(place.index);
        c->local_of[local->reg] = (u16)i;
        c->locals |= bit(local->reg);
    }
}

// Room to zero the homes from slot `first` on, in one way or the other.
static u32 zero_room(u32 first, u32 end) {
    if (end - first > ZERO_STORES_MAX)
        return ZERO_LOOP_ROOM;
    u32 room = XOR_ROOM;
    for (u32 slot = first; slot < end; slot++)
        room += slot < 16 ? STORE_ROOM - 3 : STORE_ROOM; // displacement of one byte or four
    return room;
}

// push rbp; mov rbp, rsp; room
void frame_begin(struct baseline *c) {
    c->home_slots = 0;
    c->operand_slots = 0;
    c->outgoing_max = 0;
    c->calls = false;
    c->temporary_block = 0;
    c->loop_stamp = 0;
    c->assigned = 0;
    c->read_unassigned = 0;
    place_locals(c);
    u32 room = CHECK_ROOM;
    if (c->home_slots != c->param_slots)
        room += zero_room(c->param_slots, c->home_slots);

    asm_push(c->a, RBP);
    asm_mov_rr(c->a, W64, RBP, RSP);
    c->room_start = c->a->len;
    asm_nops(c->a, room);
    c->room_end = c->a->len;
}

// -- The prologue ---------------------------------------------------------------------------------

// lea r10, [last home]; mov r11d, count; next: mov [r10], rax; add r10, 8; sub r11d, 1; jne next
static void zero_all(struct baseline *c) {
    struct label next = {0};
    asm_lea(c->a, W64, R10, mem_at(RBP, -8 * (i32)c->home_slots));
    asm_mov_ri(c->a, R11, c->home_slots - c->param_slots);
    asm_bind(c->a, &next);
    asm_store(c->a, W64, mem_at(R10, 0), RAX);
    asm_alu_ri(c->a, ALU_ADD, W64, R10, 8);
    asm_alu_ri(c->a, ALU_SUB, W32, R11, 1);
    asm_jcc(c->a, COND_NE, &next);
}

// xor eax, eax; mov [home], rax ...
static void zero_homes(struct baseline *c) {
    u32 first = c->type->param_count;
    u32 end = c->validator.local_count;
    u32 slots = 0;
    for (u32 i = first; i < end; i++) {
        if (local_needs_zero(c, i))
            slots += value_type_slots(c->validator.locals[i]);
    }
    if (slots == 0)
        return;
    asm_zero(c->a, RAX);
    if (c->home_slots - c->param_slots > ZERO_STORES_MAX &&
        slots * STORE_ROOM > c->room_end - c->a->len) {
        zero_all(c);
        return;
    }
    for (u32 i = first; i < end; i++) {
        if (!local_needs_zero(c, i))
            continue;
        asm_store(c->a, W64, local_home(c, i), RAX);
        if (value_type_slots(c->validator.locals[i]) == 2)
            asm_store(c->a, W64, mem_at(RBP, c->local[i].home + 8), RAX);
    }
}

// lea rax, [rsp - frame]; cmp rax, [r14 + stack_limit]; jb grow; grown: mov rsp, rax
static void check_stack(struct baseline *c, u32 frame_bytes, struct label *grow,
                        struct label *grown) {
    asm_lea(c->a, W64, RAX, mem_at(RSP, -(i32)frame_bytes));
    asm_alu_rm(c->a, ALU_CMP, W64, RAX, mem_at(R14, THREAD_STACK_LIMIT));
    asm_jcc(c->a, COND_B, grow);
    asm_bind(c->a, grown);
    asm_mov_rr(c->a, W64, RSP, RAX);
}

// mov r11, [r15 + helpers]; call [r11 + HELPER_STACK_GROW]; test eax, eax; lea rax, [rsp - frame];
// jz grown; ud2
static void emit_grow(struct baseline *c, u32 frame_bytes, struct label *grow,
                      struct label *grown) {
    c->insn.offset = c->body_offset;
    asm_bind(c->a, grow);
    asm_load(c->a, W64, R11, mem_at(R15, INSTANCE_HELPERS));
    asm_call_m(c->a, mem_at(R11, 8 * HELPER_STACK_GROW));
    site_here(c, TRAP_NONE);
    asm_test_rr(c->a, W32, RAX, RAX);
    asm_lea(c->a, W64, RAX, mem_at(RSP, -(i32)frame_bytes)); // keeps the flags
    asm_jcc(c->a, COND_E, grown);
    site_here(c, TRAP_STACK_OVERFLOW);
    asm_ud2(c->a);
}

static u32 frame_size(const struct baseline *c) {
    u64 slots = (u64)c->home_slots + c->operand_slots + c->outgoing_max;
    CHECK(slots < INT32_MAX / 16);
    return (u32)(slots * 8 + 15) & ~15u;
}

// Writes the prologue, and behind the body what it needs.
u32 frame_finish(struct baseline *c) {
    u32 frame_bytes = frame_size(c);
    if (c->a->status != OK)
        return frame_bytes;
    struct label grow = {0};
    struct label grown = {0};
    struct asm_window room;
    bool checks = c->calls || frame_bytes > STACK_SLACK_BYTES;
    asm_window_open(c->a, &room, c->room_start, c->room_end);
    if (checks)
        check_stack(c, frame_bytes, &grow, &grown);
    else if (frame_bytes != 0)
        asm_alu_ri(c->a, ALU_SUB, W64, RSP, (i32)frame_bytes);
    zero_homes(c);
    if (c->a->len + SKIP_BY_JUMP < c->room_end) {
        struct label body = {.offset = c->room_end, .bound = true};
        asm_jmp(c->a, &body);
    }
    asm_window_close(c->a, &room);
    if (checks)
        emit_grow(c, frame_bytes, &grow, &grown);
    return frame_bytes;
}
