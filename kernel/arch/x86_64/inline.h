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

ARCH_INLINE void arch_current_set(void *current) {
    __asm__ volatile("movq %0, %%gs:%c1" : : "r"(current), "i"(ARCH_CPU_CURRENT) : "memory");
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

ARCH_INLINE void arch_irq_disable(void) {
    __asm__ volatile("cli" : : : "memory");
}

ARCH_INLINE void arch_irq_enable(void) {
    __asm__ volatile("sti" : : : "memory");
}

// Not ordered with what is around it: it measures stretches that are much longer.
ARCH_INLINE u64 arch_ticks(void) {
    u32 low;
    u32 high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

#define ARCH_HAS_TIMER_TICKS 1
void timer_arm_ticks(u64 now, u64 at);
static inline void arch_timer_arm_ticks(u64 now, u64 at) {
    timer_arm_ticks(now, at);
}

extern bool arch_has_fsgsbase;               // fixed after cpu_init
void arch_segment_base_write_slow(u64 base); // without
void *arch_context_switch_aspace(struct arch_context *from, struct arch_context *to, void *passed);

// The stack of a thread that does not run holds where it goes on, and rbp. Everything else the
// compiler keeps where it needs it. It leaves by a jump: the return predictor knows nothing of the
// other stack. What is passed is in rax. Neither of the two has another definition.
#define ARCH_CONTEXT_SWITCH(from, to, passed)                                                      \
    __asm__ volatile("pushq %%rbp\n\t"                                                             \
                     "pushq $1f\n\t"                                                               \
                     "movq %%rsp, (%[from_sp])\n\t"                                                \
                     "movq (%[to_sp]), %%rsp\n\t"                                                  \
                     "popq %%rcx\n\t"                                                              \
                     "jmpq *%%rcx\n"                                                               \
                     "1:\tpopq %%rbp"                                                              \
                     : [from_sp] "+D"(from), [to_sp] "+S"(to), "+a"(passed)                        \
                     :                                                                             \
                     : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",  \
                       "memory", "cc")

ARCH_INLINE void *arch_context_switch(struct arch_context *from, struct arch_context *to,
                                      void *passed) {
    if (__builtin_expect(from->segment_base != to->segment_base, 1)) {
        if (__builtin_expect(arch_has_fsgsbase, 1))
            __asm__ volatile("wrfsbase %0" : : "r"(to->segment_base) : "memory");
        else
            arch_segment_base_write_slow(to->segment_base);
    }
    if (__builtin_expect(from->aspace != to->aspace, 0))
        return arch_context_switch_aspace(from, to, passed);
    ARCH_CONTEXT_SWITCH(from, to, passed);
    return passed;
}

#define ARCH_HAS_SWITCH_NEAR 1
static inline bool arch_is_quick(void) {
    return arch_has_fsgsbase;
}

static inline u64 arch_ticks_quick(void) {
    return arch_ticks();
}

static inline void arch_context_expect(const struct arch_context *to) {
    __asm__ volatile("wrfsbase %0" : : "r"(to->segment_base));
}

static inline __attribute__((always_inline)) void *
arch_context_switch_near(struct arch_context *from, struct arch_context *to, void *passed) {
    ARCH_CONTEXT_SWITCH(from, to, passed);
    return passed;
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
                     ".pushsection .fixups, \"a\"\n"
                     ".quad 1b, 2b, 3b\n"
                     ".popsection"
                     : "=&a"(status), [word] "=&r"(word)
                     : [to] "r"(to), [from] "r"(from), [words] "i"(words)
                     : "memory");
    return (enum status)status;
}

// Single accesses to program memory, with fix-ups likewise (arch_try_load, arch_try_store).
#define ARCH_HAS_TRY 1
#define ARCH_TRY_FIXUP(fail)                                                                       \
    "\n2:\n"                                                                                       \
    ".pushsection .fixups, \"a\"\n"                                                                \
    ".quad 1b, 2b, %l[" #fail "]\n"                                                                \
    ".popsection"
#define arch_try_load(value, at, fail)                                                             \
    __asm__ goto("1: mov %1, %0" ARCH_TRY_FIXUP(fail)                                              \
                 : "=r"(value)                                                                     \
                 : "m"(*(const typeof(value) *)(uptr)(at))                                         \
                 : "rax"                                                                           \
                 : fail)
#define arch_try_store(at, value, fail)                                                            \
    __asm__ goto("1: mov %1, %0" ARCH_TRY_FIXUP(fail)                                              \
                 :                                                                                 \
                 : "m"(*(typeof(value) *)(uptr)(at)), "r"(value)                                   \
                 : "rax", "memory"                                                                 \
                 : fail)

// Copies `len` bytes, likewise. Where it fails, a part may have been.
#define arch_try_copy(to, from, len, fail)                                                         \
    do {                                                                                           \
        u64 to_ = (to), from_ = (from), len_ = (len), words_ = len_ / sizeof(u64);                 \
        __asm__ goto("1: rep movsq\n\t"                                                            \
                     "movl %k3, %%ecx\n\t"                                                         \
                     "rep movsb" ARCH_TRY_FIXUP(fail)                                              \
                     : "+D"(to_), "+S"(from_), "+c"(words_)                                        \
                     : "r"(len_ % sizeof(u64))                                                     \
                     : "rax", "memory", "cc"                                                       \
                     : fail);                                                                      \
    } while (false)
