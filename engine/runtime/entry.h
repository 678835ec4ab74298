#pragma once
// What entry_x64.S provides and what it calls: the way between C and generated code. For
// engine/runtime and engine/driver only.

#include "engine/api/contract.h"

// One call into generated code, all operands in place. The offsets are repeated in entry_x64.S.
struct entry_call {
    u64 gprs[6];
    u64 xmms[8][2];
    u64 *area;      // the outgoing area: stack parameters, then room for stack results
    u64 area_slots; // in all; copied back after the call
    const void *code;
    struct instance *instance;
    struct thread_block *thread;
    struct func_ref *func;
    u64 result_gpr;
    u64 result_xmm[2];
};

STATIC_ASSERT(offsetof(struct entry_call, xmms) == 48, "entry_x64.S");
STATIC_ASSERT(offsetof(struct entry_call, area) == 176, "entry_x64.S");
STATIC_ASSERT(offsetof(struct entry_call, area_slots) == 184, "entry_x64.S");
STATIC_ASSERT(offsetof(struct entry_call, code) == 192, "entry_x64.S");
STATIC_ASSERT(offsetof(struct entry_call, instance) == 200, "entry_x64.S");
STATIC_ASSERT(offsetof(struct entry_call, thread) == 208, "entry_x64.S");
STATIC_ASSERT(offsetof(struct entry_call, func) == 216, "entry_x64.S");
STATIC_ASSERT(offsetof(struct entry_call, result_gpr) == 224, "entry_x64.S");
STATIC_ASSERT(offsetof(struct entry_call, result_xmm) == 232, "entry_x64.S");

STATIC_ASSERT(CROSS_RETURN_MARK == 0x57801f0f, "entry_x64.S");
STATIC_ASSERT(FUNC_REF_HOST_CODE == 32 && FUNC_REF_INSTANCE == 16, "entry_x64.S");
STATIC_ASSERT(FUNC_REF_CODE == 0 && FUNC_REF_CROSS_CODE == 8, "entry_x64.S");
STATIC_ASSERT(INSTANCE_MEMORY_BASE == 16, "entry_x64.S");

// Sets r14, r15 and the operands, notes entry_sp, calls. Returns the enum trap that ended it. The
// caller has set the segment base and made sure that the area fits on the stack.
u32 entry_enter(struct entry_call *call);

// Where a trap continues: on the faulting stack, calls trap_capture, unwinds to entry_sp and
// returns thread_block.trap from entry_enter.
void entry_trap_exit(void);

// The special helpers of contract.h; not callable from C.
void entry_stack_grow(void);
void entry_segment_set(void);
void entry_tail_call(void);

void entry_throw(void);
void entry_throw_ref(void);

// Where a throw is, and then where it lands. The offsets are repeated in entry_x64.S.
struct unwind {
    u64 pc; // return address of the throwing function's call; the landing
    u64 fp;
    u64 sp; // the landing's only
    struct instance *instance;
    struct thread_block *thread;
};

STATIC_ASSERT(offsetof(struct unwind, fp) == 8, "entry_x64.S");
STATIC_ASSERT(offsetof(struct unwind, sp) == 16, "entry_x64.S");
STATIC_ASSERT(offsetof(struct unwind, instance) == 24, "entry_x64.S");
STATIC_ASSERT(offsetof(struct unwind, thread) == 32, "entry_x64.S");
STATIC_ASSERT(sizeof(struct unwind) == 40, "entry_x64.S");

// Find the catch and deliver, called by the stubs of the same names: TRAP_NONE, and `unwind` says
// where to continue; else nothing has changed. The segment base is the landing's already.
struct exception;
enum trap exception_throw(struct unwind *unwind, u64 tag_index, const u64 *payload);
enum trap exception_throw_ref(struct unwind *unwind, const struct exception *thrown);

// Fills in thread->report; called by entry_trap_exit.
void trap_capture(struct thread_block *thread, struct instance *instance);

enum cpu_feature : u32 {
    CPU_LZCNT = 1u << 0,
    CPU_BMI1 = 1u << 1,
    CPU_AVX = 1u << 2, // and the operating system keeps the registers
    CPU_AVX2 = 1u << 3,
    CPU_FMA = 1u << 4,
};

// The enum cpu_feature bits of this CPU. AVX2 and FMA only with AVX.
u32 engine_cpu_features(void);
