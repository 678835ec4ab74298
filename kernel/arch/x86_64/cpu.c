// What the CPU has, and turning it on.
//
// The baseline is x86-64-v2 with NX and a local APIC; a CPU that lacks some of it is told which.
// Everything newer is optional.

#include "kernel/arch/x86_64/cpu.h"

#include "base/fmt.h"
#include "kernel/arch/x86_64/early.h"

#define CR0_MP         (1ull << 1)
#define CR0_EM         (1ull << 2)
#define CR0_TS         (1ull << 3)
#define CR0_NE         (1ull << 5)
#define CR0_WP         (1ull << 16)
#define CR0_CACHE_OFF  (3ull << 29)
#define CR4_MCE        (1ull << 6)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_PCIDE      (1ull << 17)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define EFER_NXE       (1ull << 11)

#define XCR0_X87       (1ull << 0)
#define XCR0_SSE       (1ull << 1)
#define XCR0_AVX       (1ull << 2)
#define XCR0_AVX512    (7ull << 5)

#define FXSAVE_BYTES   512
#define MXCSR_DEFAULT  0x1f80u

// PAT slot 1 becomes write-combining; the others stay as they are after reset.
#define PAT_VALUE 0x0007040600070106ull

enum cpuid_word {
    LEAF1_ECX,
    LEAF1_EDX,
    LEAF7_EBX,
    LEAF7_ECX,
    EXTENDED_ECX,
    EXTENDED_EDX,
    WORD_COUNT
};

static const struct feature {
    const char *name;
    enum cpuid_word word;
    u8 bit;
} required[] = {
    {"TSC", LEAF1_EDX, 4},     {"MSR", LEAF1_EDX, 5},         {"APIC", LEAF1_EDX, 9},
    {"PGE", LEAF1_EDX, 13},    {"CMOV", LEAF1_EDX, 15},       {"PAT", LEAF1_EDX, 16},
    {"FXSR", LEAF1_EDX, 24},   {"SSE2", LEAF1_EDX, 26},       {"SSE3", LEAF1_ECX, 0},
    {"SSSE3", LEAF1_ECX, 9},   {"CMPXCHG16B", LEAF1_ECX, 13}, {"SSE4.1", LEAF1_ECX, 19},
    {"SSE4.2", LEAF1_ECX, 20}, {"POPCNT", LEAF1_ECX, 23},     {"LAHF", EXTENDED_ECX, 0},
    {"NX", EXTENDED_EDX, 20},
};

struct vector_state vector_state;

static struct {
    u32 words[WORD_COUNT];
    struct cpu_features features;
    u64 xcr0;
    struct cpu cpus[ARCH_CPUS_MAX];
} cpu_state;

const struct cpu_features *cpu_features(void) {
    return &cpu_state.features;
}

struct cpu *cpu_boot(void) {
    return &cpu_state.cpus[0];
}

struct cpu *cpu_by_id(u32 id) {
    ASSERT(id < ARCH_CPUS_MAX);
    return &cpu_state.cpus[id];
}

static u32 leaf_max(void) {
    return cpu_cpuid(0, 0).eax;
}

static bool has(enum cpuid_word word, u32 bit) {
    return (cpu_state.words[word] >> bit & 1) != 0;
}

static void words_read(void) {
    struct cpuid leaf1 = cpu_cpuid(1, 0);
    cpu_state.words[LEAF1_ECX] = leaf1.ecx;
    cpu_state.words[LEAF1_EDX] = leaf1.edx;
    if (leaf_max() >= 7) {
        struct cpuid leaf7 = cpu_cpuid(7, 0);
        cpu_state.words[LEAF7_EBX] = leaf7.ebx;
        cpu_state.words[LEAF7_ECX] = leaf7.ecx;
    }
    struct cpuid extended = cpu_cpuid(0x80000001, 0);
    cpu_state.words[EXTENDED_ECX] = extended.ecx;
    cpu_state.words[EXTENDED_EDX] = extended.edx;
}

static void require_baseline(void) {
    char missing[160] = "";
    usize len = 0;
    for (u32 i = 0; i < COUNT_OF(required); i++) {
        if (!has(required[i].word, required[i].bit) && len < sizeof missing)
            len += fmt_string(missing + len, sizeof missing - len, "%s%s", len == 0 ? "" : ", ",
                              required[i].name);
    }
    if (len != 0)
        boot_fail("this CPU lacks %s; Kwast needs x86-64-v2", missing);
}

// A hypervisor's leaf with the TSC's frequency in kHz, which several have in common; or 0.
static u64 tsc_hz_told_virtually(void) {
    if (!has(LEAF1_ECX, 31) || cpu_cpuid(0x40000000, 0).eax < 0x40000010)
        return 0;
    return cpu_cpuid(0x40000010, 0).eax * 1000ull;
}

// The TSC's frequency as leaf 0x15 gives it in full, or a hypervisor; or 0.
static u64 tsc_hz_told(void) {
    u64 told = tsc_hz_told_virtually();
    if (told != 0)
        return told;
    if (leaf_max() < 0x15)
        return 0;
    struct cpuid ratio = cpu_cpuid(0x15, 0);
    if (ratio.eax == 0 || ratio.ebx == 0 || ratio.ecx == 0)
        return 0;
    return (u64)ratio.ecx * ratio.ebx / ratio.eax;
}

static void vector_state_plan(void) {
    vector_state = (struct vector_state){.bytes = FXSAVE_BYTES};
    if (!cpu_state.features.xsave)
        return;
    u64 supported = cpu_cpuid(0xd, 0).eax;
    u64 mask = XCR0_X87 | XCR0_SSE;
    if ((supported & XCR0_AVX) != 0)
        mask |= XCR0_AVX;
    if ((mask & XCR0_AVX) != 0 && (supported & XCR0_AVX512) == XCR0_AVX512)
        mask |= XCR0_AVX512;
    cpu_state.xcr0 = mask;
    vector_state.mask = mask;
}

void cpu_init_this(struct cpu *cpu) {
    cpu->self = cpu;
    cpu->id = (u32)(cpu - cpu_state.cpus);
    cpu->timer_deadline = UINT64_MAX;
    cpu->aspace = arch_aspace_kernel();
    cpu_msr_write(MSR_GS_BASE, (uptr)cpu);
    cpu_msr_write(MSR_FS_BASE, 0);
    cpu_msr_write(MSR_EFER, cpu_msr_read(MSR_EFER) | EFER_NXE);
    cpu_msr_write(MSR_PAT, PAT_VALUE);

    u64 cr0 = cpu_cr0_read() & ~(CR0_EM | CR0_TS | CR0_CACHE_OFF);
    cpu_cr0_write(cr0 | CR0_MP | CR0_NE | CR0_WP);
    u64 cr4 = cpu_cr4_read() | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    if (has(LEAF1_EDX, 7))
        cr4 |= CR4_MCE;
    if (cpu_state.features.fsgsbase)
        cr4 |= CR4_FSGSBASE;
    if (has(LEAF7_EBX, 7))
        cr4 |= CR4_SMEP;
    if (has(LEAF7_ECX, 2))
        cr4 |= CR4_UMIP;
    if (cpu_state.features.xsave)
        cr4 |= CR4_OSXSAVE;
    if (cpu_state.features.pcid)
        cr4 |= CR4_PCIDE; // the PCID is 0 so far, as it has to be
    cpu_cr4_write(cr4);

    if (cpu_state.features.xsave)
        cpu_xcr0_write(cpu_state.xcr0);
    u32 mxcsr = MXCSR_DEFAULT;
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
}

void cpu_init(void) {
    words_read();
    require_baseline();
    cpu_state.features = (struct cpu_features){
        .fsgsbase = has(LEAF7_EBX, 0),
        .xsave = has(LEAF1_ECX, 26),
        .x2apic = has(LEAF1_ECX, 21),
        .tsc_deadline = has(LEAF1_ECX, 24),
        .pcid = has(LEAF1_ECX, 17),
        .invpcid = has(LEAF7_EBX, 10),
        .rdrand = has(LEAF1_ECX, 30),
        .rdseed = has(LEAF7_EBX, 18),
        .tsc_hz = tsc_hz_told(),
    };
    arch_has_fsgsbase = cpu_state.features.fsgsbase;
    vector_state_plan();
    cpu_init_this(cpu_boot());
    if (cpu_state.features.xsave)
        vector_state.bytes = cpu_cpuid(0xd, 0).ebx; // for what XCR0 enables now
}

void cpu_brand(char *out, usize size) {
    u32 words[13] = {};
    if (cpu_cpuid(0x80000000, 0).eax >= 0x80000004) {
        for (u32 i = 0; i < 3; i++) {
            struct cpuid part = cpu_cpuid(0x80000002 + i, 0);
            memcpy(&words[4 * i], &part, sizeof part);
        }
    }
    const char *text = (const char *)words;
    while (*text == ' ')
        text++;
    fmt_string(out, size, "%s", *text != 0 ? text : "unknown CPU");
}

u32 arch_cpu_id(void) {
    return cpu_this()->id;
}

void *arch_current(void) {
    void *current;
    __asm__ volatile("movq %%gs:%c1, %0" : "=r"(current) : "i"(offsetof(struct cpu, current)));
    return current;
}

void arch_current_set(void *current) {
    cpu_this()->current = current;
}
