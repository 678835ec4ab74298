// Where the CPUs besides the first start.
//
// The first part is copied into a page of low memory and runs there: 16-bit code with cs = the page.
// It goes to long mode in one step, with the kernel's page tables, in which the page is mapped at its
// own address, and on to the kernel. Numbers that depend on the page hold offsets until smp.c adds
// where it is.

#include "kernel/arch/x86_64/layout.h"

#define CR0_PE   (1 << 0)
#define CR0_MP   (1 << 1)
#define CR0_ET   (1 << 4)
#define CR0_NE   (1 << 5)
#define CR0_WP   (1 << 16)
#define CR0_PG   (1 << 31)
#define CR4_PAE  (1 << 5)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)
#define EFER_NXE (1 << 11)

    .section .rodata
    .balign 16
    .code16
    .global smp_trampoline, smp_trampoline_end
    .global smp_trampoline_gdt_base, smp_trampoline_long_entry, smp_trampoline_cr3
smp_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl gdt_register - smp_trampoline
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl smp_trampoline_cr3 - smp_trampoline, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $(EFER_LME | EFER_NXE), %eax
    wrmsr
    movl $(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG), %eax
    movl %eax, %cr0
    ljmpl *smp_trampoline_long_entry - smp_trampoline

    .code64
long_entry:
    movabsq $smp_entry, %rax
    jmp *%rax

    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
gdt_register:
    .short gdt_register - gdt - 1
smp_trampoline_gdt_base:
    .long gdt - smp_trampoline
smp_trampoline_long_entry:
    .long long_entry - smp_trampoline
    .short SELECTOR_CODE
smp_trampoline_cr3:
    .long 0
smp_trampoline_end:

    .text
    .type smp_entry, @function
smp_entry:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    lldt %ax
    movq smp_next + SMP_NEXT_CPU(%rip), %rdi
    movq smp_next + SMP_NEXT_STACK_TOP(%rip), %rsp
    xorl %ebp, %ebp // the end of every backtrace
    call smp_cpu_main
    ud2
    .size smp_entry, . - smp_entry
