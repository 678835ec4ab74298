// Contexts: preparing one, and the segment base that belongs to each; inline.h switches.
//
// The base that the CPU has is always that of the running context, which says it as well: so a
// switch reads nothing from the CPU.

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/cpu.h"

bool arch_has_fsgsbase;

void context_start(void);

// What a switch to it pops, and then context_start.
struct start_frame {
    u64 rip;
    u64 entry;
    u64 argument;
    u64 above[2]; // zeros; the stack is aligned for the call in context_start
};

void arch_context_init(struct arch_context *context, u64 stack_top, void (*entry)(void *),
                       void *argument) {
    ASSERT(stack_top % 16 == 0);
    struct start_frame *frame = (struct start_frame *)(stack_top - sizeof *frame);
    *frame = (struct start_frame){
        .rip = (uptr)context_start,
        .entry = (uptr)entry,
        .argument = (uptr)argument,
    };
    *context = (struct arch_context){.sp = (uptr)frame};
}

void arch_segment_base_write_slow(u64 base) {
    cpu_msr_write(MSR_FS_BASE, base);
}

void arch_segment_base_set(struct arch_context *running, u64 base) {
    arch_irq_state irq = arch_irq_save(); // both or none
    running->segment_base = base;
    if (arch_has_fsgsbase)
        cpu_fs_base_write(base);
    else
        cpu_msr_write(MSR_FS_BASE, base);
    arch_irq_restore(irq);
}

enum arch_segment arch_memory_segment(void) {
    return ARCH_SEGMENT_FS;
}
