// Invalidation on all CPUs ("TLB shoot-down").
//
// Who has changed page tables forgets the run itself, posts one request, interrupts the others and
// waits until each has answered. There is one request at a time; unmapping is under the lock of its
// region anyway. A CPU answers in the interrupt, or, where it waits for something with interrupts
// off, in arch_cpu_relax: it may be waiting for a lock that the requester holds.
//
// New mappings ask nothing of anybody: the CPU remembers no absent entries.

#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/arch/x86_64/traps.h"

// Beyond this many pages it is cheaper to forget everything but global entries.
#define PAGES_MAX 32

static struct {
    struct port_lock lock;

    // Under lock; read by those that are asked:
    u64 va;
    u64 pages;

    // Atomic, a bit for each CPU:
    u32 members; // that answer
    u32 waiting; // that have not answered yet
} request = {.members = 1};

static void forget(u64 va, u64 pages) {
    if (pages > PAGES_MAX) {
        cpu_cr3_write(cpu_cr3_read());
        return;
    }
    for (u64 i = 0; i < pages; i++)
        cpu_page_invalidate(va + i * PAGE_SIZE);
}

void invalidation_answer(void) {
    // Pairs with the release below. This comes before GS is set up, too; then nobody asks.
    u32 waiting = __atomic_load_n(&request.waiting, __ATOMIC_ACQUIRE);
    if (waiting == 0)
        return;
    u32 self = 1u << cpu_this()->id;
    if ((waiting & self) == 0)
        return;
    forget(request.va, request.pages);
    __atomic_fetch_and(&request.waiting, ~self, __ATOMIC_RELEASE);
}

void invalidation_join(void) {
    ASSERT(!arch_irq_enabled());
    __atomic_fetch_or(&request.members, 1u << cpu_this()->id, __ATOMIC_SEQ_CST);
    // What was changed before is forgotten now; global entries are there while CR4.PGE is set.
    u64 cr4 = cpu_cr4_read();
    cpu_cr4_write(cr4 & ~CR4_PGE);
    cpu_cr4_write(cr4);
}

static void ask(u32 others) {
    for (u32 left = others; left != 0; left &= left - 1)
        apic_interrupt(cpu_by_id((u32)__builtin_ctz(left))->apic_id, VECTOR_INVALIDATE);
}

void invalidate(u64 va, u64 pages) {
    arch_irq_state irq = port_lock(&request.lock);
    forget(va, pages);
    u32 others = __atomic_load_n(&request.members, __ATOMIC_SEQ_CST) & ~(1u << cpu_this()->id);
    if (others != 0) {
        request.va = va;
        request.pages = pages;
        __atomic_store_n(&request.waiting, others, __ATOMIC_RELEASE);
        ask(others);
        // Pairs with the release in invalidation_answer.
        while (__atomic_load_n(&request.waiting, __ATOMIC_ACQUIRE) != 0)
            __asm__ volatile("pause");
    }
    port_unlock(&request.lock, irq);
}
