// Which optional instructions this CPU has.

        .intel_syntax noprefix

// enum cpu_feature
#define CPU_LZCNT_BIT 0
#define CPU_BMI1_BIT  1

        .text
        .globl  engine_cpu_features
        .type   engine_cpu_features, @function
        .balign 16
engine_cpu_features:                           // u32 engine_cpu_features(void)
        push    rbx                     // cpuid changes it
        xor     esi, esi

        mov     eax, 0x80000000
        cpuid
        cmp     eax, 0x80000001
        jb      .Lbasic
        mov     eax, 0x80000001
        cpuid
        shr     ecx, 5                  // ABM: LZCNT
        and     ecx, 1
        shl     ecx, CPU_LZCNT_BIT
        or      esi, ecx
.Lbasic:
        xor     eax, eax
        cpuid
        cmp     eax, 7
        jb      .Ldone
        mov     eax, 7
        xor     ecx, ecx
        cpuid
        shr     ebx, 3                  // BMI1
        and     ebx, 1
        shl     ebx, CPU_BMI1_BIT
        or      esi, ebx
.Ldone:
        mov     eax, esi
        pop     rbx
        ret
        .size   engine_cpu_features, . - engine_cpu_features

        .section .note.GNU-stack, "", @progbits
