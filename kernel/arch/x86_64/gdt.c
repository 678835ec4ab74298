// Segments and stacks of each CPU, and the task state segment with the stacks for exceptions that
// cannot trust the current one: a double fault (most often: the stack itself was missing), NMI, and
// machine check.
//
// The first CPU's stacks are part of the image. Those of the others are mapped one behind the
// other, each above a page that stays unmapped.

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/traps.h"

#define IST_STACK_BYTES       8192
#define INTERRUPT_STACK_BYTES 16384
#define CPU_STACK_BYTES       16384 // where another CPU starts and idles
#define CPU_STACKS_STRIDE     (128 * KIB)

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

static struct segments {
    u64 gdt[5];
    struct task_state task;
} segments[ARCH_CPUS_MAX];

static struct {
    u8 ALIGNED(16) ist_stacks[IST_COUNT - 1][IST_STACK_BYTES];
    u8 ALIGNED(16) interrupt_stack[INTERRUPT_STACK_BYTES];
} boot_cpu_stacks;

// Makes a stack at the lowest free place from `*at` on. False when there is no memory.
static bool stack_create(u64 *at, u64 bytes, u64 *top) {
    *at += PAGE_SIZE; // which stays unmapped
    for (u64 end = *at + bytes; *at < end; *at += PAGE_SIZE) {
        struct phys_addr frame;
        u64 *entry = paging_entry_create(*at);
        if (entry == NULL || !upcall_frame_alloc(&frame))
            return false; // what there is stays: this happens once at most, at the start
        *entry = paging_entry_of(frame.value);
    }
    *top = *at;
    return true;
}

bool cpu_stacks_create(struct cpu *cpu, u64 *top) {
    u64 id = (u64)(cpu - cpu_boot());
    u64 at = CPU_STACKS_BASE + id * CPU_STACKS_STRIDE;
    if (!stack_create(&at, CPU_STACK_BYTES, top) ||
        !stack_create(&at, INTERRUPT_STACK_BYTES, &cpu->interrupt_stack_top))
        return false;
    for (u32 i = 0; i < IST_COUNT - 1; i++) {
        u64 ist_top;
        if (!stack_create(&at, IST_STACK_BYTES, &ist_top))
            return false;
        segments[id].task.ist[i] = ist_top;
    }
    ASSERT(at <= CPU_STACKS_BASE + (id + 1) * CPU_STACKS_STRIDE);
    return true;
}

static void boot_stacks_use(struct cpu *cpu, struct task_state *task) {
    cpu->interrupt_stack_top = (uptr)boot_cpu_stacks.interrupt_stack + INTERRUPT_STACK_BYTES;
    for (u32 i = 0; i < IST_COUNT - 1; i++)
        task->ist[i] = (uptr)boot_cpu_stacks.ist_stacks[i] + IST_STACK_BYTES;
}

void gdt_init(struct cpu *cpu) {
    struct task_state *task = &segments[cpu->id].task;
    if (cpu == cpu_boot())
        boot_stacks_use(cpu, task);
    task->io_map = sizeof *task; // none

    u64 base = (uptr)task;
    u64 limit = sizeof *task - 1;
    u64 *gdt = segments[cpu->id].gdt;
    gdt[SELECTOR_CODE / 8] = GDT_CODE;
    gdt[SELECTOR_DATA / 8] = GDT_DATA;
    gdt[SELECTOR_TSS / 8] =
        (limit & 0xffff) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;

    struct table_register table = {sizeof segments[0].gdt - 1, (uptr)gdt};
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
