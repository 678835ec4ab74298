// Contexts: preparing one, the segment base that belongs to each, and the sizes that saving a
// program's vector state needs.
//
// The segment is GS: FS is libc's. Changing it is an instruction where Linux allows that, else a
// system call, so it is left alone when nothing changes.

#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/math.h"
#include "kernel/arch/hosted/hosted.h"

#define HWCAP2_FSGSBASE (1u << 1)
#define CPUID_OSXSAVE   (1u << 27)

#define FXSAVE_BYTES    512u
#define XSAVE_BYTES     576u // with the header
#define STATE_X87_SSE   3u
#define STATE_AVX       (1u << 2)
#define STATE_AVX512    (7u << 5)

u64 preempt_state_bytes;
u64 preempt_state_mask;

bool arch_has_fsgsbase;

// -- Switching (inline.h) -----------------------------------------------------------------------

// What a switch to it pops, and then context_start.
struct start_frame {
    u64 rip;
    u64 entry;
    u64 argument;
    u64 above[2]; // zeros; the stack is aligned for the call in context_start
};

void arch_context_init(struct arch_context *context, struct arch_aspace *as, u64 stack_top,
                       void (*entry)(void *), void *argument) {
    ASSERT(stack_top % 16 == 0);
    struct start_frame *frame = (struct start_frame *)(stack_top - sizeof *frame);
    *frame = (struct start_frame){
        .rip = (uptr)context_start,
        .entry = (uptr)entry,
        .argument = (uptr)argument,
    };
    *context = (struct arch_context){.sp = (uptr)frame, .aspace = as};
#if __has_feature(thread_sanitizer)
    context->fiber = __tsan_create_fiber(0);
#endif
}

void arch_segment_base_write_slow(u64 base) {
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, base) == 0);
}

void arch_segment_base_set(struct arch_context *running, u64 base) {
    if (running->segment_base == base)
        return;
    arch_irq_state irq = arch_irq_save(); // both or none
    running->segment_base = base;
    if (arch_has_fsgsbase)
        __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory");
    else
        arch_segment_base_write_slow(base);
    arch_irq_restore(irq);
}

void arch_aspace_enter(struct arch_aspace *as) {
    cpu_this()->aspace = as;
}

enum arch_segment arch_memory_segment(void) {
    return ARCH_SEGMENT_GS;
}

// -- Vector state -------------------------------------------------------------------------------

static u64 state_enabled(void) {
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (u64)high << 32 | low;
}

static void vector_state_plan(void) {
    u32 eax, ebx, ecx, edx;
    preempt_state_bytes = FXSAVE_BYTES;
    __cpuid(1, eax, ebx, ecx, edx);
    if ((ecx & CPUID_OSXSAVE) == 0)
        return;
    preempt_state_mask = state_enabled() & (STATE_X87_SSE | STATE_AVX | STATE_AVX512);
    preempt_state_bytes = XSAVE_BYTES;
    // The last component lies last, and a virtual machine makes each question expensive.
    u32 last = log2_floor(preempt_state_mask);
    if (last >= 2) {
        __cpuid_count(0xd, last, eax, ebx, ecx, edx); // its size and offset
        preempt_state_bytes = (u64)eax + ebx;
    }
    preempt_state_bytes = align_up(preempt_state_bytes, 64);
}

void context_init(void) {
    arch_has_fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
    vector_state_plan();
}
