// Address spaces and PCIDs: what a CPU does to leave one and enter another.
//
// A CPU keeps translations of up to PCIDS address spaces, each under a PCID of its own. Numbers of
// address spaces are never used again, so what is kept of one that is gone is never taken for
// another's; its PCID goes to another in turn, and is emptied then. PCID 0 is the kernel's for
// good. Without PCIDs a CPU forgets all but global translations at every entry.
//
// Invariants:
//   1. a CPU whose bit in as->loaded is clear does not have `as` in CR3, nor uses it;
//   2. what a CPU keeps under of[i] is as current as of[i].generation says: of every change that
//      the address space counted up to that, it has forgotten what was before;
//   3. `aspace` and `translations` of a CPU are changed by the CPU itself, with interrupts off.
//
// Who changes an address space counts the change first and looks at `loaded` afterwards; who enters
// sets its bit first and reads the count afterwards. So a CPU that enters meanwhile is asked
// (invalidate.c), or sees that it has something to forget, or both.

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"

struct arch_aspace *arch_aspace_current(void) {
    return cpu_this()->aspace;
}

u32 aspace_pcid(const struct arch_aspace *as) {
    const struct translations *translations = &cpu_this()->translations;
    u32 pcid = 0;
    while (pcid < PCIDS && translations->of[pcid].number != as->number)
        pcid++;
    // An unused one has the number 0, which is the kernel's, and that is always the first.
    return pcid;
}

u64 aspace_enter(struct arch_aspace *as) {
    struct cpu *cpu = cpu_this();
    __atomic_fetch_or(&as->loaded, 1u << cpu->id, __ATOMIC_SEQ_CST);
    u64 generation = __atomic_load_n(&as->generation, __ATOMIC_SEQ_CST);
    cpu->aspace = as;
    if (!cpu_features()->pcid)
        return as->root;

    struct translations *translations = &cpu->translations;
    u32 pcid = aspace_pcid(as);
    bool is_current = pcid != PCIDS && translations->of[pcid].generation == generation;
    if (pcid == PCIDS) {
        pcid = 1 + translations->next;
        translations->next = (translations->next + 1) % (PCIDS - 1);
        translations->of[pcid].number = as->number;
    }
    translations->of[pcid].generation = generation;
    translations->current = pcid;
    return as->root | pcid | (is_current ? CR3_KEEP : 0);
}
