#pragma once
// The CPU: privileged instructions (one wrapper each), what it can do, and each CPU's own block.

#include "base/assert.h"
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/layout.h"

#define WINDOWS_PER_CPU 4 // two for a thread, two for the interrupt that finds it there

// Whose translations a CPU keeps under which PCID, see aspace.c.
#define PCIDS 16u
struct translations {
    struct {
        u64 number;     // of the address space
        u64 generation; // up to which it has forgotten what it had to
    } of[PCIDS];
    u32 current; // index of the one that is loaded
    u32 next;    // to be given to another address space
};

// One for each CPU; GS base points to it.
struct cpu {
    struct cpu *self;
    u64 interrupt_stack_top;
    void *current; // the kernel's, see arch_current
    u32 id;
    u32 apic_id;
    struct arch_aspace *aspace; // that is loaded, or is about to be
    struct translations translations;

    // Owned by the CPU, interrupts off:
    u64 timer_deadline;    // in ticks; UINT64_MAX: not armed
    u32 window_depth;      // open windows: the thread may not be switched
    bool reschedule_waits; // an interrupt wanted a switch while a window was open
    u64 *window_entries;   // page table entries of this CPU's windows
    u64 windows_address;
};
STATIC_ASSERT(offsetof(struct cpu, self) == CPU_SELF, "cpu_this");
#ifdef ARCH_INLINE_HEADER
STATIC_ASSERT(offsetof(struct cpu, current) == ARCH_CPU_CURRENT, "inline.h");
STATIC_ASSERT(offsetof(struct cpu, id) == ARCH_CPU_ID, "inline.h");
STATIC_ASSERT(offsetof(struct cpu, aspace) == ARCH_CPU_ASPACE, "inline.h");
#endif
STATIC_ASSERT(offsetof(struct cpu, interrupt_stack_top) == CPU_INTERRUPT_STACK, "traps.S");

// Valid while the thread cannot move to another CPU.
static inline struct cpu *cpu_this(void) {
    struct cpu *cpu;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

// What this machine's CPUs have beyond the baseline. Fixed after cpu_init.
struct cpu_features {
    bool fsgsbase;
    bool xsave;
    bool x2apic;
    bool tsc_deadline;
    bool pcid;
    bool invpcid;
    bool rdrand;
    bool rdseed;
    bool large_1gib;
    u64 tsc_hz; // as CPUID tells; 0: it does not
};
const struct cpu_features *cpu_features(void);
extern bool arch_has_fsgsbase; // the same, for a switch

// How the interrupt path saves vector registers. Fixed after cpu_init.
struct vector_state {
    u64 bytes; // of the area, before alignment to 64
    u64 mask;  // components for XSAVE; 0: use FXSAVE
};
extern struct vector_state vector_state;
STATIC_ASSERT(offsetof(struct vector_state, bytes) == VECTOR_STATE_BYTES, "traps.S");
STATIC_ASSERT(offsetof(struct vector_state, mask) == VECTOR_STATE_MASK, "traps.S");

// Checks that the CPU has all that Kwast needs, ends with a message naming what is missing, and
// turns on what it has. `cpu_init_this` is the part that each CPU does.
void cpu_init(void);
void cpu_init_this(struct cpu *cpu);
struct cpu *cpu_boot(void); // the CPU that started the machine, number 0
struct cpu *cpu_by_id(u32 id);
void cpu_brand(char *out, usize size); // its name for people

// Segments and stacks (gdt.c). Every CPU but the first needs its stacks made before it starts:
// false when there is no memory for them. `*top` is of the stack that it starts on.
void gdt_init(struct cpu *cpu);
MUST_USE bool cpu_stacks_create(struct cpu *cpu, u64 *top);

// -- Instructions -------------------------------------------------------------------------------

struct cpuid {
    u32 eax;
    u32 ebx;
    u32 ecx;
    u32 edx;
};

static inline struct cpuid cpu_cpuid(u32 leaf, u32 subleaf) {
    struct cpuid out;
    __asm__ volatile("cpuid"
                     : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx)
                     : "a"(leaf), "c"(subleaf));
    return out;
}

#define CR4_PGE          (1ull << 7)
#define CR3_KEEP         (1ull << 63) // what is remembered under the PCID
#define CR3_PCID         0xfffull

#define MSR_APIC_BASE    0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC       0x800u
#define MSR_EFER         0xc0000080u
#define MSR_FS_BASE      0xc0000100u
#define MSR_GS_BASE      0xc0000101u
#define MSR_PAT          0x277u

static inline u64 cpu_msr_read(u32 msr) {
    u32 low;
    u32 high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (u64)high << 32 | low;
}

static inline void cpu_msr_write(u32 msr, u64 value) {
    __asm__ volatile("wrmsr" : : "a"((u32)value), "d"((u32)(value >> 32)), "c"(msr) : "memory");
}

static inline u64 cpu_cr0_read(void) {
    u64 value;
    __asm__ volatile("movq %%cr0, %0" : "=r"(value));
    return value;
}

static inline void cpu_cr0_write(u64 value) {
    __asm__ volatile("movq %0, %%cr0" : : "r"(value) : "memory");
}

static inline u64 cpu_cr2_read(void) {
    u64 value;
    __asm__ volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}

static inline u64 cpu_cr3_read(void) {
    u64 value;
    __asm__ volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}

static inline void cpu_cr3_write(u64 value) {
    __asm__ volatile("movq %0, %%cr3" : : "r"(value) : "memory");
}

static inline u64 cpu_cr4_read(void) {
    u64 value;
    __asm__ volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}

static inline void cpu_cr4_write(u64 value) {
    __asm__ volatile("movq %0, %%cr4" : : "r"(value) : "memory");
}

static inline void cpu_xcr0_write(u64 value) {
    __asm__ volatile("xsetbv" : : "a"((u32)value), "d"((u32)(value >> 32)), "c"(0u) : "memory");
}

static inline void cpu_page_invalidate(u64 address) {
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

// Forgets translations of another PCID than the current one, or everything, global ones too.
enum invpcid_kind : u64 { INVPCID_ADDRESS = 0, INVPCID_PCID = 1, INVPCID_EVERYTHING = 2 };
static inline void cpu_invpcid(enum invpcid_kind kind, u64 pcid, u64 address) {
    const u64 descriptor[2] = {pcid, address};
    __asm__ volatile("invpcid %0, %1" : : "m"(descriptor), "r"((u64)kind) : "memory");
}

static inline void cpu_fence(void) {
    __asm__ volatile("mfence" : : : "memory");
}

static inline u64 cpu_tsc_read(void) {
    u32 low;
    u32 high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

static inline void cpu_fs_base_write(u64 value) {
    __asm__ volatile("wrfsbase %0" : : "r"(value) : "memory");
}
