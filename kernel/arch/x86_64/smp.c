// The CPUs besides the first.
//
// A CPU is started by INIT and up to two STARTUP messages, one CPU after the other. It begins in
// real mode at the copy of smp.S's first part in a page of low memory, which is mapped at its own
// address, executable, for that time; goes straight to long mode with the kernel's page tables; and
// takes its stack and its struct cpu from `smp_next`. One that does not come is reset again, so
// that it does not come later, and left out.
//
// Low memory is nobody's (start.c), so the page is written through a window and then never again.

#include "kernel/arch/x86_64/smp.h"

#include "base/math.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/traps.h"

#define LOW_PAGE_FIRST  0x1000ull // below are the BIOS's variables
#define LOW_PAGE_END    0x9f000ull
#define SECOND_AFTER_NS 1000000ull // until the second STARTUP
#define GIVE_UP_NS      5000000000ull

// smp.S: the first part, and in it what is filled in.
extern const u8 smp_trampoline[], smp_trampoline_end[], smp_trampoline_gdt_base[],
    smp_trampoline_long_entry[], smp_trampoline_cr3[];

// What the starting CPU takes.
struct smp_next smp_next;

static struct {
    u64 low_page;  // 0: none
    u32 count;     // CPUs that run
    bool stopping; // atomic
} smp = {.count = 1};

void smp_low_page_keep(const struct range_set *ram) {
    for (u32 i = 0; i < ram->count; i++) {
        u64 start = max_u64(align_up(ram->ranges[i].start.value, PAGE_SIZE), LOW_PAGE_FIRST);
        u64 end = min_u64(ram->ranges[i].start.value + ram->ranges[i].bytes, LOW_PAGE_END);
        // The highest: what loaders leave behind lies low.
        if (end >= start + PAGE_SIZE)
            smp.low_page = align_down(end, PAGE_SIZE) - PAGE_SIZE;
    }
}

// -- Starting -----------------------------------------------------------------------------------

static void patch(u8 *page, const u8 *place, u64 value, usize len) {
    memcpy(page + (place - smp_trampoline), &value, len);
}

static bool trampoline_place(void) {
    if (smp.low_page == 0)
        return false;
    usize len = (usize)(smp_trampoline_end - smp_trampoline);
    ASSERT(len <= PAGE_SIZE);
    u8 *page = arch_frame_window_open((struct phys_addr){smp.low_page}, 1);
    memcpy(page, smp_trampoline, len);
    u64 base;
    memcpy(&base, smp_trampoline_gdt_base, sizeof(u32)); // offsets so far
    patch(page, smp_trampoline_gdt_base, smp.low_page + (u32)base, sizeof(u32));
    memcpy(&base, smp_trampoline_long_entry, sizeof(u32));
    patch(page, smp_trampoline_long_entry, smp.low_page + (u32)base, sizeof(u32));
    patch(page, smp_trampoline_cr3, cpu_cr3_read(), sizeof(u32));
    arch_frame_window_close(page);
    return arch_map(arch_aspace_kernel(), (struct virt_addr){smp.low_page},
                    (struct phys_addr){smp.low_page}, 1, PAGE_READ | PAGE_EXEC) == OK;
}

static void trampoline_remove(void) {
    arch_unmap(arch_aspace_kernel(), (struct virt_addr){smp.low_page}, 1, NULL, NULL);
}

// Waits for the CPU; false when it does not come in time.
static bool wait_for_cpu(u64 wait_ns) {
    u64 asked_ns = arch_clock_ns();
    while (!__atomic_load_n(&smp_next.taken, __ATOMIC_ACQUIRE)) {
        if (arch_clock_ns() - asked_ns > wait_ns)
            return false;
        arch_cpu_relax();
    }
    return true;
}

static bool cpu_start(u32 apic_id) {
    struct cpu *cpu = cpu_by_id(smp.count);
    u64 stack_top;
    if (!windows_init(cpu) || !cpu_stacks_create(cpu, &stack_top))
        return false;
    cpu->apic_id = apic_id;
    smp_next.cpu = cpu;
    smp_next.stack_top = stack_top;
    __atomic_store_n(&smp_next.taken, false, __ATOMIC_RELEASE); // pairs with smp_cpu_main

    u8 page = (u8)(smp.low_page >> PAGE_SHIFT);
    apic_reset(apic_id);
    apic_startup(apic_id, page);
    if (!wait_for_cpu(SECOND_AFTER_NS)) {
        apic_startup(apic_id, page);
        if (!wait_for_cpu(GIVE_UP_NS)) {
            apic_reset(apic_id);
            upcall_log("a CPU does not start");
            return true; // others may
        }
    }
    smp.count++;
    return true;
}

u32 arch_cpus_start(u32 count) {
    ASSERT(!arch_irq_enabled());
    const struct acpi_info *acpi = acpi_info();
    count = (u32)min_u64(count, ARCH_CPUS_MAX);
    if (count <= 1 || acpi->cpu_count <= 1 || !trampoline_place())
        return 1;
    for (u32 i = 0; i < acpi->cpu_count && smp.count < count; i++) {
        u32 apic_id = acpi->cpu_apic_ids[i];
        if (apic_id == cpu_boot()->apic_id || !apic_can_reach(apic_id))
            continue;
        if (!cpu_start(apic_id)) {
            upcall_log("too little memory for all CPUs");
            break;
        }
    }
    trampoline_remove();
    return smp.count;
}

void smp_cpu_main(struct cpu *cpu) {
    cpu_init_this(cpu);
    gdt_init(cpu);
    interrupt_init_this();
    apic_init_this();
    invalidation_join();
    // From here on the first CPU goes on, and may start the next.
    __atomic_store_n(&smp_next.taken, true, __ATOMIC_RELEASE); // pairs with wait_for_cpu
    upcall_cpu_main();
}

// -- Messages to other CPUs -----------------------------------------------------------------------

bool cpus_are_stopping(void) {
    return __atomic_load_n(&smp.stopping, __ATOMIC_ACQUIRE);
}

void arch_cpus_stop(void) {
    arch_irq_state irq = arch_irq_save();
    // Pairs with the load in cpus_are_stopping. A second time does nothing.
    if (!__atomic_exchange_n(&smp.stopping, true, __ATOMIC_SEQ_CST)) {
        for (u32 i = 0; i < smp.count; i++) {
            if (i != arch_cpu_id())
                apic_interrupt_nmi(cpu_by_id(i)->apic_id);
        }
    }
    arch_irq_restore(irq);
}
