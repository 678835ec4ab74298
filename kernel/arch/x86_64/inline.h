#pragma once
// What arch.h promises in an instruction or two, for callers to have without a call. The same
// functions are in interrupt.c and cpu.c for whoever takes their address.
//
// Included by arch.h alone, when the build names this file.

#define ARCH_INLINE          extern inline __attribute__((gnu_inline, always_inline))

#define ARCH_CPU_CURRENT     16 // offsets in struct cpu, checked in cpu.h
#define ARCH_CPU_ID          24
#define ARCH_CPU_ASPACE      32

#define ARCH_FLAGS_INTERRUPT (1u << 9)

ARCH_INLINE u32 arch_cpu_id(void) {
    u32 id;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(id) : "i"(ARCH_CPU_ID));
    return id;
}

ARCH_INLINE void *arch_current(void) {
    void *current;
    __asm__ volatile("movq %%gs:%c1, %0" : "=r"(current) : "i"(ARCH_CPU_CURRENT));
    return current;
}

ARCH_INLINE struct arch_aspace *arch_aspace_current(void) {
    struct arch_aspace *current;
    __asm__ volatile("movq %%gs:%c1, %0" : "=r"(current) : "i"(ARCH_CPU_ASPACE));
    return current;
}

ARCH_INLINE arch_irq_state arch_irq_save(void) {
    u64 flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags & ARCH_FLAGS_INTERRUPT;
}

ARCH_INLINE void arch_irq_restore(arch_irq_state state) {
    if (state != 0)
        __asm__ volatile("sti" : : : "memory");
    else
        __asm__ volatile("cli" : : : "memory");
}

ARCH_INLINE bool arch_irq_enabled(void) {
    u64 flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
    return (flags & ARCH_FLAGS_INTERRUPT) != 0;
}
