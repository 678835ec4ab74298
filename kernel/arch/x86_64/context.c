// Contexts: preparing one, switching between two, and the segment base that belongs to each.
//
// With FSGSBASE the register itself is the truth. Without, reading or writing it costs an MSR
// access, so each CPU remembers the value; then both change together with interrupts off.

#include "base/math.h"
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"

void context_switch(u64 *from_sp, u64 to_sp);
void context_switch_aspace(u64 *from_sp, u64 to_sp, u64 cr3, u32 *from_loaded, u32 others);
void context_start(void);

// What context_switch pops.
struct switch_frame {
    u64 r15, r14, r13, r12, rbx, rbp;
    u64 rip;
    u64 above[2]; // zeros; the stack is aligned for the call in context_start
};

void arch_context_init(struct arch_context *context, struct arch_aspace *as, u64 stack_top,
                       void (*entry)(void *), void *argument) {
    ASSERT(stack_top % 16 == 0);
    const struct switch_frame frame = {
        .r12 = (uptr)entry,
        .r13 = (uptr)argument,
        .rip = (uptr)context_start,
    };
    u64 sp = stack_top - sizeof frame;
    if (as == arch_aspace_current()) {
        memcpy((void *)sp, &frame, sizeof frame);
    } else {
        struct phys_addr page;
        bool is_there = arch_translate(as, (struct virt_addr){align_down(sp, PAGE_SIZE)}, &page);
        CHECK(is_there && sp % PAGE_SIZE <= PAGE_SIZE - sizeof frame);
        u8 *window = arch_frame_window_open(page, 1);
        memcpy(window + sp % PAGE_SIZE, &frame, sizeof frame);
        arch_frame_window_close(window);
    }
    *context = (struct arch_context){.sp = sp, .aspace = as};
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
    if (from->aspace == to->aspace) {
        context_switch(&from->sp, to->sp);
        return;
    }
    u32 others = ~(1u << cpu_this()->id);
    u64 cr3 = aspace_enter(to->aspace);
    context_switch_aspace(&from->sp, to->sp, cr3, &from->aspace->loaded, others);
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
