// Gates, exceptions and device interrupts.
//
// An exception becomes a struct fault and upcall_fault decides: try again, continue elsewhere, fail
// a guarded copy, or report a bug. An interrupt is dispatched by its vector on the CPU's interrupt
// stack; the end is signalled before the kernel may switch threads.

#include "base/fmt.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/copy.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/arch/x86_64/traps.h"

struct PACKED gate {
    u16 offset_low;
    u16 selector;
    u8 ist;
    u8 type;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;
};
STATIC_ASSERT(sizeof(struct gate) == 16, "as the CPU reads it");

#define GATE_INTERRUPT      0x8e // present, ring 0, interrupts off
#define RFLAGS_INTERRUPT    (1ull << 9)

#define PAGE_FAULT_PRESENT  (1u << 0)
#define PAGE_FAULT_WRITE    (1u << 1)
#define PAGE_FAULT_RESERVED (1u << 3)
#define PAGE_FAULT_FETCH    (1u << 4)

static struct {
    struct gate gates[256];
    void (*handlers[VECTOR_DEVICE_COUNT])(void);
    u32 handler_count;
    u32 reporter; // atomic: CPU + 1 that reports a fatal exception, or 0
} interrupts;

static const char *const exception_names[VECTOR_IRQ_FIRST] = {
    "divide error",
    "debug exception",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "reserved",
    "x87 exception",
    "alignment check",
    "machine check",
    "SIMD exception",
    "virtualization exception",
    "control protection",
};

void interrupt_init_this(void) {
    struct PACKED {
        u16 limit;
        u64 base;
    } table = {sizeof interrupts.gates - 1, (uptr)interrupts.gates};
    __asm__ volatile("lidt %0" : : "m"(table));
}

void interrupt_init(void) {
    for (u32 vector = 0; vector < COUNT_OF(interrupts.gates); vector++) {
        u64 address = vector == VECTOR_RESCHEDULE ? (uptr)wake_entry : (uptr)trap_stubs[vector];
        interrupts.gates[vector] = (struct gate){
            .offset_low = (u16)address,
            .offset_middle = (u16)(address >> 16),
            .offset_high = (u32)(address >> 32),
            .selector = SELECTOR_CODE,
            .type = GATE_INTERRUPT,
        };
    }
    interrupts.gates[EXCEPTION_DOUBLE_FAULT].ist = IST_DOUBLE_FAULT;
    interrupts.gates[EXCEPTION_NMI].ist = IST_NMI;
    interrupts.gates[EXCEPTION_MACHINE_CHECK].ist = IST_MACHINE_CHECK;
    interrupt_init_this();
}

// -- Exceptions ---------------------------------------------------------------------------------

static void registers_print(const struct trap_frame *frame, u64 cr2) {
    console_print("rip %016lx  rsp %016lx  rflags %08lx  error %lx\n", frame->rip, frame->rsp,
                  frame->rflags, frame->error_code);
    console_print("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", frame->rax, frame->rbx,
                  frame->rcx, frame->rdx);
    console_print("rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx\n", frame->rsi, frame->rdi,
                  frame->rbp, frame->r8);
    console_print("r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx\n", frame->r9, frame->r10,
                  frame->r11, frame->r12);
    console_print("r13 %016lx  r14 %016lx  r15 %016lx  cr2 %016lx\n", frame->r13, frame->r14,
                  frame->r15, cr2);
}

[[noreturn]] static void exception_fatal(const struct trap_frame *frame, u64 cr2) {
    const char *name = exception_names[frame->vector];
    if (name == NULL)
        name = "exception";
    u32 reporter = 0;
    u32 self = arch_cpu_id() + 1;
    if (!__atomic_compare_exchange_n(&interrupts.reporter, &reporter, self, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)) {
        // Where the report itself failed, say so in the simplest way. Another CPU's goes first.
        if (reporter == self)
            console_print("\n%s at %lx while reporting another exception\n", name, frame->rip);
        arch_halt();
    }
    arch_cpus_stop();

    console_print("\n");
    registers_print(frame, cr2);
    char why[96];
    if (frame->vector == EXCEPTION_PAGE_FAULT)
        fmt_string(why, sizeof why, "%s at 0x%lx: %s 0x%lx", name, frame->rip,
                   (frame->error_code & PAGE_FAULT_FETCH)   ? "execute"
                   : (frame->error_code & PAGE_FAULT_WRITE) ? "write to"
                                                            : "read from",
                   cr2);
    else
        fmt_string(why, sizeof why, "%s at 0x%lx, error code 0x%lx", name, frame->rip,
                   frame->error_code);
    upcall_panic(why);
}

static enum fault_class class_of(u64 vector) {
    switch (vector) {
    case EXCEPTION_PAGE_FAULT:
        return FAULT_PAGE;
    case EXCEPTION_UNDEFINED:
        return FAULT_UNDEFINED;
    case EXCEPTION_DIVIDE:
    case EXCEPTION_X87:
    case EXCEPTION_SIMD:
        return FAULT_ARITHMETIC;
    default:
        return FAULT_OTHER;
    }
}

static struct fault fault_of(const struct trap_frame *frame, u64 cr2, u64 fixup) {
    struct fault fault = {
        .class = class_of(frame->vector),
        .pc = frame->rip,
        .fp = frame->rbp,
        .sp = frame->rsp,
        .vector = (u32)frame->vector,
        .error_code = frame->error_code,
        .in_copy = fixup != 0,
        .in_window = cpu_this()->window_depth != 0 || (frame->rflags & RFLAGS_INTERRUPT) == 0,
    };
    if (fault.class == FAULT_PAGE) {
        fault.address.value = cr2;
        fault.is_present = (frame->error_code & (PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED)) != 0;
        fault.access = (frame->error_code & PAGE_FAULT_FETCH)   ? FAULT_EXEC
                       : (frame->error_code & PAGE_FAULT_WRITE) ? FAULT_WRITE
                                                                : FAULT_READ;
    }
    return fault;
}

void exception_handle(struct trap_frame *frame) {
    u64 cr2 = cpu_cr2_read(); // before anything else can fault
    switch (frame->vector) {
    case EXCEPTION_NMI:
        if (cpus_are_stopping())
            arch_halt();
        [[fallthrough]];
    case EXCEPTION_DOUBLE_FAULT:
    case EXCEPTION_MACHINE_CHECK:
        exception_fatal(frame, cr2); // on a stack of its own: nothing to return to
    }
    if (__atomic_load_n(&interrupts.reporter, __ATOMIC_RELAXED) == arch_cpu_id() + 1)
        exception_fatal(frame, cr2);

    u64 fixup = copy_fixup(frame->rip);
    struct fault fault = fault_of(frame, cr2, fixup);
    struct fault_result result = upcall_fault(&fault);
    switch (result.action) {
    case FAULT_RETRY:
        return;
    case FAULT_REDIRECT:
        frame->rip = result.resume_pc;
        return;
    case FAULT_FAIL_COPY:
        CHECK(fixup != 0);
        frame->rip = fixup;
        frame->rax = (u64)result.status;
        return;
    case FAULT_BUG:
        break;
    }
    exception_fatal(frame, cr2);
}

// -- Interrupts ---------------------------------------------------------------------------------

static void device_interrupt(u64 vector) {
    u64 index = vector - VECTOR_DEVICE_FIRST;
    if (vector >= VECTOR_PROGRAM_FIRST && vector < VECTOR_PROGRAM_FIRST + ARCH_INTERRUPTS_MAX)
        program_interrupt((u32)(vector - VECTOR_PROGRAM_FIRST));
    else if (vector >= VECTOR_DEVICE_FIRST && index < interrupts.handler_count)
        interrupts.handlers[index]();
}
STATIC_ASSERT(VECTOR_DEVICE_FIRST + VECTOR_DEVICE_COUNT <= VECTOR_PROGRAM_FIRST, "apart");
STATIC_ASSERT(VECTOR_PROGRAM_FIRST + ARCH_INTERRUPTS_MAX <= 0xf0, "below the old controllers'");

// False: it is not in service, so there is no end to signal.
[[gnu::noinline]] static bool interrupt_dispatch(u64 vector) {
    switch (vector) {
    case VECTOR_SPURIOUS:
        return false;
    case VECTOR_SERIAL:
        upcall_console();
        break;
    case VECTOR_RESCHEDULE:
        break;
    case VECTOR_INVALIDATE:
        invalidation_answer();
        break;
    default:
        device_interrupt(vector);
    }
    return true;
}

bool interrupt_handle(struct trap_frame *frame) {
    if (frame->vector == VECTOR_TIMER)
        timer_interrupt();
    else if (!interrupt_dispatch(frame->vector))
        return false;
    apic_end_of_interrupt();

    ASSERT((frame->rflags & RFLAGS_INTERRUPT) != 0);
    if (!upcall_wants_reschedule(frame->rip))
        return false;
    struct cpu *cpu = cpu_this();
    if (cpu->window_depth != 0) {
        cpu->reschedule_waits = true;
        return false;
    }
    return true;
}

void interrupt_reschedule_soon(void) {
    apic_interrupt_self(VECTOR_RESCHEDULE);
}

u8 irq_vector_install(void (*handler)(void)) {
    if (interrupts.handler_count == VECTOR_DEVICE_COUNT)
        return 0;
    u32 index = interrupts.handler_count++;
    interrupts.handlers[index] = handler;
    return (u8)(VECTOR_DEVICE_FIRST + index);
}

struct msi_message irq_msi_message(u8 vector) {
    return (struct msi_message){
        .address = 0xfee00000ull | (u64)cpu_boot()->apic_id << 12,
        .data = vector,
    };
}

// -- Flags --------------------------------------------------------------------------------------

arch_irq_state arch_irq_save(void) {
    u64 flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags & RFLAGS_INTERRUPT;
}

void arch_irq_restore(arch_irq_state state) {
    if (state != 0)
        __asm__ volatile("sti" : : : "memory");
    else
        __asm__ volatile("cli" : : : "memory");
}

bool arch_irq_enabled(void) {
    u64 flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
    return (flags & RFLAGS_INTERRUPT) != 0;
}

void arch_irq_disable(void) {
    __asm__ volatile("cli" : : : "memory");
}

void arch_irq_enable(void) {
    __asm__ volatile("sti" : : : "memory");
}

void arch_cpu_relax(void) {
    __asm__ volatile("pause");
    if (!arch_irq_enabled())
        invalidation_answer();
}
