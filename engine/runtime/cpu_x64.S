// Which optional instructions this CPU has.

        .intel_syntax noprefix

// enum cpu_feature
#define CPU_LZCNT_BIT 0
#define CPU_BMI1_BIT  1
#define CPU_AVX_BIT   2
#define CPU_AVX2_BIT  3
#define CPU_FMA_BIT   4

#define LEAF1_ECX_FMA     12
#define LEAF1_ECX_OSXSAVE 27
#define LEAF1_ECX_AVX     28
#define LEAF7_EBX_BMI1    3
#define LEAF7_EBX_AVX2    5
#define EXTENDED_ECX_ABM  5     // LZCNT
#define XCR0_SSE_AVX      6     // the operating system keeps xmm and ymm registers

// Sets the result's bit `to` where bit `from` of the register is set.
        .macro  copy_bit reg, from, to
        bt      \reg, \from
        jnc     9f
        or      esi, 1 << \to
9:
        .endm

        .text
        .globl  engine_cpu_features
        .type   engine_cpu_features, @function
        .balign 16
engine_cpu_features:                           // u32 engine_cpu_features(void)
        push    rbx                     // cpuid changes it
        xor     esi, esi                // the result
        xor     edi, edi                // leaf 7's ebx

        mov     eax, 0x80000000
        cpuid
        cmp     eax, 0x80000001
        jb      1f
        mov     eax, 0x80000001
        cpuid
        copy_bit ecx, EXTENDED_ECX_ABM, CPU_LZCNT_BIT

1:      xor     eax, eax
        cpuid
        cmp     eax, 7
        jb      2f
        mov     eax, 7
        xor     ecx, ecx
        cpuid
        mov     edi, ebx
        copy_bit edi, LEAF7_EBX_BMI1, CPU_BMI1_BIT

2:      mov     eax, 1
        cpuid
        mov     r8d, ecx
        bt      r8d, LEAF1_ECX_OSXSAVE
        jnc     3f
        xor     ecx, ecx
        xgetbv
        and     eax, XCR0_SSE_AVX
        cmp     eax, XCR0_SSE_AVX
        jne     3f
        bt      r8d, LEAF1_ECX_AVX
        jnc     3f
        or      esi, 1 << CPU_AVX_BIT
        copy_bit edi, LEAF7_EBX_AVX2, CPU_AVX2_BIT
        copy_bit r8d, LEAF1_ECX_FMA, CPU_FMA_BIT

3:      mov     eax, esi
        pop     rbx
        ret
        .size   engine_cpu_features, . - engine_cpu_features

        .section .note.GNU-stack, "", @progbits
