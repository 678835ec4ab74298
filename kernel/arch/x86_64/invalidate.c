// Invalidation on other CPUs ("TLB shoot-down").
//
// What is mapped in all address spaces concerns all CPUs. Its translations are global, so that one
// instruction forgets them whatever the PCID. Slots concern the CPUs that run in their address
// space at the moment; others find the changed generation when they come back (aspace.c), and
// nobody asks them. So an address space that nobody is in goes away without a word.
//
// Who has changed page tables forgets the run itself, posts one request, interrupts the others and
// waits until each has answered. There is one request at a time; it is for a whole run of pages,
// with the tables that became empty. A CPU answers in the interrupt, or, where it waits for
// something with interrupts off, in arch_cpu_relax: it may be waiting for a lock that the requester
// holds. It may have left the address space by then; then it does nothing.
//
// New mappings ask nothing of anybody: the CPU remembers no absent entries.

#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/arch/x86_64/traps.h"

// Beyond this many pages it is cheaper to forget everything.
#define PAGES_MAX 32

static struct {
    struct port_lock lock;

    // Under lock; read by those that are asked:
    struct invalidation what;
    struct arch_aspace *aspace; // NULL: the kernel's half
    u64 generation;             // that its CPUs have come to

    // Atomic, a bit for each CPU:
    u32 members; // that answer
    u32 waiting; // that have not answered yet
} request = {.members = 1};

// -- Forgetting ---------------------------------------------------------------------------------

static void forget_everything(void) {
    if (cpu_features()->invpcid) {
        cpu_invpcid(INVPCID_EVERYTHING, 0, 0);
        return;
    }
    // Changing CR4.PGE forgets global translations, too, and those of all PCIDs.
    u64 cr4 = cpu_cr4_read();
    cpu_cr4_write(cr4 & ~CR4_PGE);
    cpu_cr4_write(cr4);
}

// Also forgets what is remembered of page tables under the current PCID.
static void forget_pages(const struct invalidation *what) {
    for (u64 i = 0; i < what->count; i++)
        cpu_page_invalidate(what->va + i * what->step);
}

static void forget_kernel(const struct invalidation *what) {
    // Other PCIDs remember the kernel's tables, too.
    bool is_wide = what->has_tables && cpu_features()->pcid;
    if (is_wide || what->count > PAGES_MAX)
        forget_everything();
    else
        forget_pages(what);
}

// Of the address space that this CPU is in.
static void forget_slots(const struct invalidation *what, u64 generation) {
    struct translations *translations = &cpu_this()->translations;
    if (what->count > PAGES_MAX)
        cpu_cr3_write(cpu_cr3_read()); // all of this PCID's
    else
        forget_pages(what);
    translations->of[translations->current].generation = generation;
}

// Of another one, where that saves emptying its PCID later.
static void forget_elsewhere(const struct arch_aspace *as, const struct invalidation *what,
                             u64 generation) {
    if (!cpu_features()->pcid || !cpu_features()->invpcid || what->count > PAGES_MAX)
        return;
    u32 pcid = aspace_pcid(as);
    struct translations *translations = &cpu_this()->translations;
    if (pcid == PCIDS || translations->of[pcid].generation + 1 != generation)
        return;
    for (u64 i = 0; !what->has_tables && i < what->count; i++)
        cpu_invpcid(INVPCID_ADDRESS, pcid, what->va + i * what->step);
    if (what->has_tables)
        cpu_invpcid(INVPCID_PCID, pcid, 0);
    translations->of[pcid].generation = generation;
}

// -- Answering ----------------------------------------------------------------------------------

void invalidation_answer(void) {
    // Pairs with the release below. This comes before GS is set up, too; then nobody asks.
    u32 waiting = __atomic_load_n(&request.waiting, __ATOMIC_ACQUIRE);
    if (waiting == 0)
        return;
    struct cpu *cpu = cpu_this();
    u32 self = 1u << cpu->id;
    if ((waiting & self) == 0)
        return;
    if (request.aspace == NULL)
        forget_kernel(&request.what);
    else if (request.aspace == cpu->aspace)
        forget_slots(&request.what, request.generation);
    __atomic_fetch_and(&request.waiting, ~self, __ATOMIC_RELEASE);
}

void invalidation_join(void) {
    ASSERT(!arch_irq_enabled());
    u32 self = 1u << cpu_this()->id;
    __atomic_fetch_or(&arch_aspace_kernel()->loaded, self, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&request.members, self, __ATOMIC_SEQ_CST);
    // What was changed before is forgotten now.
    u64 generation = __atomic_load_n(&arch_aspace_kernel()->generation, __ATOMIC_SEQ_CST);
    forget_everything();
    cpu_this()->translations.of[0].generation = generation;
}

// -- Asking -------------------------------------------------------------------------------------

// Waits for the answers. Under the lock, with the request filled in.
static void ask(u32 others) {
    __atomic_store_n(&request.waiting, others, __ATOMIC_RELEASE);
    for (u32 left = others; left != 0; left &= left - 1)
        apic_interrupt(cpu_by_id((u32)__builtin_ctz(left))->apic_id, VECTOR_INVALIDATE);
    // Pairs with the release in invalidation_answer.
    while (__atomic_load_n(&request.waiting, __ATOMIC_ACQUIRE) != 0)
        __asm__ volatile("pause");
}

void invalidate_kernel(const struct invalidation *what) {
    arch_irq_state irq = port_lock(&request.lock);
    forget_kernel(what);
    u32 others = __atomic_load_n(&request.members, __ATOMIC_SEQ_CST) & ~(1u << cpu_this()->id);
    if (others != 0) {
        request.what = *what;
        request.aspace = NULL;
        ask(others);
    }
    port_unlock(&request.lock, irq);
}

void invalidate_slots(struct arch_aspace *as, const struct invalidation *what) {
    arch_irq_state irq = arch_irq_save();
    struct cpu *cpu = cpu_this();
    u64 generation = __atomic_add_fetch(&as->generation, 1, __ATOMIC_SEQ_CST);
    if (cpu->aspace == as)
        forget_slots(what, generation);
    else
        forget_elsewhere(as, what, generation);
    u32 others = __atomic_load_n(&as->loaded, __ATOMIC_SEQ_CST) & ~(1u << cpu->id);
    if (others != 0) {
        arch_irq_state inner = port_lock(&request.lock);
        request.what = *what;
        request.aspace = as;
        request.generation = generation;
        ask(others);
        port_unlock(&request.lock, inner);
    }
    arch_irq_restore(irq);
}
