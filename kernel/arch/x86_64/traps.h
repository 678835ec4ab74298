#pragma once
// What exceptions and interrupts leave on the stack, and who handles them.

#include "base/assert.h"
#include "kernel/arch/x86_64/layout.h"

struct trap_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8;
    u64 rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector;
    u64 error_code;
    u64 rip, cs, rflags, rsp, ss;
};
STATIC_ASSERT(offsetof(struct trap_frame, rax) == FRAME_RAX, "traps.S");
STATIC_ASSERT(offsetof(struct trap_frame, rbp) == FRAME_RBP, "traps.S");
STATIC_ASSERT(offsetof(struct trap_frame, rip) == FRAME_RIP, "traps.S");
STATIC_ASSERT(sizeof(struct trap_frame) == FRAME_BYTES, "traps.S");
STATIC_ASSERT(sizeof(struct trap_frame) % 16 == 0, "the handler's stack is aligned");

enum exception {
    EXCEPTION_DIVIDE = 0,
    EXCEPTION_DEBUG = 1,
    EXCEPTION_NMI = 2,
    EXCEPTION_UNDEFINED = 6,
    EXCEPTION_DOUBLE_FAULT = 8,
    EXCEPTION_PAGE_FAULT = 14,
    EXCEPTION_X87 = 16,
    EXCEPTION_MACHINE_CHECK = 18,
    EXCEPTION_SIMD = 19,
};

// Interrupt stack table slots (gdt.c).
enum ist { IST_NONE, IST_DOUBLE_FAULT, IST_NMI, IST_MACHINE_CHECK, IST_COUNT };

#define VECTOR_TIMER         0x20
#define VECTOR_SERIAL        0x21
#define VECTOR_INVALIDATE    0x23
#define VECTOR_DEVICE_FIRST  0x30
#define VECTOR_DEVICE_COUNT  0x40
#define VECTOR_PROGRAM_FIRST 0x70 // ARCH_INTERRUPTS_MAX of them
#define VECTOR_SPURIOUS      0xff

extern const u8 trap_stubs[256][16];
void wake_entry(void); // the gate of VECTOR_RESCHEDULE

// Loads the table of gates; `interrupt_init` fills it first.
void interrupt_init(void);
void interrupt_init_this(void);

// Called by traps.S.
void exception_handle(struct trap_frame *frame);
bool interrupt_handle(struct trap_frame *frame);

// Runs upcall_interrupt_return soon, when an interrupt could not (windows.c).
void interrupt_reschedule_soon(void);
