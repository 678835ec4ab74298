// Contexts: preparing one, switching between two, and the segment base that belongs to each.
//
// With FSGSBASE the register itself is the truth. Without, reading or writing it costs an MSR
// access, so each CPU remembers the value; then both change together with interrupts off.

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/cpu.h"

void context_switch(u64 *from_sp, u64 to_sp);
void context_start(void);

// What context_switch pops.
struct switch_frame {
    u64 r15, r14, r13, r12, rbx, rbp;
    u64 rip;
    u64 above[2]; // zeros; the stack is aligned for the call in context_start
};

void arch_context_init(struct arch_context *context, u64 stack_top, void (*entry)(void *),
                       void *argument) {
    ASSERT(stack_top % 16 == 0);
    struct switch_frame *frame = (struct switch_frame *)(stack_top - sizeof *frame);
    *frame = (struct switch_frame){
        .r12 = (uptr)entry,
        .r13 = (uptr)argument,
        .rip = (uptr)context_start,
    };
    *context = (struct arch_context){.sp = (uptr)frame};
}

static void segment_base_switch(struct arch_context *from, const struct arch_context *to) {
    if (cpu_features()->fsgsbase) {
        from->segment_base = cpu_fs_base_read();
        if (from->segment_base != to->segment_base)
            cpu_fs_base_write(to->segment_base);
        return;
    }
    struct cpu *cpu = cpu_this();
    from->segment_base = cpu->segment_base;
    if (cpu->segment_base != to->segment_base) {
        cpu_msr_write(MSR_FS_BASE, to->segment_base);
        cpu->segment_base = to->segment_base;
    }
}

void arch_context_switch(struct arch_context *from, struct arch_context *to) {
    ASSERT(!arch_irq_enabled());
    ASSERT(cpu_this()->window_depth == 0);
    segment_base_switch(from, to);
    context_switch(&from->sp, to->sp);
}

void arch_segment_base_set(u64 base) {
    if (cpu_features()->fsgsbase) {
        cpu_fs_base_write(base);
        return;
    }
    arch_irq_state irq = arch_irq_save();
    struct cpu *cpu = cpu_this();
    if (cpu->segment_base != base) {
        cpu_msr_write(MSR_FS_BASE, base);
        cpu->segment_base = base;
    }
    arch_irq_restore(irq);
}

enum arch_segment arch_memory_segment(void) {
    return ARCH_SEGMENT_FS;
}
