// Segments, and the task state segment with the stacks for exceptions that cannot trust the current
// one: a double fault (most often: the stack itself was missing), NMI, and machine check.

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/traps.h"

#define IST_STACK_BYTES       8192
#define INTERRUPT_STACK_BYTES 16384

struct PACKED task_state {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7]; // IST n is ist[n - 1]
    u64 reserved2;
    u16 reserved3;
    u16 io_map;
};
STATIC_ASSERT(sizeof(struct task_state) == 104, "as the CPU reads it");

struct PACKED table_register {
    u16 limit;
    u64 base;
};

#define GDT_CODE 0x00af9b000000ffffull // 64-bit, ring 0
#define GDT_DATA 0x00cf93000000ffffull

// One for the boot CPU; others would bring their own.
static struct {
    u64 gdt[5];
    struct task_state task;
    u8 ALIGNED(16) ist_stacks[IST_COUNT - 1][IST_STACK_BYTES];
    u8 ALIGNED(16) interrupt_stack[INTERRUPT_STACK_BYTES];
} boot_cpu_segments;

static void task_state_init(struct task_state *task) {
    for (u32 i = 0; i < IST_COUNT - 1; i++)
        task->ist[i] = (uptr)boot_cpu_segments.ist_stacks[i] + IST_STACK_BYTES;
    task->io_map = sizeof *task; // none
}

void gdt_init(struct cpu *cpu) {
    struct task_state *task = &boot_cpu_segments.task;
    task_state_init(task);
    cpu->interrupt_stack_top = (uptr)boot_cpu_segments.interrupt_stack + INTERRUPT_STACK_BYTES;

    u64 base = (uptr)task;
    u64 limit = sizeof *task - 1;
    u64 *gdt = boot_cpu_segments.gdt;
    gdt[SELECTOR_CODE / 8] = GDT_CODE;
    gdt[SELECTOR_DATA / 8] = GDT_DATA;
    gdt[SELECTOR_TSS / 8] =
        (limit & 0xffff) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;

    struct table_register table = {sizeof boot_cpu_segments.gdt - 1, (uptr)gdt};
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\tmovl %2, %%ds\n\t"
                     "movl %2, %%es\n\t"
                     "movl %2, %%ss\n\t"
                     "ltr %w3"
                     :
                     : "m"(table), "i"(SELECTOR_CODE), "r"(SELECTOR_DATA), "r"(SELECTOR_TSS)
                     : "rax", "memory");
}
