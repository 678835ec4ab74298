// Windows: short-lived mappings of frames of the programs' zone, a few for each CPU.
//
// A window belongs to the CPU that opened it, so its thread is not switched until it is closed: an
// interrupt that wants to leaves a note, and closing the last window makes up for it. No other CPU
// ever uses the address, so only this one has to forget it.

#include "base/math.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/traps.h"

// A window is followed by as many pages that are never mapped.
#define WINDOW_STRIDE_PAGES (2 * ARCH_WINDOW_PAGES)
#define CPU_WINDOWS_BYTES   (WINDOWS_PER_CPU * WINDOW_STRIDE_PAGES * PAGE_SIZE)
STATIC_ASSERT(2 * MIB % CPU_WINDOWS_BYTES == 0, "one page table has all windows of a CPU");

bool windows_init(struct cpu *cpu) {
    u64 id = (u64)(cpu - cpu_boot());
    cpu->windows_address = WINDOWS_BASE + id * CPU_WINDOWS_BYTES;
    cpu->window_entries = paging_entry_create(cpu->windows_address);
    return cpu->window_entries != NULL;
}

void *arch_frame_window_open(struct phys_addr frame, u32 pages) {
    ASSERT(pages != 0 && pages <= ARCH_WINDOW_PAGES);
    ASSERT(is_aligned(frame.value, PAGE_SIZE));

    arch_irq_state irq = arch_irq_save();
    struct cpu *cpu = cpu_this();
    CHECK(cpu->window_depth < WINDOWS_PER_CPU);
    u32 first = cpu->window_depth++ * WINDOW_STRIDE_PAGES;
    for (u32 i = 0; i < pages; i++) {
        CHECK(cpu->window_entries[first + i] == 0);
        cpu->window_entries[first + i] = paging_entry_of(frame.value + i * PAGE_SIZE);
    }
    arch_irq_restore(irq);
    return (void *)(cpu->windows_address + first * PAGE_SIZE);
}

void arch_frame_window_close(void *window) {
    arch_irq_state irq = arch_irq_save();
    struct cpu *cpu = cpu_this();
    CHECK(cpu->window_depth != 0);
    u32 first = (cpu->window_depth - 1) * WINDOW_STRIDE_PAGES;
    CHECK((uptr)window == cpu->windows_address + first * PAGE_SIZE);
    for (u32 i = 0; i < ARCH_WINDOW_PAGES && cpu->window_entries[first + i] != 0; i++) {
        cpu->window_entries[first + i] = 0;
        cpu_page_invalidate((uptr)window + i * PAGE_SIZE);
    }
    cpu->window_depth--;
    if (cpu->window_depth == 0 && cpu->reschedule_waits) {
        cpu->reschedule_waits = false;
        interrupt_reschedule_soon();
    }
    arch_irq_restore(irq);
}
