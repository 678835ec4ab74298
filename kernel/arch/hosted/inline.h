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

ARCH_INLINE void arch_current_set(void *current) {
    arch_cpu_head()->current = current;
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

ARCH_INLINE void arch_irq_disable(void) {
    arch_cpu_head()->irq_enabled = false;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

ARCH_INLINE void arch_irq_enable(void) {
    arch_irq_restore(ARCH_IRQ_ON);
}

extern bool arch_has_tsc;      // that counts time; fixed after time_init
extern bool arch_has_fsgsbase; // fixed after context_init
u64 arch_ticks_slow(void);
void arch_segment_base_write_slow(u64 base);
void arch_aspace_enter(struct arch_aspace *as);

static inline u64 ticks_read(void) {
    u32 low;
    u32 high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

ARCH_INLINE u64 arch_ticks(void) {
    return __builtin_expect(arch_has_tsc, 1) ? ticks_read() : arch_ticks_slow();
}

// Under ThreadSanitizer each context is a fiber, which it is told about at a switch. The switch
// orders what the two do, as both are on this CPU.
#if __has_feature(thread_sanitizer)
#define ARCH_HAS_CONTEXT_FINI 1
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);

static inline void arch_context_fini(struct arch_context *context) {
    __tsan_destroy_fiber(context->fiber);
}

#define ARCH_FIBER_SWITCH(from, to)                                                                \
    do {                                                                                           \
        (from)->fiber = __tsan_get_current_fiber();                                                \
        __tsan_switch_to_fiber((to)->fiber, 0);                                                    \
    } while (false)
#else
#define ARCH_FIBER_SWITCH(from, to)
#endif

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
                       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",     \
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory",     \
                       "cc")

ARCH_INLINE void *arch_context_switch(struct arch_context *from, struct arch_context *to,
                                      void *passed) {
    if (__builtin_expect(from->segment_base != to->segment_base, 1)) {
        if (__builtin_expect(arch_has_fsgsbase, 1))
            __asm__ volatile("wrgsbase %0" : : "r"(to->segment_base) : "memory");
        else
            arch_segment_base_write_slow(to->segment_base);
    }
    if (__builtin_expect(from->aspace != to->aspace, 0))
        arch_aspace_enter(to->aspace);
    ARCH_FIBER_SWITCH(from, to);
    ARCH_CONTEXT_SWITCH(from, to, passed);
    return passed;
}

#define ARCH_HAS_SWITCH_NEAR 1
static inline bool arch_is_quick(void) {
    return arch_has_fsgsbase && arch_has_tsc;
}

static inline u64 arch_ticks_quick(void) {
    return ticks_read();
}

static inline void arch_context_expect(const struct arch_context *to) {
    __asm__ volatile("wrgsbase %0" : : "r"(to->segment_base));
}

static inline __attribute__((always_inline)) void *
arch_context_switch_near(struct arch_context *from, struct arch_context *to, void *passed) {
    ARCH_FIBER_SWITCH(from, to);
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
                     ".pushsection fixups, \"aR\"\n"
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
    ".pushsection fixups, \"aR\"\n"                                                                \
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
