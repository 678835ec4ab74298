#pragma once
// What arch.h promises in an instruction or two, for callers to have without a call. The same
// functions are in interrupt.c and cpus.c for whoever takes their address.
//
// Included by arch.h alone, when the build names this file.

#define ARCH_INLINE extern inline __attribute__((gnu_inline, always_inline))

// What struct cpu (hosted.h) begins with.
struct arch_cpu_head {
    void *current;
    u32 id;
    u32 pending; // atomic
    bool irq_enabled;
};

// Read anew each time: the thread may have gone on on another CPU.
static inline struct arch_cpu_head *arch_cpu_head(void) {
    struct arch_cpu_head *head;
    __asm__ volatile("movq %%fs:cpu_self@tpoff, %0" : "=r"(head));
    return head;
}

void interrupt_deliver(void);

ARCH_INLINE u32 arch_cpu_id(void) {
    return arch_cpu_head()->id;
}

ARCH_INLINE void *arch_current(void) {
    return arch_cpu_head()->current;
}

ARCH_INLINE arch_irq_state arch_irq_save(void) {
    struct arch_cpu_head *cpu = arch_cpu_head();
    arch_irq_state state = cpu->irq_enabled ? ARCH_IRQ_ON : 0;
    cpu->irq_enabled = false;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // what follows stays behind it
    return state;
}

ARCH_INLINE void arch_irq_restore(arch_irq_state state) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // what precedes stays before it
    struct arch_cpu_head *cpu = arch_cpu_head();
    cpu->irq_enabled = state != 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (state != 0 && __atomic_load_n(&cpu->pending, __ATOMIC_RELAXED) != 0)
        interrupt_deliver();
}

ARCH_INLINE bool arch_irq_enabled(void) {
    return arch_cpu_head()->irq_enabled;
}

// A copy of some words, whose number the compiler knows, with a fix-up as those in copy.S.
#define ARCH_HAS_COPY_WORDS 1
static inline __attribute__((always_inline)) enum status arch_copy_words(u64 to, u64 from,
                                                                         u32 words) {
    u64 status, word;
    __asm__ volatile("1:\n"
                     ".set copied, 0\n"
                     ".rept %c[words]\n"
                     "movq copied(%[from]), %[word]\n"
                     "movq %[word], copied(%[to])\n"
                     ".set copied, copied + 8\n"
                     ".endr\n"
                     "2: xorl %%eax, %%eax\n"
                     "3:\n"
                     ".pushsection fixups, \"aR\"\n"
                     ".quad 1b, 2b, 3b\n"
                     ".popsection"
                     : "=&a"(status), [word] "=&r"(word)
                     : [to] "r"(to), [from] "r"(from), [words] "i"(words)
                     : "memory");
    return (enum status)status;
}
