// Entry from exceptions and interrupts, and the way back.
//
// Everything runs in ring 0, so the CPU pushes its frame on the interrupted stack, which always has
// committed room (STACK_HEADROOM_BYTES) below it. Exceptions are handled there, because what repairs
// a fault may need the thread; #DF, NMI and #MC have stacks of their own (gdt.c). Interrupts go on to
// the CPU's interrupt stack. They never nest: every gate turns interrupts off.
//
// A pair (interrupted rbp, interrupted rip) is pushed below the frame and rbp points to it, so that
// the chain of frame pointers leads from a handler into the interrupted function.

#include "kernel/arch/x86_64/layout.h"

    .text

// One 16-byte stub for each vector: a zero where the CPU pushes no error code, then the number.
    .balign 16
    .global trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    .if vector < VECTOR_IRQ_FIRST
    jmp exception_entry
    .else
    jmp interrupt_entry
    .endif
    .set vector, vector + 1
    .endr

// Completes struct trap_frame and leaves rbx pointing to it; the rest of rbx to rbp is free to use.
    .macro frame_push
    cld
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rbx
    pushq FRAME_RIP(%rbx)
    pushq %rbp
    movq %rsp, %rbp
    .endm

    .macro frame_pop_and_return
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq
    .endm

    .type exception_entry, @function
exception_entry:
    frame_push
    movq %rbx, %rdi
    call exception_handle
    frame_pop_and_return
    .size exception_entry, . - exception_entry

// Waits for an interrupt with interrupts on. The CPU takes none between sti and the end of hlt.
    .global arch_cpu_idle
    .type arch_cpu_idle, @function
arch_cpu_idle:
    sti
    hlt
idle_halted:
    cli
    ret
    .size arch_cpu_idle, . - arch_cpu_idle

// The gate of VECTOR_RESCHEDULE. A CPU that it wakes only goes on, and arch_cpu_idle's caller looks
// what there is: so nothing is saved, and rax, rcx and rdx are free.
    .global wake_entry
    .type wake_entry, @function
wake_entry:
    cmpq $idle_halted, (%rsp)
    jne 2f
    movq apic_end_register(%rip), %rax
    testq %rax, %rax
    jz 1f
    movl $0, (%rax)
    iretq
1:  movl $MSR_X2APIC_END, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
    iretq
2:  pushq $0
    pushq $VECTOR_RESCHEDULE
    jmp interrupt_entry
    .size wake_entry, . - wake_entry

    .type interrupt_entry, @function
interrupt_entry:
    frame_push
    movq %rbx, %rdi
    movq %gs:CPU_INTERRUPT_STACK, %rsp
    call interrupt_handle // whether to give the kernel the chance to switch threads
    leaq -16(%rbx), %rsp
    testb %al, %al
    jz 3f

    // Back on the thread's stack: save the vector registers there, then let the kernel switch. XSAVE
    // and not XSAVEOPT: that skips what has not changed since the last XRSTOR from the same address,
    // which on a stack may have been overwritten in the meantime.
    subq vector_state + VECTOR_STATE_BYTES(%rip), %rsp
    andq $-64, %rsp
    movq %rsp, %r12
    movl vector_state + VECTOR_STATE_MASK(%rip), %r13d
    testl %r13d, %r13d
    jz 1f
    xorl %eax, %eax
    .set header, 512 // XSAVE adds to its first word, XRSTOR refuses others than 0 in the next two
    .rept 3
    movq %rax, header(%r12)
    .set header, header + 8
    .endr
    movl %r13d, %eax
    xorl %edx, %edx
    xsave64 (%r12)
    jmp 2f
1:  fxsave64 (%r12)

2:  movq FRAME_RIP(%rbx), %rdi
    movq FRAME_RBP(%rbx), %rsi
    call upcall_interrupt_return
    movq %rax, FRAME_RIP(%rbx)

    testl %r13d, %r13d
    jz 1f
    movl %r13d, %eax
    xorl %edx, %edx
    xrstor64 (%r12)
    jmp 3f
1:  fxrstor64 (%r12)

3:  frame_pop_and_return
    .size interrupt_entry, . - interrupt_entry
