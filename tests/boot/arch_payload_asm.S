// What the port's test needs in assembly: threads that keep values in every vector register.

    .text

// u64 vectors_spin(u64 pattern, const volatile u32 *stop, u64 use_avx): fills all vector registers
// with values made of `pattern`, and compares them until *stop is set. Returns how many comparisons
// failed.
    .global vectors_spin
    .type vectors_spin, @function
vectors_spin:
    pushq %rbp
    movq %rsp, %rbp
    .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    leaq \r(%rdi), %rax
    movq %rax, %xmm\r
    movddup %xmm\r, %xmm\r
    .endr
    testq %rdx, %rdx
    jz 1f
    .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    vinsertf128 $1, %xmm\r, %ymm\r, %ymm\r
    .endr
1:  xorl %eax, %eax
2:  pause
    .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    leaq \r(%rdi), %rcx
    movq %xmm\r, %r8
    xorq %rcx, %r8
    pextrq $1, %xmm\r, %r9
    xorq %rcx, %r9
    orq %r9, %r8
    addq $-1, %r8
    adcq $0, %rax
    .endr
    testq %rdx, %rdx
    jz 3f
    .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    leaq \r(%rdi), %rcx
    vextractf128 $1, %ymm\r, %xmm15
    movq %xmm15, %r8
    xorq %rcx, %r8
    addq $-1, %r8
    adcq $0, %rax
    .endr
    leaq 15(%rdi), %rcx // xmm15 was the scratch register
    movq %rcx, %xmm15
    movddup %xmm15, %xmm15
3:  cmpl $0, (%rsi)
    je 2b
    popq %rbp
    ret
    .size vectors_spin, . - vectors_spin

// bool registers_survive(void (*call)(void)): whether the registers that the C calling convention
// keeps are the same after `call`.
    .global registers_survive
    .type registers_survive, @function
registers_survive:
    pushq %rbp
    movq %rsp, %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rax
    movq $0x1111, %rbx
    movq $0x2222, %r12
    movq $0x3333, %r13
    movq $0x4444, %r14
    movq $0x5555, %r15
    call *%rdi
    xorl %eax, %eax
    cmpq $0x1111, %rbx
    jne 1f
    cmpq $0x2222, %r12
    jne 1f
    cmpq $0x3333, %r13
    jne 1f
    cmpq $0x4444, %r14
    jne 1f
    cmpq $0x5555, %r15
    jne 1f
    movl $1, %eax
1:  popq %rcx
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size registers_survive, . - registers_survive
