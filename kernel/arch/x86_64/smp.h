#pragma once
// The CPUs besides the first: starting and stopping them, and telling all of them to forget
// translations.

#include "base/assert.h"
#include "kernel/arch/x86_64/layout.h"
#include "kernel/arch/x86_64/ranges.h"

// Keeps a page of low memory for starting CPUs. `ram` is what is usable and not in use.
void smp_low_page_keep(const struct range_set *ram);

// Whether the CPUs are being stopped, which comes as an NMI.
bool cpus_are_stopping(void);

// What a CPU that is started takes (smp.S).
struct cpu;
struct smp_next {
    struct cpu *cpu;
    u64 stack_top;
    bool taken; // atomic: it runs, and needs nothing of this any more
};
extern struct smp_next smp_next;
STATIC_ASSERT(offsetof(struct smp_next, cpu) == SMP_NEXT_CPU, "smp.S");
STATIC_ASSERT(offsetof(struct smp_next, stack_top) == SMP_NEXT_STACK_TOP, "smp.S");

// Called by smp.S on the CPU that has just started.
[[noreturn]] void smp_cpu_main(struct cpu *cpu);

// -- Invalidation (invalidate.c) ------------------------------------------------------------------

// Has every CPU that may remember them forget the translations of `count` pages, `step` bytes
// apart, and with `has_tables` what it remembers of page tables; returns when all have, or will
// have before they use the address space again. Changes of one address space's slots are the
// caller's to serialise. Any context.
struct invalidation {
    u64 va;
    u64 count;
    u64 step;
    bool has_tables;
};
void invalidate_slots(struct arch_aspace *as, const struct invalidation *what);

// The same for what is mapped in all address spaces.
void invalidate_kernel(const struct invalidation *what);

// The calling CPU answers from now on; it forgets everything, and is in the kernel's address space.
// Interrupts off.
void invalidation_join(void);

// Answers what is asked of this CPU. Interrupts off.
void invalidation_answer(void);
