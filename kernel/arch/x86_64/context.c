// Contexts: preparing one, and the segment base that belongs to each; inline.h switches.
//
// The base that the CPU has is always that of the running context, which says it as well: so a
// switch reads nothing from the CPU.

#include "base/math.h"
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"

bool arch_has_fsgsbase;

void *context_switch_aspace(u64 *from_sp, u64 to_sp, u64 cr3, u32 *from_loaded, u32 others,
                            void *passed);
void context_start(void);

// What a switch to it pops, and then context_start.
struct start_frame {
    u64 rip;
    u64 entry;
    u64 argument;
    u64 above[2]; // zeros; the stack is aligned for the call in context_start
};

void arch_context_init(struct arch_context *context, struct arch_aspace *as, u64 stack_top,
                       void (*entry)(void *), void *argument) {
    ASSERT(stack_top % 16 == 0);
    const struct start_frame frame = {
        .rip = (uptr)context_start,
        .entry = (uptr)entry,
        .argument = (uptr)argument,
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

void arch_segment_base_write_slow(u64 base) {
    cpu_msr_write(MSR_FS_BASE, base);
}

void *arch_context_switch_aspace(struct arch_context *from, struct arch_context *to, void *passed) {
    ASSERT(!arch_irq_enabled());
    ASSERT(cpu_this()->window_depth == 0);
    u32 others = ~(1u << cpu_this()->id);
    u64 cr3 = aspace_enter(to->aspace);
    return context_switch_aspace(&from->sp, to->sp, cr3, &from->aspace->loaded, others, passed);
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
