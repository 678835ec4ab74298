// Where contexts start, and the way into the kernel for interrupted programs.

    .text

// Where a new context starts (arch_context_init): its entry and its argument are on the stack.
    .global context_start
    .type context_start, @function
context_start:
    xorl %ebp, %ebp // ends backtraces
    popq %rax
    popq %rdi
    call *%rax
    ud2
    .size context_start, . - context_start

// stack_call(stack_top, function)
    .global stack_call
    .type stack_call, @function
stack_call:
    pushq %rbp
    movq %rsp, %rbp
    movq %rdi, %rsp
    call *%rsi
    leave
    ret
    .size stack_call, . - stack_call

// The signal handler has pushed the interrupted pc, and turned interrupts off. Generated code has no
// red zone, and committed stack below it.
    .global preempt_entry
    .type preempt_entry, @function
preempt_entry:
    pushfq
    cld
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
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
    movq 120(%rbx), %rdi // the pc: 14 registers and the flags lie below it
    movq %rbp, %rsi
    pushq %rdi // a frame, so that backtraces lead into the program
    pushq %rbp
    movq %rsp, %rbp

    subq preempt_state_bytes(%rip), %rsp
    andq $-64, %rsp
    movq %rsp, %r12
    movq preempt_state_mask(%rip), %r13
    testq %r13, %r13
    jz 1f
    xorl %eax, %eax
    .set header, 512 // XRSTOR refuses a header with other bits than XSAVE writes
    .rept 8
    movq %rax, header(%r12)
    .set header, header + 8
    .endr
    movl %r13d, %eax
    xorl %edx, %edx
    xsave64 (%r12)
    jmp 2f
1:  fxsave64 (%r12)

2:  call preempt_continue
    movq %rax, 120(%rbx)

    testq %r13, %r13
    jz 1f
    movl %r13d, %eax
    xorl %edx, %edx
    xrstor64 (%r12)
    jmp 3f
1:  fxrstor64 (%r12)

3:  movq (%rbp), %rbp
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
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    popfq
    ret
    .size preempt_entry, . - preempt_entry

    .section .note.GNU-stack, "", @progbits
